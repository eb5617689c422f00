"""Agents look at their work from time to time, once a beat, and what they say of it is settled at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from delivery_stage import DONE, Stage, delivery_stage
from harness import Operator, Start, connected, eventually
from web_client import Answer, exchange

from agent_config_sync.cli.standin_gateway import Fault, Said, SeenRequest
from agent_config_sync.events import (
    GatewayAway,
    HeartbeatBegan,
    HeartbeatEnded,
    HeartbeatFailed,
    HeartbeatsScheduled,
    TurnBegan,
)
from agent_config_sync.runtime import leases
from agent_config_sync.runtime.leases import Place
from agent_config_sync.runtime.silence import NOTHING_TO_ADD

OK = Said("HEARTBEAT_OK")

Stages = Callable[..., Awaitable[Stage]]


@pytest.fixture
async def set_stage(start: Start, operator: Operator, tmp_path: Path, port: int) -> AsyncIterator[Stages]:
    """Begin with agents of which none beats yet; `beat` lets one."""
    await operator.execute("ALTER TABLE agents ALTER heartbeat_every SET DEFAULT '0m'")
    async with AsyncExitStack() as stack:

        async def staged(**changes: Any) -> Stage:
            stage = await stack.enter_async_context(
                delivery_stage(start, operator, tmp_path, port, **{"heartbeats": "runtime", **changes})
            )
            stage.script.replies[:] = [OK]
            return stage

        yield staged


@pytest.fixture
async def stage(set_stage: Stages) -> Stage:
    return await set_stage()


async def beat(stage: Stage, *agents: str, every: str = "1s") -> None:
    await stage.operator.execute("UPDATE agents SET heartbeat_every = $1 WHERE name = ANY ($2)", every, list(agents))


async def ended(stage: Stage, agent: str = "coder") -> HeartbeatEnded:
    """Return the next heartbeat of an agent that is over."""
    return await stage.running.events.until(HeartbeatEnded, lambda event: event.agent == agent)


async def seen(stage: Stage, agent: str = "coder") -> SeenRequest:
    """Let an agent beat, and return what it was asked."""
    await beat(stage, agent)
    await ended(stage, agent)
    return next(request for request in stage.gateway.seen if request.agent == agent)


async def presence(stage: Stage, agent: str = "coder") -> tuple[str, UUID | None]:
    row = await stage.operator.fetchrow("SELECT status, current_task_id FROM agent_presence WHERE agent = $1", agent)
    assert row is not None
    return row["status"], row["current_task_id"]


async def test_an_agent_has_one_turn_a_beat_in_its_standing_session(stage: Stage) -> None:
    await beat(stage, "coder")
    for _ in range(3):
        assert (await ended(stage)).outcome == "ok"
    requests = [request for request in stage.gateway.seen if request.agent == "coder"]
    assert {request.session_key for request in requests} == {"agent:coder:default"}
    assert stage.gateway.overlaps == 0
    began = [request.at for request in requests]
    assert min(after - before for before, after in pairwise(began)) >= 1.0
    assert len(requests) == stage.running.events.count(HeartbeatBegan)


async def test_nobody_beats_where_the_gateway_does_it(set_stage: Stages) -> None:
    stage = await set_stage(heartbeats="gateway")
    await beat(stage, "coder")
    task = await stage.board.task()
    await stage.board.assign("user/ada", task, "coder")
    await stage.delivered()
    assert stage.running.events.count(HeartbeatsScheduled) == 0


async def test_an_agent_whose_interval_is_zero_has_none(stage: Stage) -> None:
    await beat(stage, "coder", "writer", every="5s")
    event = await stage.running.events.until(HeartbeatsScheduled, lambda event: event.agents == 2)
    assert event.agents == 2


async def test_it_is_told_the_tasks_that_are_under_way_the_latest_first_and_the_thread_of_the_first(
    stage: Stage,
) -> None:
    older = await stage.board.task("in_progress", agents=["coder"])
    waiting = await stage.board.task("assigned", agents=["coder"])
    first = await stage.board.task("in_progress", agents=["coder"])
    hidden = [await stage.board.task("review", agents=["coder"]) for _ in range(2)]
    others = await stage.board.task("in_progress", agents=["writer"])
    for number in range(10):
        await stage.board.say("user/ada", first, f"word {number}", quiet=True)
    asked = await seen(stage)
    places = [asked.text.find(str(task)) for task in (first, older, waiting)]
    assert -1 < places[0] < places[1] < places[2]
    assert all(str(task) not in asked.text for task in (*hidden, others))
    assert ("word 1\n" in asked.text, "word 2\n" in asked.text, "word 9\n" in asked.text) == (False, True, True)
    assert "response_request" in asked.tools


async def test_the_orchestrator_is_told_all_that_is_under_way_the_stalest_first(stage: Stage) -> None:
    stalest = await stage.board.task("in_progress", agents=["coder"])
    fresh = await stage.board.task("in_progress", agents=["writer"])
    reviewed = await stage.board.task("review", agents=["writer"])
    places = [(await seen(stage, "lead")).text.find(str(task)) for task in (stalest, fresh, reviewed)]
    assert -1 < places[0] < places[1] < places[2]


async def test_an_agent_without_tasks_looks_too_and_has_no_tool_that_needs_one(stage: Stage) -> None:
    assert "response_request" not in (await seen(stage)).tools


@pytest.mark.parametrize("text", ["HEARTBEAT_OK", NOTHING_TO_ADD, "No reply from agent."])
async def test_nothing_is_posted_where_nothing_is_said(stage: Stage, text: str) -> None:
    task = await stage.board.task("in_progress", agents=["coder"])
    stage.script.replies[:] = [Said(text)]
    await beat(stage, "coder")
    assert (await ended(stage)).outcome in ("ok", "silent")
    assert await stage.thread(task) == []
    assert await stage.operator.fetchval(
        "SELECT last_heartbeat_at IS NOT NULL FROM agent_presence WHERE agent = 'coder'"
    )


async def test_a_report_is_posted_in_the_thread_that_it_names_wakes_people_alone_and_is_in_hand(stage: Stage) -> None:
    first = await stage.board.task("in_progress", agents=["coder"])
    named = await stage.board.task("assigned", agents=["coder", "writer"], people=["ada"])
    text = f"Half of it is done.\n\nTask ID: {named}"
    stage.script.replies[:] = [Said(text), OK]
    await beat(stage, "coder", every="5s")
    assert (await ended(stage)).outcome == "reported"
    assert (await stage.thread(named), await stage.thread(first)) == ([("coder", text)], [])
    assert await stage.board.told(named) == [("ada", "thread_update")]
    assert await presence(stage) == ("online", named)


async def test_a_report_that_names_no_task_or_that_of_others_is_about_the_first_one(stage: Stage) -> None:
    others = await stage.board.task("in_progress", agents=["writer"])
    first = await stage.board.task("in_progress", agents=["coder"])
    stage.script.replies[:] = [Said("It moves."), Said(f"It moves. Task ID: {others}"), Said("Task ID: 7"), OK]
    await beat(stage, "coder")
    for _ in range(3):
        await ended(stage)
    assert len(await stage.thread(first)) == 3
    assert await stage.thread(others) == []


async def test_a_report_without_any_task_is_dropped(stage: Stage) -> None:
    stage.script.replies[:] = [Said("All is well here.")]
    await beat(stage, "coder")
    assert (await ended(stage)).outcome == "dropped"
    assert await stage.operator.fetchval("SELECT count(*) FROM board_messages") == 0


async def test_a_report_about_a_task_that_goes_away_meanwhile_is_dropped_and_the_beat_counts(stage: Stage) -> None:
    task = await stage.board.task("in_progress", agents=["coder"])

    async def leave(_: SeenRequest) -> Said:
        await stage.operator.execute("DELETE FROM board_tasks WHERE id = $1", task)
        return DONE

    stage.gateway.model = leave
    await beat(stage, "coder", every="5s")
    assert (await ended(stage)).outcome == "dropped"
    assert await presence(stage) == ("idle", None)


async def test_tools_that_it_calls_change_the_board(stage: Stage) -> None:
    task = await stage.board.task("in_progress", agents=["coder"])
    stage.script.replies[:] = [Said(calls=(("task_status", {"status": "review"}),)), OK]
    await beat(stage, "coder", every="5s")
    assert (await ended(stage)).outcome == "acted"
    assert await stage.board.status(task) == "review"


async def test_a_tool_of_a_beat_that_lost_its_lease_does_nothing(stage: Stage) -> None:
    await stage.board.task("in_progress", agents=["lead"])

    async def late(_: SeenRequest) -> Said:
        await stage.operator.execute("UPDATE session_leases SET holder = gen_random_uuid(), fence = fence + 1")
        return Said(calls=(("task_create", {"title": "Twice"}),))

    stage.gateway.model = late
    await stage.operator.execute("UPDATE agents SET can_create_tasks = true")
    await beat(stage, "lead")
    await stage.running.events.until(HeartbeatFailed)
    assert await stage.operator.fetchval("SELECT count(*) FROM board_tasks WHERE title = 'Twice'") == 0


async def test_none_is_begun_while_the_agent_has_a_turn(stage: Stage) -> None:
    task = await stage.board.task()
    stage.script.replies[:] = [Said("It is done.", delay=2.0), OK]
    await stage.board.assign("user/ada", task, "coder")
    await stage.running.events.until(TurnBegan)
    await beat(stage, "coder")
    await stage.delivered()
    await ended(stage)
    [turn, look, *_] = [request for request in stage.gateway.seen if request.agent == "coder"]
    assert (turn.session_key, look.session_key) == (f"agent:coder:default:task:{task}:v1", "agent:coder:default")
    assert look.at - turn.at >= 2.0


async def test_beats_that_were_missed_are_one(stage: Stage) -> None:
    await stage.operator.execute(
        "INSERT INTO agent_presence (account_id, agent, last_heartbeat_at)"
        " VALUES ('default', 'coder', now() - interval '1 day')"
        " ON CONFLICT (account_id, agent) DO UPDATE SET last_heartbeat_at = excluded.last_heartbeat_at"
    )
    await beat(stage, "coder", every="2s")
    await ended(stage)
    await ended(stage)
    first, second = (request.at for request in stage.gateway.seen if request.agent == "coder")
    assert second - first >= 2.0


async def test_none_is_due_that_another_process_had(stage: Stage, database: str) -> None:
    elsewhere = Place("default", "here", uuid4())
    await eventually(stage.operator, "SELECT count(*) = 4 FROM agent_sessions WHERE task_id IS NULL")
    async with connected(database) as other:
        [lease] = await leases.begin_heartbeats(other, elsewhere, [("coder", None)], 1)
        assert await leases.begin_heartbeats(stage.operator, elsewhere, [("coder", None)], 1) == ()
        await leases.end(other, lease)
        await other.execute(
            "INSERT INTO agent_presence (account_id, agent, last_heartbeat_at) VALUES ('default', 'coder', now())"
            " ON CONFLICT (account_id, agent) DO UPDATE SET last_heartbeat_at = excluded.last_heartbeat_at"
        )
        assert await leases.begin_heartbeats(stage.operator, elsewhere, [("coder", None)], 1) == ()
        last = await other.fetchval("SELECT last_heartbeat_at FROM agent_presence WHERE agent = 'coder'")
        [again] = await leases.begin_heartbeats(stage.operator, elsewhere, [("coder", last)], 1)
    assert (again.session_key, again.fence, again.notification) == ("agent:coder:default", lease.fence + 1, None)


async def test_a_beat_that_fails_is_no_beat_and_its_session_pauses(stage: Stage) -> None:
    failing = ["error"]
    stage.gateway.fault = lambda _: _fault(failing)
    await beat(stage, "coder", every="5s")
    await stage.running.events.until(HeartbeatFailed)
    await eventually(stage.operator, "SELECT not_before > now() AND failures = 1 FROM session_leases")
    assert await stage.operator.fetchval("SELECT max(last_heartbeat_at) FROM agent_presence") is None
    await ended(stage)
    first, second = (request.at for request in stage.gateway.seen)
    assert second - first >= 1.0
    assert await stage.operator.fetchval("SELECT failures FROM session_leases") == 0


def _fault(failing: list[str]) -> Fault | None:
    return "error" if failing and failing.pop() else None


async def test_none_is_begun_while_the_gateway_is_away(stage: Stage) -> None:
    await stage.gateway.go_away()
    await beat(stage, "coder")
    await stage.running.events.until(GatewayAway)
    await beat(stage, "writer")
    await stage.running.events.until(GatewayAway)  # of another reason, after a while
    assert {event.agent for event in stage.running.events.of(HeartbeatBegan)} == {"coder"}
    await stage.gateway.listen()
    assert (await ended(stage)).outcome == "ok"


async def test_one_under_way_ends_when_the_process_stops(stage: Stage) -> None:
    stage.script.replies[:] = [Said("HEARTBEAT_OK", delay=1.0)]
    await beat(stage, "coder")
    await stage.running.events.until(HeartbeatBegan)
    await stage.running.plugin.stop()
    assert stage.running.events.count(HeartbeatEnded) == 1
    assert await stage.operator.fetchval("SELECT bool_and(holder IS NULL) FROM session_leases")


async def stale_tasks(stage: Stage, count: int) -> list[UUID]:
    """Return tasks of the coder that nobody has changed for an hour, the first one for longest."""
    tasks = [await stage.board.task("in_progress", agents=["coder"]) for _ in range(count)]
    await age(stage, *tasks)
    return tasks


async def age(stage: Stage, *tasks: UUID) -> None:
    async with stage.operator.transaction():
        await stage.operator.execute("SET LOCAL session_replication_role = replica")
        for place, task in enumerate(tasks):
            await stage.operator.execute(
                "UPDATE board_tasks SET updated_at = now() - interval '2 h' + $2 * interval '1 min' WHERE id = $1",
                task,
                place,
            )


async def requested(stage: Stage) -> list[UUID]:
    rows = await stage.operator.fetch(
        "SELECT task_id FROM board_notifications WHERE type = 'response_request' ORDER BY created_at, id"
    )
    return [row["task_id"] for row in rows]


async def test_the_orchestrator_follows_up_the_stalest_tasks_and_no_others(stage: Stage) -> None:
    await stage.board.task("in_progress", agents=["coder"])  # fresh
    tasks = await stale_tasks(stage, 5)
    await beat(stage, "lead", every="5s")
    await ended(stage, "lead")
    assert await requested(stage) == tasks[:3]


async def test_what_it_asked_for_itself_is_within_the_same_budget(stage: Stage) -> None:
    tasks = await stale_tasks(stage, 5)
    wanted = {"taskId": str(tasks[4]), "recipientSlugs": ["coder"], "message": "Well?"}
    said = iter((Said(calls=(("response_request", wanted),)), OK))

    async def of_the_lead(seen: SeenRequest) -> Said:
        return next(said) if seen.agent == "lead" else OK

    stage.gateway.model = of_the_lead
    await beat(stage, "lead", every="5s")
    await ended(stage, "lead")
    assert await requested(stage) == [tasks[4], *tasks[:2]]


async def test_a_task_with_news_of_its_agents_is_not_followed_up_whatever_its_age(stage: Stage) -> None:
    told, silent = await stale_tasks(stage, 2)
    await stage.board.say("agent/coder", told, "Half of it is done.", quiet=True)
    await stage.board.say("agent/coder", silent, "HEARTBEAT_OK", quiet=True)
    await age(stage, told, silent)
    await beat(stage, "lead", every="5s")
    await ended(stage, "lead")
    assert await requested(stage) == [silent]


async def fetched(port: int, page: str) -> Answer:
    head = f"GET /{page} HTTP/1.1\r\nhost: localhost\r\naccept: application/json\r\nconnection: close\r\n\r\n"
    return await exchange(port, head.encode())


async def test_health_and_metrics_tell_of_heartbeats(stage: Stage, port: int) -> None:
    await beat(stage, "coder", every="5s")
    await ended(stage)
    health, numbers = (await fetched(port, "health")).json, (await fetched(port, "metrics")).json
    assert health["heartbeat"] == {"running": True, "scheduledAgents": 1}
    assert numbers["operations"]["heartbeat.execute"]["successCount"] == 1
