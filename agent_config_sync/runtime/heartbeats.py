"""Agents look at their work from time to time: heartbeats, begun when they are due and carried as all turns are."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable

from agent_config_sync.errors import SyncError
from agent_config_sync.events import (
    Assessed,
    Delivered,
    DeliveryFailed,
    DeliveryStarted,
    Event,
    Events,
    GatewayReady,
    HeartbeatEnded,
    HeartbeatFailed,
    HeartbeatsScheduled,
    HeartbeatsStalled,
    HeartbeatsStopped,
    SnapshotTaken,
)
from agent_config_sync.gateway.responses import ResponsesClient
from agent_config_sync.postgres.pool import Pool
from agent_config_sync.runtime import leases
from agent_config_sync.runtime.beats import Beats
from agent_config_sync.runtime.delivery import Delivery
from agent_config_sync.runtime.heartbeat_schedule import Beat, until_due
from agent_config_sync.runtime.leases import Lease
from agent_config_sync.runtime.queries import query
from agent_config_sync.runtime.tools.definition import Bench
from agent_config_sync.settings import Settings

LOOK = 60.0
"""Seconds until it is looked again although nothing has happened."""

AGAIN = 5.0
"""Seconds until it is looked again for who is due and could not begin: another process's turn tells nobody its end."""

SETTLE = 0.2
"""Seconds between two looks: turns end by the dozen."""


class Heartbeats:
    """Lets the agents to whom a delivery gives turns have heartbeats too."""

    def __init__(
        self, settings: Settings, events: Events, pool: Pool, client: ResponsesClient, bench: Bench, delivery: Delivery
    ) -> None:
        self._events = events
        self._pool = pool
        self._delivery = delivery
        self._beats = Beats(settings, pool, bench, client, events.emit, delivery)
        self._since: dict[str, float] = {}
        """Since when each agent could have one, in monotonic seconds."""
        self._waiting = False
        self._scheduled: int | None = None
        self._stalled: str | None = None
        self._news = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        events.subscribe(self._heard)

    def start(self) -> None:
        """Begin; returns at once."""
        self._running = asyncio.create_task(self._run(), name="heartbeats")

    async def stop(self) -> None:
        """Begin no more; those under way end as turns do."""
        if self._running is None:
            return
        self._running.cancel()
        await asyncio.wait([self._running])
        self._running = None
        self._events.emit(HeartbeatsStopped())

    def _heard(self, event: Event) -> None:
        match event:
            case GatewayReady():
                self._since.clear()  # all who were due while it was away begin one after the other
            case Assessed() | SnapshotTaken() | DeliveryStarted() | HeartbeatEnded() | HeartbeatFailed():
                pass
            case Delivered() | DeliveryFailed() if self._waiting:
                pass
            case _:
                return
        self._news.set()

    async def _run(self) -> None:
        while True:
            self._news.clear()
            pause = LOOK
            try:
                if self._delivery.ready:
                    pause = await self._look()
                self._stalled = None
            except SyncError as error:
                if str(error) != self._stalled:
                    self._stalled = str(error)
                    self._events.emit(HeartbeatsStalled(str(error)))
                pause = AGAIN
            await asyncio.sleep(min(pause, SETTLE))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, pause - SETTLE)):
                    await self._news.wait()

    async def _look(self) -> float:
        """Begin what is due, and return the seconds until something is due again. Raises: DatabaseError."""
        now = time.monotonic()
        self._since = {agent: self._since.get(agent, now) for agent in self._delivery.agents}
        async with self._pool.lent() as connection:
            records = await connection.fetch(
                query("heartbeats_last"), self._delivery.place.account, list(self._delivery.agents)
            )
            known = [Beat(each["agent"], each["every"], each["last"], each["idle"], each["pause"]) for each in records]
            waits = self._waits(known, now)
            due = sorted(
                (beat for beat in known if waits.get(beat.agent, 1.0) <= 0), key=lambda beat: waits[beat.agent]
            )
            begun: tuple[Lease, ...] = ()
            asked = time.monotonic()
            if due and self._delivery.room > 0:
                wanted = [(beat.agent, beat.last) for beat in due]
                begun = await leases.begin_heartbeats(connection, self._delivery.place, wanted, self._delivery.room)
        self._delivery.carry(begun, self._beats.take, since=asked)
        self._waiting = len(begun) < len(due)
        self._tell(len(waits))
        return min([LOOK, *([AGAIN] if self._waiting else []), *_to_come(waits.values())])

    def _waits(self, known: Iterable[Beat], now: float) -> dict[str, float]:
        """Return the seconds until each agent that beats is due."""
        waits: dict[str, float] = {}
        for beat in known:
            wait = until_due(beat, now - self._since.get(beat.agent, now))
            if wait is not None:
                waits[beat.agent] = wait
        return waits

    def _tell(self, scheduled: int) -> None:
        if scheduled != self._scheduled:
            self._scheduled = scheduled
            self._events.emit(HeartbeatsScheduled(scheduled))


def _to_come(waits: Iterable[float]) -> list[float]:
    return [wait for wait in waits if wait > 0]
