"""Tasks found: the newest of some kind, or those that say what somebody looks for."""

from __future__ import annotations

import asyncpg

from agent_config_sync.board.acting import refusals
from agent_config_sync.board.actor import Actor, only_orchestrator
from agent_config_sync.board.model import FoundTask, Task, TaskStatus
from agent_config_sync.board.names import known_agent
from agent_config_sync.board.queries import query
from agent_config_sync.board.tasks import within
from agent_config_sync.errors import BoardInvalidError

TO_LIST, TO_SEARCH = "list tasks", "search tasks"
"""What the orchestrator alone can do, of agents."""

LISTED, MOST_LISTED = 50, 200
FOUND, MOST_FOUND = 20, 100

LONGEST_QUERY = 1000
"""Characters of what is looked for: PostgreSQL reads some of 100,000 for minutes, and nothing can interrupt it."""

MOST_COMPARED = 5000
"""Of the tasks in which a search finds its words; a word may be in every one."""


async def newest(
    connection: asyncpg.Connection,
    actor: Actor,
    *,
    status: TaskStatus | None = None,
    agent: str | None = None,
    limit: int = LISTED,
) -> tuple[Task, ...]:
    """Return tasks of the account, the newest first. agent: on which it works. Raises: BoardError."""
    only_orchestrator(actor, TO_LIST)
    limit = within(limit, MOST_LISTED)
    if agent is not None:
        name = await known_agent(connection, actor.account, agent)
        records = await connection.fetch(query("tasks_of_agent"), actor.account, limit, name, status)
    elif status is not None:
        records = await connection.fetch(query("tasks_of_status"), actor.account, limit, status)
    else:
        records = await connection.fetch(query("tasks_by_time"), actor.account, limit)
    return tuple(Task.of(record) for record in records)


async def search(
    connection: asyncpg.Connection, actor: Actor, words: str, *, limit: int = FOUND
) -> tuple[FoundTask, ...]:
    """Return the tasks that say best what is looked for, in the words of a web search: "a phrase", -not, or.

    Raises: BoardError.
    """
    if not words.strip():
        raise BoardInvalidError("Invalid query: it is empty")
    if len(words) > LONGEST_QUERY:
        raise BoardInvalidError(f"Invalid query: {LONGEST_QUERY:,} characters at most")
    only_orchestrator(actor, TO_SEARCH)
    try:
        with refusals():
            records = await connection.fetch(
                query("task_search"), actor.account, words, within(limit, MOST_FOUND), MOST_COMPARED
            )
    except asyncpg.InternalServerError:  # so PostgreSQL says that its parser has no room for more of them
        raise BoardInvalidError("Invalid query: too many - one after another") from None
    return tuple(
        FoundTask(**dict(record) | {"agents": tuple(record["agents"]), "people": tuple(record["people"])})
        for record in records
    )
