"""An account with agents and people around a board, and plain SQL in their names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from harness import Operator

from agent_config_sync.board.acting import acting
from agent_config_sync.board.actor import Actor
from agent_config_sync.runtime.context import SHOWN, Context, context_of

LEAD, CODER, WRITER, REVIEWER = "agent/lead", "agent/coder", "agent/writer", "agent/reviewer"
ADA, BOB = "user/ada", "user/bob"
SYSTEM = "system/board"

STATUSES = ("inbox", "assigned", "in_progress", "review", "done", "blocked", "archived")

CHAT = "system:orchestrator-chat"

EVERYBODY = """
INSERT INTO agents (name, display_name, role, is_orchestrator, can_review_tasks) VALUES
    ('lead', 'Lead', 'Squad lead', true, NULL),
    ('coder', 'The Coder', 'Engineer', false, NULL),
    ('writer', NULL, 'Writer', false, NULL),
    ('reviewer', 'Quinn', 'QA / Reviewer', false, true);
INSERT INTO memberships (account_id, user_id, role, name, email) VALUES
    ('default', 'ada', 'owner', 'Ada Lovelace', 'countess@example.org'),
    ('default', 'bob', 'member', NULL, NULL);
"""


@dataclass(frozen=True, slots=True)
class Board:
    """The board, seen by its owner. Whoever acts is named as agent/NAME, user/ID or system/NAME; None: nobody says."""

    connection: Operator

    async def act(self, actor: str | None, statement: str, *arguments: object) -> list[asyncpg.Record]:
        """Run a statement as a transaction of somebody, and return its rows."""
        async with self.connection.transaction():
            if actor is not None:
                await self.connection.execute("SELECT set_config('agent_config_sync.actor', $1, true)", actor)
            return await self.connection.fetch(statement, *arguments)

    async def task(
        self,
        status: str = "inbox",
        *,
        agents: Iterable[str] = (),
        people: Iterable[str] = (),
        labels: Iterable[str] = (),
        account: str = "default",
    ) -> UUID:
        """Make a task that has a status, of which nobody has heard yet."""
        begun = {"archived": "done"}.get(status, status)
        async with self.connection.transaction():
            await self.connection.execute("SELECT set_config('agent_config_sync.actor', $1, true)", SYSTEM)
            task: UUID = await self.connection.fetchval(
                "INSERT INTO board_tasks (account_id, title, status, blocked_reason, labels)"
                " VALUES ($1, 'Engine', $2, CASE $2 WHEN 'blocked' THEN 'No steam' END, $3) RETURNING id",
                account,
                begun,
                list(labels),
            )
            for column, names in (("agent", agents), ("user_id", people)):
                for name in names:
                    await self.connection.execute(
                        f"INSERT INTO board_assignees (task_id, {column}) VALUES ($1, $2)", task, name
                    )
            if begun != status:
                await self.connection.execute("UPDATE board_tasks SET status = $2 WHERE id = $1", task, status)
            await self.connection.execute("DELETE FROM board_notifications WHERE task_id = $1", task)
        return task

    async def move(self, actor: str | None, task: UUID, status: str, reason: str | None = None) -> None:
        await self.act(
            actor, "UPDATE board_tasks SET status = $2, blocked_reason = $3 WHERE id = $1", task, status, reason
        )

    async def assign(self, actor: str | None, task: UUID, agent: str) -> None:
        await self.act(actor, "INSERT INTO board_assignees (task_id, agent) VALUES ($1, $2)", task, agent)

    async def unassign(self, actor: str | None, task: UUID, agent: str) -> None:
        await self.act(actor, "DELETE FROM board_assignees WHERE task_id = $1 AND agent = $2", task, agent)

    async def say(
        self, actor: str | None, task: UUID, content: str, *, quiet: bool = False, reply_to: UUID | None = None
    ) -> UUID:
        [row] = await self.act(
            actor,
            "INSERT INTO board_messages (task_id, content, quiet, source_notification_id) VALUES ($1, $2, $3, $4)"
            " RETURNING id",
            task,
            content,
            quiet,
            reply_to,
        )
        message: UUID = row["id"]
        return message

    async def status(self, task: UUID) -> str:
        found: str = await self.connection.fetchval("SELECT status FROM board_tasks WHERE id = $1", task)
        return found

    async def told(self, task: UUID) -> list[tuple[str, str]]:
        """Return who was told of what, in the order of names."""
        rows = await self.connection.fetch(
            "SELECT coalesce(agent, user_id) AS who, type FROM board_notifications WHERE task_id = $1 ORDER BY 1, 2",
            task,
        )
        return [(row["who"], row["type"]) for row in rows]

    async def followers(self, task: UUID) -> list[str]:
        rows = await self.connection.fetch(
            "SELECT coalesce(agent, user_id) AS who FROM board_subscriptions WHERE task_id = $1 ORDER BY 1", task
        )
        return [row["who"] for row in rows]

    async def history(self, target: UUID) -> list[tuple[str, str, dict[str, Any]]]:
        """Return what is recorded of a task, message or document: type, actor, meta."""
        rows = await self.connection.fetch(
            "SELECT type, actor_type || '/' || actor_id AS actor, meta FROM activities"
            " WHERE target_id = $1 ORDER BY id",
            str(target),
        )
        return [(row["type"], row["actor"], orjson.loads(row["meta"])) for row in rows]


async def furnished(connection: Operator) -> Board:
    """Return a board with an orchestrator, two agents, a reviewer and two people."""
    await connection.execute(EVERYBODY)
    return Board(connection)


async def reply(
    connection: asyncpg.Connection, actor: Actor, task: UUID, content: str, notification: UUID, *, quiet: bool = False
) -> UUID:
    """Write a reply to a notification, as settle_turn() does, and return the one that stands."""
    async with acting(connection, actor):
        await connection.execute(
            "INSERT INTO board_messages (account_id, task_id, content, quiet, source_notification_id)"
            " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (source_notification_id) DO NOTHING",
            actor.account,
            task,
            content,
            quiet,
            notification,
        )
        found: UUID = await connection.fetchval(
            "SELECT id FROM board_messages WHERE source_notification_id = $1", notification
        )
    return found


async def read_context(connection: asyncpg.Connection, notification: UUID) -> Context | None:
    """Return what a turn about a notification would be about."""
    told = await connection.fetchval("SELECT turn_context('default', 'here', $1, $2)", notification, SHOWN)
    return context_of("default", told)
