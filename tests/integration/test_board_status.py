"""Which status a task may have, who gives it, and what a status wants, for every statement."""

from __future__ import annotations

import asyncpg
import pytest
from board_ground import ADA, CODER, LEAD, REVIEWER, STATUSES, SYSTEM, Board

from agent_config_sync.board.tasks import OF_AGENTS
from agent_config_sync.runtime import prompt

NEXT = {
    "inbox": {"assigned", "archived"},
    "assigned": {"in_progress", "blocked", "inbox", "archived"},
    "in_progress": {"review", "blocked", "archived"},
    "review": {"done", "in_progress", "blocked", "archived"},
    "done": {"archived"},
    "blocked": {"assigned", "in_progress", "archived"},
    "archived": set(),
}
"""What everybody who may move a task may make of it."""

MORE = {(LEAD, "assigned"): {"review"}, (LEAD, "blocked"): {"review"}, (ADA, "done"): {"review"}}
"""Agents hand in what they have done in one step, and people open again what was done."""


async def _becomes(board: Board, actor: str, old: str, new: str) -> bool:
    """Whether a task that has what both statuses want becomes the other."""
    task = await board.task(old, agents=() if old == "inbox" else ("coder",))
    try:
        async with board.connection.transaction():
            await board.connection.execute("SELECT set_config('agent_config_sync.actor', $1, true)", actor)
            await board.connection.execute(
                "UPDATE board_tasks SET status = $2, blocked_reason = 'No steam' WHERE id = $1", task, new
            )
            if new == "inbox":
                await board.connection.execute("DELETE FROM board_assignees WHERE task_id = $1", task)
            elif old == "inbox" and new != "archived":
                await board.connection.execute(
                    "INSERT INTO board_assignees (task_id, agent) VALUES ($1, 'coder')", task
                )
    except asyncpg.PostgresError as error:
        code = "TB409" if old == "archived" else "TB422"
        if (error.sqlstate, str(error)) != (code, f"Invalid transition: {old} to {new}"):
            raise
    return await board.status(task) == new


@pytest.mark.parametrize("old", STATUSES)
@pytest.mark.parametrize("actor", [LEAD, ADA, SYSTEM])
async def test_a_task_becomes_what_the_status_machine_says_and_nothing_else(board: Board, actor: str, old: str) -> None:
    await board.connection.execute("UPDATE agents SET can_mark_done = true")
    became = {new for new in STATUSES if new != old and await _becomes(board, actor, old, new)}
    assert became == NEXT[old] | MORE.get((actor, old), set())


async def test_agents_are_told_of_what_the_status_machine_lets_them_do(board: Board) -> None:
    for old, told in prompt.NEXT.items():
        may = {
            new
            for new in OF_AGENTS
            if await board.connection.fetchval("SELECT board_may_become($1, $2, 'agent')", old, new)
        }
        assert set(told) == may


@pytest.mark.parametrize("status", [status for status in STATUSES if status not in ("inbox", "blocked")])
async def test_a_task_that_stays_what_it_is_tells_nobody(board: Board, status: str) -> None:
    task = await board.task(status, agents=["coder"])
    before = await board.history(task)
    await board.move(ADA, task, status)
    assert (await board.told(task), await board.history(task)) == ([], before)


async def test_a_task_without_a_status_is_refused_for_that(board: Board) -> None:
    task = await board.task()
    with pytest.raises(asyncpg.NotNullViolationError, match="status"):
        await board.act(ADA, "UPDATE board_tasks SET status = NULL WHERE id = $1", task)
    with pytest.raises(asyncpg.NotNullViolationError, match="status"):
        await board.act(ADA, "INSERT INTO board_tasks (title, status) VALUES ('x', NULL)")


@pytest.mark.parametrize("status", ["", "open", "Done"])
async def test_an_unknown_status_is_refused(board: Board, status: str) -> None:
    task = await board.task()
    with pytest.raises(asyncpg.PostgresError):
        await board.act(ADA, "UPDATE board_tasks SET status = $2 WHERE id = $1", task, status)
    with pytest.raises(asyncpg.PostgresError):
        await board.act(ADA, "INSERT INTO board_tasks (title, status) VALUES ('x', $1)", status)


# What a status wants -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", [None, "", " \t\n"])
async def test_a_task_is_blocked_for_a_reason(board: Board, reason: str | None) -> None:
    task = await board.task("in_progress", agents=["coder"])
    with pytest.raises(asyncpg.PostgresError, match="blocked needs a reason"):
        await board.move(ADA, task, "blocked", reason)


