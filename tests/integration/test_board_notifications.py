"""What people and agents are told of moves, and whom changes wake."""

from __future__ import annotations

import asyncio

import asyncpg
import orjson
import pytest
from board_ground import ADA, BOB, CODER, LEAD, REVIEWER, SYSTEM, Board
from harness import DEADLINE, connected

# Moves ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("actor", "old", "new", "told"),
    [
        (ADA, "assigned", "in_progress", ["coder", "writer"]),
        (CODER, "assigned", "in_progress", ["ada", "writer"]),
        (CODER, "in_progress", "review", ["ada", "lead", "reviewer", "writer"]),
        (REVIEWER, "review", "done", ["ada", "coder", "writer"]),
        (LEAD, "in_progress", "blocked", ["ada", "coder", "writer"]),
        (SYSTEM, "in_progress", "review", ["ada", "coder", "lead", "reviewer", "writer"]),
        (BOB, "done", "review", ["ada", "coder", "lead", "reviewer", "writer"]),
        (LEAD, "done", "archived", ["ada"]),
        (ADA, "done", "archived", []),
    ],
)
async def test_assignees_and_reviewers_hear_of_a_move_but_who_made_it(
    board: Board, actor: str, old: str, new: str, told: list[str]
) -> None:
    task = await board.task(old, agents=["coder", "writer"], people=["ada"])
    await board.move(actor, task, new, "No steam")
    assert await board.told(task) == [(who, "status_change") for who in told]


async def test_reviewers_hear_of_a_task_that_begins_in_review(board: Board) -> None:
    told = "SELECT task_id FROM board_notifications WHERE type = 'status_change' AND agent = 'reviewer'"
    await board.act(CODER, "INSERT INTO board_tasks (title, status) VALUES ('Engine', 'review')")
    assert await board.connection.fetchval(told) is not None


async def test_a_task_that_goes_back_to_the_inbox_tells_nobody(board: Board) -> None:
    task = await board.task("assigned", agents=["coder"], people=["ada"])
    await board.act(BOB, "DELETE FROM board_assignees WHERE task_id = $1", task)
    assert (await board.status(task), await board.told(task)) == ("inbox", [])


@pytest.mark.parametrize(("actor_type", "actor"), [("agent", "coder"), ("user", "ada")])
async def test_nobody_can_be_told_of_what_they_did_themselves(board: Board, actor_type: str, actor: str) -> None:
    task = await board.task()
    with pytest.raises(asyncpg.CheckViolationError, match="board_notifications_of_others"):
        await board.connection.execute(
            "INSERT INTO board_notifications"
            " (account_id, type, agent, user_id, actor_type, actor_id, task_id, title, body)"
            " SELECT 'default', 'mention', CASE $2 WHEN 'agent' THEN $3 END, CASE $2 WHEN 'user' THEN $3 END, $2, $3,"
            " $1, 'x', 'y'",
            task,
            actor_type,
            actor,
        )


# Waking --------------------------------------------------------------------------------------------------------------


async def _heard(board: Board, dsn: str, *statements: str) -> list[str]:
    """Return what listeners hear of a transaction."""
    arrived: asyncio.Queue[str] = asyncio.Queue()
    async with connected(dsn) as listener:
        await listener.add_listener("agent_work_changed", lambda *event: arrived.put_nowait(str(event[3])))
        async with board.connection.transaction():
            for statement in statements:
                await board.connection.execute(statement)
        await board.connection.execute("NOTIFY agent_work_changed, 'end'")
        heard: list[str] = []
        async with asyncio.timeout(DEADLINE):
            while (payload := await arrived.get()) != "end":
                heard.append(payload)
    return sorted(heard)


TASKS = "INSERT INTO board_tasks (title) SELECT 'x' FROM generate_series(1, 500)"
SPOKEN = "INSERT INTO board_messages (task_id, content) SELECT id, 'x' FROM board_tasks"


@pytest.mark.parametrize(
    ("statements", "sources"),
    [
        ([TASKS, TASKS], ["board_tasks"]),
        ([TASKS, SPOKEN], ["board_messages", "board_notifications", "board_tasks"]),
        (["INSERT INTO board_documents (title, type) VALUES ('x', 'note')"], ["board_documents"]),
        (["TRUNCATE board_documents"], ["board_documents"]),
        (["UPDATE agents SET role = 'x'", "UPDATE board_notifications SET read_at = now()"], []),
        (["UPDATE memberships SET role = 'member'", "DELETE FROM agent_presence", "DELETE FROM agent_sessions"], []),
    ],
)
async def test_each_table_that_changes_in_a_transaction_wakes_once(
    board: Board, board_database: str, statements: list[str], sources: list[str]
) -> None:
    heard = await _heard(board, board_database, *statements)
    assert [orjson.loads(payload) for payload in heard] == [{"source": source} for source in sources]


async def test_emptied_tables_wake(board: Board, board_database: str) -> None:
    heard = await _heard(board, board_database, "TRUNCATE board_tasks CASCADE")
    assert {orjson.loads(payload)["source"] for payload in heard} >= {
        "board_tasks",
        "board_assignees",
        "board_messages",
    }


async def test_a_transaction_that_fails_wakes_nobody(board: Board, board_database: str) -> None:
    failing = (
        "DO $$ BEGIN INSERT INTO board_tasks (title) VALUES ('x'); RAISE 'no'; EXCEPTION WHEN OTHERS THEN NULL; END $$"
    )
    assert await _heard(board, board_database, failing) == []
