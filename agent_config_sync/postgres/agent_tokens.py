"""Issue and revoke tokens of agents; the database holds their hashes only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agent_config_sync.postgres.link import Link
from agent_config_sync.postgres.queries import query


async def issue(link: Link, hashes: Mapping[str, str], *, account: str, gateway: str) -> frozenset[str]:
    """Let these be tokens from now on; return the hashes that were taken. hashes: by agent.

    Raises: RightsError when this login may not, DatabaseError.
    """
    async with link.reading() as connection:
        records = await connection.fetch(
            query("agent_tokens_issue"), account, gateway, list(hashes), list(hashes.values())
        )
    return frozenset(record["token_hash"] for record in records)


async def revoke(link: Link, hashes: Sequence[str], *, account: str, gateway: str) -> None:
    """Let these be tokens no more.

    Raises: RightsError when this login may not, DatabaseError.
    """
    async with link.reading() as connection:
        await connection.execute(query("agent_tokens_revoke"), account, gateway, list(hashes))