async def test_a_reason_goes_when_a_task_is_blocked_no_more(board: Board) -> None:
    task = await board.task("blocked", agents=["coder"])
    await board.act(ADA, "UPDATE board_tasks SET status = 'in_progress' WHERE id = $1", task)
    assert await board.connection.fetchval("SELECT blocked_reason FROM board_tasks WHERE id = $1", task) is None


@pytest.mark.parametrize("status", ["assigned", "in_progress"])
async def test_a_task_cannot_begin_with_nobody_to_work_on_it(board: Board, status: str) -> None:
    with pytest.raises(asyncpg.PostgresError, match="Invalid assignees: a task that is"):
        await board.task(status)


@pytest.mark.parametrize("status", ["assigned", "in_progress"])
async def test_a_blocked_task_goes_on_only_when_somebody_works_on_it(board: Board, status: str) -> None:
    task = await board.task("blocked")
    with pytest.raises(asyncpg.PostgresError, match="Invalid assignees: a task that is"):
        await board.move(ADA, task, status)
    assert await board.status(task) == "blocked"


async def test_a_task_with_assignees_does_not_go_back_to_the_inbox(board: Board) -> None:
    task = await board.task("assigned", agents=["coder"])
    with pytest.raises(asyncpg.PostgresError, match="Invalid assignees: a task in the inbox has none"):
        await board.move(ADA, task, "inbox")


async def test_a_person_alone_is_enough_to_work_on_a_task(board: Board) -> None:
    task = await board.task("in_progress", people=["ada"])
    assert await board.status(task) == "in_progress"


@pytest.mark.parametrize(("actor", "status"), [(ADA, "archived"), (LEAD, "archived"), (LEAD, "done")])
async def test_a_task_does_not_begin_at_its_end(board: Board, actor: str, status: str) -> None:
    with pytest.raises(asyncpg.PostgresError, match=f"Invalid status at creation: {status}"):
        await board.act(actor, "INSERT INTO board_tasks (title, status) VALUES ('x', $1)", status)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("title", ""),
        ("title", " \n"),
        ("title", "x" * 2001),
        ("description", "x" * 100_001),
        ("blocked_reason", "x" * 2001),
        ("priority", 0),
        ("priority", 6),
        ("labels", ["x"] * 101),
        ("labels", [None]),
        ("pr_number", 0),
    ],
)
async def test_a_field_out_of_its_bounds_is_refused(board: Board, column: str, value: object) -> None:
    task = await board.task("blocked")
    with pytest.raises(asyncpg.CheckViolationError):
        await board.act(ADA, f"UPDATE board_tasks SET {column} = $2 WHERE id = $1", task, value)


@pytest.mark.parametrize(
    "change",
    [
        "id = gen_random_uuid()",
        "account_id = 'other'",
        "created_by = 'bob'",
        "created_by_type = 'agent'",
        "created_at = now()",
    ],
)
async def test_where_a_task_comes_from_stays(board: Board, change: str) -> None:
    task = await board.task()
    with pytest.raises(asyncpg.PostgresError, match="id, account and creation of a task stay"):
        await board.act(ADA, f"UPDATE board_tasks SET {change} WHERE id = $1", task)


# Who may -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("of_account", "of_agent", "may"),
    [(None, None, True), (False, None, False), (False, True, True), (True, False, False), (None, False, False)],
)
async def test_an_agent_moves_tasks_unless_its_account_or_it_may_not(
    board: Board, of_account: bool | None, of_agent: bool | None, may: bool
) -> None:
    await _allow(board, "can_modify_task_status", of_account, of_agent)
    task = await board.task("assigned", agents=["coder"])
    if may:
        await board.move(CODER, task, "in_progress")
    else:
        with pytest.raises(asyncpg.PostgresError, match="Forbidden: Not allowed to change task status"):
            await board.move(CODER, task, "in_progress")


@pytest.mark.parametrize("flag", ["can_mark_done", "can_review_tasks"])
@pytest.mark.parametrize(
    ("of_account", "of_agent", "may"),
    [(None, None, False), (True, None, True), (True, False, False), (False, True, True), (None, True, True)],
)
async def test_an_agent_ends_a_review_if_its_account_or_it_may(
    board: Board, flag: str, of_account: bool | None, of_agent: bool | None, may: bool
) -> None:
    await _allow(board, flag, of_account, of_agent)
    task = await board.task("review", agents=["coder"])
    if may:
        await board.move(CODER, task, "done")
    else:
        with pytest.raises(asyncpg.PostgresError, match="Forbidden: Not allowed to mark tasks as done"):
            await board.move(CODER, task, "done")


async def _allow(board: Board, flag: str, of_account: bool | None, of_agent: bool | None) -> None:
    await board.connection.execute(
        f"INSERT INTO accounts (id, {flag}) VALUES ('default', $1) ON CONFLICT (id) DO UPDATE SET {flag} = $1",
        of_account,
    )
    await board.connection.execute(f"UPDATE agents SET {flag} = $1 WHERE name = 'coder'", of_agent)


