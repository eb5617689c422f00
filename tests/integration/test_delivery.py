"""Notifications of the board become turns of agents."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from delivery_stage import TOKEN, Script, Stage, delivery_stage
from harness import DEADLINE, Operator, Start, connected, eventually

from agent_config_sync.cli.standin_gateway import Said, SeenRequest, StandinGateway
from agent_config_sync.events import (
    Delivered,
    DeliveryFailed,
    DeliveryStarted,
    DeliveryStopped,
    GatewayAway,
    GatewayReady,
    TurnBegan,
)
from agent_config_sync.postgres.work_watch import CHANNEL
from agent_config_sync.runtime.silence import NOTHING_TO_ADD

NOTHING = Said("No response from agent.")
"""What gateways say in the place of nothing."""

SetStage = Callable[..., AbstractAsyncContextManager[Stage]]


@pytest.fixture
def set_stage(start: Start, operator: Operator, tmp_path: Path, port: int) -> SetStage:
    """Set the stage with other settings."""

    def stage(**changes: Any) -> AbstractAsyncContextManager[Stage]:
        return delivery_stage(start, operator, tmp_path, port, **changes)

    return stage


@pytest.fixture
async def stage(set_stage: SetStage) -> AsyncIterator[Stage]:
    async with set_stage() as stage:
        yield stage


async def test_an_assignment_becomes_a_turn_whose_reply_is_in_the_thread(stage: Stage) -> None:
    task = await stage.assigned()
    ended = await stage.delivered()
    assert (ended.agent, ended.outcome) == ("coder", "replied")
    assert await stage.thread(task) == [("coder", "It is done.")]


async def test_whoever_replies_to_an_assignment_has_begun_with_the_task(stage: Stage) -> None:
    task = await stage.assigned()
    await stage.delivered()
    assert await stage.board.status(task) == "in_progress"


async def test_a_reply_moves_no_task_that_the_agent_has_moved_itself(stage: Stage) -> None:
    stage.script.replies[:] = [Said(calls=(("task_status", {"status": "review"}),)), Said("Please look.")]
    task = await stage.assigned()
    await stage.delivered(lambda ended: ended.agent == "coder")
    assert await stage.board.status(task) == "review"


async def test_what_tools_found_reaches_the_agent_in_the_next_round(stage: Stage) -> None:
    stage.script.replies[:] = [Said(calls=(("task_status", {"status": "review"}),)), Said("Please look.")]
    await stage.assigned()
    await stage.delivered(lambda ended: ended.agent == "coder")
    first, second = stage.asked()
    assert "task_status" in first.tools
    assert '"success":true' in second.results[0][1]


async def test_a_turn_is_in_the_session_of_agent_and_task(stage: Stage) -> None:
    task = await stage.assigned()
    await stage.delivered()
    assert stage.asked()[0].session_key == f"agent:coder:default:task:{task}:v1"


async def test_what_is_not_worth_a_turn_is_skipped_with_the_reason_and_nobody_is_asked(stage: Stage) -> None:
    task = await stage.board.task("in_progress", agents=["coder"])
    await stage.board.move("user/ada", task, "blocked", "No steam")
    ended = await stage.delivered()
    assert (ended.outcome, ended.reason) == ("skipped", "a task was done or blocked, which asks nothing of agents")
    assert stage.gateway.requests == 0
    assert await stage.operator.fetchval("SELECT last_error FROM board_notifications WHERE agent = 'coder'") == (
        ended.reason
    )


async def test_an_agent_that_chooses_to_say_nothing_says_nothing(stage: Stage) -> None:
    stage.script.replies[:] = [Said(NOTHING_TO_ADD)]
    task = await stage.board.task("in_progress", agents=["coder"])
    await stage.board.say("user/ada", task, "Fine.")
    ended = await stage.delivered()
    assert (ended.outcome, await stage.thread(task)) == ("silent", [("ada", "Fine.")])


async def test_an_agent_that_acted_need_not_say_anything(stage: Stage) -> None:
    stage.script.replies[:] = [
        Said(calls=(("task_status", {"status": "blocked", "blockedReason": "No steam"}),)),
        NOTHING,
    ]
    task = await stage.assigned()
    ended = await stage.delivered()
    assert (ended.outcome, await stage.thread(task)) == ("acted", [])


async def test_where_a_reply_is_needed_and_none_comes_the_thread_says_so_in_the_end(stage: Stage) -> None:
    stage.script.replies[:] = [NOTHING]
    task = await stage.assigned()
    ended = await stage.delivered()
    assert (ended.outcome, ended.exhausted, len(stage.asked())) == ("fallback", True, 3)
    [(author, content)] = await stage.thread(task)
    assert (author, content.splitlines()[0]) == ("coder", "## Summary")
    assert await stage.board.status(task) == "assigned"


async def test_what_the_thread_says_in_the_place_of_a_reply_wakes_no_agent(stage: Stage) -> None:
    stage.script.replies[:] = [NOTHING]
    await stage.assigned()
    await stage.delivered()
    assert await stage.outcomes() == [("coder", "fallback")]


async def test_the_thread_says_nothing_where_that_is_not_wanted(set_stage: SetStage) -> None:
    async with set_stage(fallback_replies=False) as stage:
        stage.script.replies[:] = [NOTHING]
        task = await stage.assigned()
        ended = await stage.delivered()
        assert (ended.outcome, ended.exhausted, await stage.thread(task)) == ("skipped", True, [])


async def test_a_turn_that_fails_is_tried_again_after_a_pause(stage: Stage) -> None:
    stage.script.replies[:] = [Said(status="failed"), Said("Now.")]
    task = await stage.assigned()
    failed = await stage.running.events.until(DeliveryFailed)
    assert failed.retry_in is not None
    assert failed.retry_in >= stage.running.plugin.settings.delivery_interval
    await stage.delivered()
    assert await stage.thread(task) == [("coder", "Now.")]


async def test_a_notification_that_always_fails_is_given_up_with_the_reason(stage: Stage) -> None:
    stage.script.replies[:] = [Said(status="failed")]
    await stage.assigned()
    given_up = await stage.running.events.until(DeliveryFailed, lambda event: event.retry_in is None)
    row = await stage.operator.fetchrow("SELECT * FROM board_notifications WHERE agent = 'coder'")
    assert row is not None
    assert (row["outcome"], row["delivered_at"], row["failures"]) == ("dead", None, 5)
    assert (row["last_error"], "answered 500" in given_up.error) == (given_up.error, True)


async def test_what_was_given_up_is_delivered_when_it_is_queued_again(stage: Stage) -> None:
    stage.script.replies[:] = [*[Said(status="failed")] * 5, Said("At last.")]
    task = await stage.assigned()
    given_up = await stage.running.events.until(DeliveryFailed, lambda event: event.retry_in is None)
    await stage.operator.execute("SELECT requeue_notification($1)", given_up.notification)
    await stage.delivered()
    assert await stage.thread(task) == [("coder", "At last.")]


async def test_one_that_is_given_up_does_not_hold_back_the_next_of_its_session(stage: Stage) -> None:
    async def fails_at_assignments(seen: SeenRequest) -> Said:
        return Said(status="failed") if "assigned you" in seen.text else Said("Hello.")

    stage.gateway.model = fails_at_assignments
    task = await stage.assigned()
    await stage.board.say("user/ada", task, "Are you there, @coder?")
    await stage.delivered(lambda ended: ended.agent == "coder")
    assert (await stage.outcomes())[:2] == [("coder", "dead"), ("coder", "replied")]


async def test_a_gateway_that_is_away_costs_no_notification_an_attempt(stage: Stage) -> None:
    await stage.gateway.go_away()
    task = await stage.assigned()
    await stage.running.events.until(GatewayAway)
    await stage.gateway.listen()
    await stage.running.events.until(GatewayReady)
    await stage.delivered()
    assert await stage.thread(task) == [("coder", "It is done.")]
    assert await stage.operator.fetchval("SELECT failures FROM board_notifications WHERE agent = 'coder'") == 0


async def test_nothing_is_begun_before_the_gateway_is_ready(
    start: Start, operator: Operator, tmp_path: Path, port: int
) -> None:
    gateway = StandinGateway(Script(), token=TOKEN, ready=False)
    async with gateway.serving():
        running = await start(
            workspace_root=tmp_path / "ws", health_port=port, gateway_url=gateway.url, gateway_token=TOKEN
        )
        away = await running.events.until(GatewayAway)
        assert "not ready yet" in away.error
        gateway.ready = True
        await running.events.until(DeliveryStarted)
        await running.plugin.stop()


async def test_a_token_that_the_gateway_does_not_know_is_told_and_counts_against_nobody(set_stage: SetStage) -> None:
    async with set_stage(gateway_token="wrong") as stage:
        await stage.assigned()
        away = await stage.running.events.until(GatewayAway)
        assert "gateway_token" in away.error
        await eventually(stage.operator, "SELECT attempts = 1 AND failures = 0 FROM board_notifications LIMIT 1")


async def test_in_one_session_turns_follow_each_other_in_order(stage: Stage) -> None:
    stage.script.holding.clear()
    task = await stage.assigned()
    async with asyncio.timeout(DEADLINE):
        await stage.script.asked.wait()
    await stage.board.say("user/ada", task, "And quickly!")
    stage.script.holding.set()
    await stage.settled()
    assert stage.gateway.overlaps == 0
    kinds = [
        "assignment" if "assigned you" in seen.text else "thread_update" for seen in stage.asked() if seen.round == 0
    ]
    assert kinds == ["assignment", "thread_update"]


async def test_sessions_have_their_turns_at_the_same_time_as_many_as_may_be(set_stage: SetStage) -> None:
    async with set_stage(delivery_sessions=3) as stage:
        stage.script.holding.clear()
        for _ in range(5):
            await stage.assigned()
        for _ in range(3):
            await stage.running.events.until(TurnBegan)
        await eventually(stage.operator, "SELECT count(*) = 3 FROM session_leases WHERE holder IS NOT NULL")
        stage.script.holding.set()
        await stage.settled()
        assert len(stage.asked()) == 5


async def test_what_nobody_was_told_of_is_found_by_looking(stage: Stage) -> None:
    await stage.operator.execute("ALTER TABLE board_notifications DISABLE TRIGGER agent_work_changed_insert")
    for table in ("board_tasks", "board_assignees"):
        await stage.operator.execute(f"ALTER TABLE {table} DISABLE TRIGGER agent_work_changed_insert")
    await stage.operator.execute("ALTER TABLE board_tasks DISABLE TRIGGER agent_work_changed_update")
    await stage.assigned()
    assert (await stage.delivered()).outcome == "replied"


async def test_a_connection_that_is_lost_loses_no_notification(stage: Stage) -> None:
    await stage.operator.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '% delivery'"
    )
    await stage.assigned()
    assert (await stage.delivered()).outcome == "replied"


async def test_a_new_agent_has_turns_without_a_restart(stage: Stage) -> None:
    await stage.operator.execute("INSERT INTO agents (name) VALUES ('new')")
    await stage.assigned("new")
    assert (await stage.delivered()).agent == "new"


async def test_a_turn_of_an_agent_that_is_removed_ends_and_it_has_no_other(stage: Stage) -> None:
    stage.script.holding.clear()
    task = await stage.board.task("in_progress", agents=["coder", "writer"])
    await stage.board.say("user/ada", task, "Well, @writer?")
    async with asyncio.timeout(DEADLINE):
        await stage.script.asked.wait()
    await stage.operator.execute("UPDATE agents SET status = 'paused' WHERE name = 'writer'")
    stage.script.holding.set()
    assert (await stage.delivered()).outcome == "replied"
    await stage.board.say("user/ada", task, "And you, @coder?")
    await stage.delivered(lambda ended: ended.agent == "coder")
    assert len(stage.asked("writer")) == 1


async def test_whoever_stops_lets_turns_under_way_end(stage: Stage) -> None:
    stage.script.holding.clear()
    task = await stage.assigned()
    async with asyncio.timeout(DEADLINE):
        await stage.script.asked.wait()
    stopping = asyncio.create_task(stage.running.plugin.stop())
    stage.script.holding.set()
    await stopping
    assert await stage.thread(task) == [("coder", "It is done.")]


async def test_a_turn_that_does_not_end_in_time_goes_back_at_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent_config_sync.runtime.delivery.DRAIN", 0.1)
    stage.script.holding.clear()
    await stage.assigned()
    async with asyncio.timeout(DEADLINE):
        await stage.script.asked.wait()
    await stage.running.plugin.stop()
    assert (await stage.running.events.until(DeliveryStopped)).given_back == 1
    row = await stage.operator.fetchrow("SELECT holder, failures FROM session_leases WHERE agent = 'coder'")
    assert row is not None
    assert (row["holder"], row["failures"]) == (None, 0)
    stage.script.holding.set()


async def test_agents_are_busy_in_a_turn_idle_after_it_and_offline_at_the_end(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent_config_sync.runtime.presence.SETTLE", 0.01)
    stage.script.holding.clear()
    task = await stage.assigned()
    presence = (
        "SELECT status = $1 FROM agent_presence WHERE agent = 'coder' AND current_task_id IS NOT DISTINCT FROM $2"
    )
    await eventually(stage.operator, presence, "busy", task)
    stage.script.holding.set()
    await eventually(stage.operator, presence, "idle", None)
    await stage.running.plugin.stop()
    assert await stage.operator.fetchval(presence, "offline", None)


async def test_whoever_watches_the_board_is_woken_once_a_turn_has_begun(stage: Stage, database: str) -> None:
    woken = asyncio.Event()

    def told(*notification: object) -> None:
        if "agent_presence" in str(notification[-1]):
            woken.set()

    stage.script.holding.clear()
    async with connected(database) as watching, asyncio.timeout(DEADLINE):
        await watching.add_listener(CHANNEL, told)
        await stage.assigned()
        await woken.wait()
    stage.script.holding.set()


async def test_an_error_of_our_own_counts_and_ends_in_giving_up(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent_config_sync.runtime.turns.MOST_FAILURES", 1)
    monkeypatch.setattr("agent_config_sync.runtime.turns.opening", lambda *_: 1 // 0)
    await stage.assigned()
    failed = await stage.running.events.until(DeliveryFailed)
    assert (failed.retry_in, "ZeroDivisionError" in failed.error) == (None, True)


async def test_a_task_that_cannot_be_read_holds_back_no_other(stage: Stage) -> None:
    unreadable = await stage.operator.fetchval(
        "INSERT INTO board_tasks (title, created_at) VALUES ('Before time', '0044-03-15 BC') RETURNING id"
    )
    await stage.board.assign("user/ada", unreadable, "coder")
    failed = await stage.running.events.until(DeliveryFailed)
    assert (failed.task, "an error of agent-config-sync itself" in failed.error) == (str(unreadable), True)
    await stage.assigned()
    assert (await stage.delivered()).outcome == "replied"


async def test_a_gateway_that_takes_no_tools_gets_agents_that_use_them_over_http(set_stage: SetStage) -> None:
    async with set_stage(gateway_version="2026.3.13") as stage:
        await stage.assigned()
        await stage.delivered()
        [asked] = stage.asked()
        assert asked.tools == frozenset()
        assert "/agent/task-status" in asked.body["instructions"]


async def test_a_reply_too_long_for_the_board_is_cut(stage: Stage) -> None:
    stage.script.replies[:] = [Said("x" * 100_001)]
    task = await stage.assigned()
    await stage.delivered()
    [(_, content)] = await stage.thread(task)
    assert (len(content), content[-1]) == (100_000, "…")


async def test_what_was_done_before_a_failure_is_told_in_the_next_attempt(stage: Stage) -> None:
    await stage.operator.execute("UPDATE agents SET can_create_tasks = true WHERE name = 'coder'")
    stage.script.replies[:] = [
        Said(calls=(("task_create", {"title": "Oil it"}),)),
        Said(status="failed"),
        Said(calls=(("task_create", {"title": "Oil it"}),)),
        Said("Made."),
    ]
    await stage.assigned()
    await stage.delivered()
    again: SeenRequest = [seen for seen in stage.asked() if seen.round == 0][1]
    assert "task_create" in again.body["input"]
    assert await stage.operator.fetchval("SELECT count(*) FROM board_tasks WHERE title = 'Oil it'") == 1


async def test_each_outcome_is_one_event_and_one_row(stage: Stage) -> None:
    for _ in range(3):
        await stage.assigned()
    await stage.settled()
    for _ in range(3):
        await stage.delivered(lambda ended: ended.agent == "coder")
    ended = [event.notification for event in stage.running.events.of(Delivered)]
    assert len(ended) == len(set(ended))
