"""Ids of tasks by their beginnings, as people read and type them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import takewhile
from uuid import UUID

import asyncpg

from agent_config_sync.board.actor import Actor
from agent_config_sync.board.queries import query
from agent_config_sync.board.tasks import missing
from agent_config_sync.errors import BoardInvalidError

SHORTEST = 4
"""Characters that name a task at least."""

SHOWN = 8
"""Characters that are shown of an id at least."""

_NAMED = 10
"""Tasks that are named where a beginning is that of several."""


async def task_beginning(connection: asyncpg.Connection, actor: Actor, said: str) -> UUID:
    """Return the id of the one task that begins so. Raises: BoardError, which lists them where there are several."""
    digits = said.strip().lower().replace("-", "")
    if re.fullmatch(f"[0-9a-f]{{{SHORTEST},32}}", digits) is None:
        raise missing(said)
    low, high = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    found = await connection.fetch(query("tasks_between"), actor.account, low, high, _NAMED + 1)
    if not found:
        raise missing(said)
    if len(found) > 1:
        shown = await beginnings(connection, actor, [record["id"] for record in found[:_NAMED]])
        listed = [f"{shown[record['id']]} ({record['title'][:60]})" for record in found[:_NAMED]]
        raise BoardInvalidError(
            f"Ambiguous: task {said.strip()} is {', '.join(listed)}{' and others' if len(found) > _NAMED else ''}"
        )
    task: UUID = found[0]["id"]
    return task


async def beginnings(connection: asyncpg.Connection, actor: Actor, tasks: Iterable[UUID]) -> dict[UUID, str]:
    """Return of each id as much as no other task of the account begins with."""
    records = await connection.fetch(query("task_neighbours"), actor.account, list(tasks))
    return {record["id"]: _beginning(record["id"], record["before"], record["after"]) for record in records}


def _beginning(task: UUID, *neighbours: UUID | None) -> str:
    """Return what tells an id from its neighbours in the order of ids, and so from all others."""
    shared = [_shared(str(task), str(each)) for each in neighbours if each is not None]
    return str(task)[: max([SHOWN, *(length + 1 for length in shared)])]


def _shared(one: str, other: str) -> int:
    """Return how many characters two texts have in common from their beginning on."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=True)))
