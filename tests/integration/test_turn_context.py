"""What a turn is about is read as of one instant, and holds what the agent needs."""

from __future__ import annotations

from uuid import UUID

import pytest
from board_ground import CHAT, Board, furnished, read_context
from harness import Operator

from agent_config_sync.board.actor import Agent
from agent_config_sync.runtime.context import SHOWN, Context


@pytest.fixture
async def board(operator: Operator) -> Board:
    return await furnished(operator)


async def context_of(board: Board, task: UUID, agent: str = "coder") -> Context:
    """Return what the newest notification of an agent is about."""
    notification = await board.connection.fetchval(
        "SELECT id FROM board_notifications WHERE task_id = $1 AND agent = $2 ORDER BY created_at DESC LIMIT 1",
        task,
        agent,
    )
    found = await read_context(board.connection, notification)
    assert found is not None
    return found


async def test_an_assignment_says_who_gave_which_task(board: Board) -> None:
    task = await board.task()
    await board.assign("user/ada", task, "coder")
    context = await context_of(board, task)
    told = context.notification
    assert (told.type, told.actor_type, told.actor_id, told.actor_name) == ("assignment", "user", "ada", "Ada Lovelace")
    assert (context.task.id, context.task.status, context.assigned, context.message) == (task, "assigned", True, None)


async def test_the_agent_acts_in_the_session_of_the_task_with_what_it_may(board: Board) -> None:
    await board.connection.execute("UPDATE agents SET can_create_tasks = true WHERE name = 'coder'")
    task = await board.task("in_progress", agents=["coder"])
    await board.say("user/ada", task, "Well?")
    context = await context_of(board, task)
    assert context.agent == Agent("default", "coder", can_create_tasks=True, task=task)
    assert (context.display_name, context.role) == ("The Coder", "Engineer")


async def test_the_end_of_the_thread_is_told_and_how_much_came_before(board: Board) -> None:
    task = await board.task("in_progress", agents=["coder"])
    for number in range(SHOWN + 3):
        await board.say("user/ada", task, f"Number {number}")
    context = await context_of(board, task)
    assert [said.content for said in context.thread] == [f"Number {number}" for number in range(3, SHOWN + 3)]
    assert (context.older, context.thread[-1].author_name) == (3, "Ada Lovelace")


async def test_a_message_is_superseded_by_a_later_one_of_which_the_agent_is_told_too(board: Board) -> None:
    task = await board.task("in_progress", agents=["coder"])
    await board.say("user/ada", task, "Well?")
    await board.connection.execute("UPDATE board_notifications SET read_at = now()")
    first = await context_of(board, task)
    await board.say("user/ada", task, "Leave it.")
    again = await read_context(board.connection, first.notification.id)
    assert again is not None
    assert (first.superseded, again.superseded) == (False, True)


async def test_what_a_person_says_to_others_supersedes_nothing(board: Board) -> None:
    task = await board.task("in_progress", agents=["coder"])
    await board.say("user/ada", task, "Well?")
    first = await context_of(board, task)
    await board.say("user/ada", task, "And you, @writer?")
    again = await read_context(board.connection, first.notification.id)
    assert again is not None
    assert not again.superseded


async def test_a_reply_says_to_what_it_replied(board: Board) -> None:
    task = await board.task("in_progress", agents=["coder", "writer"])
    await board.say("user/ada", task, "Well, @coder?")
    [row] = await board.connection.fetch("SELECT id FROM board_notifications WHERE agent = 'coder'")
    await board.say("agent/coder", task, "Soon.", reply_to=row["id"])
    context = await context_of(board, task, "writer")
    assert (context.source, context.message is not None and context.message.content) == ("mention", "Soon.")


async def test_colleagues_the_orchestrator_and_whom_to_ask_are_named(board: Board) -> None:
    task = await board.task("in_progress", agents=["coder", "writer"])
    await board.say("user/ada", task, "Well?")
    context = await context_of(board, task)
    assert (context.orchestrator, context.person, context.shared) == ("lead", "Ada Lovelace", True)
    assert [(each.name, each.assigned) for each in context.colleagues] == [
        ("lead", False),
        ("reviewer", False),
        ("writer", True),
    ]


async def test_the_repository_is_told_where_a_document_describes_it(board: Board) -> None:
    await board.connection.execute(
        "INSERT INTO board_documents (title, content, type)"
        " VALUES ('Repository — Primary', 'main is protected', 'reference')"
    )
    task = await board.task()
    await board.assign("user/ada", task, "coder")
    context = await context_of(board, task)
    assert context.repository is not None
    assert context.repository.content == "main is protected"


async def test_the_chat_with_the_orchestrator_shows_the_whole_board(board: Board) -> None:
    urgent = await board.task("in_progress", agents=["coder"])
    await board.connection.execute("UPDATE board_tasks SET priority = 1, title = 'Fire' WHERE id = $1", urgent)
    await board.task()
    await board.task("done")
    chat = await board.task("in_progress", agents=["lead"], labels=[CHAT])
    await board.say("user/ada", chat, "What is going on?")
    context = await context_of(board, chat, "lead")
    assert context.in_chat
    assert context.overview is not None
    assert {status: count for status, (count, _) in context.overview.items()} == {"in_progress": 1, "inbox": 1}
    assert context.overview["in_progress"][1][0].title == "Fire"


async def test_where_operators_say_how_agents_reach_this_machine_it_is_told(board: Board) -> None:
    await board.connection.execute("INSERT INTO gateways (name, base_url) VALUES ('here', 'http://10.0.0.1:3000')")
    task = await board.task()
    await board.assign("user/ada", task, "coder")
    assert (await context_of(board, task)).base_url == "http://10.0.0.1:3000"


async def test_of_an_agent_that_works_on_the_board_no_more_there_is_no_turn(board: Board) -> None:
    task = await board.task()
    await board.assign("user/ada", task, "coder")
    notification = (await context_of(board, task)).notification.id
    await board.connection.execute("UPDATE agents SET status = 'paused' WHERE name = 'coder'")
    assert await read_context(board.connection, notification) is None
