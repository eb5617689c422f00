"""Whoever watches the board is woken by the database: one connection listens for all of them.

A change is seen at once, however many look. A connection that is lost is made anew, and until then everybody looks
every few seconds; of one that fell silent without a sign nobody depends for long, because everybody looks at times
without a word.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

import asyncpg
import orjson

from agent_config_sync.errors import SyncError

CHANNEL = "agent_work_changed"

RETRY = 2.0
"""Seconds until it is tried again."""

Lent: TypeAlias = Callable[[], AbstractAsyncContextManager[asyncpg.Connection]]


class WorkWatch:
    """Wakes those who watch whenever the board may have changed."""

    def __init__(self, lent: Lent) -> None:
        """lent: lends a connection."""
        self._lent = lent
        self._watchers: dict[asyncio.Event, frozenset[str]] = {}

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            with contextlib.suppress(SyncError):
                await self._listen()
            self._wake()  # by what nobody has heard
            await asyncio.sleep(RETRY)

    @contextlib.asynccontextmanager
    async def watching(self, *tables: str) -> AsyncIterator[asyncio.Event]:
        """Lend an event that is set whenever there may be something new; clear it, and then look. tables: of which, by
        default of any."""
        news = asyncio.Event()
        self._watchers[news] = frozenset(tables)
        try:
            yield news
        finally:
            del self._watchers[news]

    async def _listen(self) -> None:
        """Return when the connection is lost. Raises: SyncError."""
        over = asyncio.Event()
        async with self._lent() as connection:
            connection.add_termination_listener(lambda _: over.set())
            try:
                await connection.add_listener(CHANNEL, self._told)
                self._wake()  # by what was committed before it listened
                await over.wait()
            finally:
                connection.terminate()  # at once, whatever has become of the server

    def _told(self, _: object, __: int, ___: str, payload: object) -> None:
        self._wake(_source(str(payload)))

    def _wake(self, table: str | None = None) -> None:
        """Wake those who watch a table; all of them where it may be any."""
        for news, tables in self._watchers.items():
            if table is None or not tables or table in tables:
                news.set()


def _source(payload: str) -> str | None:
    """Return the table that a notification of our triggers is about; anybody may notify with anything."""
    try:
        members = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None
    source = members.get("source") if isinstance(members, dict) else None
    return source if isinstance(source, str) else None
