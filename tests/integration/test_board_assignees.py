"""Who works on a task: what assigning does, and what becomes of a task that nobody works on any more."""

from __future__ import annotations

from uuid import UUID, uuid4

import asyncpg
import pytest
from board_ground import ADA, BOB, CODER, LEAD, STATUSES, WRITER, Board


async def _assignees(board: Board, task: UUID) -> list[str]:
    rows = await board.connection.fetch(
        "SELECT coalesce(agent, user_id) AS who FROM board_assignees WHERE task_id = $1 ORDER BY 1", task
    )
    return [row["who"] for row in rows]


@pytest.mark.parametrize("status", STATUSES[:-1])
async def test_an_assignment_takes_a_task_from_the_inbox_and_leaves_every_other_where_it_is(
    board: Board, status: str
) -> None:
    task = await board.task(status, agents=() if status == "inbox" else ["writer"])
    await board.assign(ADA, task, "coder")
    assert await board.status(task) == ("assigned" if status == "inbox" else status)


async def test_who_is_assigned_is_told_once_follows_the_thread_and_is_recorded(board: Board) -> None:
    task = await board.task()
    await board.assign(ADA, task, "coder")
    assert await board.told(task) == [("coder", "assignment")]
    assert await board.followers(task) == ["coder", "lead"]
    assert (await board.history(task))[-2:] == [
        ("task_updated", ADA, {"changedFields": ["assignees"], "assigned": {"type": "agent", "id": "coder"}}),
        ("task_status_changed", ADA, {"oldStatus": "inbox", "newStatus": "assigned"}),
    ]


async def test_a_person_is_assigned_as_an_agent_is(board: Board) -> None:
    task = await board.task()
    await board.act(LEAD, "INSERT INTO board_assignees (task_id, user_id) VALUES ($1, 'ada')", task)
    assert await board.told(task) == [("ada", "assignment")]
    assert await board.connection.fetchval("SELECT title FROM board_notifications") == "Lead assigned you"
    assert await board.status(task) == "assigned"


@pytest.mark.parametrize(("actor", "column", "who"), [(CODER, "agent", "coder"), (ADA, "user_id", "ada")])
async def test_nobody_is_told_of_an_assignment_to_themselves(board: Board, actor: str, column: str, who: str) -> None:
    task = await board.task()
    await board.act(actor, f"INSERT INTO board_assignees (task_id, {column}) VALUES ($1, $2)", task, who)
    assert await board.told(task) == []
    assert who in await board.followers(task)


async def test_a_task_is_made_and_assigned_in_one_statement(board: Board) -> None:
    await board.act(
        ADA,
        "WITH made AS (INSERT INTO board_tasks (title) VALUES ('Engine'), ('Boiler') RETURNING id)"
        " INSERT INTO board_assignees (task_id, agent)"
        " SELECT id, agent FROM made, unnest('{coder,writer}'::text[]) AS agent",
    )
    tasks = await board.connection.fetch("SELECT id, status FROM board_tasks")
    assert [row["status"] for row in tasks] == ["assigned", "assigned"]
    for row in tasks:
        assert await board.told(row["id"]) == [("coder", "assignment"), ("writer", "assignment")]


async def test_an_assignment_that_is_there_already_tells_nobody_again(board: Board) -> None:
    task = await board.task("assigned", agents=["coder"])
    await board.act(
        ADA, "INSERT INTO board_assignees (task_id, agent) VALUES ($1, 'coder') ON CONFLICT DO NOTHING", task
    )
    assert await board.told(task) == []
    with pytest.raises(asyncpg.UniqueViolationError):
        await board.assign(ADA, task, "coder")


async def test_an_archived_task_is_assigned_to_nobody(board: Board) -> None:
    task = await board.task("archived")
    with pytest.raises(asyncpg.PostgresError, match="Archived: task") as refused:
        await board.assign(ADA, task, "coder")
    assert refused.value.sqlstate == "TB409"


