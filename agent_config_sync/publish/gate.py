"""The point after which nothing is written or signalled any more."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from agent_config_sync.errors import StoppedError


class Gate:
    """Each rename and each signal passes through; once closed, nothing does.

    The flag is read under the lock that the action holds, so when `close` returns no action is under way.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = False

    @property
    def closed(self) -> bool:
        return self._closed

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Hold the gate open for one action.

        Raises: StoppedError once the gate is closed.
        """
        with self._lock:
            if self._closed:
                raise StoppedError("stopped: nothing is written or signalled any more")
            yield

    def close(self) -> None:
        """Wait for the action under way, then let nothing pass."""
        with self._lock:
            self._closed = True
