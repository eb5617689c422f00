"""Take agents into the database: all of them or none, and nothing that is there is lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import asyncpg

from agent_config_sync.errors import DatabaseError, RightsError, SchemaError
from agent_config_sync.model.rows import AgentRow
from agent_config_sync.postgres.failures import QUERY_FAILURES, query_failure
from agent_config_sync.postgres.queries import query
from agent_config_sync.postgres.schema import COLUMNS


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
        known[record["name"]] = Known(AgentRow.model_validate(members), here)
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


async def other_owner(connection: asyncpg.Connection) -> str | None:
    """Return the login that may change our tables where this one may not, None where it may.

    Raises: DatabaseError.
    """
    try:
        owner: str | None = await connection.fetchval(query("schema_owner"), list(COLUMNS))
    except QUERY_FAILURES as error:
        raise query_failure(error, "the database") from None
    return owner


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
    for row in new:
        with _told(row.name):
            scope = [gateway] if only_here else None
            await connection.execute(query("agent_insert"), account, *_columns(row), scope)
    for row in replaced:
        with _told(row.name):
            await connection.execute(query("agent_replace"), account, *_columns(row), gateway)


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
                in_force[key] = await connection.fetchval(query("system_config_take"), key, value, replace)
    return in_force


def _columns(row: AgentRow) -> tuple[object, ...]:
    return (
        row.name,
        row.instance_type,
        bool(row.is_default),
        row.model,
        row.fallback_models,
        row.thinking,
        row.allowed_subagents,
        row.settings,
    )


@contextmanager
def _told(agent: str | None = None) -> Iterator[None]:
    """Turn what the driver raises into our errors; a constraint of the table's own names the agent and the column."""
    try:
        yield
    except asyncpg.NotNullViolationError as error:
        column = error.column_name
        raise SchemaError(
            f"agent {agent} cannot be inserted: table agents has a column {column} of its own that may not be empty; "
            f"give it a default (ALTER TABLE agents ALTER COLUMN {column} SET DEFAULT ...) or insert the agent yourself"
        ) from None
    except asyncpg.IntegrityConstraintViolationError as error:
        raise DatabaseError(
            f"agent {agent} cannot be inserted: it breaks {error.constraint_name or 'a constraint'} of table agents; "
            "insert it yourself as that allows"
        ) from None
    except asyncpg.InsufficientPrivilegeError as error:
        raise RightsError(
            f"this login may not take agents in ({str(error).splitlines()[0]}): first run `agent-config-sync import` "
            "here with the login of an operator (GRANT agent_config_operator TO it)"
        ) from None
    except QUERY_FAILURES as error:
        raise query_failure(error, "the database") from None