async def test_a_task_of_another_account_is_not_there(board: Board) -> None:
    task = await board.task()
    statement = "INSERT INTO board_assignees (account_id, task_id, agent) VALUES ($1, $2, 'coder')"
    for account, named in (("other", task), ("default", uuid4())):
        with pytest.raises(asyncpg.PostgresError, match="Not found: task") as refused:
            await board.act(ADA, statement, account, named)
        assert refused.value.sqlstate == "TB404"


@pytest.mark.parametrize(("agent", "person"), [(None, None), ("coder", "ada")])
async def test_an_assignee_is_an_agent_or_a_person(board: Board, agent: str | None, person: str | None) -> None:
    task = await board.task()
    with pytest.raises(asyncpg.CheckViolationError):
        await board.act(
            ADA, "INSERT INTO board_assignees (task_id, agent, user_id) VALUES ($1, $2, $3)", task, agent, person
        )


@pytest.mark.parametrize(("column", "who"), [("agent", "nobody"), ("user_id", "nobody")])
async def test_whoever_is_unknown_is_not_assigned(board: Board, column: str, who: str) -> None:
    task = await board.task()
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await board.act(ADA, f"INSERT INTO board_assignees (task_id, {column}) VALUES ($1, $2)", task, who)


# The last one leaves -------------------------------------------------------------------------------------------------

LEFT = {"assigned": "inbox", "in_progress": "blocked", "review": "review", "done": "done", "blocked": "blocked"}
"""What becomes of a task when the last assignee leaves it."""


@pytest.mark.parametrize("status", LEFT)
async def test_a_task_that_its_last_assignee_leaves_goes_back_or_says_so(board: Board, status: str) -> None:
    task = await board.task(status, agents=["coder"])
    await board.unassign(ADA, task, "coder")
    assert await board.status(task) == LEFT[status]


async def test_a_task_left_alone_at_work_says_why_it_is_blocked(board: Board) -> None:
    task = await board.task("in_progress", agents=["coder"])
    await board.unassign(ADA, task, "coder")
    assert (await board.history(task))[-1] == (
        "task_status_changed",
        ADA,
        {"oldStatus": "in_progress", "newStatus": "blocked", "reason": "Nobody is assigned any more."},
    )


async def test_a_task_that_somebody_still_works_on_stays_where_it_is(board: Board) -> None:
    task = await board.task("in_progress", agents=["coder"], people=["ada"])
    await board.unassign(ADA, task, "coder")
    assert await board.status(task) == "in_progress"


async def test_one_transaction_replaces_all_assignees(board: Board) -> None:
    task = await board.task("in_progress", agents=["coder", "writer"])
    await board.act(
        ADA,
        "WITH gone AS (DELETE FROM board_assignees WHERE task_id = $1 RETURNING task_id)"
        " INSERT INTO board_assignees (task_id, agent) SELECT DISTINCT task_id, 'reviewer' FROM gone",
        task,
    )
    assert await board.status(task) == "in_progress"
    assert await board.told(task) == [("reviewer", "assignment")]


async def test_who_is_unassigned_follows_no_more_but_the_orchestrator_does(board: Board) -> None:
    task = await board.task("assigned", agents=["coder", "lead"], people=["ada"])
    await board.act(ADA, "DELETE FROM board_assignees WHERE task_id = $1", task)
    assert await board.followers(task) == ["lead"]
    unassigned = [meta["unassigned"]["id"] for _, _, meta in await board.history(task) if "unassigned" in meta]
    assert sorted(unassigned) == ["ada", "coder", "lead"]


# Agents and members come and go --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", LEFT)
async def test_an_agent_that_is_deleted_leaves_its_tasks_as_if_it_were_unassigned(board: Board, status: str) -> None:
    task = await board.task(status, agents=["coder"])
    await board.say(ADA, task, "@coder")
    await board.connection.execute("DELETE FROM agents WHERE name = 'coder'")
    assert (await board.status(task), await _assignees(board, task)) == (LEFT[status], [])
    assert "coder" not in [who for who, _ in await board.told(task)] + await board.followers(task)


async def test_a_member_that_is_removed_leaves_its_tasks_too(board: Board) -> None:
    task = await board.task("assigned", people=["ada"])
    await board.connection.execute("DELETE FROM memberships WHERE user_id = 'ada'")
    assert (await board.status(task), await board.followers(task)) == ("inbox", ["lead"])


