"""Changes of one task at the same time: no deadlock, nothing lost, nothing twice, at every isolation level."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import asyncpg
import pytest
from board_ground import ADA, CODER, Board
from harness import DEADLINE, Operator, connected


@pytest.fixture
async def others(board: Board, board_database: str) -> AsyncIterator[list[Board]]:
    """Other people at the same board."""
    async with contextlib.AsyncExitStack() as stack:
        yield [Board(await stack.enter_async_context(connected(board_database))) for _ in range(2)]


async def until_blocked(witness: Operator, connection: Operator) -> None:
    """Return when a session waits for a lock that another one has."""
    pid = connection.get_server_pid()
    async with asyncio.timeout(DEADLINE):
        while not await witness.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", pid):  # noqa: ASYNC110 - nothing to wait on but the server
            await asyncio.sleep(0.005)


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
