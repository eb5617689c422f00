"""Who acts, and what agents have."""

from __future__ import annotations

from collections.abc import Iterable

import asyncpg

from agent_config_sync.board.acting import refusals
from agent_config_sync.board.actor import Actor, Agent
from agent_config_sync.board.model import AgentSkills
from agent_config_sync.board.names import cleaned
from agent_config_sync.board.queries import query
from agent_config_sync.errors import BoardNotFoundError


async def who_acts(
    connection: asyncpg.Connection, account: str, gateway: str, session_key: str, *, token_hash: str | None
) -> Agent | None:
    """Return the agent whose session it is, None where it is nobody's. token_hash: SHA-256 of the token that proves it,
    None where the key alone is taken for a proof."""
    record = await connection.fetchrow(query("agent_acting"), account, gateway, session_key, token_hash)
    return Agent(account, **dict(record)) if record is not None else None


async def open_sessions(connection: asyncpg.Connection, account: str, agents: Iterable[str]) -> None:
    """Let each of these agents have its standing session."""
    await connection.execute(query("sessions_open"), account, list(agents))


async def skills_of(connection: asyncpg.Connection, actor: Actor, agent: str | None) -> tuple[AgentSkills, ...]:
    """Return the skills of an agent, or of all where none is named. Raises: BoardError."""
    name = next(iter(cleaned([agent])), None) if agent is not None else None
    with refusals():
        records = await connection.fetch(query("skills_of_agents"), actor.account, name)
    if name is not None and not records:
        raise BoardNotFoundError(f"Not found: agent {name[:100]}")
    return tuple(AgentSkills(record["agent"], tuple(record["skills"]), record["seen_at"]) for record in records)
