"""What woke a pass: the dirty mark, since when it is set, and by what."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import orjson

_LONGEST = 200
"""Characters of a reason; a key may have 1,000."""


@dataclass(frozen=True, slots=True)
class Woken:
    """One notification or several. since: monotonic time of the first; payload: of the first."""

    since: float
    payload: str
    count: int = 1

    @property
    def reason(self) -> str:
        return f"{self.count} notifications" if self.count > 1 else _told(self.payload)


@dataclass(slots=True)
class Wake:
    """The dirty mark."""

    dirty: bool = False
    woken: Woken | None = None

    def mark(self, payload: str) -> None:
        self.dirty = True
        if self.woken is None:
            self.woken = Woken(time.monotonic(), payload)
        else:
            self.woken = replace(self.woken, count=self.woken.count + 1)

    def clear(self) -> Woken | None:
        """Clear the mark and return what had set it."""
        woken, self.dirty, self.woken = self.woken, False, None
        return woken

    def put_back(self, woken: Woken | None) -> None:
        """Let the next pass be about this too, without asking for one: it was not dealt with."""
        if woken is not None:
            later = self.woken.count if self.woken is not None else 0
            self.woken = replace(woken, count=woken.count + later)


def _told(payload: str) -> str:
    """Return a payload of our triggers in words; anybody may notify with anything."""
    try:
        members = orjson.loads(payload)
    except orjson.JSONDecodeError:
        members = None
    if not isinstance(members, dict):
        return "a notification"
    words = [str(members[name]) for name in ("operation", "source", "key") if members.get(name) is not None]
    return " ".join(words)[:_LONGEST] or "a notification"
