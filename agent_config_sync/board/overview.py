"""What people see of the board beside its tasks and threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from agent_config_sync.board.actor import Actor, only_orchestrator
from agent_config_sync.board.model import STATUSES, DocumentType, Task, TaskStatus
from agent_config_sync.board.names import known_agent
from agent_config_sync.board.queries import query


@dataclass(frozen=True, slots=True)
class DocumentHead:
    """A document without its content. version: counts its contents."""

    id: UUID
    title: str
    type: DocumentType
    version: int
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """Who is told of something, an agent by name or a person by user_id, and as what (mention, thread_update)."""

    type: str
    agent: str | None
    user_id: str | None


async def in_order(
    connection: asyncpg.Connection,
    actor: Actor,
    statuses: Sequence[TaskStatus],
    *,
    agent: str | None = None,
    limit: int,
) -> tuple[Task, ...]:
    """Return tasks that have one of these statuses: in their order, the most urgent and then the newest first.

    agent: who works on them. Raises: BoardError.
    """
    only_orchestrator(actor, "list tasks")
    name = await known_agent(connection, actor.account, agent) if agent is not None else None
    records = await connection.fetch(query("tasks_in_order"), actor.account, limit, list(statuses), name)
    return tuple(Task.of(record) for record in records)


async def documents_of(connection: asyncpg.Connection, actor: Actor, task: UUID) -> tuple[DocumentHead, ...]:
    """Return the documents of a task, the newest first."""
    records = await connection.fetch(query("documents_of_task"), actor.account, task)
    return tuple(DocumentHead(**dict(record)) for record in records)


async def told_of(connection: asyncpg.Connection, actor: Actor, message: UUID) -> tuple[Told, ...]:
    """Return who is told of a message, until a later one takes its place in what they are told."""
    records = await connection.fetch(query("told_of_message"), actor.account, message)
    return tuple(Told(**dict(record)) for record in records)


async def next_statuses(connection: asyncpg.Connection, status: TaskStatus) -> tuple[TaskStatus, ...]:
    """Return what a person may make of a task that has a status."""
    records = await connection.fetch(query("next_statuses"), status, list(STATUSES))
    return tuple(record["status"] for record in records)
