"""Statements that are tried and never committed."""

from __future__ import annotations

import asyncpg

from agent_config_sync.errors import DatabaseError
from agent_config_sync.postgres.queries import query

BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ"

DEADLINE = 60.0
"""Seconds for the statements of a trial, all together."""


async def run_trial(connection: asyncpg.Connection, statements: str, *, deadline: float = DEADLINE) -> None:
    """Run statements in the transaction that is open; whoever opened it must roll it back. What they set for the
    session is put back already.

    Raises: DatabaseError that says where they failed.
    """
    try:
        await connection.execute(query("trial_text"), statements, str(int(deadline * 1000)))
        await connection.execute(query("trial"), timeout=deadline + 1.0)
        await connection.execute(query("trial_settings"))
    except asyncpg.PostgresError as error:
        raise _failure(error, statements, deadline) from None


def _failure(error: asyncpg.PostgresError, statements: str, deadline: float) -> DatabaseError:
    words = str(error).splitlines()  # the driver's own errors have no message
    said = f"{words[0] if words else type(error).__name__} ({error.sqlstate})"
    match error:
        case asyncpg.QueryCanceledError():
            said = (
                f"it took longer than {deadline:g} s, which is all that a trial has: try fewer rows at once, "
                "or look for what burdens the database"
            )
        case asyncpg.LockNotAvailableError():
            said += ": end the transaction of the session that holds the lock"
        case asyncpg.FeatureNotSupportedError() if "transaction" in said:
            said = "it is run in a transaction that is rolled back: leave out BEGIN, COMMIT, ROLLBACK and SAVEPOINT"
        case asyncpg.InvalidTransactionTerminationError():
            said = "what it calls ends the transaction, and it is run in one that is rolled back"
        case asyncpg.InsufficientPrivilegeError():
            said += ": use a login that may write, such as one in agent_config_operator"
    return DatabaseError(f"the SQL failed{_place(error, statements)}: {said}")


def _place(error: asyncpg.PostgresError, statements: str) -> str:
    """Return at which line and column, where the server says so of these very statements."""
    if error.internal_position is None or error.internal_query != statements:
        return ""
    before = statements[: int(error.internal_position) - 1]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return f" at line {line}, column {column}"
