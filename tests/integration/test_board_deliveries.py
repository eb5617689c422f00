"""What agents were not told can be seen by people, and tried again, from the functions and the command line."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID, uuid4

import orjson
import pytest
from board_ground import ADA, EVERYBODY, Board
from commands import Ended, command
from given_up import REASON, begin, fail, give_up
from harness import Operator, connected

from agent_config_sync.board import deliveries
from agent_config_sync.board.actor import Person
from agent_config_sync.errors import BoardInvalidError, BoardNotFoundError

HERE, ELSEWHERE = Person("default", "ada"), Person("other", "eve")

ACTIVITIES = """
    SELECT actor_type, actor_id, target_id, meta ->> 'taskId' AS task, meta ->> 'agent' AS agent
    FROM activities WHERE type = 'notification_requeued'
"""


class Command(Protocol):
    def __call__(self, *words: str, **environment: str) -> Awaitable[Ended]: ...


@pytest.fixture
async def board(operator: Operator) -> Board:
    await operator.execute(EVERYBODY)
    await operator.execute("INSERT INTO agents (account_id, name) VALUES ('other', 'spy')")
    return Board(operator)


@pytest.fixture
def run(database: str) -> Command:
    """Run a command on the test's database."""

    def command_(*words: str, **environment: str) -> Awaitable[Ended]:
        return command(*words, **{"AGENT_CONFIG_SYNC_DSN": database, **environment})

    return command_


async def told(board: Board, *agents: str, account: str = "default") -> UUID:
    """Make a task and assign it to agents, who are to be told of it; return it."""
    task = await board.task(account=account)
    for agent in agents:
        await board.assign(ADA, task, agent)
    return task


async def is_dead(board: Board, notification: UUID) -> bool:
    found: bool = await board.connection.fetchval(
        "SELECT dead_at IS NOT NULL FROM board_notifications WHERE id = $1", notification
    )
    return found


# --- what is seen


async def test_what_was_given_up_says_of_what_since_when_and_why(board: Board) -> None:
    task = await told(board, "coder")
    notification = await give_up(board.connection, task, "coder")
    [seen] = await deliveries.given_up(board.connection, HERE)
    assert (seen.id, seen.agent, seen.agent_name, seen.task_id) == (notification, "coder", "The Coder", task)
    assert (seen.task_title, seen.type, seen.attempts, seen.last_error) == ("Engine", "assignment", 5, REASON)
    assert abs((datetime.now(UTC) - seen.since).total_seconds()) < 60


async def test_what_was_given_up_last_is_first_and_no_more_than_was_asked_for(board: Board) -> None:
    gone = [await give_up(board.connection, await told(board, "coder"), "coder") for _ in range(3)]
    assert [each.id for each in await deliveries.given_up(board.connection, HERE, limit=2)] == [gone[2], gone[1]]


async def test_of_a_task_only_its_own_was_given_up(board: Board) -> None:
    task, other = await told(board, "coder", "writer"), await told(board, "coder")
    await give_up(board.connection, other, "coder")
    notification = await give_up(board.connection, task, "writer")
    assert [each.id for each in await deliveries.given_up(board.connection, HERE, task=task)] == [notification]


async def test_what_waits_is_shown_the_oldest_first(board: Board) -> None:
    first, second = await told(board, "coder"), await told(board, "writer")
    await give_up(board.connection, await told(board, "coder"), "coder")
    assert [each.task_id for each in await deliveries.waiting(board.connection, HERE)] == [first, second]


async def test_only_what_waits_for_long_is_late(board: Board) -> None:
    await told(board, "coder", "writer")
    await give_up(board.connection, await told(board, "coder"), "coder")
    await board.connection.execute(
        "UPDATE board_notifications SET created_at = now() - interval '6 min' WHERE agent = 'writer'"
    )
    seen = await deliveries.counted(board.connection, "default")
    assert (seen.given_up, seen.waiting, seen.late) == (1, 2, 1)
    assert seen.oldest is not None
    assert (datetime.now(UTC) - seen.oldest).total_seconds() >= 360


