"""What the earlier runtime service did, by the words of its list: docs/contract.md names a test for each row."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from board_site import ASSIGNED, BLOCKED, INBOX, BoardSite, open_board
from delivery_stage import Stage, delivery_stage
from harness import Operator, Start

from agent_config_sync.board.queries import query as board_query
from agent_config_sync.cli.standin_gateway import Said
from agent_config_sync.events import (
    Assessed,
    DeliveryStarted,
    DeliveryStopped,
    GatewayReady,
    Published,
    Stopped,
    TurnBegan,
    TurnsUnderWay,
)
from agent_config_sync.plugin import CONNECTIONS
from agent_config_sync.runtime.tools.call import call
from agent_config_sync.runtime.tools.catalog import BY_NAME

MANY = 20
"""Turns at a time, more than there are connections for them."""

SetStage = Callable[..., AbstractAsyncContextManager[Stage]]
Use = Callable[..., Awaitable[Mapping[str, Any]]]


@pytest.fixture
def set_stage(start: Start, operator: Operator, tmp_path: Path, port: int) -> SetStage:
    def stage(**changes: Any) -> AbstractAsyncContextManager[Stage]:
        return delivery_stage(start, operator, tmp_path, port, **changes)

    return stage


@pytest.fixture
async def stage(set_stage: SetStage) -> AsyncIterator[Stage]:
    async with set_stage() as stage:
        yield stage


@pytest.fixture
async def site(start: Start, operator: Operator, port: int, tmp_path: Path) -> AsyncIterator[BoardSite]:
    site = await open_board(start, operator, port, tmp_path)
    yield site
    await site.pool.close()


@pytest.fixture(params=["function", "endpoint"])
def use(request: pytest.FixtureRequest, site: BoardSite) -> Use:
    """Use a tool in an agent's name, as a function tool or by its endpoint."""

    async def as_function(agent: str, tool: str, **arguments: Any) -> Mapping[str, Any]:
        return await call(site.bench, await site.agent(agent), tool, orjson.dumps(arguments).decode())

    async def by_endpoint(agent: str, tool: str, **arguments: Any) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = (await site.ask(BY_NAME[tool].path, arguments, agent=agent)).json
        return answer

    return as_function if request.param == "function" else by_endpoint


# Architecture and startup ---------------------------------------------------------------------------------------------


async def test_startup_has_the_first_pass_before_the_gateway_is_asked_and_turns_after_it_is_ready(stage: Stage) -> None:
    came = [type(event) for event in stage.running.events.seen]
    order = [Published, Assessed, GatewayReady, DeliveryStarted]
    assert sorted(order, key=came.index) == order


async def test_shutdown_ends_delivery_before_the_sync_and_says_that_the_runtime_is_offline(stage: Stage) -> None:
    await stage.running.plugin.stop()
    came = [type(event) for event in stage.running.events.seen]
    assert came.index(DeliveryStopped) < came.index(Stopped)
    assert await stage.operator.fetchval("SELECT runtime_status FROM gateway_status") == "offline"


async def test_the_connections_of_a_process_are_bounded_however_many_turns_are_under_way(set_stage: SetStage) -> None:
    async with set_stage(delivery_sessions=MANY) as stage:
        stage.script.holding.clear()
        for _ in range(MANY):
            await stage.assigned()
        await stage.running.events.until(TurnsUnderWay, lambda event: event.count == MANY)
        counted = await stage.operator.fetch(
            "SELECT application_name, count(*) AS connections FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE 'agent-config-sync%' GROUP BY 1"
        )
        stage.script.holding.set()
        await stage.settled()
    connections = {row["application_name"]: row["connections"] for row in counted}
    assert connections.pop("agent-config-sync/here delivery") <= CONNECTIONS
    assert connections.pop("agent-config-sync/here board") <= CONNECTIONS
    assert connections == {"agent-config-sync/here": 1, "agent-config-sync/here listen": 1}


# Gateway --------------------------------------------------------------------------------------------------------------


