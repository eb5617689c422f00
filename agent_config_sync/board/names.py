"""Names that somebody wrote, as those of agents and members that are there."""

from __future__ import annotations

from collections.abc import Iterable

import asyncpg

from agent_config_sync.board.acting import refusals
from agent_config_sync.board.queries import query
from agent_config_sync.errors import BoardInvalidError


def cleaned(names: Iterable[str]) -> tuple[str, ...]:
    """Return each name once, without blanks and a leading @, in lower case as ids of agents are."""
    return tuple(dict.fromkeys(name for each in names if (name := each.strip().removeprefix("@").strip().lower())))


async def known_agents(
    connection: asyncpg.Connection, account: str, names: Iterable[str], what: str
) -> tuple[str, ...]:
    """Return the ids of agents who work on the board, in the order in which they were named. what: they are wanted for.

    Raises: BoardInvalidError that names those who are not there.
    """
    wanted = cleaned(names)
    if not wanted:
        return ()
    with refusals():
        records = await connection.fetch(query("agents_known"), account, list(wanted))
    _only_known(wanted, {record["name"] for record in records}, f"Unknown {what} slugs")
    return wanted


async def known_agent(connection: asyncpg.Connection, account: str, name: str) -> str:
    """Return the id of an agent on whose tasks somebody looks. Raises: BoardInvalidError."""
    names = await known_agents(connection, account, [name], "assignee")
    if not names:
        raise BoardInvalidError("Invalid assignee: its name is empty")
    return names[0]


async def known_people(connection: asyncpg.Connection, account: str, users: Iterable[str]) -> tuple[str, ...]:
    """Return the user_ids of members, each once. Raises: BoardInvalidError that names those who are none."""
    wanted = tuple(dict.fromkeys(name for each in users if (name := each.strip())))
    if not wanted:
        return ()
    with refusals():
        records = await connection.fetch(query("people_known"), account, list(wanted))
    _only_known(wanted, {record["user_id"] for record in records}, "Invalid user")
    return wanted


def _only_known(wanted: tuple[str, ...], known: set[str], complaint: str) -> None:
    unknown = [name[:100] for name in wanted if name not in known]
    if unknown:
        raise BoardInvalidError(f"{complaint}: {', '.join(unknown)}")
