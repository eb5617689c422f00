"""A pass, whole: snapshot, render, check, publish, tell, report, with the pass lock held from the first to the last."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from agent_config_sync.errors import DatabaseError, PublishError, RefusedError
from agent_config_sync.events import (
    Events,
    Furnished,
    Held,
    Housed,
    PassEnded,
    Published,
    Refused,
    ReloadMethod,
    RosterChanged,
    SnapshotTaken,
    Unchanged,
    Warned,
)
from agent_config_sync.gateway.reload import Deferred, Told
from agent_config_sync.gateway.rules import takes_keys_at_start
from agent_config_sync.model.names import is_agent_id
from agent_config_sync.model.rows import AgentRow
from agent_config_sync.model.snapshot import NOTHING, Snapshot
from agent_config_sync.postgres.link import Link
from agent_config_sync.publish.lock import pass_lock
from agent_config_sync.render.defaults import DEFAULTS
from agent_config_sync.settings import Settings
from agent_config_sync.sync.payment import Payment
from agent_config_sync.sync.pipeline import Pipeline
from agent_config_sync.sync.prepared import Prepared
from agent_config_sync.sync.session import Contact
from agent_config_sync.sync.standing import Standing
from agent_config_sync.sync.tokens import AgentTokens
from agent_config_sync.sync.wake import Wake
from agent_config_sync.worker import in_worker

LOCK_DEADLINE = 30.0
"""Seconds that a pass waits for another process's pass on the same output."""


