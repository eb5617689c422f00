"""The columns of agents: a table of somebody's own may have them in other types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import asyncpg
import orjson

from agent_config_sync.errors import SchemaError
from agent_config_sync.model.rows import AgentRow
from agent_config_sync.postgres.queries import query

COLUMN_TYPES: Mapping[str, str] = {
    "account_id": "text",
    "name": "text",
    "instance_type": "text",
    "is_default": "boolean",
    "model": "text",
    "fallback_models": "text[]",
    "thinking": "text",
    "allowed_subagents": "text[]",
    "settings": "jsonb",
    "gateways": "text[]",
    "status": "text",
}
"""The columns of agents that we read and write, each with its type in a table of ours."""

_NOT_TAKEN = (
    asyncpg.DataError,
    asyncpg.CheckViolationError,
    asyncpg.CannotCoerceError,
    asyncpg.DatatypeMismatchError,
)
"""How a type says that a value is none of its own."""


@dataclass(frozen=True, slots=True)
class AgentColumn:
    """A column of agents. holds_lists: it takes more than one text; generated: the table itself writes it; holds_text:
    it takes any text."""

    name: str
    type: str
    holds_lists: bool
    generated: bool
    holds_text: bool

    @property
    def like_ours(self) -> bool:
        """Whether a statement that is written for our column does for this one."""
        same = self.type == COLUMN_TYPES[self.name] or (COLUMN_TYPES[self.name] == "text" and self.holds_text)
        return same and not self.generated


async def columns_unlike_ours(connection: asyncpg.Connection) -> frozenset[str]:
    """Return the columns for which a statement of ours may be wrong."""
    return frozenset(column.name for column in await _read(connection) if not column.like_ours)


async def _read(connection: asyncpg.Connection) -> tuple[AgentColumn, ...]:
    records = await connection.fetch(query("agents_columns"), list(COLUMN_TYPES))
    return tuple(AgentColumn(**dict(record)) for record in records)


async def read_agent_columns(connection: asyncpg.Connection) -> tuple[AgentColumn, ...]:
    """Return the columns that an import writes.

    Raises: SchemaError when one of them cannot be written.
    """
    columns = await _read(connection)
    for column in columns:
        if column.generated:
            raise SchemaError(
                f"no agent can be taken in: column {column.name} of table agents is generated; "
                "insert these agents with SQL of your own, or change the column"
            )
    return columns


async def as_columns_take(
    connection: asyncpg.Connection,
    columns: Sequence[AgentColumn],
    row: AgentRow,
    *,
    account: str,
    gateways: Sequence[str] | None,
) -> str:
    """Return an active agent as JSON by column, as the types of these columns take it.

    Raises: SchemaError that names the column that does not, its type and the way out.
    """
    members: dict[str, object] = {
        "account_id": account,
        "name": row.name,
        "instance_type": row.instance_type,
        "is_default": int(bool(row.is_default)),  # which a boolean, a number and a text take alike
        "model": row.model,
        "fallback_models": row.fallback_models,
        "thinking": row.thinking,
        "allowed_subagents": row.allowed_subagents,
        "settings": None if row.settings is None else orjson.Fragment(row.settings),
        "gateways": gateways,
        "status": "active",
    }
    for column in columns:
        value = members[column.name]
        if isinstance(value, Sequence) and not isinstance(value, str) and not column.holds_lists:
            if len(value) > 1:
                raise _not_taken(row, column, "more than one text")
            members[column.name] = value[0] if value else None
        if column.type != COLUMN_TYPES[column.name]:
            try:
                await connection.execute(query("agent_fits"), _json({column.name: members[column.name]}))
            except _NOT_TAKEN:
                shown = f"{value!r}" if isinstance(value, str) else "what it has there"
                raise _not_taken(row, column, shown) from None
    return _json(members)


def no_further_gateway(row: AgentRow, columns: Sequence[AgentColumn]) -> SchemaError:
    """Tell that the gateways of an agent hold just one."""
    column = next(column for column in columns if column.name == "gateways")
    return _not_taken(row, column, "a further one")


def _not_taken(row: AgentRow, column: AgentColumn, what: str) -> SchemaError:
    way_out = "insert these agents with SQL of your own, or change the column"
    if column.name == "account_id":
        way_out = "set account to the value of that column that this gateway's agents have"
    return SchemaError(
        f"agent {row.name} cannot be taken in: column {column.name} of table agents has type {column.type} "
        f"and does not take {what}; {way_out}"
    )


def _json(members: Mapping[str, object]) -> str:
    return orjson.dumps(members).decode()
