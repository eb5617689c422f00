"""One published file: what is on disk now, and how it becomes what it should be."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent_config_sync.publish import atomic
from agent_config_sync.publish.atomic import FileSignature, Ownership
from agent_config_sync.publish.gate import Gate


def content_hash(content: bytes) -> str:
    """Return the SHA-256 of the bytes, in hex."""
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True, slots=True)
class OnDisk:
    """A file as we last saw or wrote it. durable: nothing says that it might not outlive a loss of power."""

    content: bytes
    content_hash: str
    signature: FileSignature
    durable: bool = True


class Output:
    """The target of a publish. Reads it only when its signature says that somebody else changed it."""

    def __init__(self, path: Path, *, sibling: Path, gate: Gate) -> None:
        """sibling: the file whose owner and mode a new output takes over, the gateway's configuration."""
        self.path = path
        self._sibling = sibling
        self._gate = gate
        self._known: OnDisk | None = None
        self._durable = True
        self._old: int | None = None

    @property
    def signature(self) -> FileSignature | None:
        """What identifies the file that we last saw or wrote, None where there was none."""
        return self._known.signature if self._known is not None else None

    def look(self) -> OnDisk | None:
        """Return what is on disk now, None where there is no readable file.

        Raises: PublishError where something else stands in its place.
        """
        signature = atomic.signature(self.path)
        if signature is None:
            self._known = None
        elif self._known is None or self._known.signature != signature:
            content = atomic.read(self.path)
            durable = self._durable
            self._known = None if content is None else OnDisk(content, content_hash(content), signature, durable)
        return self._known

    def replace(self, content: bytes, hashed: str, *, ready: Callable[[], None]) -> None:
        """Make `content` the file, durably; after a failure it is written again, even if it seems to stand.

        hashed: its content hash. The old file is kept open until `let_go`, because a rename that frees the blocks of a
        large file takes milliseconds, and people wait for the rename.

        Raises: PublishError, StoppedError.
        """
        like = Ownership.of(self.path) or Ownership.of(self._sibling)
        self._known, self._durable = None, False
        self.let_go()
        with contextlib.suppress(OSError):
            self._old = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            signature = atomic.replace(self.path, content, gate=self._gate, like=like, ready=ready)
        except BaseException:
            self.let_go()
            raise
        self._known, self._durable = OnDisk(content, hashed, signature), True

    def let_go(self) -> None:
        """Close the file that was replaced; call it when nobody waits."""
        old, self._old = self._old, None
        if old is not None:
            os.close(old)

    def sweep(self) -> None:
        """Remove what a killed process left; the pass lock must be held."""
        atomic.sweep(self.path)
