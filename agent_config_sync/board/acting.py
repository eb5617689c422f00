"""One transaction in somebody's name, and the database's refusals as our errors."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping

import asyncpg

from agent_config_sync.board.actor import Actor
from agent_config_sync.board.queries import query
from agent_config_sync.errors import (
    BoardConflictError,
    BoardError,
    BoardForbiddenError,
    BoardInvalidError,
    BoardNotFoundError,
)

_REFUSALS: Mapping[str, type[BoardError]] = {
    "TB403": BoardForbiddenError,
    "TB404": BoardNotFoundError,
    "TB409": BoardConflictError,
    "TB422": BoardInvalidError,
}
"""The codes with which the board's own functions refuse."""

_CONSTRAINTS: Mapping[str, str] = {
    "board_tasks_title": "Invalid title: 1 to 2,000 characters",
    "board_tasks_description": "Invalid description: 100,000 characters at most",
    "board_tasks_priority": "Invalid priority: 1 (highest) to 5 (lowest)",
    "board_tasks_labels": "Invalid labels: 100 at most, of 10,000 characters together",
    "board_tasks_due_at": "Invalid dueDate: a moment of the years 1 to 9999",
    "board_tasks_blocked_reason": "Invalid blockedReason: 2,000 characters at most",
    "board_tasks_pr_number": "Invalid prNumber: it begins at 1",
    "board_messages_content": "Invalid content: 1 to 100,000 characters",
    "board_documents_title": "Invalid title: 1 to 2,000 characters",
    "board_documents_content": "Invalid content: 1,000,000 characters at most",
    "board_documents_type": "Invalid type: deliverable, note, template or reference",
}
"""What a CHECK of the board's tables says."""


@contextlib.asynccontextmanager
async def acting(connection: asyncpg.Connection, actor: Actor, *, reason: str = "") -> AsyncIterator[None]:
    """Do all of a block or nothing of it. reason: for the history of a change of status.

    Raises: BoardError; what the driver raises.
    """
    with refusals():
        async with connection.transaction():
            await connection.execute(query("act_as"), f"{actor.kind}/{actor.id}", reason)
            yield
            await settle(connection)


async def settle(connection: asyncpg.Connection) -> None:
    """Let everything follow now that else follows at the end, to see what became of a task before anybody else changes
    it. Raises: what the driver raises."""
    await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Let the database's refusals be ours. Raises: BoardError; what the driver raises."""
    try:
        yield
    except asyncpg.CheckViolationError as error:
        said = _CONSTRAINTS.get(error.constraint_name or "")
        if said is None:
            raise
        raise BoardInvalidError(said) from None
    except asyncpg.ForeignKeyViolationError:
        raise BoardNotFoundError("Not found: it was removed meanwhile") from None
    except asyncpg.CharacterNotInRepertoireError:
        raise BoardInvalidError("Invalid text: PostgreSQL keeps no NUL character") from None
    except asyncpg.PostgresError as error:
        refused = _REFUSALS.get(error.sqlstate or "")
        if refused is None:
            raise
        raise refused(error.args[0]) from None
