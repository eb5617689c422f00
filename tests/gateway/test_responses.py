"""A turn of an agent on a real gateway: what its calls gave really reaches its model, round after round."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator

import orjson
import pytest
from gateway.model_server import ModelServer, Says
from gateway.openclaw import TOKEN, TURN_DEADLINE, OpenClaw
from gateway.scene import Deploy, Deployment
from harness import psql
from pydantic import SecretStr

from agent_config_sync.errors import (
    AgentUnknownError,
    GatewayFailedError,
    GatewayOffError,
    GatewayTokenError,
    ToolsRefusedError,
)
from agent_config_sync.gateway.answer import Call
from agent_config_sync.gateway.responses import Question, Readiness, ResponsesClient, takes_tools
from agent_config_sync.gateway.turn import NO_MORE_TOOLS, take_turn

TAKES_TOOLS = pytest.mark.gateway_since(2026, 5, 12)

TOOL = {
    "type": "function",
    "name": "look_up",
    "description": "Look something up.",
    "parameters": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
}

ROSTER = """
    DELETE FROM agents;
    INSERT INTO agents (name, is_default, model) VALUES
        ('lead', true, 'fake/scripted-1'), ('coder', false, 'fake/scripted-2');
"""


@pytest.fixture(scope="module")
def shared(deploy: Deploy, model_server: ModelServer) -> Deployment:
    def prepare(gateway: OpenClaw, dsn: str) -> None:
        model_server.offer_to(gateway, dsn)
        ended = psql(dsn, "-c", ROSTER)
        assert ended.returncode == 0, ended.stderr
        gateway.run_sync("--dsn", dsn)

    return deploy(prepare=prepare)


@pytest.fixture(scope="module")
def plain(deploy: Deploy) -> OpenClaw:
    """A gateway as it comes, whose endpoint is off."""
    return deploy().gateway


@pytest.fixture
def mark() -> str:
    """A word that stands nowhere yet."""
    return uuid.uuid4().hex


@pytest.fixture
async def client(shared: Deployment) -> AsyncIterator[ResponsesClient]:
    url = f"http://127.0.0.1:{shared.gateway.port}"
    client = ResponsesClient(url, SecretStr(TOKEN), timeout=TURN_DEADLINE)
    yield client
    client.close()


def opening(mark: str, agent: str = "coder") -> Question:
    return Question(f"agent:{agent}:default:task:{mark}", agent, f"Look up {mark}.", f"Rule {mark}.", (TOOL,))


def calling(*ids: str, text: str | None = None) -> Says:
    return Says(text, tuple(("look_up", {"id": number}) for number in ids))


async def look_up(call: Call) -> str:
    return orjson.dumps({"found": f"thing {orjson.loads(call.arguments)['id']}"}).decode()


@TAKES_TOOLS
async def test_the_results_of_three_rounds_reach_the_model_and_its_last_word_comes_back(
    client: ResponsesClient, model: ModelServer, mark: str
) -> None:
    script = model.script(
        mark, calling("1", "2", text="Let me see."), calling("3"), calling("4"), Says("Four things are there.")
    )
    turn = await take_turn(client, opening(mark), look_up, deadline=4 * TURN_DEADLINE)
    assert turn.text == "Four things are there."
    assert [orjson.loads(call.arguments)["id"] for call in turn.calls] == ["1", "2", "3", "4"]
    assert len(script.heard) == turn.requests == 4
    for request, new in zip(script.heard[1:], [("1", "2"), ("3",), ("4",)], strict=True):
        assert [each for each in new if f'{{"found":"thing {each}"}}' not in request.last_words] == []
    assert all(f"Rule {mark}." in request.prompt and "look_up" in request.tools for request in script.heard)
    assert {request.model for request in script.heard} == {"scripted-2"}


@TAKES_TOOLS
async def test_after_the_last_round_the_model_has_the_results_no_tools_and_is_told_so(
    client: ResponsesClient, model: ModelServer, mark: str
) -> None:
    script = model.script(mark, calling("1"), Says("One thing is there."))
    turn = await take_turn(client, opening(mark), look_up, rounds=1, deadline=2 * TURN_DEADLINE)
    assert turn.text == "One thing is there."
    assert "look_up" not in script.heard[-1].tools
    assert '{"found":"thing 1"}' in script.heard[-1].last_words
    assert NO_MORE_TOOLS in script.heard[-1].last_words


@TAKES_TOOLS
async def test_a_result_without_a_text_is_a_result(client: ResponsesClient, model: ModelServer, mark: str) -> None:
    async def nothing(_: Call) -> str:
        return ""

    script = model.script(mark, calling("1"), Says("Nothing is there."))
    assert (await take_turn(client, opening(mark), nothing, deadline=2 * TURN_DEADLINE)).text == "Nothing is there."
    assert "(nothing)" in script.heard[-1].last_words


@TAKES_TOOLS
async def test_many_calls_of_one_round_are_all_answered(client: ResponsesClient, model: ModelServer, mark: str) -> None:
    ids = [str(number) for number in range(20)]
    script = model.script(mark, calling(*ids), Says("All are there."))
    await take_turn(client, opening(mark), look_up, deadline=2 * TURN_DEADLINE)
    assert [each for each in ids if f'{{"found":"thing {each}"}}' not in script.heard[-1].last_words] == []


@TAKES_TOOLS
async def test_tools_with_names_of_the_gateways_own_are_refused_as_such(
    client: ResponsesClient, model: ModelServer, mark: str
) -> None:
    question = Question(f"agent:coder:{mark}", "coder", "Go.", tools=({**TOOL, "name": "exec"},))
    with pytest.raises(ToolsRefusedError):
        await client.ask(question)


@pytest.mark.gateway_until(2026, 3, 13)
async def test_a_gateway_that_takes_no_tools_says_so(
    client: ResponsesClient, shared: Deployment, model: ModelServer, mark: str
) -> None:
    assert not takes_tools(shared.gateway.installation.version)
    with pytest.raises(ToolsRefusedError):
        await client.ask(opening(mark))


@pytest.mark.gateway_since(2026, 7, 1)
async def test_an_agent_that_the_gateway_does_not_have_is_told_from_all_else(
    client: ResponsesClient, model: ModelServer, mark: str
) -> None:
    with pytest.raises(AgentUnknownError):
        await client.ask(opening(mark, "nobody"))


async def test_an_agent_without_tools_answers(client: ResponsesClient, model: ModelServer, mark: str) -> None:
    model.script(mark, Says("All is well."))
    answer = await client.ask(Question(f"agent:lead:{mark}", "lead", f"How is {mark}?"))
    assert (answer.text, answer.status, answer.calls) == ("All is well.", "completed", ())


@pytest.mark.gateway_until(2026, 8, 1)
async def test_an_agent_that_says_no_reply_is_silent(client: ResponsesClient, model: ModelServer, mark: str) -> None:
    model.script(mark, Says("NO_REPLY"))
    answer = await client.ask(Question(f"agent:lead:{mark}", "lead", f"Thank you for {mark}."))
    assert (answer.text, answer.silent) == ("", True)


@pytest.mark.gateway_since(2026, 9, 6)
async def test_an_agent_that_says_no_reply_fails_its_turn(
    client: ResponsesClient, model: ModelServer, mark: str
) -> None:
    model.script(mark, Says("NO_REPLY"), Says("NO_REPLY"))
    with pytest.raises(GatewayFailedError):
        await client.ask(Question(f"agent:lead:{mark}", "lead", f"Thank you for {mark}."))


@TAKES_TOOLS
async def test_a_question_that_is_given_up_is_given_up_at_the_model(
    client: ResponsesClient, model: ModelServer, mark: str
) -> None:
    script = model.script(mark, Says("Too late.", held=True))
    asked = asyncio.create_task(client.ask(opening(mark)))
    async with asyncio.timeout(TURN_DEADLINE):
        await script.came.wait()
        asked.cancel()
        await script.gone.wait()


async def test_a_token_that_is_wrong_is_told_from_all_else(shared: Deployment, model: ModelServer, mark: str) -> None:
    client = ResponsesClient(f"http://127.0.0.1:{shared.gateway.port}", SecretStr("another"), timeout=TURN_DEADLINE)
    with pytest.raises(GatewayTokenError):
        await client.ask(opening(mark))
    client.close()


@pytest.mark.gateway_since(2026, 3, 13)
async def test_a_gateway_is_ready_while_it_runs_and_says_when_its_endpoint_is_off(plain: OpenClaw) -> None:
    client = ResponsesClient(f"http://127.0.0.1:{plain.port}", SecretStr(TOKEN), timeout=TURN_DEADLINE)
    assert await client.probe() == Readiness(ready=True)
    with pytest.raises(GatewayOffError, match=r"responses\.enabled"):
        await client.ask(Question("agent:coder:off", "coder", "Go."))
    plain.stop()
    assert not (await client.probe()).ready
    client.close()
