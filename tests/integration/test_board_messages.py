"""The threads of tasks, and whom each message reaches."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest
from board_ground import ADA, BOB, CHAT, CODER, LEAD, STATUSES, SYSTEM, WRITER, Board
from harness import connected, eventually

# Messages ------------------------------------------------------------------------------------------------------------


async def test_a_message_is_of_whoever_acts_and_touches_its_task(board: Board) -> None:
    task = await board.task()
    message = await board.say(CODER, task, "Steam!")
    row = await board.connection.fetchrow(
        "SELECT author_type || '/' || author_id AS author, account_id, "
        " last_message_at = board_messages.created_at AS last, updated_at >= board_messages.created_at AS touched"
        " FROM board_messages JOIN board_tasks USING (account_id) WHERE board_messages.id = $1",
        message,
    )
    assert row is not None
    assert tuple(row) == (CODER, "default", True, True)
    assert await board.history(message) == [("message_created", CODER, {"taskId": str(task), "mentionCount": 0})]


@pytest.mark.parametrize("content", ["", " \n", "x" * 100_001])
async def test_a_message_says_something_and_not_too_much(board: Board, content: str) -> None:
    task = await board.task()
    with pytest.raises(asyncpg.CheckViolationError):
        await board.say(ADA, task, content)


async def test_a_message_to_a_task_that_is_not_there_is_refused(board: Board) -> None:
    with pytest.raises(asyncpg.PostgresError, match="Not found: task"):
        await board.say(ADA, uuid4(), "x")


async def test_messages_stand_in_the_order_in_which_the_task_was_had(board: Board, board_database: str) -> None:
    task = await board.task()
    async with connected(board_database) as other:
        first = board.connection.transaction()
        await first.start()
        await board.say(ADA, task, "first")
        second = asyncio.create_task(Board(other).say(ADA, task, "second"))
        async with connected(board_database) as witness:
            await eventually(witness, "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        await board.say(ADA, task, "first as well")
        await first.commit()
        await second
    rows = await board.connection.fetch("SELECT content FROM board_messages ORDER BY seq")
    assert [row["content"] for row in rows] == ["first", "first as well", "second"]
    assert await board.connection.fetchval(
        "SELECT bool_and(seq_order = time_order) FROM (SELECT rank() OVER (ORDER BY seq) AS seq_order,"
        " rank() OVER (ORDER BY created_at) AS time_order FROM board_messages) AS ranks"
    )


async def test_there_is_one_reply_to_a_notification(board: Board) -> None:
    task = await board.task()
    notification = uuid4()
    await board.say(CODER, task, "x", reply_to=notification)
    with pytest.raises(asyncpg.UniqueViolationError):
        await board.say(CODER, task, "y", reply_to=notification)


# Whom a message reaches ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("author", "told"),
    [
        (ADA, ["coder", "lead", "writer"]),
        (BOB, ["ada", "coder", "lead", "writer"]),
        (CODER, ["ada", "lead", "writer"]),
        (LEAD, ["ada", "coder", "writer"]),
        (SYSTEM, ["ada", "coder", "lead", "writer"]),
    ],
)
async def test_whoever_follows_hears_of_a_message_but_its_author(board: Board, author: str, told: list[str]) -> None:
    task = await board.task("in_progress", agents=["coder", "writer"], people=["ada"])
    await board.say(author, task, "Steam!")
    assert await board.told(task) == [(who, "thread_update") for who in told]


async def test_whoever_wrote_once_follows(board: Board) -> None:
    task = await board.task()
    await board.say(WRITER, task, "x")
    await board.say(BOB, task, "y")
    assert await board.followers(task) == ["bob", "lead", "writer"]


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("author", [ADA, LEAD, WRITER, SYSTEM])
async def test_agents_hear_nothing_of_what_is_over_and_of_what_is_blocked_only_by_who_may_help(
    board: Board, author: str, status: str
) -> None:
    task = await board.task(status, agents=() if status == "inbox" else ["coder"])
    await board.say(CODER, task, "I follow")
    await board.connection.execute("DELETE FROM board_notifications")
    await board.say(author, task, "Steam!")
    over = status in ("done", "archived") or (status == "blocked" and author == WRITER)
    assert (("coder", "thread_update") in await board.told(task)) is not over


async def test_the_orchestrator_hears_of_what_is_blocked_whoever_writes(board: Board) -> None:
    task = await board.task("blocked", agents=["coder"])
    await board.say(WRITER, task, "No coal either.")
    assert await board.told(task) == [("lead", "thread_update")]


@pytest.mark.parametrize("status", ["done", "archived", "blocked"])
async def test_people_hear_of_everything(board: Board, status: str) -> None:
    task = await board.task(status, people=["ada"])
    await board.say(WRITER, task, "x")
    assert ("ada", "thread_update") in await board.told(task)


async def test_a_quiet_message_wakes_no_agent(board: Board) -> None:
    task = await board.task("assigned", agents=["coder"], people=["ada"])
    await board.say(WRITER, task, "@lead @bob x", quiet=True)
    assert await board.told(task) == [("ada", "thread_update"), ("bob", "mention")]


async def test_where_agents_are_meant_the_others_are_not(board: Board) -> None:
    task = await board.task("assigned", agents=["coder"], people=["ada", "bob"])
    await board.say(WRITER, task, "@lead @bob x")
    assert await board.told(task) == [("ada", "thread_update"), ("bob", "mention"), ("lead", "mention")]


async def test_whoever_is_meant_follows_from_then_on(board: Board) -> None:
    task = await board.task()
    await board.say(ADA, task, "@coder")
    assert await board.followers(task) == ["ada", "coder", "lead"]


async def test_who_means_themselves_is_told_nothing_and_counts_as_no_mention(board: Board) -> None:
    task = await board.task("assigned", agents=["coder", "writer"])
    await board.say(CODER, task, "I, @coder, have steam")
    assert await board.told(task) == [("lead", "thread_update"), ("writer", "thread_update")]


async def test_mentions_by_an_agent_who_may_not_reach_people_and_no_agents(board: Board) -> None:
    await board.connection.execute("UPDATE agents SET can_mention_agents = false WHERE name = 'coder'")
    task = await board.task("assigned", agents=["coder"])
    message = await board.say(CODER, task, "@writer @bob")
    assert await board.told(task) == [("bob", "mention"), ("lead", "thread_update")]
    assert await board.followers(task) == ["bob", "coder", "lead"]
    mentions = await board.connection.fetchval("SELECT mentions FROM board_messages WHERE id = $1", message)
    assert [mention["id"] for mention in orjson.loads(mentions)] == ["writer", "bob"]


@pytest.mark.parametrize(("author", "told"), [(ADA, ["lead"]), (LEAD, ["ada"])])
async def test_the_chat_with_the_orchestrator_is_theirs(board: Board, author: str, told: list[str]) -> None:
    task = await board.task("assigned", agents=["coder"], people=["ada"], labels=[CHAT])
    await board.say(author, task, "@coder @bob")
    assert await board.told(task) == [(who, "thread_update") for who in told]


async def test_a_new_orchestrator_follows_a_thread_from_the_next_message(board: Board) -> None:
    task = await board.task()
    await board.connection.execute("UPDATE agents SET is_orchestrator = false")
    await board.connection.execute("UPDATE agents SET is_orchestrator = true WHERE name = 'writer'")
    await board.say(ADA, task, "x")
    assert ("writer", "thread_update") in await board.told(task)


# News that become one ------------------------------------------------------------------------------------------------


async def _news(board: Board, task: UUID) -> list[tuple[UUID, bool]]:
    """Return the news of the coder: of which message, and whether it is read."""
    rows = await board.connection.fetch(
        "SELECT message_id, read_at IS NOT NULL AS read FROM board_notifications"
        " WHERE task_id = $1 AND agent = 'coder' ORDER BY created_at",
        task,
    )
    return [(row["message_id"], row["read"]) for row in rows]


async def test_news_of_a_thread_become_one_that_keeps_its_place(board: Board) -> None:
    task = await board.task("assigned", agents=["coder"])
    await board.say(ADA, task, "first")
    before = await board.connection.fetchrow("SELECT id, created_at FROM board_notifications WHERE agent = 'coder'")
    last = await board.say(BOB, task, "last")
    after = await board.connection.fetchrow("SELECT id, created_at FROM board_notifications WHERE agent = 'coder'")
    assert (after, await _news(board, task)) == (before, [(last, False)])
    assert (
        await board.connection.fetchval("SELECT title FROM board_notifications WHERE agent = 'coder'") == "bob replied"
    )


@pytest.mark.parametrize("begun", ["read_at", "delivered_at"])
async def test_news_that_somebody_began_with_stay_and_the_next_are_others(board: Board, begun: str) -> None:
    task = await board.task("assigned", agents=["coder"])
    first = await board.say(ADA, task, "first")
    await board.connection.execute(f"UPDATE board_notifications SET {begun} = now() WHERE agent = 'coder'")
    second = await board.say(ADA, task, "second")
    assert [message for message, _ in await _news(board, task)] == [first, second]


async def test_people_get_each_of_the_news(board: Board) -> None:
    task = await board.task("assigned", people=["ada"])
    for _ in range(2):
        await board.say(BOB, task, "x")
    assert [told for told in await board.told(task) if told[0] == "ada"] == [("ada", "thread_update")] * 2


async def test_mentions_never_become_one(board: Board) -> None:
    task = await board.task()
    for _ in range(2):
        await board.say(ADA, task, "@coder")
    assert await board.told(task) == [("coder", "mention")] * 2


# What stays -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change", ["task_id = gen_random_uuid()", "author_id = 'ada'", "id = gen_random_uuid()", "created_at = now()"]
)
async def test_where_a_message_stands_and_who_wrote_it_stays(board: Board, change: str) -> None:
    message = await board.say(CODER, await board.task(), "x")
    with pytest.raises(asyncpg.PostgresError, match="Invalid change"):
        await board.act(ADA, f"UPDATE board_messages SET {change} WHERE id = $1", message)


async def test_a_message_that_is_corrected_means_whom_it_names_now_and_tells_nobody(board: Board) -> None:
    task = await board.task()
    message = await board.say(ADA, task, "@coder")
    await board.act(ADA, "UPDATE board_messages SET content = '@writer' WHERE id = $1", message)
    mentions = await board.connection.fetchval("SELECT mentions FROM board_messages WHERE id = $1", message)
    assert [mention["id"] for mention in orjson.loads(mentions)] == ["writer"]
    assert await board.told(task) == [("coder", "mention")]
