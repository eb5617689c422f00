"""What is odd about skills, where agents may install them by themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import asyncpg

from agent_config_sync.doctor.finding import Finding, edit, identifier, sql
from agent_config_sync.errors import RenderError
from agent_config_sync.model.names import is_agent_id
from agent_config_sync.model.site import GatewayVersion
from agent_config_sync.model.skills import SHARED, ListedSkill
from agent_config_sync.model.snapshot import Snapshot
from agent_config_sync.postgres.installed_skills import list_skills
from agent_config_sync.postgres.schema import RUNTIME_RIGHTS, missing_right
from agent_config_sync.render.skill import render_skill
from agent_config_sync.settings import Settings
from agent_config_sync.skills.budget import PromptLine, prompt_characters, prompt_limit
from agent_config_sync.skills.scan import describe

_ROLE = "agent_config_runtime"


async def examine_skills(
    connection: asyncpg.Connection, settings: Settings, snapshot: Snapshot, *, version: GatewayVersion | None
) -> tuple[Finding, ...]:
    """Return what is wrong; nothing where agents may not install skills. version: of the gateway.

    Raises: what the driver raises.
    """
    if snapshot.workspaces is None or not snapshot.workspaces.skills_enabled:
        return ()
    lacking = await missing_right(connection, RUNTIME_RIGHTS)
    if lacking is not None:
        what = f"login {lacking.login} may not write which skills agents have installed: it lacks {lacking.right}"
        return (Finding("rights_missing", what, sql(f"GRANT {_ROLE} TO {identifier(lacking.login)};")),)
    listed = [skill for skill in await list_skills(connection, settings.account) if skill.gateway == settings.gateway]
    return (*_broken(listed), *_crowded(listed, settings, snapshot, version))


def _broken(listed: Sequence[ListedSkill]) -> Iterator[Finding]:
    for skill in listed:
        if skill.problem is not None:
            whose = f"agent {skill.agent} has" if skill.agent != SHARED else "all agents share"
            what = f"{whose} skill {skill.slug}, and no gateway loads it: {skill.problem}"
            yield Finding("skill_broken", what, edit("let the agent mend its SKILL.md, or remove the skill's folder"))


def _crowded(
    listed: Sequence[ListedSkill], settings: Settings, snapshot: Snapshot, version: GatewayVersion | None
) -> Iterator[Finding]:
    """Skills of the gateway itself come on top; how many those are, it alone knows."""
    limit = prompt_limit(version)
    rows = snapshot.workspaces
    if limit is None or rows is None:
        return
    shared = [_installed(skill, str(settings.shared_skills)) for skill in listed if skill.agent == SHARED]
    for agent in sorted(row.name for row in snapshot.agents if is_agent_id(row.name)):
        folder = f"{settings.workspaces}/{settings.workspace_of(agent)}/skills"
        own = [_installed(skill, folder) for skill in listed if skill.agent == agent]
        taken = prompt_characters([*shared, *_assigned(snapshot, agent, folder), *own])
        if taken > limit:
            what = (
                f"the skills of agent {agent} take {taken:,} characters of every prompt and the gateway gives them "
                f"{limit:,}, so it shortens their descriptions and then leaves skills out"
            )
            yield Finding("skills_crowd_prompt", what, edit("remove skills that it does not need"))


def _installed(skill: ListedSkill, folder: str) -> PromptLine:
    return PromptLine(skill.name, skill.description or "", f"{folder}/{skill.slug}/SKILL.md")


def _assigned(snapshot: Snapshot, agent: str, folder: str) -> Iterator[PromptLine]:
    rows = snapshot.workspaces
    assert rows is not None  # the caller has looked
    for slug in rows.assigned.get(agent, ()):
        try:
            made = render_skill(rows.skills[slug]) if slug in rows.skills else None
        except RenderError:
            continue
        if made is not None:
            said = describe(made.content, slug)
            yield PromptLine(made.name, said.description or "", f"{folder}/{slug}/SKILL.md")


def of_key(problem: str) -> Finding:
    """Return a finding for what keeps a key from its skill; the problem names its way out."""
    return Finding(
        "keys_withheld", problem, edit("docs/skills.md, Where a key is, says what a gateway gives to a skill")
    )