async def test_an_account_without_notifications_counts_none(board: Board) -> None:
    assert await deliveries.counted(board.connection, "default") == deliveries.Backlog(0, 0, 0, None)


async def test_an_agent_whose_turn_is_under_way_is_at_it(board: Board) -> None:
    task = await told(board, "coder", "writer")
    await begin(board.connection, task, "coder")
    coder, writer = await deliveries.turns(board.connection, HERE, task)
    assert (coder.agent, coder.under_way, coder.attempts) == ("coder", True, 1)
    assert (writer.agent, writer.under_way, writer.attempts, writer.waiting) == ("writer", False, 0, 1)


async def test_an_agent_whose_process_is_gone_is_at_it_no_more(board: Board) -> None:
    task = await told(board, "coder")
    await begin(board.connection, task, "coder")
    await board.connection.execute("UPDATE session_leases SET expires_at = now() - interval '1 s'")
    [coder] = await deliveries.turns(board.connection, HERE, task)
    assert not coder.under_way


async def test_a_turn_that_failed_says_why_and_when_the_next_one_is(board: Board) -> None:
    task = await told(board, "coder")
    for _ in range(2):
        await fail(board.connection, await begin(board.connection, task, "coder"))
    [coder] = await deliveries.turns(board.connection, HERE, task)
    assert (coder.failed, coder.last_error, coder.under_way) == (2, REASON, False)
    assert coder.not_before is not None
    assert coder.not_before > datetime.now(UTC)


async def test_a_pause_that_is_over_is_no_pause(board: Board) -> None:
    task = await told(board, "coder")
    await fail(board.connection, await begin(board.connection, task, "coder"), pause="-1 s")
    [coder] = await deliveries.turns(board.connection, HERE, task)
    assert coder.not_before is None


async def test_agents_who_are_told_all_have_no_turns(board: Board) -> None:
    task = await told(board, "coder")
    await board.connection.execute("UPDATE board_notifications SET delivered_at = now(), outcome = 'replied'")
    assert await deliveries.turns(board.connection, HERE, task) == ()


# --- trying it again


async def test_what_is_queued_again_waits_as_if_it_had_not_been_tried(board: Board) -> None:
    task = await told(board, "coder")
    notification = await give_up(board.connection, task, "coder")
    await deliveries.requeue(board.connection, HERE, notification)
    assert await deliveries.given_up(board.connection, HERE) == ()
    [coder] = await deliveries.turns(board.connection, HERE, task)
    assert (coder.waiting, coder.failed, coder.last_error) == (1, 0, None)
    assert await begin(board.connection, task, "coder") == notification


async def test_who_queued_it_again_is_in_the_history(board: Board) -> None:
    task = await told(board, "coder")
    notification = await give_up(board.connection, task, "coder")
    await deliveries.requeue(board.connection, HERE, notification)
    rows = [tuple(row) for row in await board.connection.fetch(ACTIVITIES)]
    assert rows == [("user", "ada", str(notification), str(task), "coder")]


async def test_who_queues_it_again_by_sql_is_in_the_history_by_their_login(board: Board) -> None:
    notification = await give_up(board.connection, await told(board, "coder"), "coder")
    assert await board.connection.fetchval("SELECT requeue_notification($1)", notification)
    [row] = await board.connection.fetch(ACTIVITIES)
    assert (row["actor_type"], row["actor_id"]) == ("user", "postgres")


async def test_all_of_a_task_is_queued_again_and_nothing_else(board: Board) -> None:
    task, other = await told(board, "coder", "writer"), await told(board, "coder")
    ours = {await give_up(board.connection, task, agent) for agent in ("coder", "writer")}
    theirs = await give_up(board.connection, other, "coder")
    assert set(await deliveries.requeue_of_task(board.connection, HERE, task)) == ours
    assert [each.id for each in await deliveries.given_up(board.connection, HERE)] == [theirs]


async def test_all_is_queued_again_at_once(board: Board) -> None:
    gone = {await give_up(board.connection, await told(board, "coder"), "coder") for _ in range(3)}
    assert set(await deliveries.requeue_all(board.connection, HERE)) == gone
    assert len(await board.connection.fetch(ACTIVITIES)) == 3