async def test_what_an_agent_said_stays_when_it_is_deleted(board: Board) -> None:
    task = await board.task("assigned", agents=["writer"])
    message = await board.say(CODER, task, "Steam!")
    await board.connection.execute("DELETE FROM agents WHERE name = 'coder'")
    assert await board.connection.fetchval("SELECT author_id FROM board_messages WHERE id = $1", message) == "coder"


async def test_what_belongs_to_an_agent_follows_its_name(board: Board) -> None:
    task = await board.task("in_progress", agents=["coder"])
    await board.say(ADA, task, "@coder")
    await board.connection.execute(
        "INSERT INTO agent_sessions (agent, task_id, session_key) VALUES ('coder', $1, 'a')", task
    )
    await board.connection.execute("UPDATE agents SET name = 'engineer' WHERE name = 'coder'")
    assert (await _assignees(board, task), await board.status(task)) == (["engineer"], "in_progress")
    assert await board.told(task) == [("engineer", "mention")]
    assert "engineer" in await board.followers(task)
    assert await board.connection.fetchval("SELECT agent FROM agent_sessions") == "engineer"


# Deleted tasks -------------------------------------------------------------------------------------------------------


async def test_a_task_that_is_deleted_takes_all_of_it_along_but_its_documents(board: Board) -> None:
    task = await board.task("in_progress", agents=["coder"], people=["ada"])
    await board.say(ADA, task, "@coder")
    document = await board.connection.fetchval(
        "INSERT INTO board_documents (task_id, title, type) VALUES ($1, 'x', 'note') RETURNING id", task
    )
    await board.act(ADA, "DELETE FROM board_tasks WHERE id = $1", task)
    for table in ("board_assignees", "board_messages", "board_notifications", "board_subscriptions"):
        assert await board.connection.fetchval(f"SELECT count(*) FROM {table}") == 0
    assert await board.connection.fetchval("SELECT task_id FROM board_documents WHERE id = $1", document) is None
    assert (await board.history(task))[-1] == ("task_deleted", ADA, {"title": "Engine", "status": "in_progress"})


# Other statements -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change", ["agent = 'writer'", "agent = NULL, user_id = 'ada'", "task_id = $2", "account_id = 'x'"]
)
async def test_an_assignee_is_not_turned_into_another(board: Board, change: str) -> None:
    task, other = await board.task("assigned", agents=["coder"]), await board.task()
    with pytest.raises(asyncpg.PostgresError, match="Invalid change") as refused:
        await board.act(
            ADA, f"UPDATE board_assignees SET {change} WHERE task_id = $1 AND $2::uuid IS NOT NULL", task, other
        )
    assert refused.value.sqlstate == "TB422"


async def test_tasks_whose_assignees_are_truncated_go_back_or_say_so(board: Board) -> None:
    tasks = {status: await board.task(status, agents=["coder"]) for status in LEFT}
    await board.act(ADA, "TRUNCATE board_assignees")
    assert {status: await board.status(task) for status, task in tasks.items()} == LEFT


async def test_an_agent_takes_the_name_of_one_who_is_gone_and_once_told_it_something(board: Board) -> None:
    task = await board.task("assigned", agents=["coder"])
    await board.say(WRITER, task, "@coder")
    await board.connection.execute("DELETE FROM agents WHERE name = 'writer'")
    await board.connection.execute("UPDATE agents SET name = 'writer' WHERE name = 'coder'")
    assert await board.told(task) == [("writer", "mention")]


async def test_a_member_takes_the_id_of_one_who_is_gone_and_once_told_them_something(board: Board) -> None:
    task = await board.task("assigned", people=["ada"])
    await board.say(BOB, task, "x")
    await board.connection.execute("DELETE FROM memberships WHERE user_id = 'bob'")
    await board.connection.execute("UPDATE memberships SET user_id = 'bob' WHERE user_id = 'ada'")
    assert ("bob", "thread_update") in await board.told(task)
