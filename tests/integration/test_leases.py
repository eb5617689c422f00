"""Turns of agents are begun once, in order, and by whoever holds the lease."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest
from board_ground import Board, furnished
from harness import Operator, connected

from agent_config_sync.board.actor import Agent
from agent_config_sync.errors import LeaseLostError
from agent_config_sync.runtime import leases
from agent_config_sync.runtime.leases import Lease, Place

HERE = Place("default", "here", uuid4())
THERE = Place("default", "there", uuid4())
AGENTS = ("lead", "coder", "writer", "qa")


@pytest.fixture
async def board(operator: Operator) -> Board:
    return await furnished(operator)


async def told(board: Board, agent: str = "coder", task: UUID | None = None) -> UUID:
    """Let an agent be told something, without a turn of anybody; return the notification."""
    task = task or await board.task()
    found: UUID = await board.connection.fetchval(
        "INSERT INTO board_notifications (account_id, type, agent, actor_type, actor_id, task_id, title, body)"
        " VALUES ('default', 'mention', $1, 'user', 'ada', $2, 't', 'b') RETURNING id",
        agent,
        task,
    )
    return found


async def begun(connection: asyncpg.Connection, place: Place = HERE, most: int = 10) -> list[Lease]:
    return list(await leases.begin(connection, place, AGENTS, most))


async def ended(connection: asyncpg.Connection, lease: Lease) -> None:
    await connection.execute("UPDATE board_notifications SET delivered_at = now() WHERE id = $1", lease.notification)
    await leases.end(connection, lease)


async def test_a_turn_is_begun_for_the_oldest_notification_of_its_session(board: Board) -> None:
    task = await board.task()
    first = await told(board, task=task)
    await told(board, task=task)
    [lease] = await begun(board.connection)
    assert lease.notification == first
    assert lease.session_key == f"agent:coder:default:task:{task}:v1"


async def test_one_turn_at_a_time_is_begun_in_a_session(board: Board) -> None:
    task = await board.task()
    await told(board, task=task)
    second = await told(board, task=task)
    [lease] = await begun(board.connection)
    assert await begun(board.connection) == []
    await ended(board.connection, lease)
    [after] = await begun(board.connection)
    assert (after.notification, after.fence > lease.fence) == (second, True)


async def test_the_longest_waiting_sessions_come_first(board: Board) -> None:
    notifications = [await told(board) for _ in range(3)]
    assert [lease.notification for lease in await begun(board.connection, most=2)] == notifications[:2]


async def test_a_long_queue_of_one_session_holds_nobody_else_back(board: Board) -> None:
    task = await board.task()
    for _ in range(50):
        await told(board, task=task)
    other = await told(board, "writer")
    assert other in [lease.notification for lease in await begun(board.connection, most=2)]


async def test_several_processes_begin_each_turn_once(board: Board, database: str) -> None:
    notifications = {await told(board) for _ in range(30)}

    async def take(process: UUID) -> list[UUID]:
        taken: list[UUID] = []
        async with connected(database) as connection:
            while found := await begun(connection, Place("default", "here", process), most=3):
                taken += [lease.notification for lease in found if lease.notification is not None]
        return taken

    found = [each for taken in await asyncio.gather(*(take(uuid4()) for _ in range(4))) for each in taken]
    assert sorted(found) == sorted(notifications)


async def test_agents_that_are_not_here_are_left_alone(board: Board) -> None:
    await told(board, "writer")
    assert await leases.begin(board.connection, HERE, ["coder"], 10) == {}


async def test_a_lease_that_ran_out_is_had_by_another_process_and_lost_by_the_first(board: Board) -> None:
    await told(board)
    [lost] = await begun(board.connection)
    await board.connection.execute("UPDATE session_leases SET expires_at = now() - interval '1 s'")
    [lease] = await begun(board.connection, Place("default", "here", uuid4()))
    assert lease.notification == lost.notification
    coder = Agent("default", "coder")
    for late in (
        leases.hold(board.connection, lost),
        leases.end(board.connection, lost),
        leases.settle(board.connection, lost, coder, "replied", posted="Too late."),
    ):
        with pytest.raises(LeaseLostError):
            await late
    await leases.hold(board.connection, lease)


async def test_a_renewed_lease_is_kept_and_a_lost_one_is_told(board: Board) -> None:
    await told(board)
    await told(board, "writer")
    kept, lost = await begun(board.connection)
    await board.connection.execute(
        "UPDATE session_leases SET expires_at = now() + interval '1 s';"
        f"UPDATE session_leases SET holder = gen_random_uuid() WHERE session_id = '{lost.session}'"
    )
    assert await leases.renew(board.connection, HERE, [kept, lost]) == {lost}
    left = "SELECT expires_at > now() + interval '30 s' FROM session_leases WHERE session_id = $1"
    assert await board.connection.fetchval(left, kept.session)


async def test_a_lease_in_hand_of_a_tool_is_not_told_as_lost(board: Board, database: str) -> None:
    await told(board)
    [lease] = await begun(board.connection)
    async with connected(database) as other, other.transaction():
        await leases.hold(other, lease)
        assert await leases.renew(board.connection, HERE, [lease]) == frozenset()


async def test_a_new_process_of_a_gateway_frees_what_the_one_before_it_held(board: Board) -> None:
    await told(board)
    [lost] = await begun(board.connection)
    successor = Place("default", "here", uuid4())
    await leases.free(board.connection, successor)
    [lease] = await begun(board.connection, successor)
    assert (lease.notification, lease.fence > lost.fence) == (lost.notification, True)


async def test_a_session_stays_with_a_gateway_that_lives(board: Board) -> None:
    task = await board.task()
    await told(board, task=task)
    [lease] = await begun(board.connection)
    await ended(board.connection, lease)
    await told(board, task=task)
    await board.connection.execute(
        "INSERT INTO gateway_status (account_id, gateway, plugin_version, state, resync_interval)"
        " VALUES ('default', 'here', '1', 'applied', '60 s')"
    )
    assert await begun(board.connection, THERE) == []
    await board.connection.execute("UPDATE gateway_status SET seen_at = now() - interval '1 hour'")
    assert len(await begun(board.connection, THERE)) == 1


async def test_after_a_failure_the_session_pauses_and_others_go_on(board: Board) -> None:
    await told(board)
    [lease] = await begun(board.connection)
    await leases.end(board.connection, lease, failed=True, pause=leases.LEASE)
    await told(board, "writer")
    assert [each.agent for each in await begun(board.connection)] == ["writer"]


async def test_failures_in_a_row_are_counted_and_forgotten_after_a_success(board: Board) -> None:
    await told(board)
    [first] = await begun(board.connection)
    await leases.end(board.connection, first, failed=True)
    [second] = await begun(board.connection)
    await leases.end(board.connection, second, failed=None)
    [third] = await begun(board.connection)
    assert (second.failures, third.failures) == (1, 1)
    await leases.end(board.connection, third)
    assert await board.connection.fetchval("SELECT failures FROM session_leases") == 0


async def test_a_task_that_is_opened_again_in_another_session_has_the_next_generation(board: Board) -> None:
    task = await board.task()
    await told(board, task=task)
    [lease] = await begun(board.connection)
    await ended(board.connection, lease)
    await board.connection.execute("UPDATE agent_sessions SET closed_at = now() WHERE task_id IS NOT NULL")
    await told(board, task=task)
    [lease] = await begun(board.connection)
    assert lease.session_key == f"agent:coder:default:task:{task}:v2"


async def test_what_was_given_up_is_begun_again_when_it_is_queued_again(board: Board) -> None:
    notification = await told(board)
    await board.connection.execute(
        "UPDATE board_notifications SET dead_at = now(), outcome = 'dead' WHERE id = $1", notification
    )
    assert await begun(board.connection) == []
    assert await board.connection.fetchval("SELECT requeue_notification($1)", notification)
    assert [lease.notification for lease in await begun(board.connection)] == [notification]


async def test_what_has_its_turn_in_a_session_that_was_closed_has_no_other_in_the_next(board: Board) -> None:
    task = await board.task("in_progress", agents=["coder"])
    first = await told(board, task=task)
    [lease] = await begun(board.connection)
    await board.move("user/ada", task, "archived")
    assert await begun(board.connection) == []
    await ended(board.connection, lease)
    second = await told(board, task=task)
    [after] = await begun(board.connection)
    assert (lease.notification, after.notification) == (first, second)
    assert after.session != lease.session


async def test_a_turn_that_another_of_the_same_process_has_taken_over_is_told_as_lost(board: Board) -> None:
    await told(board)
    [former] = await begun(board.connection)
    await board.connection.execute("UPDATE session_leases SET expires_at = now() - interval '1 s'")
    [lease] = await begun(board.connection)
    assert await leases.renew(board.connection, HERE, [former, lease]) == {former}
