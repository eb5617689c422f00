"""The agents' workspaces in a pass: rendered from the snapshot, written, and told to agents.json.

Imported only where workspaces are made: it brings Jinja along.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent_config_sync.errors import SettingsError
from agent_config_sync.gateway.section import agents_in
from agent_config_sync.model.names import is_agent_id
from agent_config_sync.model.rows import AgentRow
from agent_config_sync.model.site import Site
from agent_config_sync.model.snapshot import Snapshot
from agent_config_sync.model.workspace import Role
from agent_config_sync.publish.gate import Gate
from agent_config_sync.publish.manifest import Manifests
from agent_config_sync.publish.tree import WorkspaceTree
from agent_config_sync.publish.workspace import Demand, Outcome, WorkspaceContent
from agent_config_sync.render.agents_json import Housing, default_agent
from agent_config_sync.render.context import AgentContext, Home
from agent_config_sync.render.template_set import TemplateSet
from agent_config_sync.render.workspaces import AgentWorkspace, Workspaces
from agent_config_sync.settings import Settings
from agent_config_sync.state import State
from agent_config_sync.template_folder import OwnTemplates, TemplateFolder


@dataclass(frozen=True, slots=True)
class Furnished:
    """What a pass made of the workspaces.

    housing: for agents.json; outcomes: by agent, of those that could be rendered; of_rows: warnings that rows cause;
    around: those that the machine causes.
    """

    housing: Housing
    outcomes: tuple[Outcome, ...]
    of_rows: tuple[str, ...]
    around: tuple[str, ...]


class Furnishing:
    """All workspaces of one gateway. The pass lock must be held to furnish."""

    def __init__(self, settings: Settings, state: State, gate: Gate) -> None:
        root = settings.workspaces
        assert root is not None  # the composition root has looked
        self.tree = WorkspaceTree(root, Manifests(state.workspaces_folder, root), gate)
        self._settings = settings
        self._state = state
        self._me = secrets.token_hex(8)
        self._last: str | None = "nobody yet"
        """Who had written into a workspace last when we looked at them."""
        self._workspaces = Workspaces()
        self._folder = TemplateFolder(settings)
        self._own: OwnTemplates | None = None
        self._templates = TemplateSet()
        self._home: Home | None = None
        """The same object while nothing changed, as everything is that workspaces are made of."""

    def furnish(
        self,
        snapshot: Snapshot,
        site: Site,
        tokens: Mapping[str, str],
        *,
        standing: bytes | None,
        write: bool,
        look: bool = False,
    ) -> Furnished | None:
        """Make every agent's workspace what it should be, or see what that would change.

        tokens: by agent; standing: the bytes of agents.json on disk; write: else nothing is; look: see whether the
        files are still what they were.

        Returns: None while the database has no tables for workspaces. Raises: StoppedError, PublishError.
        """
        if snapshot.workspaces is None:
            return None
        made, trouble = self.render(snapshot, site, tokens)
        contents = [each.content for each in made if each.content is not None]
        outcomes = self.publish(contents, look=look) if write else self.tree.preview(contents)
        failed = {each.agent for each in made if each.content is None} | {
            outcome.agent for outcome in outcomes if outcome.error is not None
        }
        if trouble is not None:
            failed.update(row.name for row in snapshot.agents)
        of_rows: list[str] = []
        for each in made:
            of_rows.extend(each.warnings)
            if each.error is not None:
                of_rows.append(f"{each.error}; its workspace stays as it is")
        around = [trouble] if trouble is not None else []
        for outcome in outcomes:
            if outcome.error is not None:
                around.append(f"agent {outcome.agent}: {outcome.error}")
            around.extend(
                f"agent {outcome.agent}: {path} was written by somebody else and stays as it is"
                for path in outcome.foreign
            )
        lodgings = {each.agent: each.lodging for each in made if each.lodging is not None and each.agent not in failed}
        housing = Housing(lodgings, frozenset(failed), agents_in(standing or b"{}") if failed else {})
        return Furnished(housing, outcomes, tuple(of_rows), tuple(around))

    def render(
        self, snapshot: Snapshot, site: Site, tokens: Mapping[str, str]
    ) -> tuple[tuple[AgentWorkspace, ...], str | None]:
        """Return what the rows make of the workspaces, and why nothing at all could be rendered."""
        assert snapshot.workspaces is not None
        try:
            own = self._folder.look()
        except SettingsError as error:
            return (), f"{error}; every workspace stays as it is"
        if own is not self._own:
            self._own, self._templates = own, TemplateSet(own.templates, literal=own.literal)
        home = self._home_of(snapshot, site)
        made = self._workspaces.render(
            snapshot.agents, snapshot.workspaces, home=home, templates=self._templates, tokens=tokens
        )
        return made, None

    def context(self, agent: str) -> AgentContext | None:
        """Return the variables of an agent that was rendered last, None for one that nobody has."""
        return self._workspaces.context(agent)

    def place(self, agent: str) -> tuple[Role, str | None]:
        """Return the role of an agent that was rendered last, and its board."""
        return self._workspaces.place(agent)

    def publish(
        self, contents: Sequence[WorkspaceContent], *, look: bool, demand: Demand | None = None
    ) -> tuple[Outcome, ...]:
        """Write what these workspaces lack.

        Raises: StoppedError, PublishError.
        """
        last = self._state.remembered.furnished
        if last not in (self._me, self._last):
            self.tree.forget()
            look = True
        self._last = last
        outcomes = self.tree.publish(contents, look=look, demand=demand)
        if any(outcome.changes for outcome in outcomes):
            self._state.save(furnished=self._me)
        return outcomes

    def _home_of(self, snapshot: Snapshot, site: Site) -> Home:
        assert snapshot.workspaces is not None
        settings, said = self._settings, snapshot.workspaces.gateway
        seen = settings.gateway_workspace_root or (said.workspace_root if said is not None else None)
        home = Home(
            account=settings.account,
            workspace_root=(seen or str(self.tree.root)).rstrip("/"),
            base_url=(said.base_url if said is not None else None) or settings.tools_url,
            main=_main_agent(snapshot.agents, site) or "",
            prefix=settings.workspace_of(""),
            skills_enabled=snapshot.workspaces.skills_enabled,
        )
        if home != self._home:
            self._home = home
        return self._home


def _main_agent(agents: Sequence[AgentRow], site: Site) -> str | None:
    rows = sorted([row for row in agents if is_agent_id(row.name)], key=lambda row: row.name)
    return default_agent(rows, site, [])
