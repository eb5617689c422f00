"""People at the board while everything breaks: they make, assign, archive and delete tasks, write, and queue again."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
from board_ground import Board

MADE = "SELECT count(*) FROM board_notifications WHERE agent IS NOT NULL"
WAITING = f"{MADE} AND delivered_at IS NULL AND dead_at IS NULL"

MOST_WAITING = 250
"""Notifications that wait; more are not made until some have ended."""

NOBODYS = UUID(int=0)
"""A task that is not there."""

REFUSALS = ("TB403", "TB404", "TB409", "TB422")


@dataclass
class People:
    """Use `work`. did: how often what was done; requeued: notifications that were queued again; hurt: what the database
    answered to a person, who did nothing wrong."""

    pool: asyncpg.Pool
    drawn: random.Random
    agents: tuple[str, ...]
    tasks: list[UUID] = field(default_factory=list)
    did: Counter[str] = field(default_factory=Counter)
    requeued: set[UUID] = field(default_factory=set)
    hurt: list[str] = field(default_factory=list)

    async def work(self, notifications: int, *, tasks: int) -> None:
        """Do this and that until so many notifications have been made."""
        while True:
            async with self.pool.acquire() as connection:
                made = await connection.fetchval(MADE)
                if made >= notifications:
                    return
                if await connection.fetchval(WAITING) < MOST_WAITING:
                    await self._act(Board(connection), tasks)  # type: ignore[arg-type]
            await asyncio.sleep(self.drawn.uniform(0, 0.03))

    async def _act(self, board: Board, tasks: int) -> None:
        what = self.drawn.choices(
            ("begin", "write", "mention", "assign", "move", "archive", "delete", "requeue"),
            (6 if len(self.tasks) < tasks else 1, 30, 20, 6, 4, 0.4, 0.4, 1),
        )[0]
        if not self.tasks:
            what = "begin"
        try:
            await self._do(what, board)
        except asyncpg.PostgresError as error:
            if error.sqlstate not in REFUSALS:
                self.hurt.append(f"{what}: {type(error).__name__}: {error}")
            return
        self.did[what] += 1

    async def _do(self, what: str, board: Board) -> None:
        person = self.drawn.choice(("user/ada", "user/bob"))
        task = self.drawn.choice(self.tasks or [NOBODYS])
        match what:
            case "begin":
                made = await board.act(person, "INSERT INTO board_tasks (title) VALUES ('Work') RETURNING id")
                self.tasks.append(made[0]["id"])
                for agent in self.drawn.sample(self.agents, self.drawn.randint(1, 3)):
                    await board.assign(person, made[0]["id"], agent)
            case "write":
                await board.say(person, task, f"News {self.drawn.random()}")
            case "mention":
                await board.say(person, task, f"@{self.drawn.choice(self.agents)} please see to {self.drawn.random()}")
            case "assign":
                await board.act(
                    person,
                    "INSERT INTO board_assignees (task_id, agent) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                    task,
                    self.drawn.choice(self.agents),
                )
            case "move":
                await board.move(person, task, self.drawn.choice(("in_progress", "review", "done")))
            case "archive":
                await board.move(person, task, "archived")
                self._let_go(task)
            case "delete":
                await board.act(person, "DELETE FROM board_tasks WHERE id = $1", task)
                self._let_go(task)
            case _:
                rows = await board.act(
                    person,
                    "SELECT id FROM (SELECT id FROM board_notifications WHERE dead_at IS NOT NULL LIMIT 3) AS dead"
                    " WHERE requeue_notification(id)",
                )
                self.requeued.update(row["id"] for row in rows)

    def _let_go(self, task: UUID) -> None:
        """No more work on this task; another person may have done away with it in the same moment."""
        if task in self.tasks:
            self.tasks.remove(task)
