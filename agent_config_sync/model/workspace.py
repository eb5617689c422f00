"""What an agent's workspace is made of, as the database holds it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

from agent_config_sync.model.rows import Row

Role: TypeAlias = Literal["main", "lead", "worker"]
"""Which manual an agent gets."""

ROLES: tuple[Role, ...] = ("main", "lead", "worker")


class BoardRow(Row):
    """A board: what a group of agents works towards. success_metrics: JSON text of an object."""

    id: str
    name: str
    board_type: str
    objective: str | None
    success_metrics: str | None
    target_date: datetime | None
    goal_confirmed: bool


class PersonRow(Row):
    """The person for whom agents work."""

    name: str | None
    preferred_name: str | None
    pronouns: str | None
    timezone: str | None
    notes: str | None
    context: str | None


class SkillRow(Row):
    """A skill that operators keep. content: the body of its SKILL.md, with or without front matter."""

    slug: str
    name: str
    description: str | None
    content: str | None


class ProfileRow(Row):
    """What a row of agents says about the agent itself. identity_profile: JSON text of an object."""

    name: str
    display_name: str | None
    role: str | None
    soul_content: str | None
    soul_template: str | None
    identity_profile: str | None
    identity_template: str | None
    is_board_lead: bool


def role_of(profile: ProfileRow, *, on_board: bool, is_default: bool) -> Role:
    """Return the role of an agent: the default one without a board is the gateway's main agent."""
    if is_default and not on_board:
        return "main"
    return "lead" if profile.is_board_lead else "worker"
