"""What agents are busy with, told to the database while there is somebody to tell it; and how long their queue is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection
from datetime import timedelta

import asyncpg

from agent_config_sync.errors import SyncError
from agent_config_sync.events import (
    Delivered,
    DeliveryFailed,
    Event,
    Events,
    HeartbeatBegan,
    HeartbeatFailed,
    QueueMeasured,
    TurnBegan,
)
from agent_config_sync.postgres.pool import Pool
from agent_config_sync.runtime.leases import sweep
from agent_config_sync.runtime.queries import query

INTERVAL = 30.0
"""Seconds until it is told again although nothing has happened."""

SILENT = timedelta(seconds=90)
"""After which nobody is believed to be there."""

SETTLE = 1.0
"""Seconds between two reports: turns begin and end by the dozen."""


class Presence:
    """Reports the agents of one gateway, and marks those as offline of whom nobody reports any more."""

    def __init__(self, account: str, events: Events, pool: Pool, agents: Callable[[], Collection[str]]) -> None:
        """agents: those that are here now."""
        self._account = account
        self._pool = pool
        self._agents = agents
        self._tell = events.emit
        self._news = asyncio.Event()
        events.subscribe(self._heard)

    async def run(self) -> None:
        """Report until cancelled."""
        while True:
            news = self._news.is_set()
            self._news.clear()
            with contextlib.suppress(SyncError):  # whoever delivers says so
                async with self._pool.lent() as connection:
                    if not await report(connection, self._account, self._agents(), news=news):
                        self._news.set()
                    await mark_offline(connection, self._account, ())
                    await sweep(connection, self._account)
                    measured = await connection.fetchrow(query("queue_measure"), self._account)
                assert measured is not None  # one row of figures
                self._tell(QueueMeasured(**dict(measured)))
            await asyncio.sleep(SETTLE)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(INTERVAL):
                    await self._news.wait()

    async def leave(self) -> None:
        """Say that none of them is here any more. Raises: SyncError."""
        async with self._pool.lent() as connection:
            await mark_offline(connection, self._account, self._agents())

    def _heard(self, event: Event) -> None:
        if isinstance(event, TurnBegan | Delivered | DeliveryFailed | HeartbeatBegan | HeartbeatFailed):
            self._news.set()


async def report(connection: asyncpg.Connection, account: str, agents: Collection[str], *, news: bool = False) -> bool:
    """Tell what these agents are busy with; return whether all of it could be told at this moment. news: whoever
    watches the board is to look."""
    told: bool = await connection.fetchval(query("presence_report"), account, list(agents), news)
    return told


async def mark_offline(connection: asyncpg.Connection, account: str, agents: Collection[str]) -> None:
    """Tell that these agents are offline, and all who were not seen for a while."""
    await connection.execute(query("presence_offline"), account, list(agents), SILENT)
