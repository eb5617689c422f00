"""The rows of keys that skills need: who asked, and what a person decided. A key itself never comes here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import asyncpg

from agent_config_sync.errors import RightsError
from agent_config_sync.model.credentials import Answer, Credential, CredentialStatus, FoundCredential
from agent_config_sync.postgres.link import Link
from agent_config_sync.postgres.queries import query

MOST_PENDING = 50
"""Keys for which one agent may wait."""

_NO_RIGHT = (asyncpg.InsufficientPrivilegeError, asyncpg.UndefinedTableError)


async def request_credential(
    link: Link, *, account: str, gateway: str, agent: str, skill: str, key_name: str
) -> Answer:
    """Ask a person for a key, in an agent's name; return what becomes of it.

    Raises: RightsError when this login may not, DatabaseError.
    """
    async with link.reading() as connection:
        try:
            answer: Answer = await connection.fetchval(
                query("skill_credentials_request"), account, gateway, agent, skill, key_name, MOST_PENDING
            )
        except _NO_RIGHT as error:
            raise _no_right(gateway, error) from None
    return answer


async def record_refusals(
    link: Link,
    refusals: Sequence[tuple[str, str, int]],
    *,
    account: str,
    gateway: str,
    of: Literal["agent", "system"] = "agent",
) -> None:
    """Keep it that requests were not taken. refusals: of each, who asked, the reason and how many; of: whether these
    are agents, or whoever this gateway met.

    Raises: RightsError when this login may not, DatabaseError.
    """
    columns = [list(column) for column in zip(*refusals, strict=True)]
    async with link.reading() as connection:
        try:
            await connection.execute(query("skill_credentials_refused"), account, gateway, *columns, of)
        except _NO_RIGHT as error:
            raise _no_right(gateway, error) from None


async def find_credential(
    connection: asyncpg.Connection, *, account: str, gateway: str, ref: str
) -> FoundCredential | None:
    """Return the key of this reference that a gateway asks for, else the last one that was taken back.

    Raises: what the driver raises.
    """
    record = await connection.fetchrow(query("credential_found"), account, gateway, ref)
    return FoundCredential(**dict(record)) if record is not None else None


async def renew_credential(connection: asyncpg.Connection, key: str) -> str:
    """Ask anew for a key that was taken back; return the id of the new one. Raises: what the driver raises."""
    return str(await connection.fetchval(query("credential_renewed"), key))


async def decide(connection: asyncpg.Connection, key: str, status: CredentialStatus, *, person: str) -> bool:
    """Say that a key was entered or taken back; return whether that is news, and anybody's right to say.

    Raises: what the driver raises.
    """
    return await connection.fetchval(query("credential_decided"), key, status, person) is not None


async def list_credentials(connection: asyncpg.Connection, account: str) -> tuple[Credential, ...]:
    """Return the keys of all gateways of an account, pending ones first.

    Raises: what the driver raises.
    """
    records = await connection.fetch(query("skill_credentials_list"), account)
    return tuple(Credential(**dict(record)) for record in records)


def _no_right(gateway: str, error: asyncpg.PostgresError) -> RightsError:
    return RightsError(
        f"what agents of {gateway} ask for cannot be written ({error.sqlstate}): agent-config-sync migrate, and GRANT "
        "agent_config_runtime TO this login"
    )
