"""What agents are to be told and were not yet, or never will be, unless a person lets it be tried again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from agent_config_sync.board.acting import acting
from agent_config_sync.board.actor import Person
from agent_config_sync.board.beginnings import SHORTEST
from agent_config_sync.board.queries import query
from agent_config_sync.errors import BoardInvalidError, BoardNotFoundError

LISTED, MOST_LISTED = 50, 1000

LATE = timedelta(minutes=5)
"""Longer than that a notification waits only where something holds it up, or where there is much to do."""

_NAMED = 10
"""Notifications that are named where a beginning is that of several."""


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A notification that an agent has not dealt with. since: it was given up, or, of one that waits, was made;
    attempts: turns that were begun for it; last_error: why the last one failed."""

    id: UUID
    agent: str
    agent_name: str
    task_id: UUID
    task_title: str
    type: str
    since: datetime
    attempts: int
    last_error: str | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many notifications of agents were given up, and wait; late: of these; oldest: when the first was made."""

    given_up: int
    waiting: int
    late: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class TurnState:
    """How it stands with what an agent is to be told of a task.

    waiting: notifications. Of the oldest, since: it was made; attempts, failed: turns that were begun, and came to
    nothing; last_error: of the last one; under_way: whether it has its turn now; not_before: until then it has none.
    """

    agent: str
    agent_name: str
    waiting: int
    since: datetime
    attempts: int
    failed: int
    last_error: str | None
    under_way: bool
    not_before: datetime | None


async def given_up(
    connection: asyncpg.Connection, person: Person, *, task: UUID | None = None, limit: int = LISTED
) -> tuple[Undelivered, ...]:
    """Return what was given up, the last first. task: to which it belongs."""
    records = await connection.fetch(query("notifications_given_up"), person.account, task, limit)
    return tuple(Undelivered(**dict(record)) for record in records)


async def waiting(connection: asyncpg.Connection, person: Person, *, limit: int = LISTED) -> tuple[Undelivered, ...]:
    """Return what is still to be told, the oldest first, turns under way among it."""
    records = await connection.fetch(query("notifications_waiting"), person.account, limit)
    return tuple(Undelivered(**dict(record)) for record in records)


async def counted(connection: asyncpg.Connection, account: str) -> Backlog:
    """Return how much there is of both."""
    record = await connection.fetchrow(query("notifications_counted"), account, LATE)
    assert record is not None  # it counts, and so has a row
    return Backlog(**dict(record))


async def turns(connection: asyncpg.Connection, person: Person, task: UUID) -> tuple[TurnState, ...]:
    """Return how it stands with each agent that is to be told something of a task, by name."""
    records = await connection.fetch(query("turns_of_task"), person.account, task)
    return tuple(TurnState(**dict(record)) for record in records)


async def given_up_beginning(connection: asyncpg.Connection, person: Person, said: str) -> UUID:
    """Return the id of the one notification that was given up and begins so.

    Raises: BoardError, which lists them where there are several.
    """
    digits = said.strip().lower().replace("-", "")
    if re.fullmatch(f"[0-9a-f]{{{SHORTEST},32}}", digits) is None:
        raise _missing(said)
    low, high = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    found = await connection.fetch(query("notifications_between"), person.account, low, high, _NAMED + 1)
    if not found:
        raise _missing(said)
    if len(found) > 1:
        listed = [f"{record['id']} ({record['agent']})" for record in found[:_NAMED]]
        raise BoardInvalidError(
            f"Ambiguous: notification {said.strip()} is {', '.join(listed)}"
            f"{' and others' if len(found) > _NAMED else ''}"
        )
    notification: UUID = found[0]["id"]
    return notification


async def requeue(connection: asyncpg.Connection, person: Person, notification: UUID) -> None:
    """Let a notification be tried again that was given up. Raises: BoardNotFoundError."""
    if not await _requeued(connection, person, notification, None):
        raise _missing(notification)


async def requeue_of_task(connection: asyncpg.Connection, person: Person, task: UUID) -> tuple[UUID, ...]:
    """Let all be tried again that was given up of a task; return the ids of these notifications."""
    return await _requeued(connection, person, None, task)


async def requeue_all(connection: asyncpg.Connection, person: Person) -> tuple[UUID, ...]:
    """Let all be tried again that was given up; return the ids of these notifications."""
    return await _requeued(connection, person, None, None)


async def _requeued(
    connection: asyncpg.Connection, person: Person, notification: UUID | None, task: UUID | None
) -> tuple[UUID, ...]:
    async with acting(connection, person):
        records = await connection.fetch(query("notifications_requeue"), person.account, notification, task)
    return tuple(record["id"] for record in records)


def _missing(notification: UUID | str) -> BoardNotFoundError:
    return BoardNotFoundError(f"Not found: no notification {str(notification)[:100]} that was given up")
