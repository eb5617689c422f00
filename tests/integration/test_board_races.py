"""Changes of one task at the same time: no deadlock, nothing lost, nothing twice, at every isolation level."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest
from board_ground import ADA, CODER, Board, reply
from harness import Operator, connected, eventually

from agent_config_sync.board import requests, tasks
from agent_config_sync.board.actor import Agent

AGENT = Agent("default", "coder")


@pytest.fixture
async def others(board: Board, board_database: str) -> AsyncIterator[list[Board]]:
    """Other people at the same board."""
    async with contextlib.AsyncExitStack() as stack:
        yield [Board(await stack.enter_async_context(connected(board_database))) for _ in range(2)]


async def until_blocked(witness: Operator, connection: Operator) -> None:
    """Return when a session waits for a lock that another one has."""
    await eventually(witness, "SELECT cardinality(pg_blocking_pids($1)) > 0", connection.get_server_pid())


DEPARTURES = {
    "an agent is deleted": "DELETE FROM agents WHERE name = 'coder'",
    "an agent is renamed": "UPDATE agents SET name = 'engineer' WHERE name = 'coder'",
    "a member is removed": "DELETE FROM memberships WHERE user_id = 'ada'",
}

WORK = {
    "a message": "INSERT INTO board_messages (task_id, content) SELECT id, 'hi @all' FROM board_tasks",
    "a move": "UPDATE board_tasks SET status = 'review'",
    "an assignment": "INSERT INTO board_assignees (task_id, agent) SELECT id, 'writer' FROM board_tasks",
}


@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize("departure", DEPARTURES)
async def test_somebody_leaves_while_their_task_is_worked_on(
    board: Board, others: list[Board], departure: str, work: str
) -> None:
    task = await board.task("in_progress", agents=["coder"], people=["ada"])
    worker, leaver = others
    transaction = worker.connection.transaction()
    await transaction.start()
    await worker.connection.execute("SELECT FROM board_tasks FOR NO KEY UPDATE")
    leaving = asyncio.create_task(leaver.act(None, DEPARTURES[departure]))
    await until_blocked(board.connection, leaver.connection)
    await worker.connection.execute(WORK[work])
    await transaction.commit()
    await leaving
    assert await board.status(task) == ("review" if work == "a move" else "in_progress")


@pytest.mark.parametrize("work", WORK)
async def test_work_that_begins_while_somebody_leaves_knows_them_no_more(
    board: Board, others: list[Board], work: str
) -> None:
    task = await board.task("in_progress", agents=["coder"], people=["ada"])
    worker, leaver = others
    transaction = leaver.connection.transaction()
    await transaction.start()
    await leaver.connection.execute("DELETE FROM agents WHERE name = 'coder'")
    working = asyncio.create_task(worker.act(CODER, WORK[work].replace("'review'", "'blocked', blocked_reason = 'x'")))
    await until_blocked(board.connection, worker.connection)
    await transaction.commit()
    if work == "a move":  # it was the coder's
        with pytest.raises(asyncpg.PostgresError, match="Forbidden"):
            await working
    else:
        await working
    assert "coder" not in [who for who, _ in await board.told(task)]


@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
@pytest.mark.parametrize(
    "changes",
    [
        ("DELETE FROM board_assignees WHERE agent = 'coder'", "DELETE FROM board_assignees WHERE agent = 'writer'"),
        (
            "INSERT INTO board_assignees (task_id, agent) SELECT id, 'lead' FROM board_tasks",
            "DELETE FROM board_assignees",
        ),
        ("UPDATE board_tasks SET status = 'in_progress'", "DELETE FROM board_assignees"),
    ],
)
async def test_a_task_has_who_works_on_it_whoever_changes_it_at_the_same_time(
    board: Board, others: list[Board], changes: tuple[str, str], isolation: str
) -> None:
    task = await board.task("assigned", agents=["coder", "writer"])
    first, second = others
    for other in others:
        await other.connection.execute(f"BEGIN ISOLATION LEVEL {isolation}")
        await other.connection.fetchval("SELECT count(*) FROM board_tasks")  # what it sees from now on
    await first.connection.execute(changes[0])
    changing = asyncio.create_task(second.connection.execute(changes[1]))
    await until_blocked(board.connection, second.connection)
    await first.connection.execute("COMMIT")
    with contextlib.suppress(asyncpg.SerializationError):  # it is tried again then, and sees what is there
        await changing
    with contextlib.suppress(asyncpg.SerializationError):
        await second.connection.execute("COMMIT")
    begun = await board.status(task) in ("assigned", "in_progress")
    assert begun == await board.connection.fetchval("SELECT EXISTS (SELECT FROM board_assignees)")


async def test_two_agents_take_the_same_two_in_the_other_order(board: Board, others: list[Board]) -> None:
    names = (["coder", "writer"], ["writer", "coder"])
    for _ in range(20):
        await asyncio.gather(
            *(
                other.act(
                    ADA,
                    "WITH made AS (INSERT INTO board_tasks (title) VALUES ('x'), ('y') RETURNING id)"
                    " INSERT INTO board_assignees (task_id, agent) SELECT id, unnest($1::text[]) FROM made",
                    order,
                )
                for other, order in zip(others, names, strict=True)
            )
        )
    assert await board.connection.fetchval("SELECT count(*) FROM board_assignees") == 20 * 2 * 2 * 2


async def test_a_change_of_who_works_on_a_task_touches_it(board: Board) -> None:
    task = await board.task("assigned", agents=["coder"])
    touched = "SELECT updated_at FROM board_tasks WHERE id = $1"
    times = [await board.connection.fetchval(touched, task)]
    await board.assign(ADA, task, "writer")
    times.append(await board.connection.fetchval(touched, task))
    await board.unassign(ADA, task, "coder")
    times.append(await board.connection.fetchval(touched, task))
    assert times == sorted(set(times))


# The domain's own -----------------------------------------------------------------------------------------------------


async def test_two_replies_to_one_notification_are_one_message(board: Board, others: list[Board]) -> None:
    task = await board.task("assigned", agents=["coder"])
    for _ in range(20):
        notification = uuid4()
        first, second = await asyncio.gather(
            *(reply(other.connection, AGENT, task, "Done", notification) for other in others)
        )
        assert first == second
    assert await board.connection.fetchval("SELECT count(*) FROM board_messages") == 20


async def test_a_reply_that_waits_for_one_that_fails_is_written(board: Board, others: list[Board]) -> None:
    task = await board.task("assigned", agents=["coder"])
    notification = uuid4()
    failing = others[0].connection.transaction()
    await failing.start()
    await others[0].say(CODER, task, "never", reply_to=notification)
    replying = asyncio.create_task(reply(others[1].connection, AGENT, task, "Done", notification))
    await until_blocked(board.connection, others[1].connection)
    await failing.rollback()
    assert await board.connection.fetchval("SELECT content FROM board_messages WHERE id = $1", await replying) == "Done"


async def test_two_who_ask_the_same_at_once_ask_once(board: Board, others: list[Board]) -> None:
    task = await board.task("assigned", agents=["coder"])
    asked = await asyncio.gather(
        *(
            requests.request_responses(other.connection, asking, task, ["reviewer", "lead"], "Well?")
            for other, asking in zip(others, (AGENT, Agent("default", "writer")), strict=True)
        )
    )
    assert sorted(len(made) for made in asked) == [0, 2]


async def test_two_who_move_a_task_from_what_they_saw_move_it_once(board: Board, others: list[Board]) -> None:
    task = await board.task("assigned", agents=["coder"])
    changes = await asyncio.gather(
        *(tasks.set_status(other.connection, AGENT, task, "in_progress", expected="assigned") for other in others)
    )
    assert sorted(change.changed for change in changes) == [False, True]
    assert [change.status for change in changes] == ["in_progress"] * 2


async def test_news_that_are_read_while_more_come_are_followed_by_others(board: Board, others: list[Board]) -> None:
    task = await board.task("assigned", agents=["coder"])
    await board.say(ADA, task, "first")
    reading = others[0].connection.transaction()
    await reading.start()
    await others[0].connection.execute("UPDATE board_notifications SET read_at = now() WHERE agent = 'coder'")
    saying = asyncio.create_task(others[1].say(ADA, task, "second"))
    await until_blocked(board.connection, others[1].connection)
    await reading.commit()
    message = await saying
    rows = await board.connection.fetch(
        "SELECT message_id, read_at IS NULL AS unread FROM board_notifications"
        " WHERE agent = 'coder' ORDER BY created_at"
    )
    assert [row["unread"] for row in rows] == [False, True]
    assert rows[1]["message_id"] == message
