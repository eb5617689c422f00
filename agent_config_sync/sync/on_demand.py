"""Workspaces on demand: what one agent's templates make, and a sync of chosen agents with what every pass leaves out.

Like `visit.py` it works beside a `run` or without one; the pass lock keeps them apart.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from agent_config_sync.errors import (
    HeldError,
    PublishError,
    RefusedError,
    ReloadError,
    SchemaError,
    SettingsError,
    UnknownBoardError,
    UnknownGatewayError,
)
from agent_config_sync.gateway.rpc import find_address, reset_sessions
from agent_config_sync.model.snapshot import Snapshot
from agent_config_sync.model.workspace import Role
from agent_config_sync.publish.lock import pass_lock
from agent_config_sync.publish.workspace import Demand, Outcome
from agent_config_sync.render.context import AgentContext, session_key
from agent_config_sync.render.defaults import DEFAULTS
from agent_config_sync.render.workspaces import AgentWorkspace
from agent_config_sync.settings import Settings
from agent_config_sync.sync.furnishing import Furnishing
from agent_config_sync.sync.passes import LOCK_DEADLINE
from agent_config_sync.sync.pipeline import NOT_MIGRATED, Pipeline
from agent_config_sync.sync.session import Contact, Session
from agent_config_sync.sync.tokens import AgentTokens
from agent_config_sync.worker import in_worker

Became: TypeAlias = Literal["written", "unchanged", "skipped", "failed", "kept", "archived"]
"""What became of a workspace. kept, archived: of an agent that this gateway has no more."""


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody asks for. gateway_id: UUID or name of this gateway; board_id: only agents of this board, and the
    main one unless include_main says otherwise."""

    gateway_id: str
    board_id: str | None = None
    include_main: bool = True
    reset_sessions: bool = False
    rotate_tokens: bool = False
    demand: Demand = field(default_factory=Demand)
    prune: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class AgentReport:
    """What became of one agent's workspace. files: that were, or would be, written or removed; why: of a skip or a
    failure; notes: what is odd and no failure; role: None of an agent that is gone."""

    agent: str
    became: Became
    files: tuple[str, ...] = ()
    why: str | None = None
    notes: tuple[str, ...] = ()
    role: Role | None = None
    board_id: str | None = None


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What became of all of them."""

    gateway_id: str
    agents: tuple[AgentReport, ...]
    warnings: tuple[str, ...]

    @property
    def failed(self) -> bool:
        return any(report.became == "failed" for report in self.agents)


class OnDemand:
    """What the commands of templates do with the workspaces of one gateway."""

    def __init__(
        self, settings: Settings, session: Session, pipeline: Pipeline, furnishing: Furnishing, tokens: AgentTokens
    ) -> None:
        self._settings = settings
        self._session = session
        self._pipeline = pipeline
        self._furnishing = furnishing
        self._tokens = tokens

    async def agent(self, name: str) -> tuple[AgentWorkspace, AgentContext]:
        """Return what the database makes of one agent's workspace, and its variables, without any token.

        Raises: SyncError; SettingsError for an agent that this gateway does not have.
        """
        try:
            contact = await self._session.connect()
            snapshot = await self._snapshot(contact)
            made = await in_worker(self._made, snapshot, {name: "***"})
        finally:
            await self._session.close()
        found = next((each for each in made if each.agent == name), None)
        context = self._furnishing.context(name)
        if found is None or context is None:
            names = ", ".join(each.agent for each in made) or "none at all"
            raise SettingsError(f"{self._settings.gateway} has no agent {name}: it has {names}")
        return found, context

    async def sync(self, order: Order) -> SyncReport:
        """Make the workspaces of the chosen agents what they should be.

        Raises: SyncError; UnknownGatewayError, UnknownBoardError, HeldError while a restored set is held.
        """
        try:
            async with pass_lock(self._settings.output).held(LOCK_DEADLINE):
                return await self._sync(await self._session.connect(), order)
        finally:
            await self._session.close()

    async def _sync(self, contact: Contact, order: Order) -> SyncReport:
        snapshot = await self._snapshot(contact)
        gateway_id = _this_gateway(snapshot, order.gateway_id, self._settings.gateway)
        if order.board_id is not None and snapshot.workspaces and order.board_id not in snapshot.workspaces.boards:
            raise UnknownBoardError(f"account {self._settings.account} has no board {order.board_id}")
        await in_worker(self._pipeline.state.refresh)
        held = self._pipeline.state.remembered.held
        if held is not None:
            raise HeldError(f"{held.title} is held by restore: agent-config-sync resume ends it")
        made = await in_worker(self._made, snapshot, await in_worker(self._tokens.known))
        skipped = {each.agent: why for each in made if (why := self._why_not(each.agent, order)) is not None}
        chosen = frozenset(each.agent for each in made) - skipped.keys()
        anew = chosen if order.rotate_tokens else frozenset()
        if order.dry_run:
            tokens = {**await in_worker(self._tokens.known), **dict.fromkeys(anew, "another one")}
        else:
            tokens = dict(await self._tokens.issue(contact.link, snapshot, anew=anew))
        made = await in_worker(self._made, snapshot, tokens)
        outcomes = await in_worker(self._furnish, made, chosen, order)
        reports = [
            _report(each, skipped.get(each.agent), outcomes.get(each.agent), *self._furnishing.place(each.agent))
            for each in made
        ]
        if not order.dry_run:
            written = {report.agent for report in reports if report.became in ("written", "unchanged")}
            behind = {row.name for row in snapshot.agents} - written
            await self._tokens.revoke(contact.link, snapshot, tokens, behind)
        warnings = [self._tokens.untold] if self._tokens.untold is not None else []
        if order.reset_sessions and not order.dry_run:
            warnings += await self._begin_anew([each for each in reports if each.became in ("written", "unchanged")])
        reports += await in_worker(self._left_over, [row.name for row in snapshot.agents], order)
        return SyncReport(gateway_id, tuple(reports), tuple(warnings))

    async def _snapshot(self, contact: Contact) -> Snapshot:
        snapshot = await contact.reader.read(DEFAULTS)
        if snapshot.workspaces is None:
            raise SchemaError(NOT_MIGRATED)
        return snapshot

    def _made(self, snapshot: Snapshot, tokens: Mapping[str, str]) -> tuple[AgentWorkspace, ...]:
        made, trouble = self._furnishing.render(snapshot, self._pipeline.site(), tokens)
        if trouble is not None:
            raise RefusedError(trouble)
        return made

    def _why_not(self, agent: str, order: Order) -> str | None:
        """Return why an agent is not among the chosen ones, None if it is."""
        role, board = self._furnishing.place(agent)
        if role == "main":
            return None if order.include_main else "the main agent is left out (include_main)"
        if order.board_id is not None and board != order.board_id:
            return f"it is not on board {order.board_id}"
        return None

    def _furnish(self, made: Sequence[AgentWorkspace], chosen: Collection[str], order: Order) -> Mapping[str, Outcome]:
        contents = [each.content for each in made if each.content is not None and each.agent in chosen]
        if order.dry_run:
            outcomes = self._furnishing.tree.preview(contents, order.demand)
        else:
            outcomes = self._furnishing.publish(contents, look=True, demand=order.demand)
        return {outcome.agent: outcome for outcome in outcomes}

    def _left_over(self, agents: Sequence[str], order: Order) -> list[AgentReport]:
        """Return the workspaces of agents that are gone; with prune they are moved to the archive."""
        reports = []
        for agent in self._furnishing.tree.left_over(agents):
            why = "this gateway has no agent of that name any more"
            if not order.prune or order.dry_run:
                reports.append(AgentReport(agent, "kept", why=f"{why}; prune moves its folder to the archive"))
                continue
            try:
                at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
                place = self._furnishing.tree.archive(agent, self._settings.workspace_of(agent), at=at)
            except PublishError as error:
                reports.append(AgentReport(agent, "failed", why=str(error)))
            else:
                reports.append(AgentReport(agent, "archived", why=f"{why}; {place or 'its folder was gone already'}"))
        return reports

    async def _begin_anew(self, reports: Sequence[AgentReport]) -> list[str]:
        """Begin the sessions of these agents anew; return what stands in the way."""
        settings = self._settings
        address = find_address(settings.config_path, url=settings.gateway_url, token=settings.gateway_token)
        if address is None:
            return ["sessions were not reset: the gateway's token is not known, set gateway_token"]
        keys = [
            key
            for report in reports
            for key in (session_key(report.agent, settings.account), session_key(report.agent, "main"))
        ]
        try:
            await reset_sessions(address, keys)
        except ReloadError as error:
            return [f"sessions were not reset: {error}"]
        return []


def _this_gateway(snapshot: Snapshot, wanted: str, name: str) -> str:
    """Return the id of this gateway.

    Raises: UnknownGatewayError when another one is meant.
    """
    said = snapshot.workspaces.gateway if snapshot.workspaces is not None else None
    if wanted not in (name, said.id if said is not None else name):
        known = f"{name}, id {said.id}" if said is not None else name
        raise UnknownGatewayError(
            f"{wanted} is not the gateway here ({known}): run this on the machine of that gateway"
        )
    return said.id if said is not None else name


def _report(
    made: AgentWorkspace, skip: str | None, outcome: Outcome | None, role: Role, board_id: str | None
) -> AgentReport:
    if skip is not None:
        return AgentReport(made.agent, "skipped", why=skip, role=role, board_id=board_id)
    if outcome is None or outcome.error is not None:
        why = made.error if outcome is None else outcome.error
        return AgentReport(made.agent, "failed", why=why, role=role, board_id=board_id)
    files = tuple(change.path for change in outcome.changes)
    theirs = tuple(f"{path} was written by somebody else and stays as it is" for path in outcome.foreign)
    notes = (*made.warnings, *theirs)
    return AgentReport(made.agent, "written" if files else "unchanged", files, None, notes, role, board_id)
