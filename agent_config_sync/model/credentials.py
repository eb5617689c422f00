"""Keys that skills need, as the database knows them: never a key itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

CredentialStatus: TypeAlias = Literal["pending", "active", "revoked"]

KEYS_FILE = "skills.json"
"""The file beside the gateway's configuration that gives skills their keys."""

PROVIDER = "agent_config_sync"
"""Our name in the gateway's `secrets.providers`."""

Answer: TypeAlias = Literal["asked", "known", "too_many"]
"""What becomes of a request: a person is asked now, was asked before, or the agent waits for too many."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A row of skill_credentials. credential_ref: account, gateway, skill and key_name with slashes between them;
    skill: its folder; requested_by: an agent, None where a person began; decided_by: a person."""

    credential_ref: str
    gateway: str
    skill: str
    key_name: str
    status: CredentialStatus
    requested_by: str | None
    decided_by: str | None
    requested_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class FoundCredential:
    """Of a row what one must know to change it. ours: whether this login may; reported_by: the login that may."""

    id: str
    status: CredentialStatus
    reported_by: str
    ours: bool


@dataclass(frozen=True, slots=True)
class SkillEntry:
    """Where the gateway looks for what a skill needs. name: the key in `skills.entries`; primary_env: the variable that
    its `apiKey` fills, None where it has none."""

    name: str
    primary_env: str | None


@dataclass(frozen=True, slots=True)
class EnteredKey:
    """A key that a person has entered at this gateway. id: under which the host keeps it; entries: of the skills in
    folders of that name, empty while none is installed."""

    id: str
    skill: str
    key_name: str
    entries: tuple[SkillEntry, ...] = ()
