"""An agent's variables in, the files of its workspace out: pure functions.

What a file is and whose it is stands in one table, `FILES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agent_config_sync.model.workspace import ProfileRow, Role
from agent_config_sync.publish.workspace import Owner
from agent_config_sync.render.context import AgentContext, block
from agent_config_sync.render.template_set import TemplateSet

READ_LIMIT = 20_000
"""Characters of a file that the gateway puts into a prompt; of a longer one it drops the middle (2026.9.6)."""


@dataclass(frozen=True, slots=True)
class WorkspaceFile:
    """A file of each workspace.

    templates: by role; a role that is not named has the template of the file's own name. column: of agents, whose
    template wins over any other. limit: characters that reach the agent.
    """

    path: str
    owner: Owner = "database"
    templates: tuple[tuple[Role, str], ...] = ()
    column: Literal["soul_template", "identity_template"] | None = None
    limit: int = READ_LIMIT

    def template(self, role: Role) -> str:
        return dict(self.templates).get(role, self.path.rpartition("/")[2])


def _with_main(path: str) -> WorkspaceFile:
    return WorkspaceFile(path, templates=(("main", f"MAIN_{path}"),))


FILES: tuple[WorkspaceFile, ...] = (
    _with_main("AGENTS.md"),
    WorkspaceFile("SOUL.md", column="soul_template"),
    WorkspaceFile("TASK_SOUL.md", owner="agent"),
    WorkspaceFile("SELF.md", owner="agent"),
    WorkspaceFile("AUTONOMY.md"),
    _with_main("TOOLS.md"),
    WorkspaceFile("IDENTITY.md", column="identity_template"),
    WorkspaceFile("USER.md", owner="agent", templates=(("main", "MAIN_USER.md"),), limit=4_000),
    WorkspaceFile(
        "HEARTBEAT.md",
        templates=(("main", "MAIN_HEARTBEAT.md"), ("lead", "HEARTBEAT_LEAD.md"), ("worker", "HEARTBEAT_AGENT.md")),
    ),
    _with_main("BOOT.md"),
    WorkspaceFile("BOOTSTRAP.md", owner="nobody"),
    WorkspaceFile("MEMORY.md", owner="agent"),
    WorkspaceFile("memory/WORKING.md", owner="agent"),
)
"""The files in the order in which they are written."""


def render_file(
    file: WorkspaceFile, profile: ProfileRow, role: Role, context: AgentContext, templates: TemplateSet
) -> str:
    """Return what a file of this agent must hold.

    Raises: RenderError that names template, line and variable.
    """
    literal = templates.literal.get(file.path)
    if literal is not None:
        return literal
    own: str | None = getattr(profile, file.column) if file.column is not None else None
    if own is not None and own.strip():
        assert file.column is not None  # it has just been read
        return templates.render_text(file.column, own, context.without_secret())
    if file.path == "SOUL.md":
        soul = profile.soul_content
        if soul is not None and soul.strip():
            return soul if soul.endswith("\n") else soul + "\n"
        if profile.default_soul is not None and file.path not in templates.own:
            return block(profile.default_soul) + "\n"
    return templates.render(file.template(role), context.variables())
