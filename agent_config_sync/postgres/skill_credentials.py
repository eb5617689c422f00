"""The rows of keys that skills need: who asked, and what a person decided. A key itself never comes here."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from agent_config_sync.errors import RightsError
from agent_config_sync.model.credentials import Answer, Credential
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


async def record_refusals(link: Link, refusals: Sequence[tuple[str, str, int]], *, account: str, gateway: str) -> None:
    """Keep it that requests were not taken. refusals: of each, the agent, the reason and how many.

    Raises: RightsError when this login may not, DatabaseError.
    """
    columns = [list(column) for column in zip(*refusals, strict=True)]
    async with link.reading() as connection:
        try:
            await connection.execute(query("skill_credentials_refused"), account, gateway, *columns)
        except _NO_RIGHT as error:
            raise _no_right(gateway, error) from None


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
