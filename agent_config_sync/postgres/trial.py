"""Statements that are tried and never committed."""

from __future__ import annotations

import asyncpg

from agent_config_sync.errors import DatabaseError
from agent_config_sync.postgres.queries import query

BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ"


async def run_trial(connection: asyncpg.Connection, statements: str) -> None:
    """Run statements in the transaction that is open; whoever opened it must roll it back.

    Raises: DatabaseError that says where they failed.
    """
    try:
        await connection.execute(query("trial_text"), statements)
        await connection.execute(query("trial"))
    except asyncpg.PostgresError as error:
        raise _failure(error, statements) from None


def _failure(error: asyncpg.PostgresError, statements: str) -> DatabaseError:
    words = error.message.splitlines()
    said = f"{words[0] if words else type(error).__name__} ({error.sqlstate})"
    match error:
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
