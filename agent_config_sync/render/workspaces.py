"""Rows in, what every agent's workspace should hold out: pure, and keeps what it rendered.

What one agent's rows break costs that agent only: it then has an error in the place of its files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
from agent_config_sync.render.context import Home, context_of
from agent_config_sync.render.entry import Lodging
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
        self._kept: dict[str, tuple[tuple[object, ...], AgentWorkspace]] = {}
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
        kept: dict[str, tuple[tuple[object, ...], AgentWorkspace]] = {}
        for agent, profile in zip(agents, rows.profiles, strict=True):
            name = agent.name
            if name in kept or not is_agent_id(name):
                continue
            skills = tuple([rows.skills[slug] for slug in rows.assigned.get(name, ()) if slug in rows.skills])
            board = rows.boards.get(profile.board_id) if profile.board_id is not None else None
            person_id = (board.person_id if board is not None else None) or (
                rows.gateway.person_id if rows.gateway is not None else None
            )
            person = rows.people.get(person_id) if person_id is not None else None
            role = role_of(profile, on_board=board is not None, is_default=name == home.main)
            token = tokens.get(name, "")
            made_of = (profile, board, person, home, templates, role, token, *skills)
            before = self._kept.get(name)
            if before is not None and _same(before[0], made_of):
                kept[name] = before
                continue
            skill_files = self._skill_files(skills)
            context = _Surroundings(role, board, person, home, token)
            kept[name] = (made_of, _rendered(profile, context, skills, skill_files, templates))
        self._kept = kept
        return tuple([workspace for _, workspace in kept.values()])

    def _skill_files(self, skills: Sequence[SkillRow]) -> tuple[SkillFile | RenderError | None, ...]:
        """Return what becomes of each skill; agents share it."""
        for skill in skills:
            known = self._skills.get(skill.slug)
            if known is None or known[0] is not skill:
                self._skills[skill.slug] = (skill, _skill_file(skill))
        return tuple(self._skills[skill.slug][1] for skill in skills)


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What an agent finds around itself."""

    role: Role
    board: BoardRow | None
    person: PersonRow | None
    home: Home
    token: str


def _rendered(
    profile: ProfileRow,
    around: _Surroundings,
    skills: Sequence[SkillRow],
    skill_files: Sequence[SkillFile | RenderError | None],
    templates: TemplateSet,
) -> AgentWorkspace:
    name = profile.name
    warnings = [
        f"agent {name}: {made}; the skill was left out" for made in skill_files if isinstance(made, RenderError)
    ]
    taken = [skill for skill, made in zip(skills, skill_files, strict=True) if not isinstance(made, RenderError)]
    files = [made for made in skill_files if isinstance(made, SkillFile)]
    try:
        context = context_of(
            profile,
            around.role,
            board=around.board,
            person=around.person,
            skills=taken,
            home=around.home,
            token=around.token,
        )
        contents: list[FileContent] = []
        for file in FILES:
            text = render_file(file, profile, around.role, context, templates)
            if len(text) > file.limit:
                warnings.append(
                    f"agent {name}: {file.path} has {len(text):,} characters; a gateway reads {file.limit:,} of them"
                )
            contents.append(FileContent.of(file.path, text.encode("utf-8", "replace"), file.owner))
    except RenderError as error:
        return AgentWorkspace(name, None, None, f"agent {name}: {error}", tuple(warnings))
    contents.extend(FileContent.of(f"skills/{made.slug}/SKILL.md", made.content, "database") for made in files)
    content = WorkspaceContent(name, around.home.prefix + name, tuple(contents), FOLDERS)
    exclusive = tuple(made.name for made in files) if profile.skills_exclusive else None
    lodging = Lodging(profile, around.home.workspace(name), exclusive)
    return AgentWorkspace(name, lodging, content, None, tuple(warnings))


def _skill_file(skill: SkillRow) -> SkillFile | RenderError | None:
    try:
        return render_skill(skill)
    except RenderError as error:
        return error


def _same(before: tuple[object, ...], now: tuple[object, ...]) -> bool:
    """Compare rows by identity, for an unchanged one is the same object, and texts by value."""
    return len(before) == len(now) and all(
        one is other or (isinstance(one, str | Home) and one == other) for one, other in zip(before, now, strict=True)
    )
