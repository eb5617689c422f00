"""What people ask of the board on its pages: one answer a function, each of one instant or all done at once."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from agent_config_sync.board import assignees, deliveries, overview, showing, tasks, threads
from agent_config_sync.board.acting import acting
from agent_config_sync.board.actor import Person
from agent_config_sync.board.deliveries import TurnState, Undelivered
from agent_config_sync.board.model import Message, Task, TaskStatus
from agent_config_sync.board.overview import DocumentHead, Told
from agent_config_sync.board.showing import Colleague, Column, Document
from agent_config_sync.errors import BoardConflictError, BoardInvalidError
from agent_config_sync.postgres.work_watch import Lent

MOST_GIVEN_UP = 20
"""Notifications that a page shows; the command shows all."""


@dataclass(frozen=True, slots=True)
class BoardSeen:
    """The board, or one column of it. given_up: what agents were not told, at most `MOST_GIVEN_UP`, the last first."""

    columns: tuple[Column, ...]
    colleagues: tuple[Colleague, ...]
    given_up: tuple[Undelivered, ...] = ()
    given_up_count: int = 0


@dataclass(frozen=True, slots=True)
class TaskSeen:
    """All of a task. next: what a person may make of it; thread: its end, at most `threads.MOST` messages; turns: of
    agents that are still to be told something; given_up: what agents were not told, at most `MOST_GIVEN_UP`."""

    task: Task
    next: tuple[TaskStatus, ...]
    documents: tuple[DocumentHead, ...]
    thread: tuple[Message, ...]
    colleagues: tuple[Colleague, ...]
    turns: tuple[TurnState, ...]
    given_up: tuple[Undelivered, ...]


class BoardDesk:
    """Answers for one account."""

    def __init__(self, account: str, lent: Lent) -> None:
        """lent: lends a connection."""
        self._account = account
        self._lent = lent

    def person(self, name: str) -> Person:
        """Return somebody who is logged in, as who acts."""
        return Person(self._account, name)

    async def board(
        self, person: Person, statuses: Sequence[TaskStatus], *, limit: int, skip: int = 0, with_given_up: bool
    ) -> BoardSeen:
        """Return the tasks of each of these statuses, and who is on the board. Raises: DatabaseError."""
        async with self._at_one_instant() as connection:
            columns = await showing.columns(connection, person, statuses, limit=limit, skip=skip)
            colleagues = await showing.colleagues(connection, person)
            if not with_given_up:
                return BoardSeen(columns, colleagues)
            given_up = await deliveries.given_up(connection, person, limit=MOST_GIVEN_UP)
            count = len(given_up)
            if count == MOST_GIVEN_UP:
                count = (await deliveries.counted(connection, person.account)).given_up
            return BoardSeen(columns, colleagues, given_up, count)

    async def task(self, person: Person, task: UUID) -> TaskSeen:
        """Raises: BoardNotFoundError, DatabaseError."""
        async with self._at_one_instant() as connection:
            seen, thread = await threads.load(connection, person, task, limit=threads.MOST)
            return TaskSeen(
                seen,
                await overview.next_statuses(connection, seen.status),
                await overview.documents_of(connection, person, task),
                thread,
                await showing.colleagues(connection, person),
                await deliveries.turns(connection, person, task),
                await deliveries.given_up(connection, person, task=task, limit=MOST_GIVEN_UP),
            )

    async def document(self, person: Person, document: UUID) -> Document:
        """Raises: BoardNotFoundError, DatabaseError."""
        async with self._lent() as connection:
            return await showing.document(connection, person, document)

    async def told(self, person: Person, message: UUID) -> tuple[Told, ...]:
        """Return who is told of a message. Raises: DatabaseError."""
        async with self._lent() as connection:
            return await overview.told_of(connection, person, message)

    async def create(self, person: Person, new: tasks.NewTask, names: Sequence[str]) -> UUID:
        """Make a task on which these work; return its id. Raises: BoardError, DatabaseError."""
        async with self._lent() as connection, acting(connection, person):
            made = await tasks.create(connection, person, new)
            if names:
                await assignees.reassign(connection, person, made.id, more=names)
            return made.id

    async def comment(self, person: Person, task: UUID, content: str) -> UUID:
        """Write into the thread of a task; return the message's id. Raises: BoardError, DatabaseError."""
        async with self._lent() as connection:
            return await threads.post(connection, person, task, content)

    async def assign(self, person: Person, task: UUID, *, more: Sequence[str] = (), fewer: Sequence[str] = ()) -> None:
        """Let some work on a task as well, and others no longer. Raises: BoardError, DatabaseError."""
        async with self._lent() as connection:
            await assignees.reassign(connection, person, task, more=more, fewer=fewer)

    async def move(
        self, person: Person, task: UUID, status: TaskStatus, *, reason: str, expected: TaskStatus | None
    ) -> None:
        """Give a task another status. expected: the one that the person saw.

        Raises: BoardError, which says what became of it meanwhile; DatabaseError.
        """
        if status == "archived" and not reason.strip():
            raise BoardInvalidError("Invalid status: archived needs a reason")
        async with self._lent() as connection:
            if status == "archived":  # whatever it was
                await tasks.archive(connection, person, task, reason)
                return
            why = reason if status == "blocked" else None
            change = await tasks.set_status(connection, person, task, status, reason=why, expected=expected)
        if not change.changed and change.status != status:
            raise BoardConflictError(f"Not moved: somebody made it {change.status} meanwhile")

    async def requeue(self, person: Person, notification: UUID) -> None:
        """Let a notification be tried again that was given up. Raises: BoardError, DatabaseError."""
        async with self._lent() as connection:
            await deliveries.requeue(connection, person, notification)

    @contextlib.asynccontextmanager
    async def _at_one_instant(self) -> AsyncIterator[asyncpg.Connection]:
        async with (
            self._lent() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield connection