@pytest.mark.parametrize("actor", [CODER, REVIEWER])
async def test_only_the_orchestrator_among_agents_puts_a_task_away(board: Board, actor: str) -> None:
    task = await board.task("done")
    with pytest.raises(asyncpg.PostgresError, match="Forbidden: Only the orchestrator can archive/delete tasks"):
        await board.move(actor, task, "archived")
    await board.move(LEAD, task, "archived")


@pytest.mark.parametrize(
    "change", ["status = 'disabled'", "instance_type = 'peer'", "account_id = 'other'", "name = 'another'"]
)
async def test_whoever_is_no_agent_of_the_board_moves_nothing(board: Board, change: str) -> None:
    task = await board.task("assigned", people=["ada"])
    await board.connection.execute(f"UPDATE agents SET {change} WHERE name = 'coder'")
    with pytest.raises(asyncpg.PostgresError, match="Forbidden"):
        await board.move(CODER, task, "in_progress")


async def test_an_agent_who_may_not_move_tasks_still_moves_one_by_assigning_it(board: Board) -> None:
    await _allow(board, "can_modify_task_status", None, False)
    task = await board.task()
    await board.assign(CODER, task, "writer")
    assert await board.status(task) == "assigned"


# What follows --------------------------------------------------------------------------------------------------------


async def test_a_move_is_recorded_with_who_made_it_and_why(board: Board) -> None:
    task = await board.task("in_progress", agents=["coder"])
    await board.move(CODER, task, "blocked", "No steam")
    assert (await board.history(task))[-1] == (
        "task_status_changed",
        CODER,
        {"oldStatus": "in_progress", "newStatus": "blocked", "reason": "No steam"},
    )


async def test_the_reason_of_a_transaction_is_recorded_with_its_moves(board: Board) -> None:
    task = await board.task("done")
    async with board.connection.transaction():
        await board.connection.execute("SET LOCAL agent_config_sync.reason = 'Shipped'")
        await board.connection.execute("UPDATE board_tasks SET status = 'archived' WHERE id = $1", task)
    [_, meta] = (await board.history(task))[-1][1:]
    assert meta["reason"] == "Shipped"


async def test_changed_fields_are_recorded_by_name_and_unchanged_ones_are_not(board: Board) -> None:
    task = await board.task()
    await board.act(
        ADA, "UPDATE board_tasks SET title = 'Engine', priority = 1, pr_number = 7, due_at = now() WHERE id = $1", task
    )
    assert (await board.history(task))[-1] == (
        "task_updated",
        ADA,
        {"changedFields": ["priority", "dueDate", "prNumber"]},
    )


async def test_archiving_says_when_and_ends_the_sessions_of_the_task(board: Board) -> None:
    task = await board.task("done", agents=["coder"])
    await board.connection.execute(
        "INSERT INTO agent_sessions (agent, task_id, session_key) VALUES ('coder', $1, 'a'), ('coder', NULL, 'b')", task
    )
    await board.move(ADA, task, "archived")
    sessions = await board.connection.fetch("SELECT session_key, closed_reason FROM agent_sessions ORDER BY 1")
    assert [tuple(row) for row in sessions] == [("a", "task_archived"), ("b", None)]
    assert await board.connection.fetchval("SELECT archived_at > created_at FROM board_tasks WHERE id = $1", task)


async def test_opening_a_task_again_keeps_its_sessions(board: Board) -> None:
    task = await board.task("done", agents=["coder"])
    await board.connection.execute(
        "INSERT INTO agent_sessions (agent, task_id, session_key) VALUES ('coder', $1, 'a')", task
    )
    await board.move(ADA, task, "review")
    assert await board.connection.fetchval("SELECT closed_at FROM agent_sessions") is None


async def test_one_statement_moves_many_tasks_or_none(board: Board) -> None:
    tasks = [await board.task("assigned", agents=["coder"]), await board.task("inbox")]
    with pytest.raises(asyncpg.PostgresError, match="Invalid transition: inbox to in_progress"):
        await board.act(ADA, "UPDATE board_tasks SET status = 'in_progress'")
    assert [await board.status(task) for task in tasks] == ["assigned", "inbox"]


@pytest.mark.parametrize("moment", ["infinity", "20026-01-01", "0044-03-15 BC"])
async def test_a_task_is_due_when_a_reader_can_count_to(board: Board, moment: str) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="board_tasks_due_at"):
        await board.act(ADA, f"INSERT INTO board_tasks (title, due_at) VALUES ('Engine', '{moment}')")
