"""Rows and times as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return one line for the heads and one for each row, in columns as wide as what is in them."""
    widths = [max(len(line[column]) for line in (heads, *rows)) for column in range(len(heads))]
    return [
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in (heads, *rows)
    ]


def ago(moment: datetime) -> str:
    """Return how long ago it was, in its largest unit."""
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"
