"""Notifications become turns of agents: woken by the database, as many at once as may be, one in each session.

Whatever fails, the notification stays in the database until somebody has dealt with it. A gateway that is away costs no
notification an attempt: nothing is begun until it is there again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias, assert_never
from uuid import uuid4

from agent_config_sync.errors import (
    GatewayError,
    LeaseLostError,
    ReadOnlyError,
    RightsError,
    RolledBackError,
    SchemaError,
    SyncError,
    ToolsRefusedError,
    UnreachableError,
)
from agent_config_sync.events import (
    Assessed,
    DeliveryStalled,
    DeliveryStarted,
    DeliveryStopped,
    Event,
    Events,
    GatewayAway,
    GatewayReady,
    Housed,
    TurnsUnderWay,
)
from agent_config_sync.gateway.responses import ResponsesClient, takes_tools
from agent_config_sync.model.site import GatewayVersion
from agent_config_sync.postgres.pool import Pool
from agent_config_sync.postgres.work_watch import WorkWatch
from agent_config_sync.runtime import leases
from agent_config_sync.runtime.leases import LEASE, RENEWAL, Lease, Place
from agent_config_sync.runtime.presence import Presence
from agent_config_sync.runtime.prompt import prepare
from agent_config_sync.runtime.tools.definition import Bench
from agent_config_sync.runtime.turns import Turns
from agent_config_sync.settings import Settings
from agent_config_sync.worker import in_worker

DRAIN = 30.0
"""Seconds that turns under way have when the process stops."""

FAREWELL = 3.0
"""Seconds to say that they are given back."""

_RETRY = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds until a gateway or a database that is away is asked again."""

_IN_FORCE = frozenset({"applied", "offered"})

_log = logging.getLogger(__name__)

Return: TypeAlias = Literal["given_back", "paused", "failed"]
"""How a turn goes back: as if it had not been begun; with a pause of its session, for what its notification is not to
blame for; or as one more failure of its notification."""


@dataclass(frozen=True, slots=True)
class _Returned:
    lease: Lease
    how: Return
    reason: str


Take: TypeAlias = Callable[[Lease], Awaitable[None]]
"""Takes a turn to its end."""


