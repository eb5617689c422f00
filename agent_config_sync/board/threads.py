"""The threads of tasks."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import asyncpg
import orjson

from agent_config_sync.board.acting import acting
from agent_config_sync.board.actor import Actor, Kind, only_orchestrator
from agent_config_sync.board.model import Message, Task
from agent_config_sync.board.queries import query
from agent_config_sync.board.tasks import missing, see, within

TO_THREAD, TO_MESSAGE = "read threads", "post task messages"
"""What the orchestrator alone can do, of agents."""

LONGEST = 100_000
"""Characters of a message."""

LOADED, SHOWN, MOST = 10, 50, 200
"""Messages that come with a task, those of a thread, and the most of both."""


async def load(
    connection: asyncpg.Connection, actor: Actor, task: UUID, *, limit: int = LOADED
) -> tuple[Task, tuple[Message, ...]]:
    """Return a task and the end of its thread, oldest message first. Raises: BoardNotFoundError."""
    record = await connection.fetchrow(query("task_with_thread"), actor.account, task, within(limit, MOST))
    if record is None:
        raise missing(task)
    return Task.of(record), tuple(message_of(*said) for said in orjson.loads(record["thread"] or "[]"))


async def thread(
    connection: asyncpg.Connection, actor: Actor, task: UUID, *, limit: int = SHOWN
) -> tuple[Message, ...]:
    """Return the end of a thread, oldest message first. Raises: BoardError."""
    only_orchestrator(actor, TO_THREAD)
    await see(connection, actor, task)
    records = await connection.fetch(query("thread"), actor.account, task, within(limit, MOST))
    return tuple(Message(**dict(record)) for record in records)


async def post(connection: asyncpg.Connection, actor: Actor, task: UUID, content: str) -> UUID:
    """Write into a thread, as a person or the orchestrator, whenever they want; return the message's id.

    Raises: BoardError.
    """
    only_orchestrator(actor, TO_MESSAGE)
    async with acting(connection, actor):
        return await write(connection, actor, task, content)


async def write(connection: asyncpg.Connection, actor: Actor, task: UUID, content: str, *, quiet: bool = False) -> UUID:
    """Write into a thread in a transaction of the actor that does more; return the message's id. quiet: wake no agent.

    Raises: what the driver raises.
    """
    message: UUID = await connection.fetchval(query("message_post"), actor.account, task, content, quiet)
    return message


def fitting(text: str) -> str:
    """Return a text of a model as a message can hold it: without NUL, and cut where it is too long."""
    said = text.replace("\0", "")
    return said if len(said) <= LONGEST else f"{said[: LONGEST - 1]}…"


def message_of(key: str, kind: Kind, author: str, name: str | None, content: str, at: str) -> Message:
    """Return a message as queries tell it in JSON."""
    return Message(UUID(key), kind, author, name, content, datetime.fromisoformat(at))
