"""Moments as people read them."""

from __future__ import annotations

from datetime import UTC, datetime


def ago(moment: datetime) -> str:
    """Return how long ago it was, in its largest unit."""
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"
