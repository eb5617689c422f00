"""What each command of the board asks of the database."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Concatenate, ParamSpec, TypeVar
from uuid import UUID

import asyncpg

from agent_config_sync.board import assignees, overview, tasks, threads
from agent_config_sync.board.acting import acting
from agent_config_sync.board.actor import Person
from agent_config_sync.board.beginnings import beginnings, task_beginning
from agent_config_sync.board.model import Message, Task, TaskStatus
from agent_config_sync.board.overview import DocumentHead, Told
from agent_config_sync.cli.board_input import only_text
from agent_config_sync.cli.database import open_connection
from agent_config_sync.cli.options import given, settings_of
from agent_config_sync.cli.person import person_or_user
from agent_config_sync.errors import BoardConflictError, BoardError, BoardInvalidError, RightsError, SchemaError
from agent_config_sync.logs import printable
from agent_config_sync.postgres.failures import QUERY_FAILURES, query_failure
from agent_config_sync.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")


def asked(
    dsn: str | None,
    config: str | None,
    person: str | None,
    ask: Callable[Concatenate[asyncpg.Connection, Person, P], Awaitable[T]],
    *said: P.args,
    **options: P.kwargs,
) -> T:
    """Return what somebody asks of the board. Raises: SyncError."""
    only_text(sys.argv)
    settings = settings_of(given(dsn=dsn), config)

    async def answer() -> T:
        async with _lent(settings) as connection:
            return await ask(connection, Person(settings.account, person_or_user(person)), *said, **options)

    return asyncio.run(answer())


@contextlib.asynccontextmanager
async def _lent(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    async with open_connection(settings) as connection:
        try:
            yield connection
        except BoardError as error:  # it may quote a title
            raise type(error)(printable(str(error))) from None
        except (asyncpg.UndefinedTableError, asyncpg.UndefinedFunctionError):
            raise SchemaError("the database has no board yet: agent-config-sync migrate") from None
        except asyncpg.InsufficientPrivilegeError as error:
            raise RightsError(
                f"{error.args[0]}: GRANT agent_config_operator TO this login, and where accounts are kept apart, bind "
                f"it to {printable(settings.account)} (account_logins)"
            ) from None
        except QUERY_FAILURES as error:
            raise query_failure(error, "the database") from None


async def listed(
    connection: asyncpg.Connection, person: Person, statuses: Sequence[TaskStatus], agent: str | None, limit: int
) -> tuple[tuple[Task, ...], dict[UUID, str]]:
    """Return tasks, and of the id of each as much as tells it. Raises: BoardError."""
    found = await overview.in_order(connection, person, statuses, agent=agent, limit=limit)
    return found, await beginnings(connection, person, [task.id for task in found])


async def shown(
    connection: asyncpg.Connection, person: Person, said: str, limit: int
) -> tuple[Task, tuple[DocumentHead, ...], tuple[Message, ...]]:
    """Return a task, its documents, and the end of its thread. Raises: BoardError."""
    task, thread = await threads.load(connection, person, await task_beginning(connection, person, said), limit=limit)
    return task, await overview.documents_of(connection, person, task.id), thread


async def created(connection: asyncpg.Connection, person: Person, new: tasks.NewTask, names: Sequence[str]) -> Task:
    """Return the new task, or let nothing be made of it where one of the names is not known. Raises: BoardError."""
    async with acting(connection, person):
        made = await tasks.create(connection, person, new)
        return await assignees.reassign(connection, person, made.id, more=names) if names else made


async def commented(
    connection: asyncpg.Connection, person: Person, said: str, content: str
) -> tuple[UUID, tuple[Told, ...]]:
    """Return the id of the new message, and who is told of it. Raises: BoardError."""
    task = await task_beginning(connection, person, said)
    async with acting(connection, person):  # before it ends, no later message is told in this one's place
        message = await threads.post(connection, person, task, content)
        return message, await overview.told_of(connection, person, message)


async def assigned(
    connection: asyncpg.Connection, person: Person, said: str, more: Sequence[str], fewer: Sequence[str]
) -> Task:
    """Return the task as it is then. Raises: BoardError."""
    task = await task_beginning(connection, person, said)
    return await assignees.reassign(connection, person, task, more=more, fewer=fewer)


async def moved(
    connection: asyncpg.Connection, person: Person, said: str, status: TaskStatus, reason: str | None
) -> tuple[Task, bool]:
    """Return the task, and whether it is another now. Raises: BoardError, which says what it may become."""
    before = await tasks.see(connection, person, await task_beginning(connection, person, said))
    try:
        match status:
            case "archived" if reason is not None:
                await tasks.archive(connection, person, before.id, reason)
            case "blocked":  # for another reason, too
                changes = tasks.TaskChanges(status=status, blocked_reason=reason)
                await tasks.update(connection, person, before.id, changes)
            case _:
                await tasks.set_status(connection, person, before.id, status, reason=reason)
    except (BoardConflictError, BoardInvalidError) as error:
        standing = await tasks.see(connection, person, before.id)
        become = ", ".join(await overview.next_statuses(connection, standing.status))
        raise type(error)(f"{error}; from {standing.status} it may become {become or 'nothing else'}") from None
    after = await tasks.see(connection, person, before.id)
    return after, (after.status, after.blocked_reason) != (before.status, before.blocked_reason)