async def test_what_was_not_given_up_cannot_be_queued_again(board: Board) -> None:
    task = await told(board, "coder")
    waiting = await board.connection.fetchval("SELECT id FROM board_notifications WHERE task_id = $1", task)
    for notification in (waiting, uuid4()):
        with pytest.raises(BoardNotFoundError, match="that was given up"):
            await deliveries.requeue(board.connection, HERE, notification)
    assert await board.connection.fetch(ACTIVITIES) == []


async def test_what_was_given_up_elsewhere_is_neither_seen_nor_queued_again(board: Board) -> None:
    task = await told(board, "spy", account="other")
    notification = await give_up(board.connection, task, "spy")
    assert await deliveries.given_up(board.connection, HERE, task=task) == ()
    assert await deliveries.turns(board.connection, HERE, task) == ()
    assert (await deliveries.counted(board.connection, "default")).given_up == 0
    with pytest.raises(BoardNotFoundError):
        await deliveries.requeue(board.connection, HERE, notification)
    with pytest.raises(BoardNotFoundError):
        await deliveries.given_up_beginning(board.connection, HERE, str(notification))
    assert await deliveries.requeue_of_task(board.connection, HERE, task) == ()
    assert await deliveries.requeue_all(board.connection, HERE) == ()
    assert await is_dead(board, notification)


async def test_a_beginning_that_is_that_of_several_names_them(board: Board) -> None:
    task = await told(board, "coder", "writer")
    for last, agent in enumerate(("coder", "writer")):
        notification = await give_up(board.connection, task, agent)
        await board.connection.execute(
            "UPDATE board_notifications SET id = $2 WHERE id = $1",
            notification,
            UUID(f"abcd0000-0000-4000-8000-00000000000{last}"),
        )
    with pytest.raises(BoardInvalidError, match=r"abcd0000-.*0 \(coder\), abcd0000-.*1 \(writer\)"):
        await deliveries.given_up_beginning(board.connection, HERE, "ABCD")


@pytest.mark.parametrize("role", ["runtime", "operator"])
async def test_a_login_of_the_role_queues_it_again(board: Board, database: str, role: str) -> None:
    task = await told(board, "coder")
    notification = await give_up(board.connection, task, "coder")
    await board.connection.execute(f"CREATE ROLE requeues_{role} LOGIN IN ROLE agent_config_{role}")
    try:
        async with connected(database.replace("postgres@", f"requeues_{role}@")) as login:
            assert len(await deliveries.turns(login, HERE, task)) == 0
            assert len(await deliveries.given_up(login, HERE)) == 1
            await deliveries.requeue(login, HERE, notification)
    finally:
        await board.connection.execute(f"DROP ROLE requeues_{role}")
    [row] = await board.connection.fetch(ACTIVITIES)
    assert row["actor_id"] == "ada"


# --- the command


async def test_a_board_on_which_nothing_was_given_up_says_so(run: Command, board: Board) -> None:
    assert await run("board", "deliveries") == Ended(0, "nothing was given up\nnothing waits\n", "")
    await told(board, "coder")
    ended = await run("board", "deliveries")
    assert (ended.status, ended.out.splitlines()[1][:21]) == (0, "1 wait, the oldest of")


async def test_what_was_given_up_is_listed_with_the_reason_and_ends_with_3(run: Command, board: Board) -> None:
    task = await told(board, "coder")
    notification = await give_up(board.connection, task, "coder", reason="no\x1b[31m way")
    ended = await run("board", "deliveries")
    head, line, reason, rest = ended.out.splitlines()
    assert (ended.status, ended.err) == (3, "")
    assert head.split("  ")[0] == "ID"
    assert [word for word in line.split("  ") if word.strip()][:4] == [
        str(notification)[:8], "coder", str(task)[:8], "assignment",
    ]  # fmt: skip
    assert line.endswith("5         Engine")
    assert reason.startswith("  no")
    assert "\x1b" not in reason
    assert rest == "nothing waits"