class Delivery:
    """Gives the agents of one gateway their turns."""

    def __init__(
        self,
        settings: Settings,
        events: Events,
        pool: Pool,
        client: ResponsesClient,
        bench: Bench,
        watch: WorkWatch,
    ) -> None:
        self._settings = settings
        self._events = events
        self._pool = pool
        self._client = client
        self._bench = bench
        self.place = Place(settings.account, settings.gateway, uuid4())
        self.offers_tools = True
        """Whether the gateway lets agents have tools of ours."""
        self._turns = Turns(settings, pool, bench, client, events.emit, offers_tools=lambda: self.offers_tools)
        self._watch = watch
        self._presence = Presence(settings.account, events, pool, lambda: self.agents)
        self.agents: tuple[str, ...] = ()
        """Who gets turns: those that the gateway runs with."""
        self._housed: tuple[str, ...] = ()
        self._news = asyncio.Event()
        """Set whenever there may be something to do."""
        self._in_force = asyncio.Event()
        self._beginning: tuple[asyncio.Task[None], ...] = ()
        self._keeping: asyncio.Task[None] | None = None
        self._under_way: dict[asyncio.Task[None], Lease] = {}
        self._kept: dict[Lease, float] = {}
        """When each of them was last known to stand, in monotonic seconds."""
        self._alone = False
        """Whether what earlier processes of this gateway have held is free."""
        self._returned: list[_Returned] = []
        self._given_back = 0
        self._started = False
        self._away: str | None = None
        self._stalled: str | None = None
        self._tries = 0
        events.subscribe(self._heard)

    def start(self) -> None:
        """Begin; returns at once."""
        self._keeping = asyncio.create_task(self._keep(), name="leases")
        self._beginning = (
            asyncio.create_task(self._presence.run(), name="presence"),
            asyncio.create_task(self._run(), name="delivery"),
        )

    async def stop(self) -> None:
        """Begin no more turns, let those under way end within `DRAIN` seconds, and give the others back."""
        if self._keeping is None:
            return
        await _ended(self._beginning)
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=DRAIN)
        await _ended(self._under_way)
        await _ended([self._keeping])
        self._keeping = None
        with contextlib.suppress(SyncError):  # who cannot say so is found by their leases, and by their silence
            async with asyncio.timeout(FAREWELL):
                await self._give_back()
                await self._presence.leave()
        self._client.close()
        if self._bench.github is not None:
            await self._bench.github.close()
        self._events.emit(DeliveryStopped(self._given_back))

    def _heard(self, event: Event) -> None:
        match event:
            case Housed():
                # Who is gone gets no turn from now on; who is new, once the gateway knows it.
                self._housed = event.agents
                self.agents = tuple(name for name in self.agents if name in event.agents)
            case Assessed() if event.state in _IN_FORCE:
                self._in_force.set()
                version = GatewayVersion.parse(event.gateway_version)
                wanted = self._settings.client_tools
                self.offers_tools = takes_tools(version) if wanted is None else wanted
                if self.agents != self._housed:
                    self.agents = self._housed
                    self._news.set()
            case _:
                pass

    async def _run(self) -> None:
        await in_worker(prepare)
        # Until then another process may be at work here, or the gateway may not know its agents.
        await self._in_force.wait()
        async with self._watch.watching("board_notifications") as self._news:
            while True:
                self._news.clear()
                pause = await self._deliver()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._news.wait()

    async def _deliver(self) -> float:
        """Give back and begin turns as far as can be; return the seconds after which to look again without news."""
        try:
            if not self._started or self._away is not None:
                await self._until_ready()
            if not self._started:
                self._started = True
                self._events.emit(self._beginning_with())
            await self._give_back()
            await self._begin()
        except SyncError as error:
            self._stall(error)
            return self._next_try()
        self._stalled = None
        return self._settings.delivery_interval

    def _beginning_with(self) -> DeliveryStarted:
        settings = self._settings
        return DeliveryStarted(
            settings.delivery_sessions,
            settings.delivery_interval,
            settings.delivery_backoff_base,
            settings.delivery_backoff_max,
            settings.turn_timeout,
        )

    async def _keep(self) -> None:
        """Renew the leases of all turns under way, and end those that are lost, or soon may be without our knowing."""
        asked = time.monotonic()
        while True:
            # However long the last one took: a lease is looked after once in each renewal's time.
            await asyncio.sleep(max(0.0, asked + RENEWAL - time.monotonic()))
            asked = time.monotonic()
            held = {lease: turn for turn, lease in self._under_way.items()}
            if not held:
                continue
            lost: frozenset[Lease] = frozenset()
            try:
                async with asyncio.timeout(RENEWAL), self._pool.lent() as connection:
                    lost = await leases.renew(connection, self.place, held)
                self._kept.update(dict.fromkeys(held.keys() & self._kept.keys(), asked))
            except (SyncError, TimeoutError):
                latest = time.monotonic() - LEASE.total_seconds() + RENEWAL
                lost = frozenset(lease for lease in held if self._kept.get(lease, asked) < latest)
            for lease in lost:
                held[lease].cancel()

    async def _until_ready(self) -> None:
        """Return when the gateway takes requests."""
        while True:
            if self._away is not None:
                await asyncio.sleep(self._next_try())
            readiness = await self._client.probe()
            if readiness.ready:
                break
            if self._away != readiness.why:
                self._away = readiness.why
                self._events.emit(GatewayAway(readiness.why))
        self._away = None
        self._events.emit(GatewayReady())

    async def _begin(self) -> None:
        """Begin as many turns as there is room for. Raises: DatabaseError."""
        if self.room <= 0 or not self.agents:
            return
        asked = time.monotonic()
        async with self._pool.lent() as connection:
            if not self._alone:  # who has agents has the lock of the output, and the process before has ended
                await leases.free(connection, self.place)
                self._alone = True
            begun = await leases.begin(connection, self.place, self.agents, self.room)
            self.carry(begun, lambda lease: self._turns.take(lease, begun[lease]), since=asked)

    @property
    def ready(self) -> bool:
        """Whether turns can be begun now."""
        return self._started and self._away is None

    @property
    def room(self) -> int:
        """For how many more turns there is room; negative where two have begun some at the same moment."""
        return self._settings.delivery_sessions - len(self._under_way)

    def carry(self, begun: Collection[Lease], take: Take, *, since: float) -> None:
        """Let turns that were begun be taken, and keep their leases meanwhile. since: when that was asked for, in
        monotonic seconds."""
        for lease in begun:
            # Whoever stood still for longer than a lease may have lost it to itself.
            lost = [turn for turn, held in self._under_way.items() if held.session == lease.session]
            turn = asyncio.create_task(self._take(lease, take, lost), name=f"turn of {lease.agent}")
            self._under_way[turn] = lease
            self._kept[lease] = since
            turn.add_done_callback(self._over)
        if begun:  # and they are asked before it is told
            asyncio.get_running_loop().call_soon(self._tell_under_way)

    def _tell_under_way(self) -> None:
        self._events.emit(TurnsUnderWay(len(self._under_way)))

    def pause(self, lease: Lease, reason: str) -> None:
        """Let a turn go back when it is over, and its session pause."""
        self._returned.append(_Returned(lease, "paused", reason))

    def _over(self, turn: asyncio.Task[None]) -> None:
        self._kept.pop(self._under_way.pop(turn), None)
        self._tell_under_way()
        self._news.set()

    async def _take(self, lease: Lease, take: Take, lost: Iterable[asyncio.Task[None]]) -> None:
        """Take a turn; whatever happens, it ends or goes back. lost: earlier ones of its session, which end before."""
        failed: Return = "failed" if lease.notification is not None else "paused"
        try:
            await _ended(lost)
            await take(lease)
            self._tries = 0
        except LeaseLostError as error:
            _log.warning("%s", error)
        except ToolsRefusedError as error:
            self.offers_tools = False
            self._returned.append(_Returned(lease, "given_back", str(error)))
        except GatewayError as error:
            if self._away is None:
                self._away = str(error)
                self._events.emit(GatewayAway(str(error)))
            self._returned.append(_Returned(lease, "given_back", str(error)))
        except (UnreachableError, RolledBackError, RightsError, SchemaError, ReadOnlyError) as error:
            self._stall(error)
            self._returned.append(_Returned(lease, "paused", str(error)))
        except SyncError as error:
            self._returned.append(_Returned(lease, failed, str(error)))
        except asyncio.CancelledError:
            self._returned.append(_Returned(lease, "given_back", "the process that had the turn was stopped"))
            raise
        except Exception as error:  # noqa: BLE001 - one turn's error is no reason to end all others
            _log.exception("a turn of %s failed", lease.agent)
            reason = f"an error of agent-config-sync itself ({type(error).__name__}), which its log has"
            self._returned.append(_Returned(lease, failed, reason))

    async def _give_back(self) -> None:
        """Let turns that did not end be begun again. Raises: DatabaseError, and then it is to be tried again."""
        while self._returned:
            returned = self._returned[0]
            with contextlib.suppress(LeaseLostError):  # then it ended after all, or another process has it
                match returned.how:
                    case "given_back":
                        await self._turns.give_back(returned.lease, returned.reason)
                        self._given_back += 1
                    case "paused":
                        await self._turns.give_back(returned.lease, returned.reason, pausing=True)
                    case "failed":
                        await self._turns.fail(returned.lease, returned.reason)
                    case _:
                        assert_never(returned.how)
            del self._returned[0]

    def _stall(self, error: SyncError) -> None:
        if str(error) != self._stalled:
            self._stalled = str(error)
            self._events.emit(DeliveryStalled(str(error)))

    def _next_try(self) -> float:
        """Return the seconds until it is tried again, after one more try that failed."""
        self._tries += 1
        return _RETRY[min(self._tries, len(_RETRY)) - 1]


async def _ended(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait for their end."""
    cancelled = list(tasks)
    for task in cancelled:
        task.cancel()
    if cancelled:
        await asyncio.wait(cancelled)
