"""When an agent has its next heartbeat. Pure; the same for every process and after every restart."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime

DEFAULT = 15 * 60.0
"""Seconds between two heartbeats of an agent that says nothing of them."""

LEAST = 1.0
"""Seconds between two, whatever an agent says."""

SPREAD, LONGEST_SPREAD = 0.4, 120.0
"""Of an interval, and seconds, over which the first heartbeats of all agents are spread."""

JITTER, LONGEST_JITTER = 0.1, 30.0
"""Of an interval, and seconds, that a later one may come late, so that they do not gather."""

_LONGEST = 40
"""Characters of a duration, as in the gateway."""

_PART = r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?"
_DURATION = re.compile(f"(?:{_PART})+", re.ASCII | re.IGNORECASE)
_PARTS = re.compile(_PART, re.ASCII | re.IGNORECASE)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, slots=True)
class Beat:
    """What is known of an agent's heartbeats.

    every: as its row says; last: when it had one; idle: seconds since then, by the database's clock; pause: seconds for
    which none may be begun.
    """

    agent: str
    every: str | None
    last: datetime | None = None
    idle: float | None = None
    pause: float | None = None


def interval_of(every: str | None) -> float | None:
    """Return the seconds between two heartbeats, None where there are to be none. A number alone counts minutes; what
    is no duration counts for nothing, as in the gateway."""
    said = (every or "").strip()
    if not said or len(said) > _LONGEST or _DURATION.fullmatch(said) is None:
        return DEFAULT
    parts = _PARTS.findall(said)
    seconds = sum(float(number) * _SECONDS[unit.lower() or "m"] for number, unit in parts)
    return max(LEAST, seconds) if seconds > 0 else None


def until_due(beat: Beat, here: float) -> float | None:
    """Return the seconds until a heartbeat is due, zero or less once it is; None where there is to be none.

    here: seconds since the agent could have one. Those that it missed are not made up: however many these are, one is
    due, and each agent's at a place of its own, so that they do not all come at once after a rest.
    """
    interval = interval_of(beat.every)
    if interval is None:
        return None
    waits = [_place(beat.agent) * min(SPREAD * interval, LONGEST_SPREAD) - here, beat.pause or 0.0]
    if beat.idle is not None:
        late = _place(f"{beat.agent} {beat.last}") * min(JITTER * interval, LONGEST_JITTER)
        waits.append(interval + late - max(0.0, beat.idle))
    return max(waits)


def _place(name: str) -> float:
    """Return a figure from 0 to 1, always the same for a name and as good as any other."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) / 2**64
