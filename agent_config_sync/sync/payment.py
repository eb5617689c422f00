"""A publish owes a reload: tell the gateway, and know when it runs with what it was told."""

from __future__ import annotations

import asyncio
import math
import time

from agent_config_sync.errors import PublishError, ReloadError
from agent_config_sync.events import Applied, Events, NotApplied, ReloadDeferred, Reloaded
from agent_config_sync.gateway.reload import Deferred
from agent_config_sync.postgres.link import Link
from agent_config_sync.postgres.status import StatusState
from agent_config_sync.sync.informant import Informant, in_force, until_in_force
from agent_config_sync.sync.pipeline import Pipeline, Prepared
from agent_config_sync.sync.standing import Standing, about
from agent_config_sync.sync.worker import in_worker


class Payment:
    """Pays what the state says is owed. Confirming goes on beside the loop, until the next pass begins."""

    def __init__(
        self, pipeline: Pipeline, standing: Standing, events: Events, *, informant: Informant | None, patience: float
    ) -> None:
        self.retry_at = math.inf
        """Monotonic time at which a deferred reload may be tried again."""
        self._pipeline = pipeline
        self._standing = standing
        self._events = events
        self._informant = informant
        self._patience = patience
        self._told: str | None = None
        self._woken_at: float | None = None
        self._asking: asyncio.Task[str | None] | None = None
        self._confirming: asyncio.Task[None] | None = None

    async def pay(self, link: Link, prepared: Prepared, *, fresh: bool, ask: bool, woken_at: float | None) -> None:
        """Tell the gateway of `prepared` if it is owed, and report. fresh: it was published by this pass; ask: tell
        again what is still owed, and make sure that what is in force still is.

        Raises: PublishError, StoppedError.
        """
        state = self._pipeline.state
        owed = state.owes(prepared.content_hash)
        if fresh:
            self._told, self._woken_at = None, woken_at
        elif self._informant is not None and (owed or ask or self._standing.current.state != "applied"):
            runs = await self._runs(self._informant, prepared)
            if runs:
                await self._applied(link, prepared)
                return
            if runs is False and not owed:
                await in_worker(state.save, confirmed=None)
                owed = True
        if not owed:
            paid: StatusState = "applied" if self._standing.current.state == "applied" else "offered"
            await self._settled(link, prepared, paid)
            return
        if (self._told != prepared.content_hash or ask) and not await self._tell(link, prepared):
            return
        if self._informant is None:
            await self._offered(link, prepared)
            return
        await self._standing.say(link, state="pending", error=None, **about(prepared))
        self._asking = asyncio.create_task(until_in_force(self._informant, prepared, self._patience), name="ask")
        self._confirming = asyncio.create_task(self._confirm(link, prepared, self._informant), name="confirm")

    async def pause(self) -> None:
        """End the asking that is under way; the next `pay` takes it up again."""
        if self._asking is not None and self._confirming is not None:
            self._asking.cancel()
            await asyncio.wait([self._confirming])
            self._asking = self._confirming = None

    async def _tell(self, link: Link, prepared: Prepared) -> bool:
        told = await in_worker(self._pipeline.tell, prepared)
        if isinstance(told, Deferred):
            self.retry_at = math.inf if told.retry_in is None else time.monotonic() + told.retry_in
            self._events.emit(ReloadDeferred(told.reason, told.retry_in))
            await self._standing.say(link, state="pending", error=told.reason, **about(prepared))
            return False
        self.retry_at = math.inf
        self._told = prepared.content_hash
        self._events.emit(Reloaded(told.method, prepared.content_hash))
        return True

    async def _runs(self, informant: Informant, prepared: Prepared) -> bool | None:
        """Return whether the gateway runs with it, None if it cannot be asked."""
        try:
            return await in_force(informant, prepared) is None
        except ReloadError:
            return None

    async def _confirm(self, link: Link, prepared: Prepared, informant: Informant) -> None:
        """Report what the asking finds out; ask on while the gateway runs with something else."""
        try:
            while self._asking is not None and (problem := await self._asking) is not None:
                error = f"the gateway runs with something else: {problem}"
                if self._standing.current.error != error:
                    self._events.emit(NotApplied(prepared.content_hash, problem))
                    await self._standing.say(link, error=error)
                self._asking = asyncio.create_task(until_in_force(informant, prepared, self._patience), name="ask")
            await self._applied(link, prepared)
        except asyncio.CancelledError:
            pass
        except ReloadError:
            await self._offered(link, prepared)
        except PublishError as error:
            self._events.emit(ReloadDeferred(str(error), None))

    async def _offered(self, link: Link, prepared: Prepared) -> None:
        """It is done as far as can be known."""
        await in_worker(self._pipeline.state.save, confirmed=prepared.content_hash)
        await self._settled(link, prepared, "offered", latency=self._latency())

    async def _applied(self, link: Link, prepared: Prepared) -> None:
        await in_worker(self._pipeline.state.save, confirmed=prepared.content_hash)
        latency = self._latency()
        if self._standing.current.state != "applied" or self._standing.current.content_hash != prepared.content_hash:
            self._events.emit(Applied(prepared.content_hash, prepared.snapshot.at, latency))
        await self._settled(link, prepared, "applied", latency=latency)

    async def _settled(
        self, link: Link, prepared: Prepared, state: StatusState, *, latency: float | None = None
    ) -> None:
        changes = {"latency": latency} if latency is not None else {}
        await self._standing.say(
            link,
            state=state,
            error=None,
            snapshot=prepared.snapshot.at,
            content_hash=prepared.content_hash,
            **about(prepared),
            **changes,
        )

    def _latency(self) -> float | None:
        """Return the seconds since the notification that caused this publish; None for an older debt."""
        woken_at, self._woken_at = self._woken_at, None
        return None if woken_at is None else time.monotonic() - woken_at
