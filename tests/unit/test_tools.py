"""What models and people are told of the board's tools, from their one definition."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from unit.builders import REPOSITORY

from agent_config_sync.board.actor import Agent
from agent_config_sync.cli.tool_reference import page
from agent_config_sync.errors import BoardForbiddenError
from agent_config_sync.events import ToolUsed
from agent_config_sync.runtime.tools.call import call, use
from agent_config_sync.runtime.tools.catalog import BY_NAME, TOOLS, offered_to
from agent_config_sync.runtime.tools.definition import Bench, Tool
from agent_config_sync.runtime.tools.schema import function_tool, parameters_of

TASK = UUID("00000000-0000-4000-8000-000000000001")
WORKER = Agent("default", "coder", task=TASK)
LEAD = Agent("default", "lead", is_orchestrator=True, can_create_tasks=True, can_mark_done=True, task=TASK)

SUBSET = {"type", "properties", "required", "description", "enum", "items"}
"""What every gateway and every model's provider takes of JSON Schema."""


def schemas(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield schema
    for below in (*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])):
        yield from schemas(below)


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
@pytest.mark.parametrize("agent", [WORKER, LEAD], ids=["worker", "lead"])
def test_a_schema_keeps_to_what_everybody_takes(tool: Tool[Any], agent: Agent) -> None:
    for schema in schemas(parameters_of(tool, agent)):
        assert schema.keys() <= SUBSET
        assert schema["type"] in ("object", "array", "string", "integer")


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_a_schema_names_and_describes_every_argument(tool: Tool[Any]) -> None:
    described = parameters_of(tool, LEAD)
    assert described["properties"].keys() == tool.parameters.model_fields.keys()
    assert set(described["required"]) <= described["properties"].keys()
    assert all(each["description"] for each in described["properties"].values())


def test_a_tool_is_written_flat_or_nested() -> None:
    flat = function_tool(BY_NAME["task_load"], WORKER, "flat")
    nested = function_tool(BY_NAME["task_load"], WORKER, "nested")
    assert flat.keys() == {"type", "name", "description", "parameters"}
    assert nested == {"type": "function", "function": {key: flat[key] for key in flat if key != "type"}}


@pytest.mark.parametrize("name", ["task_status", "task_update"])
def test_done_is_shown_to_those_who_may_give_it(name: str) -> None:
    for agent, given in ((WORKER, False), (LEAD, True), (Agent("default", "qa", can_review_tasks=True), True)):
        assert ("done" in parameters_of(BY_NAME[name], agent)["properties"]["status"]["enum"]) is given


def test_a_task_must_be_named_where_the_session_has_none() -> None:
    for name in ("task_status", "task_update", "response_request"):
        assert "taskId" not in parameters_of(BY_NAME[name], WORKER)["required"]
        assert "taskId" in parameters_of(BY_NAME[name], Agent("default", "coder"))["required"]


OFFERED: dict[str, tuple[Agent, list[str]]] = {
    "in a task": (
        WORKER,
        ["task_status", "task_update", "document_upsert", "response_request", "get_agent_skills", "task_load"],
    ),
    "without one": (Agent("default", "coder"), ["document_upsert", "get_agent_skills", "task_load"]),
    "with nothing allowed": (
        Agent(
            "default",
            "coder",
            can_modify_task_status=False,
            can_create_documents=False,
            can_mention_agents=False,
            task=TASK,
        ),
        ["get_agent_skills", "task_load"],
    ),
    "as the one who leads": (LEAD, [tool.name for tool in TOOLS]),
}


@pytest.mark.parametrize(("agent", "names"), OFFERED.values(), ids=OFFERED)
def test_each_agent_is_offered_what_it_may_use(agent: Agent, names: list[str]) -> None:
    assert [tool.name for tool in offered_to(agent)] == names


def test_there_are_the_fifteen_tools_each_with_a_path_and_a_label_of_its_own() -> None:
    assert len(TOOLS) == len({tool.path for tool in TOOLS}) == len({tool.label for tool in TOOLS}) == 15
    assert sum(tool.only_to_lead is not None for tool in TOOLS) == 8


@pytest.mark.parametrize("tool", [tool for tool in TOOLS if tool.only_to_lead], ids=lambda tool: tool.name)
def test_what_only_the_orchestrator_may_is_refused_to_all_others(tool: Tool[Any]) -> None:
    tool.check(LEAD)
    with pytest.raises(BoardForbiddenError, match="Only the orchestrator can"):
        tool.check(WORKER)


class NoDatabase(contextlib.AbstractAsyncContextManager[asyncpg.Connection]):
    async def __aenter__(self) -> asyncpg.Connection:
        pytest.fail("the database was asked")

    async def __aexit__(self, *_: object) -> None:
        pass


CALLS: dict[str, tuple[str, str, str]] = {
    "a tool that there is not": ("task_history", "{}", "Unknown tool: task_history"),
    "no JSON": ("task_load", "{", "Invalid JSON arguments"),
    "no object": ("task_load", "[1]", "Invalid JSON arguments: an object is expected"),
    "no arguments": ("task_load", "", "Invalid arguments: taskId: Field required"),
    "an argument of another type": ("task_load", '{"taskId": 1}', "Invalid arguments: taskId"),
    "a number that is none": ("task_load", '{"taskId": "x", "messageLimit": 1.5}', "Invalid arguments: messageLimit"),
    "nothing to change": ("task_update", '{"blockedReason": "x"}', "Invalid arguments: say what to change"),
    "a due date that no calendar has": ("task_update", '{"dueDate": 1e18}', "Invalid dueDate"),
    "a tool of the orchestrator": ("task_list", "{", "Forbidden: Only the orchestrator can list tasks"),
}


@pytest.mark.parametrize(("name", "arguments", "error"), CALLS.values(), ids=CALLS)
async def test_a_call_that_can_do_nothing_asks_nobody(name: str, arguments: str, error: str) -> None:
    answer = await call(Bench(NoDatabase), WORKER, name, arguments)
    assert answer["success"] is False
    assert answer["error"].startswith(error)


async def test_each_use_is_told_with_how_it_ended() -> None:
    told: list[ToolUsed] = []
    bench = Bench(NoDatabase, told=told.append)
    await call(bench, WORKER, "task_load", "{")
    await call(bench, WORKER, "task_list", "{}")
    assert [(each.tool, each.agent, each.outcome, each.error) for each in told] == [
        ("task_load", "coder", "refused", "Invalid JSON arguments"),
        ("task_list", "coder", "refused", "Forbidden: Only the orchestrator can list tasks"),
    ]


async def test_nobody_reads_what_an_agent_wants_of_a_tool_that_it_may_not_use() -> None:
    async def said() -> bytes:
        pytest.fail("its arguments were read")

    told: list[ToolUsed] = []
    with pytest.raises(BoardForbiddenError):
        await use(Bench(NoDatabase, told=told.append), WORKER, BY_NAME["task_list"], said)
    assert [each.outcome for each in told] == ["refused"]


def test_the_page_of_the_tools_is_the_one_that_the_code_makes() -> None:
    assert (REPOSITORY / "docs" / "tools.md").read_text(encoding="utf-8") == page()
