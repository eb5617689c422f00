"""Take agents into the database: all of them or none, and nothing that is there is lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import asyncpg

from agent_config_sync.errors import DatabaseError, RightsError, SchemaError
from agent_config_sync.model.rows import AgentRow
from agent_config_sync.postgres.agent_columns import as_columns_take, no_further_gateway, read_agent_columns
from agent_config_sync.postgres.agent_row import agent_row
from agent_config_sync.postgres.failures import QUERY_FAILURES, query_failure
from agent_config_sync.postgres.queries import query


@dataclass(frozen=True, slots=True)
class Known:
    """An agent that the database has already. here: this gateway runs it."""

    row: AgentRow
    here: bool


async def known_agents(
    connection: asyncpg.Connection, names: Sequence[str], *, account: str, gateway: str
) -> dict[str, Known]:
    """Return the agents of these names that are there.

    Raises: DatabaseError.
    """
    with _told():
        records = await connection.fetch(query("agents_named"), account, gateway, list(names))
    known: dict[str, Known] = {}
    for record in records:
        members = dict(record)
        here = members.pop("here")
        known[record["name"]] = Known(agent_row(members), here)
    return known


async def is_shared(connection: asyncpg.Connection, *, account: str, gateway: str) -> bool:
    """Return whether other gateways report into these tables.

    Raises: DatabaseError.
    """
    with _told():
        return bool(await connection.fetchval(query("others_report"), account, gateway))


async def reported_version(connection: asyncpg.Connection, *, account: str, gateway: str) -> str | None:
    """Return the version of OpenClaw that this gateway last reported.

    Raises: DatabaseError.
    """
    try:
        version: str | None = await connection.fetchval(query("status_version"), account, gateway)
    except QUERY_FAILURES as error:
        raise query_failure(error, "the database") from None
    return version


async def take_in(
    connection: asyncpg.Connection,
    new: Sequence[AgentRow],
    replaced: Sequence[AgentRow],
    *,
    account: str,
    gateway: str,
    only_here: bool,
) -> None:
    """Insert the new agents and let the replaced ones be what these rows say. only_here: new ones are for this gateway.

    Raises: DatabaseError that names the agent and the way out.
    """
    if not (new or replaced):
        return
    with _told():
        columns = await read_agent_columns(connection)
    for row in new:
        with _taken(f"agent {row.name}", "agents"):
            scope = [gateway] if only_here else None
            agent = await as_columns_take(connection, columns, row, account=account, gateways=scope)
            await connection.execute(query("agent_insert"), agent)
    for row in replaced:
        with _taken(f"agent {row.name}", "agents"):
            agent = await as_columns_take(connection, columns, row, account=account, gateways=None)
            here = await connection.fetchval(
                query("agent_replace"), account, row.name, agent, bool(row.is_default), gateway
            )
            if here is False:
                raise no_further_gateway(row, columns)


async def take_in_defaults(
    connection: asyncpg.Connection, defaults: Mapping[str, str], *, replace: bool
) -> dict[str, str]:
    """Take in rows of agent_system_config; return the values that are in force now.

    Raises: DatabaseError.
    """
    with _told():
        records = await connection.fetch(query("system_config"), list(defaults))
    in_force = {record["key"]: record["value"] for record in records}
    for key, value in defaults.items():
        if in_force.get(key) != value:
            with _taken(f"setting {key}", "agent_system_config"):
                in_force[key] = await connection.fetchval(query("system_config_take"), key, value, replace)
    return in_force


@contextmanager
def _told() -> Iterator[None]:
    """Turn what the driver raises into our errors."""
    try:
        yield
    except asyncpg.InsufficientPrivilegeError as error:
        raise RightsError(
            f"this login may not take agents in ({_first_line(error)}): first run `agent-config-sync import` "
            "here with the login of an operator (GRANT agent_config_operator TO it)"
        ) from None
    except QUERY_FAILURES as error:
        raise query_failure(error, "the database") from None


@contextmanager
def _taken(what: str, table: str) -> Iterator[None]:
    """Turn what a table's own rules refuse into an error that names the row, the rule and the way out."""
    with _told():
        try:
            yield
        except asyncpg.NotNullViolationError as error:
            column = error.column_name
            if column is None:  # a domain says it, which has no column
                raise _refused(what, table, error) from None
            raise SchemaError(
                f"{what} cannot be inserted: table {table} has a column {column} of its own that may not be empty; "
                f"give it a default (ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT ...) or insert it yourself"
            ) from None
        except asyncpg.IntegrityConstraintViolationError as error:
            raise DatabaseError(
                f"{what} cannot be inserted: it breaks {error.constraint_name or 'a constraint'} of table {table}; "
                "insert it yourself as that allows"
            ) from None
        except (asyncpg.DataError, asyncpg.GeneratedAlwaysError, asyncpg.RaiseError) as error:
            raise _refused(what, table, error) from None


def _refused(what: str, table: str, error: asyncpg.PostgresError) -> DatabaseError:
    return DatabaseError(
        f"table {table} does not take {what} ({_first_line(error)}): "
        "insert it with SQL of your own, in the way of that table"
    )


def _first_line(error: asyncpg.PostgresError) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
