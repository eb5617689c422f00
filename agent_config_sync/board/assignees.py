"""Who works on a task, changed by names of both kinds."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from agent_config_sync.board.acting import acting
from agent_config_sync.board.actor import Actor, only_orchestrator
from agent_config_sync.board.model import Task
from agent_config_sync.board.names import cleaned
from agent_config_sync.board.queries import query
from agent_config_sync.board.tasks import missing, see
from agent_config_sync.errors import BoardInvalidError


async def reassign(
    connection: asyncpg.Connection, actor: Actor, task: UUID, *, more: Sequence[str] = (), fewer: Sequence[str] = ()
) -> Task:
    """Let some work on a task as well, and others no longer; return it. Of an agent and a person of one name, the agent
    is meant.

    more: agents by name and members by user_id; fewer: the same, of those who work on it. Raises: BoardError.
    """
    only_orchestrator(actor, "assign agents")
    async with acting(connection, actor):
        if await connection.fetchval(query("task_locked"), actor.account, task) is None:
            raise missing(task)
        agents, people = await _known(connection, actor.account, more)
        await connection.execute(query("assign_agents"), actor.account, task, agents)
        await connection.execute(query("assign_people"), actor.account, task, people)
        standing = await see(connection, actor, task)
        agents, people = _told_apart(fewer, set(standing.agents), set(standing.people), "Not assigned")
        await connection.execute(query("unassign"), actor.account, task, agents, people)
    return await see(connection, actor, task)


async def _known(connection: asyncpg.Connection, account: str, names: Sequence[str]) -> tuple[list[str], list[str]]:
    agents = await connection.fetch(query("agents_known"), account, list(cleaned(names)))
    people = await connection.fetch(query("people_known"), account, [_person(name) for name in names])
    return _told_apart(
        names,
        {record["name"] for record in agents},
        {record["user_id"] for record in people},
        "Neither agents of the board nor members",
    )


def _told_apart(
    names: Sequence[str], agents: set[str], people: set[str], complaint: str
) -> tuple[list[str], list[str]]:
    """Return those who are agents and those who are people. Raises: BoardInvalidError that names the others."""
    chosen: tuple[list[str], list[str]] = ([], [])
    strangers = []
    for name in names:
        agent = "".join(cleaned([name]))
        if agent in agents:
            chosen[0].append(agent)
        elif _person(name) in people:
            chosen[1].append(_person(name))
        else:
            strangers.append(name.strip()[:100])
    if strangers:
        raise BoardInvalidError(f"{complaint}: {', '.join(strangers)}")
    return chosen


def _person(name: str) -> str:
    return name.strip().removeprefix("@").strip()
