"""What pages show of the board beside tasks and threads: columns, who can be assigned, and what documents say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from agent_config_sync.board.actor import Kind, Person
from agent_config_sync.board.model import DocumentType, Task, TaskStatus
from agent_config_sync.board.queries import query
from agent_config_sync.errors import BoardNotFoundError


@dataclass(frozen=True, slots=True)
class Column:
    """Tasks that have a status, without their descriptions. count: of all that have it."""

    status: TaskStatus
    tasks: tuple[Task, ...]
    count: int


@dataclass(frozen=True, slots=True)
class Colleague:
    """An agent by its name, or a member by user_id. name: as people read it."""

    kind: Kind
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Document:
    """A document with its content. task_id, task_title: of the task to which it belongs, None without one."""

    id: UUID
    title: str
    type: DocumentType
    content: str
    version: int
    author_type: Kind
    author_id: str
    author_name: str
    updated_at: datetime
    task_id: UUID | None
    task_title: str | None


async def columns(
    connection: asyncpg.Connection, person: Person, statuses: Sequence[TaskStatus], *, limit: int, skip: int = 0
) -> tuple[Column, ...]:
    """Return a column of each status: the most urgent and then the newest tasks first, after those that are skipped."""
    records = await connection.fetch(query("columns_of_board"), person.account, list(statuses), skip, limit)
    counted = await connection.fetch(query("columns_counted"), person.account)
    tasks = [Task.of(record) for record in records]
    counts = {record["status"]: record["tasks"] for record in counted}
    return tuple(
        Column(status, tuple(task for task in tasks if task.status == status), counts.get(status, 0))
        for status in statuses
    )


async def colleagues(connection: asyncpg.Connection, person: Person) -> tuple[Colleague, ...]:
    """Return who can be assigned: agents, then members, by name."""
    records = await connection.fetch(query("colleagues"), person.account)
    return tuple(Colleague(**dict(record)) for record in records)


async def document(connection: asyncpg.Connection, person: Person, wanted: UUID) -> Document:
    """Return a document of the account. Raises: BoardNotFoundError."""
    record = await connection.fetchrow(query("document"), person.account, wanted)
    if record is None:
        raise BoardNotFoundError(f"Not found: document {wanted}")
    return Document(**dict(record))
