"""One agent asks others to respond to a task."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg

from agent_config_sync.board.acting import acting
from agent_config_sync.board.actor import Agent, only_with
from agent_config_sync.board.names import cleaned, known_agents
from agent_config_sync.board.queries import query
from agent_config_sync.board.tasks import missing
from agent_config_sync.errors import BoardInvalidError

MOST_RECIPIENTS = 10

LONGEST = 1000
"""Characters of a request."""

PATIENCE = timedelta(hours=4)
"""Until somebody who has not answered is asked again."""


async def request_responses(
    connection: asyncpg.Connection, actor: Agent, task: UUID, agents: Sequence[str], message: str
) -> tuple[UUID, ...]:
    """Ask agents to respond; return the new notifications, none for those who are asked already.

    Raises: BoardError.
    """
    said = message.strip()
    if not said or len(said) > LONGEST:
        raise BoardInvalidError(f"Invalid message: 1 to {LONGEST:,} characters")
    if len(cleaned(agents)) > MOST_RECIPIENTS:
        raise BoardInvalidError(f"Invalid recipientSlugs: {MOST_RECIPIENTS} at most")
    only_with(actor.can_mention_agents, "request responses")
    names = await known_agents(connection, actor.account, agents, "recipient")
    others = [name for name in names if name != actor.name]
    if not others:
        raise BoardInvalidError("Invalid recipientSlugs: name another agent at least")
    async with acting(connection, actor):
        # Who asks the same at the same time waits here, and then sees this request.
        if await connection.fetchval(query("task_locked"), actor.account, task) is None:
            raise missing(task)
        asked = {
            record["agent"]
            for record in await connection.fetch(query("requests_open"), actor.account, task, others, PATIENCE)
        }
        due = [name for name in others if name not in asked]
        records = await connection.fetch(query("request"), actor.account, task, due, actor.name, said)
    return tuple(record["id"] for record in records)
