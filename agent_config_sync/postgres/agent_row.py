"""A row of agents as it comes from the database: its lists are JSON, because their columns may have any type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import asyncpg
import orjson

from agent_config_sync.model.rows import AgentRow

_LISTS = ("fallback_models", "allowed_subagents")


def agent_row(record: asyncpg.Record | Mapping[str, Any]) -> AgentRow:
    """Return the row of a record with the columns of `agents_by_version.sql`."""
    row = dict(record)
    for column in _LISTS:
        if row[column] is not None:
            row[column] = tuple(_texts(row[column]))
    row["names_alias"] = any("/" not in (model or "/") for model in (row["model"], *(row["fallback_models"] or ())))
    return AgentRow.model_validate(row)


def _texts(json: str) -> Iterator[str | None]:
    """Give the texts of a list, flat; whatever is no text as its JSON, so that a warning can name it."""
    try:
        yield from list(_flat(orjson.loads(json)))
    except (orjson.JSONDecodeError, RecursionError):  # PostgreSQL takes numbers without end and any depth
        yield json


def _flat(value: object) -> Iterator[str | None]:
    if isinstance(value, list):
        for item in value:
            yield from _flat(item)
    elif value is None or isinstance(value, str):
        yield value
    else:
        yield orjson.dumps(value).decode()
