"""What a heartbeat of an agent is about: its tasks, and the thread of the first of them, as of one instant."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import asyncpg
import orjson

from agent_config_sync.board.actor import Agent
from agent_config_sync.board.model import Message, TaskStatus
from agent_config_sync.board.threads import message_of
from agent_config_sync.runtime.context import MAY
from agent_config_sync.runtime.queries import query

TASKS = 40
"""Tasks that are told, the most urgent ones."""

THREAD = 8
"""Messages of the first one's thread."""


@dataclass(frozen=True, slots=True)
class TrackedTask:
    """A task that an agent works on, or sees to."""

    id: UUID
    title: str
    status: TaskStatus
    description: str | None


@dataclass(frozen=True, slots=True)
class HeartbeatContext:
    """All that one heartbeat is about.

    agent: as it acts on the first task; tasks: what it is to look at first comes first; left_out: how many more there
    are; thread: the end of the first one's, oldest message first; base_url: of our HTTP interface, where operators say.
    """

    agent: Agent
    display_name: str
    role: str | None
    tasks: tuple[TrackedTask, ...] = ()
    left_out: int = 0
    thread: tuple[Message, ...] = ()
    base_url: str | None = None

    @property
    def focus(self) -> TrackedTask | None:
        """The task to look at first."""
        return self.tasks[0] if self.tasks else None


async def read_heartbeat(
    connection: asyncpg.Connection, account: str, gateway: str, agent: str
) -> HeartbeatContext | None:
    """Return what a heartbeat is about; None where its agent is gone, or works on the board no more."""
    record = await connection.fetchrow(query("heartbeat_context"), account, agent, TASKS, THREAD, gateway)
    if record is None:
        return None
    tasks = tuple(
        TrackedTask(UUID(key), title, status, description)
        for key, title, status, description in orjson.loads(record["tasks"] or "[]")
    )
    return HeartbeatContext(
        agent=Agent(
            account, record["agent"], **{name: record[name] for name in MAY}, task=tasks[0].id if tasks else None
        ),
        display_name=record["display_name"],
        role=record["role"],
        tasks=tasks,
        left_out=record["tracked"] - len(tasks),
        thread=tuple(message_of(*said) for said in orjson.loads(record["thread"] or "[]")),
        base_url=record["base_url"],
    )
