"""The standing session of each agent of this gateway, in the database, so that no restart locks anybody out."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from agent_config_sync.board.agents import open_sessions
from agent_config_sync.errors import SyncError
from agent_config_sync.events import Event, Events, Housed, LinkProven
from agent_config_sync.postgres.pool import Pool

RETRY = 15.0
"""Seconds after a failure until it is tried again; a GRANT wakes nobody."""

_log = logging.getLogger(__name__)


class StandingSessions:
    """Opens what is lacking whenever there are other agents, or another database."""

    def __init__(self, account: str, events: Events, pool: Pool) -> None:
        self._account = account
        self._pool = pool
        self._agents: tuple[str, ...] = ()
        self._wake = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._said: str | None = None
        events.subscribe(self._heard)

    def start(self) -> None:
        """Begin; returns at once."""
        self._running = asyncio.create_task(self._run(), name="sessions")

    async def stop(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    def _heard(self, event: Event) -> None:
        match event:
            case Housed():
                self._agents = event.agents
            case LinkProven():
                pass
            case _:
                return
        self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                if self._agents:
                    async with self._pool.lent() as connection:
                        await open_sessions(connection, self._account, self._agents)
                self._said = None
            except SyncError as error:
                if str(error) != self._said:
                    self._said = str(error)
                    _log.warning("the sessions of agents could not be opened: %s", error)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(RETRY):
                        await self._wake.wait()
                self._wake.set()
