"""Figures that a view keeps: moments, durations and histograms."""

from __future__ import annotations

import bisect
from dataclasses import dataclass

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the histograms, in seconds: a file takes milliseconds, a gateway about a second."""


@dataclass(frozen=True, slots=True)
class Latencies:
    """A histogram. counts: how many fell between one bound and the next, the last one above all bounds."""

    counts: tuple[int, ...] = (0,) * (len(BOUNDS) + 1)
    total: float = 0.0
    last: float | None = None

    def plus(self, seconds: float) -> Latencies:
        place = bisect.bisect_left(BOUNDS, seconds)
        counts = (*self.counts[:place], self.counts[place] + 1, *self.counts[place + 1 :])
        return Latencies(counts, self.total + seconds, seconds)


@dataclass(frozen=True, slots=True)
class Durations:
    """How long something took, in seconds. least, most: None before the first time."""

    count: int = 0
    total: float = 0.0
    least: float | None = None
    most: float | None = None

    def plus(self, seconds: float) -> Durations:
        least = seconds if self.least is None else min(self.least, seconds)
        most = seconds if self.most is None else max(self.most, seconds)
        return Durations(self.count + 1, self.total + seconds, least, most)


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that was seen, and when, in seconds since the epoch."""

    at: float
    what: str
