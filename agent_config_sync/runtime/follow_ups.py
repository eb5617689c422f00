"""Which tasks the orchestrator's heartbeat follows up, and how their agents are asked."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from uuid import UUID

import asyncpg
import orjson

from agent_config_sync.board.actor import Agent
from agent_config_sync.board.model import TaskStatus
from agent_config_sync.board.requests import MOST_RECIPIENTS, request_responses
from agent_config_sync.errors import BoardError
from agent_config_sync.postgres.pool import Pool
from agent_config_sync.runtime import leases
from agent_config_sync.runtime.fence import line
from agent_config_sync.runtime.leases import Lease
from agent_config_sync.runtime.queries import query
from agent_config_sync.runtime.silence import is_fallback, is_heartbeat_ok

BUDGET = 3
"""Tasks that are followed up at one heartbeat, those included that the orchestrator followed up by itself."""

LOOKED_AT = 10
"""Latest messages of the agents of a task among which one with news is looked for."""

PATIENCE: Mapping[TaskStatus, float] = MappingProxyType(
    {"in_progress": 900.0, "review": 900.0, "assigned": 900.0, "blocked": 86_400.0}
)
"""Seconds without news after which a task is stale."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FollowedTask:
    """A task that others work on. changed: seconds since it was changed; said: their latest messages, newest first, and
    how many seconds ago each was written."""

    id: UUID
    title: str
    status: TaskStatus
    agents: tuple[str, ...]
    changed: float
    said: tuple[tuple[str, float], ...] = ()

    @property
    def silent(self) -> float:
        """Seconds since there was news of it: a message that says something, else a change."""
        news = (ago for text, ago in self.said if not is_heartbeat_ok(text) and not is_fallback(text))
        return next(news, self.changed)


def stale(tasks: Iterable[FollowedTask]) -> list[FollowedTask]:
    """Return the tasks without news for too long, the longest first."""
    return sorted((task for task in tasks if task.silent >= PATIENCE[task.status]), key=lambda task: -task.silent)


async def follow_up(pool: Pool, lease: Lease, leader: Agent, budget: int) -> int:
    """Ask the agents of stale tasks for news, of so many tasks at the most; return of how many. Who was asked already
    is not asked again, and costs nothing.

    Raises: LeaseLostError, DatabaseError.
    """
    if budget <= 0 or not leader.is_orchestrator or not leader.can_mention_agents:
        return 0
    asked = 0
    async with pool.lent() as connection:
        for task in stale(await _read(connection, leader)):
            try:
                async with connection.transaction():
                    await leases.hold(connection, lease)
                    made = await request_responses(
                        connection, leader, task.id, task.agents[:MOST_RECIPIENTS], _question(task)
                    )
            except BoardError as error:
                _log.info("task %s was not followed up: %s", task.id, error)
                continue
            asked += bool(made)
            if asked >= budget:
                break
    return asked


async def _read(connection: asyncpg.Connection, leader: Agent) -> list[FollowedTask]:
    records = await connection.fetch(query("follow_ups"), leader.account, leader.name, LOOKED_AT)
    return [
        FollowedTask(
            record["id"],
            record["title"],
            record["status"],
            tuple(record["agents"]),
            record["changed"],
            tuple((text, ago) for text, ago in orjson.loads(record["said"] or "[]")),
        )
        for record in records
    ]


def _question(task: FollowedTask) -> str:
    minutes = max(1, int(task.silent // 60))
    return (
        f'There has been no news of "{line(task.title)}" for {minutes:,} minute{"s" if minutes > 1 else ""}. '
        "Where does it stand, what comes next, and what is in the way?"
    )