async def test_send_to_openclaw_posts_the_session_key_and_tools_and_its_output_text_is_the_reply(stage: Stage) -> None:
    task = await stage.assigned()
    await stage.delivered()
    [seen] = stage.asked()
    assert seen.headers["x-openclaw-session-key"] == f"agent:coder:default:task:{task}:v1"
    assert seen.body["model"] == "openclaw/coder"
    assert seen.tools
    assert await stage.thread(task) == [("coder", "It is done.")]


async def test_tool_calls_are_executed_and_their_output_goes_back_until_there_are_no_more(stage: Stage) -> None:
    stage.script.replies[:] = [
        Said(calls=(("task_load", {}),)),
        Said(calls=(("task_status", {"status": "in_progress"}), ("task_status", {"status": "review"}))),
        Said("Please look."),
    ]
    task = await stage.assigned()
    await stage.delivered(lambda ended: ended.agent == "coder")
    first, *others = stage.asked()
    turn = [first, *(seen for seen in others if seen.text == first.text)]  # whoever hears of it may answer by now
    assert [len(seen.results) for seen in turn] == [0, 1, 2]
    assert await stage.board.status(task) == "review"


# Delivery loop --------------------------------------------------------------------------------------------------------


async def assign(stage: Stage) -> None:
    await stage.assigned()


async def mention(stage: Stage) -> None:
    await stage.board.say("user/ada", await stage.board.task("in_progress", agents=["coder"]), "@coder, look.")


async def update_thread(stage: Stage) -> None:
    await stage.board.say("user/ada", await stage.board.task("in_progress", agents=["coder"]), "It rains in.")


async def change_status(stage: Stage) -> None:
    await stage.board.move("user/ada", await stage.board.task("in_progress", agents=["coder"]), "review")


async def request_response(stage: Stage) -> None:
    task = await stage.board.task("in_progress", agents=["writer"])
    await stage.board.act("agent/writer", board_query("request"), "default", task, ["coder"], "writer", "Is it so?")


@pytest.mark.parametrize(
    ("kind", "cause", "agent"),
    [
        ("assignment", assign, "coder"),
        ("mention", mention, "coder"),
        ("thread_update", update_thread, "coder"),
        ("status_change", change_status, "reviewer"),
        ("response_request", request_response, "coder"),
    ],
)
async def test_a_notification_of_each_type_becomes_a_turn(
    stage: Stage, kind: str, cause: Callable[[Stage], Awaitable[None]], agent: str
) -> None:
    await cause(stage)
    began = await stage.running.events.until(TurnBegan, lambda event: event.agent == agent)
    assert began.type == kind


async def test_after_its_reply_a_notification_is_marked_delivered(stage: Stage) -> None:
    await stage.assigned()
    await stage.delivered()
    [row] = await stage.operator.fetch("SELECT outcome, delivered_at FROM board_notifications WHERE agent = 'coder'")
    assert row["outcome"] == "replied"
    assert row["delivered_at"] is not None


# Agent tools, each as a function tool and by its endpoint -------------------------------------------------------------


async def test_task_status_updates_the_status_of_a_task(site: BoardSite, use: Use) -> None:
    await use("coder", "task_status", taskId=str(ASSIGNED), status="blocked", blockedReason="No key")
    row = await site.operator.fetchrow("SELECT status, blocked_reason FROM board_tasks WHERE id = $1", ASSIGNED)
    assert row is not None
    assert (row["status"], row["blocked_reason"]) == ("blocked", "No key")


async def test_task_update_updates_the_fields_of_a_task(site: BoardSite, use: Use) -> None:
    await use("coder", "task_update", taskId=str(ASSIGNED), title="Mend it", priority=1, labels=["now"])
    row = await site.operator.fetchrow("SELECT title, priority, labels FROM board_tasks WHERE id = $1", ASSIGNED)
    assert row is not None
    assert (row["title"], row["priority"], row["labels"]) == ("Mend it", 1, ["now"])


