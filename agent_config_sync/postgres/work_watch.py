"""Whoever watches the board is woken by the database: one connection listens for all of them, while there are any.

An idle board then costs nothing, and a change is seen at once, however many look. A connection that is lost is made
anew, and until then everybody looks every few seconds; of one that fell silent without a sign nobody depends for long,
because each stream begins with a look of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

import asyncpg

from agent_config_sync.errors import SyncError

CHANNEL = "agent_work_changed"

LINGER = 5.0
"""Seconds that the connection outlives the last who watches: a page asks for its next stream in less."""

RETRY = 2.0
"""Seconds until it is tried again."""

Lent: TypeAlias = Callable[[], AbstractAsyncContextManager[asyncpg.Connection]]


class WorkWatch:
    """Wakes those who watch whenever the board may have changed."""

    def __init__(self, lent: Lent) -> None:
        """lent: lends a connection."""
        self._lent = lent
        self._watchers: set[asyncio.Event] = set()
        self._watched = asyncio.Event()
        self._over = asyncio.Event()
        self._resting: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Listen while somebody watches, until cancelled."""
        while True:
            await self._watched.wait()
            with contextlib.suppress(SyncError):
                await self._listen()
            if self._watched.is_set():  # it was lost, or could not be had
                self._wake()
                await asyncio.sleep(RETRY)

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[asyncio.Event]:
        """Lend an event that is set whenever there may be something new; clear it, and then look."""
        news = asyncio.Event()
        self._watchers.add(news)
        self._watched.set()
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None
        try:
            yield news
        finally:
            self._watchers.remove(news)
            if not self._watchers:
                self._resting = asyncio.get_running_loop().call_later(LINGER, self._rest)

    async def _listen(self) -> None:
        """Return when nobody watches any more, or the connection is lost. Raises: SyncError."""
        over = self._over = asyncio.Event()
        async with self._lent() as connection:
            connection.add_termination_listener(lambda _: over.set())
            try:
                await connection.add_listener(CHANNEL, lambda *_: self._wake())
                self._wake()  # by what was committed before it listened
                await over.wait()
            finally:
                connection.terminate()  # at once, whatever has become of the server

    def _wake(self) -> None:
        for news in self._watchers:
            news.set()

    def _rest(self) -> None:
        self._resting = None
        self._watched.clear()
        self._over.set()
