"""A publish owes a reload: tell the gateway, and know when it runs with what it was told."""

from __future__ import annotations

import asyncio
import logging
import math
import time

from agent_config_sync.errors import PublishError, ReloadError
from agent_config_sync.events import Applied, Events, NotApplied, ReloadDeferred, Reloaded
from agent_config_sync.gateway.reload import Deferred, Told
from agent_config_sync.postgres.link import Link
from agent_config_sync.postgres.status import StatusState
from agent_config_sync.publish.atomic import FileSignature
from agent_config_sync.sync.informant import Informant, in_force, until_in_force
from agent_config_sync.sync.pipeline import Pipeline
from agent_config_sync.sync.prepared import Prepared
from agent_config_sync.sync.standing import Standing, about
from agent_config_sync.worker import in_worker, to_the_end

QUIET = 0.5
"""Seconds without a publish after which a burst counts as over and its one signal is sent."""

LONGEST_BURST = 5.0
"""Seconds after which a signal is sent although the burst goes on."""

UNTOLD_PAUSE = 60.0
"""Seconds between two tries to tell a gateway that cannot be told, while there is no pass to try it."""

_log = logging.getLogger(__name__)


class Payment:
    """Pays what the state says is owed. Confirming goes on beside the loop, until the next pass begins."""

    def __init__(
        self, pipeline: Pipeline, standing: Standing, events: Events, *, informant: Informant | None, patience: float
    ) -> None:
        self.retry_at = math.inf
        """Monotonic time at which a deferred reload may be tried again."""
        self.visiting = False
        """A visitor (`sync` beside `run`) leaves the row alone when it has nothing to tell the gateway."""
        self.single = False
        """Whether this is the only pass: no burst is waited for."""
        self._pipeline = pipeline
        self._standing = standing
        self._events = events
        self._informant = informant
        self._patience = patience
        self._told: FileSignature | None = None
        """The very file that the gateway was told of: others may have told it of another with other content since."""
        self._woken_at: float | None = None
        self._burst_since: float | None = None
        self._confirming: asyncio.Task[None] | None = None

    async def pay(
        self, link: Link, prepared: Prepared, *, fresh: bool, ask: bool, woken_at: float | None
    ) -> Prepared | None:
        """Tell the gateway of `prepared` if it is owed, and report; return it if it is still to be confirmed.

        fresh: it, or what else the gateway reads, was published by this pass; ask: tell again what is still owed, and
        make sure that what is in force still is.

        Raises: PublishError, StoppedError.
        """
        state = self._pipeline.state
        owed = state.owes(prepared.content_hash)
        if fresh:
            self._woken_at = woken_at
        elif self._informant is not None and (owed or ask or not self._known_to_run(prepared)):
            runs = await self._runs(self._informant, prepared)
            if runs:
                await self._applied(link, prepared)
                return None
            if runs is False and not owed:
                await in_worker(state.save, confirmed=None)
                owed = True
        if not owed:
            if not self.visiting:
                await self._settled(link, prepared, "applied" if self._known_to_run(prepared) else "offered")
            return None
        if fresh and self._more_may_follow(prepared):
            self.retry_at = time.monotonic() + QUIET
            await self._standing.say(link, state="pending", error=None, **about(prepared))
            return None
        if (ask or not self._was_told) and not await self._tell(link, prepared):
            return None
        if self._informant is None:
            await self._offered(link, prepared)
            return None
        await self._standing.say(link, state="pending", error=None, **about(prepared))
        return prepared

    async def pay_alone(self, prepared: Prepared) -> None:
        """Tell the gateway of what is owed while there is no link; the next pass reports it, and asks.

        Raises: PublishError, StoppedError.
        """
        now = time.monotonic()
        waits = now < self.retry_at < math.inf
        if waits or self._was_told or not self._pipeline.state.owes(prepared.content_hash):
            return
        told = await self.tell(prepared)
        if isinstance(told, Deferred) and told.retry_in is None:
            self.retry_at = now + UNTOLD_PAUSE

    def confirm(self, link: Link, prepared: Prepared) -> None:
        """Begin to ask the gateway whether it runs with it; what it says is reported beside the loop."""
        assert self._informant is not None  # `pay` has looked
        self._confirming = asyncio.create_task(self._confirm(link, prepared, self._informant), name="confirm")

    def forget_told(self) -> None:
        """Tell the gateway once more: it has something else to read than the file that it was told of."""
        self._told = None

    async def pause(self) -> None:
        """End the asking that is under way; the next `pay` takes it up again."""
        self.retry_at = math.inf
        if self._confirming is not None:
            self._confirming.cancel()
            await asyncio.wait([self._confirming])
            self._confirming = None

    def _more_may_follow(self, prepared: Prepared) -> bool:
        """Return whether to wait for the end of a burst: a signal restarts the gateway, and the next must wait long."""
        neighbour = prepared.neighbour
        if neighbour.method != "signal" or neighbour.gateway.process is None or self.single:
            return False
        now = time.monotonic()
        if self._burst_since is None:
            self._burst_since = now
        return now - self._burst_since < LONGEST_BURST

    async def tell(self, prepared: Prepared) -> Told | Deferred:
        """Tell the gateway, whoever knows of it then.

        Raises: PublishError, StoppedError.
        """
        told = await in_worker(self._pipeline.tell, prepared)
        if isinstance(told, Deferred):
            self.retry_at = math.inf if told.retry_in is None else time.monotonic() + told.retry_in
            self._events.emit(ReloadDeferred(told.reason, told.retry_in))
        else:
            self._told, self._burst_since = self._pipeline.output.signature, None
            self._events.emit(Reloaded(told.method, prepared.content_hash))
        return told

    async def _tell(self, link: Link, prepared: Prepared) -> bool:
        told = await self.tell(prepared)
        if isinstance(told, Deferred):
            await self._standing.say(link, state="pending", error=told.reason, **about(prepared))
        return isinstance(told, Told)

    @property
    def _was_told(self) -> bool:
        return self._told is not None and self._told == self._pipeline.output.signature

    def _known_to_run(self, prepared: Prepared) -> bool:
        said = self._standing.current
        return said.state == "applied" and said.content_hash == prepared.content_hash

    async def _runs(self, informant: Informant, prepared: Prepared) -> bool | None:
        """Return whether the gateway runs with it, None if it cannot be asked."""
        try:
            return await in_force(informant, prepared) is None
        except ReloadError:
            return None

    async def _confirm(self, link: Link, prepared: Prepared, informant: Informant) -> None:
        """Report what the asking finds out; ask on while the gateway runs with something else."""
        try:
            again = prepared.neighbour.method == "touch"
            while (problem := await until_in_force(informant, prepared, self._patience)) is not None:
                await to_the_end(self._not_applied(link, prepared, problem))
                if again:  # a gateway that was just starting has missed it
                    again = False
                    await to_the_end(self._tell(link, prepared))
            await to_the_end(self._applied(link, prepared))
        except ReloadError:
            await to_the_end(self._offered(link, prepared))
        except PublishError as error:
            self._events.emit(ReloadDeferred(str(error), None))
        except Exception as error:  # noqa: BLE001 - nobody awaits this task, so nobody else would tell
            _log.exception("asking the gateway failed")
            self._events.emit(NotApplied(prepared.content_hash, f"asking failed ({type(error).__name__})"))

    async def _not_applied(self, link: Link, prepared: Prepared, problem: str) -> None:
        error = f"the gateway runs with something else: {problem}"
        if self._standing.current.error != error:
            self._events.emit(NotApplied(prepared.content_hash, problem))
            await self._standing.say(link, error=error)

    async def _offered(self, link: Link, prepared: Prepared) -> None:
        """It is done as far as can be known."""
        await in_worker(self._pipeline.state.save, confirmed=prepared.content_hash)
        await self._settled(link, prepared, "offered", latency=self._latency())

    async def _applied(self, link: Link, prepared: Prepared) -> None:
        await in_worker(self._pipeline.state.save, confirmed=prepared.content_hash)
        latency = self._latency()
        if not self._known_to_run(prepared):
            self._events.emit(Applied(prepared.content_hash, prepared.snapshot.at, latency))
        await self._settled(link, prepared, "applied", latency=latency)

    async def _settled(
        self, link: Link, prepared: Prepared, state: StatusState, *, latency: float | None = None
    ) -> None:
        if state == "offered" and prepared.unseen is not None:  # to nobody, then
            await self._standing.say(link, state="pending", error=prepared.unseen, **about(prepared))
            return
        await self._standing.say(
            link,
            state=state,
            error=None,
            snapshot=prepared.snapshot.at or self._standing.current.snapshot,
            content_hash=prepared.content_hash,
            latency=latency if latency is not None else self._standing.current.latency,
            **about(prepared),
        )

    def _latency(self) -> float | None:
        """Return the seconds since the notification that caused this publish; None for an older debt."""
        woken_at, self._woken_at = self._woken_at, None
        return None if woken_at is None else time.monotonic() - woken_at
