"""What a tool changes in the turns of a notification is changed once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from board_ground import Board, furnished
from harness import Operator

from agent_config_sync.board.actor import Agent
from agent_config_sync.errors import LeaseLostError
from agent_config_sync.postgres.pool import Pool
from agent_config_sync.postgres.server import server_of
from agent_config_sync.runtime import leases
from agent_config_sync.runtime.effects import LeasedTurn, Turn, TurnInSession
from agent_config_sync.runtime.leases import Lease, Place
from agent_config_sync.runtime.tools.call import call
from agent_config_sync.runtime.tools.definition import Bench
from agent_config_sync.settings import Settings

PLACE = Place("default", "here", uuid4())
CREATE = '{"title": "Oil it"}'


@pytest.fixture
async def board(operator: Operator) -> Board:
    return await furnished(operator)


@pytest.fixture
async def bench(database: str) -> AsyncIterator[Bench]:
    pool = Pool(server_of(Settings(dsn=database, gateway="here")), application_name="test", size=4)
    yield Bench(pool.lent)
    await pool.close()


@pytest.fixture
async def task(board: Board) -> UUID:
    """A task of whose thread the coder is told."""
    task = await board.task("in_progress", agents=["coder"])
    await board.say("user/ada", task, "Well?")
    return task


async def begun(board: Board) -> Lease:
    [lease] = [each for each in await leases.begin(board.connection, PLACE, ["coder"], 10) if each.agent == "coder"]
    return lease


async def begun_again(board: Board, lease: Lease) -> Lease:
    """Let the process be gone that had a turn, and another one begin it."""
    await board.connection.execute(
        "UPDATE session_leases SET expires_at = now() - interval '1 s' WHERE session_id = $1", lease.session
    )
    return await begun(board)


def coder(task: UUID) -> Agent:
    return Agent("default", "coder", can_create_tasks=True, task=task)


async def use(
    bench: Bench, task: UUID, turn: Turn | None, name: str = "task_create", said: str = CREATE
) -> dict[str, Any]:
    return await call(bench, coder(task), name, said, turn)


async def titles(board: Board) -> int:
    found: int = await board.connection.fetchval("SELECT count(*) FROM board_tasks WHERE title = 'Oil it'")
    return found


async def test_an_attempt_after_a_crash_is_answered_with_what_the_first_one_found(
    board: Board, bench: Bench, task: UUID
) -> None:
    lease = await begun(board)
    first = await use(bench, task, LeasedTurn(lease))
    again = await use(bench, task, LeasedTurn(await begun_again(board, lease)))
    assert (again, again["success"], await titles(board)) == (first, True, 1)


async def test_what_an_agent_does_twice_in_a_turn_is_done_twice_and_no_third_time(
    board: Board, bench: Bench, task: UUID
) -> None:
    lease = await begun(board)
    first = [await use(bench, task, LeasedTurn(lease)) for _ in range(2)]
    lease = await begun_again(board, lease)
    assert [await use(bench, task, LeasedTurn(lease)) for _ in range(2)] == first
    assert await titles(board) == 2


async def test_what_only_the_second_attempt_does_is_done(board: Board, bench: Bench, task: UUID) -> None:
    lease = await begun(board)
    await use(bench, task, LeasedTurn(lease))
    lease = await begun_again(board, lease)
    answers = [await use(bench, task, LeasedTurn(lease)) for _ in range(2)]
    assert (answers[0] != answers[1], await titles(board)) == (True, 2)


async def test_another_notification_is_another_matter(board: Board, bench: Bench, task: UUID) -> None:
    lease = await begun(board)
    await use(bench, task, LeasedTurn(lease))
    await board.connection.execute("UPDATE board_notifications SET delivered_at = now()")
    await leases.end(board.connection, lease)
    await board.say("user/ada", task, "And?")
    await use(bench, task, LeasedTurn(await begun(board)))
    assert await titles(board) == 2


async def test_whoever_has_lost_the_lease_changes_nothing(board: Board, bench: Bench, task: UUID) -> None:
    lease = await begun(board)
    await begun_again(board, lease)
    with pytest.raises(LeaseLostError):
        await use(bench, task, LeasedTurn(lease))
    assert await titles(board) == 0


async def test_what_was_refused_leaves_nothing_and_may_be_tried_again(board: Board, bench: Bench, task: UUID) -> None:
    lease = await begun(board)
    said = '{"status": "done"}'
    refused = await use(bench, task, LeasedTurn(lease), "task_status", said)
    assert refused["success"] is False
    assert await board.connection.fetchval("SELECT count(*) FROM delivery_effects") == 0


async def test_an_agent_that_acts_over_http_in_its_turn_acts_once_too(board: Board, bench: Bench, task: UUID) -> None:
    lease = await begun(board)
    in_session = TurnInSession("default", lease.session_key)
    first = await use(bench, task, in_session)
    await begun_again(board, lease)
    assert await use(bench, task, in_session) == first
    assert await titles(board) == 1


async def test_outside_of_its_turns_an_agent_acts_as_often_as_it_wants(board: Board, bench: Bench, task: UUID) -> None:
    in_session = TurnInSession("default", f"agent:coder:default:task:{task}:v1")
    for _ in range(2):
        await use(bench, task, in_session)
    assert (await titles(board), await board.connection.fetchval("SELECT count(*) FROM delivery_effects")) == (2, 0)


async def test_arguments_that_mean_the_same_are_the_same(board: Board, bench: Bench, task: UUID) -> None:
    lease = await begun(board)
    await use(bench, task, LeasedTurn(lease), said='{"title": "Oil it", "priority": "high"}')
    lease = await begun_again(board, lease)
    await use(bench, task, LeasedTurn(lease), said='{"more": 1, "priority": 2, "title": "Oil it"}')
    assert await titles(board) == 1


async def test_calls_at_the_same_time_do_not_take_the_same_effect(board: Board, bench: Bench, task: UUID) -> None:
    lease = await begun(board)
    for _ in range(2):
        await use(bench, task, LeasedTurn(lease))
    lease = await begun_again(board, lease)
    turn = LeasedTurn(lease)
    answers = await asyncio.gather(*(use(bench, task, turn) for _ in range(2)))
    assert len({orjson.dumps(each) for each in answers}) == 2
    assert await titles(board) == 2


async def test_what_an_attempt_in_an_earlier_session_did_is_not_done_again(
    board: Board, bench: Bench, task: UUID
) -> None:
    lease = await begun(board)
    await begun_again(board, lease)
    lease = await begun_again(board, lease)
    agent = Agent("default", "coder", can_create_tasks=True, task=task)
    first = await call(bench, agent, "task_create", CREATE, LeasedTurn(lease))
    await board.connection.execute("UPDATE agent_sessions SET closed_at = now() WHERE id = $1", lease.session)
    await board.connection.execute("DELETE FROM session_leases")
    again = await begun(board)
    assert again.notification == lease.notification
    assert await call(bench, agent, "task_create", CREATE, LeasedTurn(again)) == first
