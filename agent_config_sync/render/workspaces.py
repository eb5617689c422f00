"""Rows in, what every agent's workspace should hold out: pure, and keeps what it rendered.

What one agent's rows break costs that agent only: it then has an error in the place of its files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import is_

from agent_config_sync.errors import RenderError
from agent_config_sync.model.names import is_agent_id
from agent_config_sync.model.rows import AgentRow
from agent_config_sync.model.workspace import (
    BoardRow,
    PersonRow,
    ProfileRow,
    Role,
    SkillRow,
    WorkspaceRows,
    role_of,
)
from agent_config_sync.publish.workspace import FileContent, WorkspaceContent
from agent_config_sync.render.context import AgentContext, Home, context_of
from agent_config_sync.render.lodging import Lodging
from agent_config_sync.render.skill import SkillFile, render_skill
from agent_config_sync.render.template_set import TemplateSet
from agent_config_sync.render.workspace import FILES, render_file

FOLDERS = ("memory", "deliverables")
"""Folders that an agent finds in its workspace beside those of its files."""


@dataclass(frozen=True, slots=True, eq=False)
class AgentWorkspace:
    """What the rows make of one agent's workspace.

    lodging, content: None where `error` says why there is none; warnings: what a mistake in a row costs less than that.
    """

    agent: str
    lodging: Lodging | None
    content: WorkspaceContent | None
    error: str | None = None
    warnings: tuple[str, ...] = ()


class Workspaces:
    """Renders workspaces; an agent whose rows, skills and surroundings are the same objects as before is not rendered
    again, and its workspace is the same object too."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[_MadeOf, AgentWorkspace]] = {}
        self._around: tuple[object, ...] = ()
        """What the agents have in common; while it is the same, only a new profile is news."""
        self._skills: dict[str, tuple[SkillRow, SkillFile | RenderError | None]] = {}

    def render(
        self,
        agents: Sequence[AgentRow],
        rows: WorkspaceRows,
        *,
        home: Home,
        templates: TemplateSet,
        tokens: Mapping[str, str],
    ) -> tuple[AgentWorkspace, ...]:
        """Return the workspaces of these agents, in their order. tokens: by agent."""
        kept: dict[str, tuple[_MadeOf, AgentWorkspace]] = {}
        around = (home, rows.boards, rows.people, rows.skills, rows.assigned, rows.gateway, templates, tokens)
        settled = len(self._around) == len(around) and all(map(is_, self._around, around))
        self._around = around
        for agent, profile in zip(agents, rows.profiles, strict=True):
            name = agent.name
            if name in kept or not is_agent_id(name):
                continue
            before = self._kept.get(name)
            if settled and before is not None and before[0].profile is profile:
                kept[name] = before
                continue
            skills = tuple([rows.skills[slug] for slug in rows.assigned.get(name, ()) if slug in rows.skills])
            board = rows.boards.get(profile.board_id) if profile.board_id is not None else None
            person_id = (board.person_id if board is not None else None) or (
                rows.gateway.person_id if rows.gateway is not None else None
            )
            person = rows.people.get(person_id) if person_id is not None else None
            role = role_of(profile, on_board=board is not None, is_default=name == home.main)
            token = tokens.get(name, "")
            made_of = _MadeOf(profile, role, board, person, skills, self._skill_files(skills), home, token, templates)
            if before is not None and made_of.same_as(before[0]):
                kept[name] = before
                continue
            kept[name] = (made_of, _rendered(made_of))
        self._kept = kept
        return tuple([workspace for _, workspace in kept.values()])

    def context(self, agent: str) -> AgentContext | None:
        """Return the variables of an agent that was rendered, or could not be; None for one that nobody has."""
        kept = self._kept.get(agent)
        return kept[0].context() if kept is not None else None

    def place(self, agent: str) -> tuple[Role, str | None]:
        """Return the role of an agent that was rendered, and its board."""
        made_of = self._kept[agent][0]
        return made_of.role, made_of.board.id if made_of.board is not None else None

    def _skill_files(self, skills: Sequence[SkillRow]) -> tuple[SkillFile | RenderError | None, ...]:
        """Return what becomes of each skill; agents share it."""
        for skill in skills:
            known = self._skills.get(skill.slug)
            if known is None or known[0] is not skill:
                self._skills[skill.slug] = (skill, _skill_file(skill))
        return tuple(self._skills[skill.slug][1] for skill in skills)


@dataclass(frozen=True, slots=True, eq=False)
class _MadeOf:
    """All that one workspace is made of. files: what became of each of the skills."""

    profile: ProfileRow
    role: Role
    board: BoardRow | None
    person: PersonRow | None
    skills: tuple[SkillRow, ...]
    files: tuple[SkillFile | RenderError | None, ...]
    home: Home
    token: str
    templates: TemplateSet

    def same_as(self, other: _MadeOf) -> bool:
        """Compare rows by identity, for an unchanged one is the same object, and texts by value."""
        return (
            self.profile is other.profile
            and self.board is other.board
            and self.person is other.person
            and self.templates is other.templates
            and self.role == other.role
            and self.token == other.token
            and self.home == other.home
            and len(self.skills) == len(other.skills)
            and all(map(is_, self.skills, other.skills))
        )

    def context(self) -> AgentContext:
        """Return the variables of the templates. A skill whose file cannot be made is not told of."""
        taken = [
            skill for skill, made in zip(self.skills, self.files, strict=True) if not isinstance(made, RenderError)
        ]
        return context_of(
            self.profile,
            self.role,
            board=self.board,
            person=self.person,
            skills=taken,
            home=self.home,
            token=self.token,
        )


def _rendered(made_of: _MadeOf) -> AgentWorkspace:
    profile, home = made_of.profile, made_of.home
    name = profile.name
    broken = [made for made in made_of.files if isinstance(made, RenderError)]
    warnings = [f"agent {name}: {error}; the skill was left out" for error in broken]
    contents: list[FileContent] = []
    try:
        context = made_of.context()
        for file in FILES:
            text = render_file(file, profile, made_of.role, context, made_of.templates)
            if len(text) > file.limit:
                warnings.append(
                    f"agent {name}: {file.path} has {len(text):,} characters; a gateway reads {file.limit:,} of them"
                )
            contents.append(FileContent.of(file.path, text.encode("utf-8", "replace"), file.owner))
    except RenderError as error:
        return AgentWorkspace(name, None, None, f"agent {name}: {error}", tuple(warnings))
    skills = [made for made in made_of.files if isinstance(made, SkillFile)]
    contents.extend(FileContent.of(f"skills/{made.slug}/SKILL.md", made.content, "database") for made in skills)
    exclusive = tuple(made.name for made in skills) if profile.skills_exclusive else None
    return AgentWorkspace(
        name,
        Lodging(profile, home.workspace(name), exclusive),
        WorkspaceContent(name, home.prefix + name, tuple(contents), FOLDERS),
        None,
        tuple(warnings),
    )


def _skill_file(skill: SkillRow) -> SkillFile | RenderError | None:
    try:
        return render_skill(skill)
    except RenderError as error:
        return error