class Passes:
    """Makes one pass after another on one output."""

    def __init__(
        self,
        settings: Settings,
        pipeline: Pipeline,
        wake: Wake,
        *,
        payment: Payment,
        standing: Standing,
        events: Events,
        tokens: AgentTokens | None = None,
    ) -> None:
        """tokens: of the agents, where workspaces are made."""
        self._settings = settings
        self._pipeline = pipeline
        self._wake = wake
        self._payment = payment
        self._standing = standing
        self._events = events
        self._tokens = tokens
        self._warnings: tuple[str, ...] = ()
        self._housed = Housed((), skills_enabled=False)
        self._hold: str | None = None
        self._agents: tuple[AgentRow, ...] | None = None
        """Those of the last pass that published what the database says; None before the first."""
        self._swept = False

    async def make(self, contact: Contact, why: str, *, ask: bool, first: Callable[[], None] | None = None) -> None:
        """Do one pass.

        why: the reason when no notification asked for it. ask: also make sure that what is in force still is.
        first: done before all else, with the pass lock held.

        Raises: SyncError, but not for what was refused.
        """
        await self._payment.pause()
        began = time.monotonic()
        try:
            async with pass_lock(self._settings.output).held(LOCK_DEADLINE):
                unpaid = await self._make(contact, why, ask=ask, first=first)
        except (DatabaseError, PublishError) as error:
            await self.report_failure(contact, error)
            raise
        finally:
            self._events.emit(PassEnded(time.monotonic() - began))
        if unpaid is not None:
            self._payment.confirm(contact.link, unpaid)

    async def report_failure(self, contact: Contact, error: DatabaseError | PublishError) -> None:
        """Say in the status why there is nothing new, if the link can still carry it."""
        if not contact.link.lost.done():
            await self._standing.say(contact.link, quietly=True, state="pending", error=str(error))

    async def pay_alone(self) -> None:
        """Tell the gateway of what stands on disk and is owed, without the database; a pass will say whatever fails.

        Raises: StoppedError.
        """
        with contextlib.suppress(PublishError, RefusedError):
            async with pass_lock(self._settings.output).held(0.0):  # who has it pays
                standing = await in_worker(self._standing_alone)
                if standing is not None:
                    await self._payment.pay_alone(standing)

    async def reload(self, deadline: float = LOCK_DEADLINE) -> Told | Deferred:
        """Let the gateway read its configuration anew although nothing is owed, by a restart where it takes keys of
        skills only then. deadline: seconds to wait for the pass under way.

        Raises: PublishError, StoppedError.
        """
        async with pass_lock(self._settings.output).held(deadline):
            standing = await in_worker(self._standing_alone)
            if standing is None:
                return Deferred("nothing was published yet")
            neighbour = standing.neighbour
            if neighbour.method == "none":
                return Deferred("reload = none: nobody is to tell the gateway")
            by_signal = neighbour.method == "signal" or takes_keys_at_start(neighbour.site.version)
            method: ReloadMethod = "signal" if by_signal else "touch"
            return await self._payment.tell(replace(standing, neighbour=replace(neighbour, method=method)))

    def _standing_alone(self) -> Prepared | None:
        self._pipeline.state.refresh()
        return self._pipeline.on_disk(NOTHING)

    async def _make(
        self, contact: Contact, why: str, *, ask: bool, first: Callable[[], None] | None
    ) -> Prepared | None:
        """Return what is still to be confirmed."""
        link, reader = contact.link, contact.reader
        if first is not None:
            await in_worker(first)
        began = time.monotonic()
        woken = self._wake.clear()
        woken_at = woken.since if woken is not None else None
        keys_changed = False
        try:
            snapshot = await reader.read(DEFAULTS)
            self._events.emit(SnapshotTaken(snapshot.at, len(snapshot.agents), reader.fetched))
            tokens = await self._issued(link, snapshot)
            try:
                if self._pipeline.keyring is not None and await in_worker(self._pipeline.give_keys, snapshot):
                    keys_changed = True
                    self._payment.forget_told()
                prepared, latency = await in_worker(
                    self._publish, snapshot, tokens, reader.seen_tables, look=ask, since=woken_at or began
                )
            finally:
                self._tell_housed(snapshot)  # the rows hold, whatever becomes of the files
        except RefusedError as error:
            return await self._refused(link, snapshot, str(error), fresh=keys_changed)
        except PublishError:
            self._wake.put_back(woken)
            await in_worker(self._pipeline.output.let_go)
            if keys_changed:
                await self._tell_of_keys(link, snapshot)
            raise
        except BaseException:
            self._wake.put_back(woken)
            await in_worker(self._pipeline.output.let_go)  # a stop may have come after the rename
            raise
        self._standing.refusal = None
        if self._tokens is not None:
            if prepared.snapshot.at:  # else another set is held, with the agents that it has
                await self._tokens.revoke(link, snapshot, tokens, behind=_behind(prepared))
            if self._tokens.untold is not None:
                prepared = replace(prepared, warnings=(self._tokens.untold, *prepared.warnings))
        self._announce(prepared, latency)
        try:
            fresh = latency is not None or keys_changed
            return await self._payment.pay(link, prepared, fresh=fresh, ask=ask, woken_at=woken_at)
        finally:
            # Nobody waits any more.
            await in_worker(self._tidy_up, prepared, woken.reason if woken is not None else why)

    async def _issued(self, link: Link, snapshot: Snapshot) -> Mapping[str, str]:
        """Return the tokens of the agents; none while a set is held, for nothing is written into workspaces then."""
        if self._tokens is None or self._pipeline.state.remembered.held is not None:
            return {}
        return await self._tokens.issue(link, snapshot)

    async def restore(self, number: int) -> Prepared:
        """Publish a set of the history again and hold it in place, without the database.

        Raises: RefusedError when the set is not there or not for this gateway, PublishError.
        """
        async with pass_lock(self._settings.output).held(LOCK_DEADLINE):
            prepared, latency = await in_worker(self._restore, number)
            self._announce(prepared, latency)
            await in_worker(self._tidy_up, prepared, f"restore of set {number}")
        return prepared

    def _restore(self, number: int) -> tuple[Prepared, float | None]:
        began = time.monotonic()
        held = self._pipeline.hold(number)
        prepared = self._pipeline.held(NOTHING, held)
        if not prepared.changed:
            return prepared, None
        self._pipeline.publish(prepared)
        return prepared, time.monotonic() - began

    async def _refused(self, link: Link, snapshot: Snapshot, reason: str, *, fresh: bool) -> Prepared | None:
        """Say why, and pay for what stands on disk: it may still be owed. fresh: there are other keys."""
        self._events.emit(Refused(reason))
        self._standing.refusal = reason
        try:
            standing = await in_worker(self._pipeline.on_disk, snapshot)
        except RefusedError:  # for the same reason: nobody can tell what it is to the gateway
            standing = None
        if standing is None:
            await self._standing.say(link)
            return None
        return await self._payment.pay(link, standing, fresh=fresh, ask=False, woken_at=None)

    async def _tell_of_keys(self, link: Link, snapshot: Snapshot) -> None:
        """Tell the gateway of other keys, though its agents stay as they are; the pass that failed says why."""
        with contextlib.suppress(PublishError, RefusedError):
            standing = await in_worker(self._pipeline.on_disk, snapshot)
            if standing is not None:
                await self._payment.pay(link, standing, fresh=True, ask=False, woken_at=None)

    def _publish(
        self, snapshot: Snapshot, tokens: Mapping[str, str], seen_tables: frozenset[str], *, look: bool, since: float
    ) -> tuple[Prepared, float | None]:
        """Prepare and publish, in the worker; return the seconds since `since`, None if the file was not written.

        look: see whether workspaces still are what they were.
        """
        pipeline = self._pipeline
        pipeline.state.refresh()
        if not self._swept:
            pipeline.sweep()
            self._swept = True
        held = pipeline.state.remembered.held
        if held is None:
            prepared = pipeline.prepare(snapshot, tokens, furnish=True, look=look)
        else:
            prepared = pipeline.held(snapshot, held)
        pipeline.remember(prepared, seen_tables)
        if not prepared.changed:
            return prepared, None
        pipeline.publish(prepared)
        return prepared, time.monotonic() - since

    def _tidy_up(self, prepared: Prepared, reason: str) -> None:
        """Let go of the file that was replaced, and keep the new one for `restore`."""
        self._pipeline.output.let_go()
        held = self._pipeline.state.remembered.held
        self._pipeline.keep(prepared, reason if held is None else f"restore of set {held.number}")

    def _announce(self, prepared: Prepared, latency: float | None) -> None:
        path, snapshot = str(self._settings.output), prepared.snapshot.at
        if snapshot:  # else another set is held
            self._tell_roster(prepared.snapshot.agents)
        if self._standing.hold != self._hold:
            self._hold = self._standing.hold
            if self._hold is not None:
                self._events.emit(Held(self._hold))
        written = {outcome.agent: len(outcome.changes) for outcome in prepared.workspaces if outcome.changes}
        if written:
            self._events.emit(Furnished(tuple(written), sum(written.values())))
        if prepared.warnings != self._warnings:
            self._warnings = prepared.warnings
            self._events.emit(Warned(prepared.warnings))
        if latency is None:
            self._events.emit(Unchanged(path, prepared.content_hash, snapshot))
            return
        before = prepared.before.content if prepared.before is not None else None
        self._events.emit(Published(path, prepared.content_hash, before, prepared.content, latency, snapshot))

    def _tell_roster(self, agents: tuple[AgentRow, ...]) -> None:
        if agents is self._agents:  # which is most often so
            return
        now = {row.name for row in agents}
        before = now if self._agents is None else {row.name for row in self._agents}
        self._agents = agents
        if now != before:
            self._events.emit(RosterChanged(tuple(sorted(now - before)), tuple(sorted(before - now))))

    def _tell_housed(self, snapshot: Snapshot) -> None:
        if snapshot.workspaces is None:
            return
        agents = tuple(sorted(row.name for row in snapshot.agents if is_agent_id(row.name)))
        housed = Housed(agents, snapshot.workspaces.skills_enabled)
        if housed != self._housed:
            self._housed = housed
            self._events.emit(housed)


def _behind(prepared: Prepared) -> frozenset[str]:
    """Return the agents whose workspaces may still hold an earlier token."""
    written = {outcome.agent for outcome in prepared.workspaces if outcome.error is None}
    return frozenset(row.name for row in prepared.snapshot.agents) - written
