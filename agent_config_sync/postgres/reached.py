"""Do the gateways have what the database holds now?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import asyncpg

from agent_config_sync.postgres.queries import query
from agent_config_sync.postgres.status import StatusState


@dataclass(frozen=True, slots=True)
class Reached:
    """One gateway beside a snapshot. reached: all of it is in force, or offered; stale: the gateway is silent."""

    gateway: str
    state: StatusState
    error: str | None
    seen_at: datetime
    stale: bool
    reached: bool


async def current_snapshot(connection: asyncpg.Connection) -> str:
    """Return what is committed now, as a `pg_snapshot`."""
    return str(await connection.fetchval(query("current_snapshot")))


async def read_reached(connection: asyncpg.Connection, account: str, snapshot: str) -> list[Reached]:
    """Return every gateway of the account."""
    return [Reached(**dict(record)) for record in await connection.fetch(query("status_reached"), account, snapshot)]


async def wake(connection: asyncpg.Connection, source: str) -> None:
    """Let every gateway make a pass. source: who asks for it, for people."""
    await connection.execute(query("wake"), source)