async def test_what_waits_is_listed_where_it_is_asked_for(run: Command, board: Board) -> None:
    await told(board, "coder", "writer")
    ended = await run("board", "deliveries", "--waiting", "--limit", "1")
    lines = ended.out.splitlines()
    assert (ended.status, ended.err) == (0, "there are more than 1: --limit\n")
    assert "WAITS SINCE" in lines[2]
    assert " coder " in lines[3]


async def test_all_of_it_is_there_as_json(run: Command, board: Board) -> None:
    task = await told(board, "coder", "writer")
    notification = await give_up(board.connection, task, "coder")
    ended = await run("board", "deliveries", "--waiting", "--json")
    said = orjson.loads(ended.out)
    assert ended.status == 3
    assert (said["counts"]["givenUp"], said["counts"]["waiting"], said["counts"]["late"]) == (1, 1, 0)
    [dead] = said["givenUp"]
    assert (dead["notificationId"], dead["taskId"], dead["lastError"]) == (str(notification), str(task), REASON)
    assert [each["agent"] for each in said["waiting"]] == ["writer"]


@pytest.mark.parametrize("how", ["id", "beginning", "task", "all"])
async def test_it_is_queued_again_by_command(run: Command, board: Board, how: str) -> None:
    task = await told(board, "coder")
    notification = await give_up(board.connection, task, "coder")
    words = {
        "id": [str(notification)],
        "beginning": [str(notification)[:8]],
        "task": ["--task", str(task)[:8]],
        "all": ["--all"],
    }[how]
    assert await run("board", "requeue", *words, "--person", "ada") == Ended(0, "queued again: 1\n", "")
    assert not await is_dead(board, notification)
    [row] = await board.connection.fetch(ACTIVITIES)
    assert row["actor_id"] == "ada"


async def test_what_was_queued_again_is_there_as_json(run: Command, board: Board) -> None:
    notification = await give_up(board.connection, await told(board, "coder"), "coder")
    ended = await run("board", "requeue", "--all", "--json")
    assert orjson.loads(ended.out) == {"notificationIds": [str(notification)]}


async def test_where_nothing_was_given_up_nothing_is_queued_again(run: Command, board: Board) -> None:
    task = await told(board, "coder")
    for words in (("--all",), ("--task", str(task))):
        assert await run("board", "requeue", *words) == Ended(0, "nothing was given up\n", "")
    ended = await run("board", "requeue", str(uuid4()))
    assert (ended.status, ended.err[:28]) == (1, "agent-config-sync: Not found")


@pytest.mark.parametrize("words", [(), ("abcd1234", "--all"), ("--task", "abcd1234", "--all"), ("abc",)])
async def test_what_is_to_be_queued_again_is_said_once(run: Command, words: tuple[str, ...]) -> None:
    assert (await run("board", "requeue", *words)).status == 2


# --- status


async def test_status_names_the_command_where_something_was_given_up_or_is_late(run: Command, board: Board) -> None:
    await told(board, "coder")
    assert "notifications" not in (await run("status")).out
    await board.connection.execute("UPDATE board_notifications SET created_at = now() - interval '6 min'")
    late = "notifications of agents: 1 late, the oldest of 6 min ago: agent-config-sync board deliveries --waiting"
    assert (await run("status")).out.splitlines()[-1] == late
    await give_up(board.connection, await board.connection.fetchval("SELECT id FROM board_tasks"), "coder")
    given_up = "notifications of agents: 1 given up: agent-config-sync board deliveries"
    assert (await run("status")).out.splitlines()[-1] == given_up


async def test_status_of_a_login_that_sees_no_board_says_nothing_of_it(
    run: Command, board: Board, database: str
) -> None:
    await give_up(board.connection, await told(board, "coder"), "coder")
    await board.connection.execute("CREATE ROLE status_reader LOGIN IN ROLE agent_config_reader")
    try:
        ended = await run("status", AGENT_CONFIG_SYNC_DSN=database.replace("postgres@", "status_reader@"))
    finally:
        await board.connection.execute("DROP ROLE status_reader")
    assert (ended.status, ended.err) == (0, "")
    assert "notifications" not in ended.out
