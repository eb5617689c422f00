"""What an agent's workspace is made of, as the database holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from agent_config_sync.model.credentials import EnteredKey
from agent_config_sync.model.rows import Row

Role: TypeAlias = Literal["main", "lead", "worker"]
"""Which manual an agent gets."""

ROLES: tuple[Role, ...] = ("main", "lead", "worker")


class BoardRow(Row):
    """A board: what a group of agents works towards. success_metrics: JSON text of an object; person_id: of the person
    for whom its agents work."""

    id: str
    name: str
    board_type: str
    objective: str | None
    success_metrics: str | None
    target_date: datetime | None
    goal_confirmed: bool
    person_id: str | None = None


class PersonRow(Row):
    """The person for whom agents work."""

    id: str = ""
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


class AssignmentRow(Row):
    """Which agent has which skill. position: where among the agent's others; equal ones go by the slug."""

    agent: str
    skill: str
    position: int


class ProfileRow(Row):
    """What a row of agents says about the agent itself.

    identity_profile: JSON text of an object; board_id: of a board that may not be there; default_soul: the database's
    own text, for an agent that has no soul of its own.
    """

    name: str
    display_name: str | None
    role: str | None
    soul_content: str | None
    soul_template: str | None
    identity_profile: str | None
    identity_template: str | None
    is_board_lead: bool
    board_id: str | None = None
    skills_exclusive: bool = False
    heartbeat_every: str | None = None
    heartbeat_target: str | None = None
    heartbeat_model: str | None = None
    heartbeat_prompt: str | None = None
    default_soul: str | None = None


class GatewayRow(Row):
    """What operators say of this gateway. workspace_root: as the gateway sees it; base_url: of our HTTP interface."""

    id: str
    workspace_root: str | None
    base_url: str | None
    person_id: str | None


class TokenRow(Row):
    """A token that was issued by this gateway and not revoked. token_hash: SHA-256 in hex; own: by this very login."""

    agent: str
    token_hash: str
    own: bool


@dataclass(frozen=True, slots=True)
class WorkspaceRows:
    """All that workspaces are made of, at one instant; unchanged rows are the same objects as before.

    profiles: in the order of the agents; boards, people: by id; skills: the enabled ones by slug; assigned: slugs by
    agent, in their order; gateway: None where operators say nothing of it; skills_enabled: agents may install skills;
    entered: the keys that people have entered for skills, None where that may not be read; keys_known: the database
    knows some key of this gateway, whatever became of it.
    """

    profiles: tuple[ProfileRow, ...] = ()
    boards: Mapping[str, BoardRow] = field(default_factory=dict)
    people: Mapping[str, PersonRow] = field(default_factory=dict)
    skills: Mapping[str, SkillRow] = field(default_factory=dict)
    assigned: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    gateway: GatewayRow | None = None
    tokens: tuple[TokenRow, ...] = ()
    skills_enabled: bool = False
    entered: tuple[EnteredKey, ...] | None = None
    keys_known: bool = False


def role_of(profile: ProfileRow, *, on_board: bool, is_default: bool) -> Role:
    """Return the role of an agent: the default one without a board is the gateway's main agent."""
    if is_default and not on_board:
        return "main"
    return "lead" if profile.is_board_lead else "worker"
