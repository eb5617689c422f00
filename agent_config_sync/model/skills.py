"""Skills that agents install by themselves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

SHARED = ""
"""In the place of an agent: the folder whose skills all agents of a gateway share."""

Change: TypeAlias = Literal["installed", "changed", "removed"]


@dataclass(frozen=True, slots=True)
class InstalledSkill:
    """A skill in a workspace that we did not write.

    slug: its folder; name: by which the gateway knows it; config_key: of `skills.entries`, None for the name;
    primary_env: the environment variable that takes its key; checksum: SHA-256 of SKILL.md in hex; problem: why the
    gateway does not load it, None if it does.
    """

    agent: str
    slug: str
    name: str
    description: str | None
    checksum: str
    problem: str | None
    config_key: str | None = None
    primary_env: str | None = None


@dataclass(frozen=True, slots=True)
class SkillChange:
    """What became of one skill since the last look."""

    change: Change
    agent: str
    slug: str
    problem: str | None


@dataclass(frozen=True, slots=True)
class ListedSkill:
    """A row of installed_skills.

    assigned: operators gave the agent one of this slug, and this one stands in its place; shared: a sound one of the
    same name is in the shared folder, and this one beats it.
    """

    gateway: str
    agent: str
    slug: str
    name: str
    description: str | None
    checksum: str
    problem: str | None
    changed_at: datetime
    seen_at: datetime
    assigned: bool
    shared: bool
