"""Keys that skills need, as the database knows them: never a key itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

CredentialStatus: TypeAlias = Literal["pending", "active", "revoked"]

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
