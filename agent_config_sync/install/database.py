"""The database step: migrations and starting values, and everything that they have made still there."""

from __future__ import annotations

from collections.abc import Iterator

import asyncpg

from agent_config_sync.errors import RightsError
from agent_config_sync.install.job import Job
from agent_config_sync.postgres.failures import QUERY_FAILURES, query_failure
from agent_config_sync.postgres.migrate import migrate, pending
from agent_config_sync.postgres.schema import TRIGGERS, SchemaState, read_schema_state
from agent_config_sync.postgres.server import server_of


async def prepare_database(job: Job, connection: asyncpg.Connection) -> None:
    """Apply the migrations and starting values that are pending, and put back what somebody has taken away.

    Raises: DatabaseError.
    """
    where = server_of(job.settings).name
    names = ", ".join(migration.name for migration in await pending(connection))
    state = await _state(connection)
    lacking = ", ".join(_lacking(state))
    if not names and not lacking:
        job.say("already", "database", f"{where} has all tables and triggers")
    elif job.options.look:
        job.say("would", "database", f"apply {names} to {where}" if names else f"repair {where}: {lacking}")
    elif names:
        await migrate(connection, repair=bool(lacking))
        job.say("done", "database", f"applied {names} to {where}")
    else:
        if state.login.owner is not None:
            raise RightsError(
                f"{where} lacks {lacking}, and only {state.login.owner} may put it back: run this with that login"
            )
        await migrate(connection, repair=True)
        job.say("done", "database", f"repaired {where}: {lacking}")


async def _state(connection: asyncpg.Connection) -> SchemaState:
    try:
        return await read_schema_state(connection)
    except QUERY_FAILURES as error:
        raise query_failure(error, "the database") from None


def _lacking(state: SchemaState) -> Iterator[str]:
    """Yield what is not as the migrations made it."""
    for table in state.missing_tables:
        yield f"table {table}"
    for table, column in state.missing_columns:
        yield f"column {column} of {table}"
    working = {(each.table, each.name) for each in state.triggers if each.enabled and each.notifies}
    for table, names in TRIGGERS.items():
        if table not in state.missing_tables:
            yield from (f"trigger {name} of {table}" for name in names if (table, name) not in working)
