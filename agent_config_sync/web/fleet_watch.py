"""The fleet as pages show it: read often while somebody looks, and now and then for the plot of the lag."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from datetime import datetime

from agent_config_sync.errors import SyncError
from agent_config_sync.postgres.status import FleetRow

LOOK = 2.0
"""Seconds between two looks while somebody watches."""

REST = 60.0
"""Seconds between two while nobody does."""

KEPT = 40
"""Changes of a gateway in its plot."""

_WIDTH, _HEIGHT = 96, 24


class FleetWatch:
    """What gateways last reported, and how long their last changes took."""

    def __init__(
        self, read: Callable[[], Awaitable[tuple[FleetRow, ...]]], *, wanted: Callable[[], bool] = lambda: True
    ) -> None:
        """wanted: whether anybody could look."""
        self.rows: tuple[FleetRow, ...] = ()
        self._wanted = wanted
        self._read = read
        self._lags: dict[str, deque[tuple[datetime, float]]] = {}
        self._watched = asyncio.Event()
        self._watchers = 0
        self._looked = asyncio.Condition()

    async def run(self) -> None:
        """Look until cancelled; a database that cannot be asked leaves what was seen."""
        while True:
            if self._wanted():
                with contextlib.suppress(SyncError):
                    self.take(await self._read())
            async with self._looked:
                self._looked.notify_all()
            if self._watchers:
                await asyncio.sleep(LOOK)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REST):
                    await self._watched.wait()

    def take(self, rows: Iterable[FleetRow]) -> None:
        """Keep what was read."""
        self.rows = tuple(rows)
        for row in self.rows:
            if row.latency_ms is None:
                continue
            lags = self._lags.setdefault(row.gateway, deque(maxlen=KEPT))
            if not lags or lags[-1] != (row.changed_at, row.latency_ms):
                lags.append((row.changed_at, row.latency_ms))
        for gone in self._lags.keys() - {row.gateway for row in self.rows}:
            del self._lags[gone]

    @property
    def lags(self) -> Mapping[str, tuple[float, ...]]:
        """Milliseconds of the last changes, by gateway, the latest last."""
        return {gateway: tuple(lag for _, lag in lags) for gateway, lags in self._lags.items()}

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[asyncio.Condition]:
        """Look often meanwhile; lends what is notified after each look."""
        self._watchers += 1
        self._watched.set()
        try:
            yield self._looked
        finally:
            self._watchers -= 1
            if not self._watchers:
                self._watched.clear()


def plot(lags: tuple[float, ...]) -> str:
    """Return a line over the last changes as SVG, empty for less than two. The highest is at the top."""
    if len(lags) < 2:  # noqa: PLR2004 - a line has two ends
        return ""
    top = max(*lags, 1.0)
    step = _WIDTH / (len(lags) - 1)
    points = " ".join(
        f"{place * step:.1f},{_HEIGHT - 1 - lag / top * (_HEIGHT - 2):.1f}" for place, lag in enumerate(lags)
    )
    said = f"Lag of the last {len(lags)} changes: {min(lags):,.0f} to {max(lags):,.0f} milliseconds"
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{said}" preserveAspectRatio="none">'
        f'<polyline points="{points}" fill="none" stroke="currentColor" stroke-width="1.5"/></svg>'
    )
