"""How much an agent's ado may cost the database: a burst at once, and then no more than a steady drop."""

from __future__ import annotations

import time
from collections.abc import Callable


class Ration:
    """Rows that may be written. free: at once; each: seconds that one costs after that."""

    def __init__(self, free: int, each: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._free = free
        self._each = each
        self._clock = clock
        self._spent = 0.0
        self._since = clock()

    def spend(self, rows: int) -> None:
        self._settle()
        self._spent += rows

    @property
    def left(self) -> bool:
        """Whether more may be written now."""
        self._settle()
        return self._spent <= self._free

    def _settle(self) -> None:
        now = self._clock()
        self._spent = max(0.0, self._spent - (now - self._since) / self._each)
        self._since = now