async def test_task_create_creates_a_task_with_assignees(site: BoardSite, use: Use) -> None:
    answer = await use("lead", "task_create", title="New", assigneeSlugs=["coder"])
    assert await assignees(site, UUID(answer["taskId"])) == ["coder"]


async def test_document_upsert_creates_a_document_of_the_task_and_updates_it(site: BoardSite, use: Use) -> None:
    plan = {"taskId": str(ASSIGNED), "title": "Plan", "type": "note"}
    answer = await use("coder", "document_upsert", content="one", **plan)
    await use("coder", "document_upsert", documentId=answer["documentId"], content="two", **plan)
    row = await site.operator.fetchrow("SELECT task_id, content FROM board_documents WHERE title = 'Plan'")
    assert row is not None
    assert (row["task_id"], row["content"]) == (ASSIGNED, "two")


async def test_response_request_tells_another_agent(site: BoardSite, use: Use) -> None:
    await use("coder", "response_request", taskId=str(ASSIGNED), recipientSlugs=["qa"], message="Well?")
    told = "SELECT agent FROM board_notifications WHERE type = 'response_request'"
    assert await site.operator.fetchval(told) == "qa"


async def test_task_load_fetches_a_task_and_its_thread(use: Use) -> None:
    answer = await use("coder", "task_load", taskId=str(ASSIGNED))
    assert "Mend the deploy script" in str(answer)
    assert "Seen here too." in str(answer)


async def test_get_agent_skills_fetches_the_skills_of_an_agent(use: Use) -> None:
    answer = await use("qa", "get_agent_skills", agentId="coder")
    assert [agent["skillIds"] for agent in answer["data"]["agents"]] == [["git-help"]]


async def test_task_list_lists_tasks_for_the_orchestrator(use: Use) -> None:
    answer = await use("lead", "task_list", status="inbox")
    assert str(INBOX) in str(answer)
    assert str(BLOCKED) not in str(answer)


async def test_task_get_gets_a_task_for_the_orchestrator(use: Use) -> None:
    assert "Waiting for a key" in str(await use("lead", "task_get", taskId=str(BLOCKED)))


async def test_task_thread_gets_a_thread_for_the_orchestrator(use: Use) -> None:
    assert "It fails since Monday." in str(await use("lead", "task_thread", taskId=str(ASSIGNED)))


async def test_task_search_finds_tasks_for_the_orchestrator(use: Use) -> None:
    answer = str(await use("lead", "task_search", query="deploying"))
    assert str(ASSIGNED) in answer
    assert str(INBOX) not in answer


async def test_task_delete_archives_a_task_for_the_orchestrator(site: BoardSite, use: Use) -> None:
    await use("lead", "task_delete", taskId=str(ASSIGNED), reason="Not wanted")
    assert await site.operator.fetchval("SELECT status FROM board_tasks WHERE id = $1", ASSIGNED) == "archived"


async def test_task_message_writes_into_a_thread_for_the_orchestrator(site: BoardSite, use: Use) -> None:
    await use("lead", "task_message", taskId=str(BLOCKED), content="I ask for it.")
    said = "SELECT author_id, content FROM board_messages WHERE task_id = $1"
    assert [tuple(row) for row in await site.operator.fetch(said, BLOCKED)] == [("lead", "I ask for it.")]


async def test_task_assign_assigns_agents_for_the_orchestrator(site: BoardSite, use: Use) -> None:
    await use("lead", "task_assign", taskId=str(INBOX), assigneeSlugs=["qa"])
    assert await assignees(site, INBOX) == ["qa"]


async def test_task_link_pr_links_a_task_to_a_pull_request_for_the_orchestrator(use: Use) -> None:
    answer = await use("lead", "task_link_pr", taskId=str(ASSIGNED), prNumber=7)
    assert answer["data"]["prNumber"] == 7


async def assignees(site: BoardSite, task: UUID) -> list[str]:
    rows = await site.operator.fetch("SELECT agent FROM board_assignees WHERE task_id = $1 ORDER BY agent", task)
    return [row["agent"] for row in rows]
