"""Turns and people change the same rows: who has some in hand holds up nobody else, and nobody's statement fails."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import cast
from uuid import UUID, uuid4

import asyncpg
import pytest
from board_ground import ADA, Board, furnished
from harness import Operator, connected, eventually

from agent_config_sync.board.actor import Agent
from agent_config_sync.errors import LeaseLostError
from agent_config_sync.runtime import leases, presence
from agent_config_sync.runtime.effects import LeasedTurn, once
from agent_config_sync.runtime.leases import Place
from agent_config_sync.runtime.tools.call import arguments_of
from agent_config_sync.runtime.tools.catalog import BY_NAME
from agent_config_sync.runtime.tools.definition import Bench

HERE = Place("default", "here", uuid4())
AGENTS = ("lead", "coder", "writer", "reviewer")
BLOCKED = "SELECT cardinality(pg_blocking_pids($1)) > 0"
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"

HAMMERED = 4.0
"""Seconds."""


@pytest.fixture
async def board(operator: Operator) -> Board:
    return await furnished(operator)


@pytest.fixture
async def other(database: str) -> AsyncIterator[Operator]:
    """Another session, which has a limit to its patience as ours have."""
    async with connected(database) as connection:
        await connection.execute("SET lock_timeout = '2s'")
        yield connection


async def told(board: Board, task: UUID, agent: str = "coder") -> UUID:
    found: UUID = await board.connection.fetchval(
        "INSERT INTO board_notifications (account_id, type, agent, actor_type, actor_id, task_id, title, body)"
        " VALUES ('default', 'mention', $1, 'user', 'ada', $2, 't', 'b') RETURNING id",
        agent,
        task,
    )
    return found


async def begun(connection: Operator) -> list[UUID]:
    begun = await leases.begin(connection, HERE, AGENTS, 10)
    return [lease.task for lease in begun if lease.task is not None]


IN_HAND = {
    "its notification": "UPDATE board_notifications SET title = 'T' WHERE task_id = $1",
    "the whole task, to delete it": "DELETE FROM board_tasks WHERE id = $1",
}


@pytest.mark.parametrize("what", IN_HAND)
async def test_a_person_who_has_something_in_hand_holds_up_no_other_session(
    board: Board, other: Operator, what: str
) -> None:
    held, free = [await board.task() for _ in range(2)]
    for task in (held, free):
        await told(board, task)
    transaction = board.connection.transaction()
    await transaction.start()
    await board.connection.execute(IN_HAND[what], held)
    assert await begun(other) == [free]
    await transaction.rollback()
    assert await begun(other) == [held]


async def test_the_oldest_notification_in_somebodys_hand_is_not_overtaken(board: Board, other: Operator) -> None:
    task = await board.task()
    oldest = await told(board, task)
    await told(board, task)
    async with board.connection.transaction():
        await board.connection.execute("UPDATE board_notifications SET title = 'T' WHERE id = $1", oldest)
        assert await begun(other) == []


@pytest.mark.parametrize(
    "departure", ["UPDATE agents SET name = 'engineer' WHERE name = 'coder'", "DELETE FROM agents WHERE name = 'coder'"]
)
async def test_whoever_renames_or_deletes_an_agent_while_turns_are_begun_waits_and_succeeds(
    board: Board, other: Operator, departure: str
) -> None:
    task, later = [await board.task() for _ in range(2)]
    await told(board, task)
    [lease] = await leases.begin(other, HERE, ["coder"], 1)
    await leases.end(other, lease)
    await told(board, later, "writer")
    async with other.transaction():
        await leases.begin(other, HERE, ["coder"], 1)
        leaving = asyncio.create_task(board.act(ADA, departure))
        await eventually(other, BLOCKED, board.connection.get_server_pid())
        [lease] = await leases.begin(other, HERE, ["writer"], 1)
        assert lease.task == later
    await leaving


async def test_an_agent_whose_task_is_being_deleted_is_reported_later_and_all_others_now(
    board: Board, other: Operator
) -> None:
    for agent in ("coder", "writer"):
        await told(board, await board.task(), agent)
    begun_turns = await leases.begin(other, HERE, AGENTS, 10)
    doomed = next(lease.task for lease in begun_turns if lease.agent == "coder")
    transaction = board.connection.transaction()
    await transaction.start()
    await board.connection.execute("DELETE FROM board_tasks WHERE id = $1", doomed)
    assert not await presence.report(other, "default", ["coder", "writer"])
    await transaction.rollback()
    assert [row["agent"] for row in await other.fetch("SELECT agent FROM agent_presence")] == ["writer"]
    assert await presence.report(other, "default", ["coder", "writer"])


async def test_whoever_deletes_a_task_while_its_agents_are_reported_waits_and_succeeds(
    board: Board, other: Operator
) -> None:
    task = await board.task()
    for agent in ("coder", "writer"):
        await told(board, task, agent)
    await leases.begin(other, HERE, AGENTS, 10)
    await presence.report(other, "default", AGENTS)
    async with other.transaction():
        await presence.report(other, "default", ["writer"])
        deleting = asyncio.create_task(board.act(ADA, "DELETE FROM board_tasks WHERE id = $1", task))
        await eventually(other, BLOCKED, board.connection.get_server_pid())
        await presence.report(other, "default", ["coder"])
    await deleting


@contextlib.asynccontextmanager
async def lent(pool: asyncpg.Pool) -> AsyncIterator[Operator]:
    async with pool.acquire() as connection:
        yield cast("Operator", connection)  # a proxy of one


class Hammer:
    """People and two processes at one small board, as fast as they can."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.drawn = random.Random(4)
        self.ends = time.monotonic() + HAMMERED
        self.hurt: list[str] = []
        self.lost = 0
        self.turns = 0
        self.acts = 0

    async def person(self) -> None:
        async with connected(self.dsn) as connection:
            board = Board(connection)
            while time.monotonic() < self.ends:
                try:
                    await self.act(board)
                    self.acts += 1
                except asyncpg.PostgresError as error:
                    if not (error.sqlstate or "").startswith(("TB", "23")):  # an agent may be gone
                        self.hurt.append(f"{type(error).__name__}: {error} ({error.as_dict().get('context')})")

    async def act(self, board: Board) -> None:
        tasks = [row["id"] for row in await board.connection.fetch("SELECT id FROM board_tasks LIMIT 20")]
        task = self.drawn.choice(tasks or [uuid4()])
        match self.drawn.randrange(12):
            case 0 | 1:
                [made] = await board.act(ADA, "INSERT INTO board_tasks (title) VALUES ('Work') RETURNING id")
                for agent in self.drawn.sample(("coder", "writer", "reviewer"), 2):
                    await board.assign(ADA, made["id"], agent)
            case 2 | 3 | 4 | 5:
                await board.say(ADA, task, self.drawn.choice(("News", "@all news", "@coder news")))
            case 6:
                await board.act(ADA, "DELETE FROM board_tasks WHERE id = $1", task)
            case 7:
                await board.act(ADA, "UPDATE board_tasks SET status = 'archived' WHERE id = $1", task)
            case 8:
                await board.act(ADA, "UPDATE agents SET name = 'coder2' WHERE name = 'coder'")
                await board.act(ADA, "UPDATE agents SET name = 'coder' WHERE name = 'coder2'")
            case 9:
                await board.act(ADA, "DELETE FROM agents WHERE name = 'writer'")
                await board.act(ADA, "INSERT INTO agents (name) VALUES ('writer') ON CONFLICT DO NOTHING")
            case 10:
                await board.unassign(ADA, task, self.drawn.choice(("coder", "reviewer")))
            case _:
                await board.act(
                    ADA, "SELECT count(requeue_notification(id)) FROM board_notifications WHERE dead_at IS NOT NULL"
                )

    async def process(self, place: Place) -> None:
        async with asyncpg.create_pool(self.dsn, min_size=1, max_size=5) as pool:
            while time.monotonic() < self.ends:
                async with lent(pool) as connection:
                    turns = await leases.begin(connection, place, (*AGENTS, "coder2"), 5)
                await asyncio.gather(*(self.turn(pool, turn) for turn in turns), self.report(pool))

    async def report(self, pool: asyncpg.Pool) -> None:
        async with lent(pool) as connection:
            await presence.report(connection, "default", (*AGENTS, "coder2"))
            await presence.mark_offline(connection, "default", ["coder2"])
            await leases.sweep(connection, "default")

    async def turn(self, pool: asyncpg.Pool, turn: leases.Lease) -> None:
        try:
            tool = BY_NAME["document_upsert"]
            said = arguments_of(tool, f'{{"title": "d", "content": "c", "type": "note", "taskId": "{turn.task}"}}')
            agent = Agent("default", turn.agent, can_create_documents=True, task=turn.task)
            await once(Bench(lambda: lent(pool)), agent, tool, said, LeasedTurn(turn))
            async with lent(pool) as connection:
                await leases.settle(connection, turn, agent, "replied", posted="Done", begins=True)
            self.turns += 1
        except LeaseLostError:
            self.lost += 1
        except Exception as error:  # noqa: BLE001 - its task or its agent may be gone at any moment
            code = getattr(error, "sqlstate", "") or ""
            if not code.startswith(("TB", "23")) and type(error).__name__ != "BoardNotFoundError":
                self.hurt.append(f"a turn: {type(error).__name__}: {error}")
            async with lent(pool) as connection, connection.transaction():
                await leases.end(connection, turn, failed=True, pause=timedelta(seconds=0.1))


async def test_people_and_turns_at_one_board_never_meet_a_deadlock(board: Board, database: str) -> None:
    hammer = Hammer(database)
    for _ in range(4):
        task = await board.task()
        await board.assign(ADA, task, "coder")
    await asyncio.gather(
        *(hammer.person() for _ in range(3)),
        *(hammer.process(Place("default", name, uuid4())) for name in ("here", "there")),
    )
    print(hammer.acts, hammer.turns, hammer.lost)
    assert hammer.hurt == []
    assert await board.connection.fetchval(DEADLOCKS) == 0
    assert hammer.turns > 0
