"""gateway/responses.py: one request, against a gateway that does what the test wants; and that gateway itself."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from harness import DEADLINE
from pydantic import SecretStr
from web_client import exchange

from agent_config_sync.cli.standin_gateway import Fault, Said, SeenRequest, StandinGateway
from agent_config_sync.errors import (
    AgentUnknownError,
    GatewayAwayError,
    GatewayBusyError,
    GatewayError,
    GatewayFailedError,
    GatewayOffError,
    GatewayRefusedError,
    GatewayTokenError,
    SettingsError,
    ToolsRefusedError,
)
from agent_config_sync.gateway.answer import NOTHING_SAID, Call, Usage
from agent_config_sync.gateway.responses import (
    CallResult,
    Notice,
    Question,
    Readiness,
    ResponsesClient,
    takes_tools,
)
from agent_config_sync.model.site import GatewayVersion

TOKEN = "t0psecret-token"
KEY = "agent:lead:default:task:1"
PROMPT = "Water the plants on the third floor, and tell nobody."
QUESTION = Question(KEY, "lead", PROMPT)
SPOILT = "⚠️ Agent couldn't generate a response. Please try again."
TOOL = {"type": "function", "name": "look_up", "description": "Look up.", "parameters": {"type": "object"}}


def saying(*replies: Said) -> StandinGateway:
    """A gateway whose model says these, one after the other, and then that it is done."""
    left = list(replies)

    async def model(_: SeenRequest) -> Said:
        return left.pop(0) if left else Said("Done.")

    return StandinGateway(model)


def failing(fault: Fault) -> StandinGateway:
    gateway = saying()
    gateway.fault = lambda _: fault
    return gateway


@asynccontextmanager
async def asking(
    gateway: StandinGateway, within: float = DEADLINE, token: str | None = TOKEN
) -> AsyncIterator[ResponsesClient]:
    async with gateway.serving():
        client = ResponsesClient(gateway.url, SecretStr(token) if token is not None else None, timeout=within)
        try:
            yield client
        finally:
            client.close()


@asynccontextmanager
async def answering(content: bytes) -> AsyncIterator[ResponsesClient]:
    """A client of something that answers every request with these bytes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(content)
        with contextlib.suppress(ConnectionError):  # who asked has had enough
            await writer.drain()
            writer.close()
            await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        client = ResponsesClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", None, timeout=DEADLINE)
        try:
            yield client
        finally:
            client.close()


def http(status: int, body: object, *headers: str) -> bytes:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    lines = [f"HTTP/1.1 {status} Whatever", f"content-length: {len(content)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + content


def answer(**changes: Any) -> dict[str, Any]:
    """An answer as gateways give it, with changes."""
    message = {"type": "message", "content": [{"type": "output_text", "text": "Done."}], "phase": "final_answer"}
    return {"id": "resp_1", "status": "completed", "output": [message], **changes}


# What is sent --------------------------------------------------------------------------------------------------------


async def test_a_request_leaves_in_one_piece_and_whoever_asked_hears_of_it() -> None:
    pieces: list[bytes] = []
    left = asyncio.Event()

    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pieces.append(await reader.read(64 * 1024))
        await left.wait()
        writer.write(http(200, answer()))
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer_once, "127.0.0.1", 0) as server, asyncio.timeout(DEADLINE):
        client = ResponsesClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", None, timeout=DEADLINE)
        assert (await client.ask(QUESTION, left=left.set)).text == "Done."
        client.close()
    [piece] = pieces
    assert piece.startswith(b"POST /v1/responses HTTP/1.1\r\n")
    assert piece.endswith(b"\r\n\r\n" + QUESTION.body())


async def test_a_question_names_its_session_and_agent_and_proves_who_asks() -> None:
    gateway = saying()
    gateway.token = TOKEN
    async with asking(gateway) as client:
        await client.ask(QUESTION)
    [seen] = gateway.seen
    assert (seen.session_key, seen.agent) == (KEY, "lead")
    assert seen.body == {"model": "openclaw/lead", "stream": False, "input": PROMPT}


async def test_without_a_token_none_is_sent() -> None:
    for token in (None, "", " "):
        gateway = saying()
        async with asking(gateway, token=token) as client:
            await client.ask(QUESTION)
        assert "authorization" not in gateway.seen[0].headers


async def test_instructions_tools_and_the_answer_before_are_sent_when_there_are_any() -> None:
    gateway = saying()
    question = Question(KEY, "lead", PROMPT, " Be brief. ", (TOOL,), previous_response_id="resp_0", tool_choice="none")
    async with asking(gateway) as client:
        await client.ask(question)
    body = gateway.seen[0].body
    assert (body["instructions"], body["tools"]) == ("Be brief.", [TOOL])
    assert (body["previous_response_id"], body["tool_choice"]) == ("resp_0", "none")


async def test_results_are_sent_in_their_order_and_one_without_a_text_says_that_it_is_nothing() -> None:
    gateway = saying()
    results = (CallResult("b", "2"), CallResult("a", " "), Notice("That was all."))
    async with asking(gateway) as client:
        await client.ask(Question(KEY, "lead", results))
    assert gateway.seen[0].results == (("b", "2"), ("a", "(nothing)"))
    assert gateway.seen[0].notice == "That was all."


async def test_questions_one_after_the_other_share_a_connection() -> None:
    gateway = saying()
    async with asking(gateway) as client:
        for _ in range(3):
            await client.ask(QUESTION)
            assert len(gateway.connections) == 1


# What comes back -----------------------------------------------------------------------------------------------------


async def test_an_answer_has_its_text_and_what_it_cost() -> None:
    async with asking(saying(Said("Watered."))) as client:
        found = await client.ask(QUESTION)
    assert (found.text, found.commentary, found.calls, found.silent) == ("Watered.", "", (), False)
    assert (found.status, found.usage) == ("completed", Usage(10, 5))
    assert found.id.startswith("resp_")


async def test_calls_come_in_their_order_and_what_is_said_beside_them_is_no_answer() -> None:
    async with asking(saying(Said("Let me see.", (("look_up", {"id": 1}), ("look_up", {"id": 2}))))) as client:
        found = await client.ask(QUESTION)
    assert [(call.name, call.arguments) for call in found.calls] == [("look_up", '{"id":1}'), ("look_up", '{"id":2}')]
    assert (found.text, found.commentary) == ("", "Let me see.")


async def test_an_answer_that_was_cut_at_its_limit_says_so() -> None:
    async with asking(saying(Said("Water the", status="incomplete"))) as client:
        found = await client.ask(QUESTION)
    assert (found.status, found.text) == ("incomplete", "Water the")


async def test_the_words_of_a_gateway_for_an_agent_that_chose_to_say_nothing_are_no_text() -> None:
    async with asking(saying(Said(NOTHING_SAID))) as client:
        found = await client.ask(QUESTION)
    assert (found.text, found.silent) == ("", True)


@pytest.mark.parametrize(
    ("item", "call"),
    [
        ({"name": "look_up", "arguments": "{}"}, Call("", "look_up", "{}")),
        ({"call_id": "1", "arguments": {"a": 1}}, Call("1", "", '{"a":1}')),
        ({"call_id": 1, "name": None}, Call("", "", "")),
    ],
)
async def test_a_call_that_lacks_something_is_not_dropped(item: dict[str, Any], call: Call) -> None:
    async with answering(http(200, answer(output=[{"type": "function_call", **item}]))) as client:
        assert (await client.ask(QUESTION)).calls == (call,)


async def test_output_text_is_the_answer_where_it_is_given() -> None:
    async with answering(http(200, answer(output_text="As one."))) as client:
        assert (await client.ask(QUESTION)).text == "As one."


async def test_what_is_said_on_the_way_is_kept_apart_from_the_answer() -> None:
    parts = [("commentary", "Looking."), ("final_answer", "Found."), (None, "All of it.")]
    output = [{"type": "message", "content": [{"text": text}], "phase": phase} for phase, text in parts]
    async with answering(http(200, answer(output=[*output, {"type": "reasoning", "content": "?"}]))) as client:
        found = await client.ask(QUESTION)
    assert (found.text, found.commentary) == ("Found.\n\nAll of it.", "Looking.")


async def test_half_a_character_becomes_a_question_mark() -> None:
    body = orjson.dumps(answer()).replace(b"Done.", b"Cut \\ud83d")
    async with answering(http(200, body)) as client:
        assert (await client.ask(QUESTION)).text == "Cut ?"


# What goes wrong -----------------------------------------------------------------------------------------------------


async def trouble(client: ResponsesClient, question: Question = QUESTION) -> GatewayError:
    with pytest.raises(GatewayError) as found:
        await client.ask(question)
    return found.value


FAULTS: list[tuple[Fault, type[GatewayError], str]] = [
    ("error", GatewayFailedError, "answered 500 (api_error): the turn failed there"),
    ("busy", GatewayBusyError, "answered 503"),
    ("refused", GatewayRefusedError, "answered 400 (invalid_request_error: input: Invalid input)"),
    ("cut", GatewayFailedError, "broke off before the end"),
    ("garbage", GatewayFailedError, "broke off before the end"),
    ("huge", GatewayFailedError, "larger than 4 MiB"),
]


@pytest.mark.parametrize(("fault", "kind", "text"), FAULTS, ids=[fault for fault, _, _ in FAULTS])
async def test_whatever_goes_wrong_is_of_the_kind_that_says_what_may_have_been_done(
    fault: Fault, kind: type[GatewayError], text: str
) -> None:
    async with asking(failing(fault)) as client:
        found = await trouble(client)
    assert type(found) is kind
    assert text in str(found)


@pytest.mark.parametrize("fault", ["silent", "stalled"])
async def test_an_answer_that_does_not_end_is_given_up_in_time(fault: Fault) -> None:
    async with asking(failing(fault), within=0.2) as client:
        found = await trouble(client)
    assert type(found) is GatewayFailedError
    assert "no whole answer within 0.2 s" in str(found)


async def test_a_client_can_be_used_after_whatever_went_wrong() -> None:
    faults: list[Fault] = ["cut", "garbage", "huge", "stalled", "busy"]
    gateway = saying()
    gateway.fault = lambda _: faults.pop() if faults else None
    async with asking(gateway, within=1) as client:
        for _ in range(5):
            await trouble(client)
        assert (await client.ask(QUESTION)).text == "Done."


async def test_a_gateway_that_listens_no_more_is_away() -> None:
    gateway = saying()
    async with asking(gateway) as client:
        await client.ask(QUESTION)
        await gateway.go_away()
        assert type(await trouble(client)) is GatewayAwayError
        await gateway.listen()
        assert (await client.ask(QUESTION)).text == "Done."


async def test_a_host_that_nobody_knows_is_away() -> None:
    client = ResponsesClient("http://gateway.invalid:18789", None, timeout=DEADLINE)
    assert type(await trouble(client)) is GatewayAwayError
    client.close()


async def test_a_gateway_that_goes_away_in_the_middle_may_have_done_something() -> None:
    gateway = saying(Said(delay=DEADLINE))
    async with asking(gateway) as client, asyncio.timeout(DEADLINE):
        asked = asyncio.create_task(client.ask(QUESTION))
        await gateway.came.wait()
        await gateway.go_away()
        with pytest.raises(GatewayFailedError):
            await asked


async def test_a_question_that_is_given_up_is_given_up_at_the_gateway_too() -> None:
    gateway = saying(Said(delay=DEADLINE))
    async with asking(gateway) as client, asyncio.timeout(DEADLINE):
        asked = asyncio.create_task(client.ask(QUESTION))
        await gateway.came.wait()
        asked.cancel()
        await asyncio.wait([asked])
        await gateway.gave_up.wait()
    assert gateway.aborted == gateway.seen


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": {"message": "tools.0.name: Invalid input"}}, ToolsRefusedError),
        (400, {"error": {"message": "invalid tool configuration"}, "status": "failed"}, ToolsRefusedError),
        (400, {"error": {"message": "400 tools are too many"}, "status": "failed"}, GatewayFailedError),
        (400, {"error": {"message": "model: Invalid input"}}, GatewayRefusedError),
        (400, {"error": {"message": "no tools here"}}, GatewayRefusedError),
        (400, {"error": {"message": "Unknown agent 'lead'."}}, AgentUnknownError),
        (400, b"no JSON", GatewayRefusedError),
        (401, {"error": {"message": "Unauthorized", "type": "unauthorized"}}, GatewayTokenError),
        (401, {"error": {"code": "authentication_error", "message": "401"}, "status": "failed"}, GatewayFailedError),
        (403, {"error": {"message": "missing scope: operator.write"}}, GatewayTokenError),
        (404, b"Not Found", GatewayOffError),
        (405, b"Method Not Allowed", GatewayOffError),
        (408, {"error": {"message": "Request body timeout"}}, GatewayBusyError),
        (413, {"error": {"message": "Payload too large"}}, GatewayRefusedError),
        (429, {"error": {"message": "Too many"}}, GatewayBusyError),
        (429, {"error": {"message": "Too many"}, "status": "failed"}, GatewayFailedError),
        (302, b"", GatewayRefusedError),
        (502, b"<html>", GatewayFailedError),
        (200, b"<html>", GatewayFailedError),
        (200, b"", GatewayFailedError),
        (200, [], GatewayFailedError),
        (200, {"status": "failed", "error": {"code": "api_error"}}, GatewayFailedError),
        (200, answer(error={"code": "x"}), GatewayFailedError),
        (200, answer(status="in_progress"), GatewayFailedError),
        (200, answer(status=["completed"]), GatewayFailedError),
        (200, answer(id=None), GatewayFailedError),
        (200, answer(output=None), GatewayFailedError),
        (200, answer(output=["text"]), GatewayFailedError),
        (200, answer(output=[{"type": "message", "content": SPOILT}]), GatewayFailedError),
        (200, b"[" * 200_000, GatewayFailedError),
    ],
)  # fmt: skip
async def test_an_answer_that_is_none_is_an_error_of_its_kind(
    status: int, body: object, kind: type[GatewayError]
) -> None:
    async with answering(http(status, body)) as client:
        assert type(await trouble(client, Question(KEY, "lead", PROMPT, tools=(TOOL,)))) is kind


async def test_an_answer_that_is_compressed_is_not_unpacked() -> None:
    async with answering(http(200, answer(), "content-encoding: gzip")) as client:
        assert "it is compressed" in str(await trouble(client))


@pytest.mark.parametrize(("told", "seconds"), [("7", 7.0), ("99999", 300.0), ("Mon, 30 Nov 2026", None), ("-1", None)])
async def test_a_busy_gateway_says_for_how_long_within_reason(told: str, seconds: float | None) -> None:
    async with answering(http(429, b"", f"retry-after: {told}")) as client:
        found = await trouble(client)
    assert isinstance(found, GatewayBusyError)
    assert found.retry_after == seconds


@pytest.mark.parametrize(
    "message",
    [f"no session {KEY} for {TOKEN}", f"cannot do: {PROMPT}", f"\x1b[31mred\r\nmore {'words ' * 400}", PROMPT[5:40]],
)
async def test_an_error_is_one_line_without_secrets_and_prompts(message: str) -> None:
    async with answering(http(400, {"error": {"message": message, "code": "x" * 500}})) as unknown:
        client = ResponsesClient(str(unknown._url), SecretStr(TOKEN), timeout=DEADLINE)
        text = str(await trouble(client))
        client.close()
    assert [word for word in (KEY, TOKEN, PROMPT[5:40], "\n", "\x1b", "xxx") if word in text] == []
    assert len(text) < 400


async def test_what_a_failed_turn_says_of_itself_is_not_told() -> None:
    body = {"status": "failed", "error": {"code": "api_error", "message": "said the model"}}
    async with answering(http(500, body)) as client:
        assert "said the model" not in str(await trouble(client))


@pytest.mark.parametrize(
    "url", ["", "gateway:18789", "ws://127.0.0.1:1", "http://", "http://me:pw@host", "http://h/?a=1"]
)
def test_what_is_no_address_of_a_gateway_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(SettingsError) as found:
        ResponsesClient(url, None, timeout=1)
    assert "pw" not in str(found.value)


# Readiness -----------------------------------------------------------------------------------------------------------


async def test_a_gateway_is_ready_when_it_says_so() -> None:
    gateway = saying()
    async with asking(gateway) as client:
        assert await client.probe() == Readiness(ready=True)
        gateway.ready = False
        found = await client.probe()
        assert (found.ready, "is not ready yet (startup-sidecars)" in found.why) == (False, True)
        await gateway.go_away()
        found = await client.probe()
        assert (found.ready, "does not answer" in found.why) == (False, True)


@pytest.mark.parametrize(("status", "ready"), [(200, True), (404, True), (502, False)])
async def test_of_a_gateway_that_gives_its_page_for_readiness_it_must_do_that_it_listens(
    status: int, ready: bool
) -> None:
    async with answering(http(status, b"<!doctype html>")) as client:
        assert (await client.probe()).ready is ready


async def test_a_gateway_that_does_not_answer_is_not_ready_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        left.set()

    left = asyncio.Event()
    monkeypatch.setattr("agent_config_sync.gateway.responses.PROBE_DEADLINE", 0.2)
    async with await asyncio.start_server(hold, "127.0.0.1", 0) as server, asyncio.timeout(DEADLINE):
        client = ResponsesClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", None, timeout=DEADLINE)
        assert (await client.probe()).ready is False
        client.close()
        await left.wait()


@pytest.mark.parametrize(
    ("version", "takes"),
    [("2026.2.9", False), ("2026.3.13", False), ("2026.5.12", True), ("2026.9.6", True), (None, True)],
)
def test_tools_are_for_gateways_that_give_them_to_their_model(version: str | None, takes: bool) -> None:
    assert takes_tools(GatewayVersion.parse(version)) is takes


# The stand-in itself -------------------------------------------------------------------------------------------------


async def refused(body: dict[str, Any]) -> str:
    """Return the words with which the stand-in refuses a body."""
    async with saying().serving() as gateway:
        content = orjson.dumps(body)
        head = f"POST /v1/responses HTTP/1.1\r\ncontent-length: {len(content)}\r\n\r\n".encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        async with asyncio.timeout(DEADLINE):
            writer.write(head + content)
            status = await reader.readline()
            length = 0
            while (line := await reader.readline()) != b"\r\n":
                name, _, value = line.partition(b":")
                length = int(value) if name == b"content-length" else length
            said = orjson.loads(await reader.readexactly(length))
            writer.close()
            await writer.wait_closed()
    assert b" 400 " in status
    message: str = said["error"]["message"]
    return message


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"nonsense": 1}, ': Unrecognized key: "nonsense"'),
        ({"tools": [{"type": "function", "function": {}, "name": "a"}]}, 'tools.0: Unrecognized key: "function"'),
        ({"tools": [{"type": "function"}]}, "tools.0.name: Invalid input: expected string, received undefined"),
        ({"input": None}, "input: Invalid input"),
        ({"input": [{"type": "message", "role": "nobody", "content": ""}]}, "input: Invalid input"),
        ({"input": [{"type": "function_call_output", "call_id": "1"}]}, "input: Invalid input"),
        ({"input": []}, "Missing user message in `input`."),
        ({"input": " "}, "Missing user message in `input`."),
        ({"model": None}, "model: Invalid input: expected string, received undefined"),
    ],
)
async def test_the_stand_in_refuses_what_a_gateway_refuses(changes: dict[str, Any], words: str) -> None:
    assert await refused({"model": "openclaw/lead", "input": "Go.", **changes}) == words


async def test_the_stand_in_knows_its_agents_where_it_has_a_roster() -> None:
    gateway = saying()
    gateway.agents = frozenset(["lead"])
    async with asking(gateway) as client:
        assert type(await trouble(client, Question("agent:nobody:1", "nobody", "Go."))) is AgentUnknownError
        assert type(await trouble(client, Question("agent:nobody:1", "lead", "Go."))) is GatewayFailedError
        await client.ask(QUESTION)
    assert [seen.agent for seen in gateway.seen] == ["lead"]


async def test_the_stand_in_is_told_no_wrong_token() -> None:
    gateway = saying()
    gateway.token = "another"
    async with asking(gateway) as client:
        assert type(await trouble(client)) is GatewayTokenError
    assert gateway.seen == []


@pytest.mark.parametrize("said", ["", "NO_REPLY"])
async def test_the_stand_in_takes_silence_for_a_failure(said: str) -> None:
    async with asking(saying(Said(said))) as client:
        assert type(await trouble(client)) is GatewayFailedError


async def test_the_stand_in_counts_requests_that_overlap_in_their_session() -> None:
    gateway = saying(*[Said("Done.", delay=0.05)] * 3)
    async with asking(gateway) as client:
        await asyncio.gather(client.ask(QUESTION), client.ask(QUESTION), client.ask(Question("agent:b:1", "b", "Go.")))
    assert gateway.overlaps == 1


async def test_the_stand_in_forgets_requests_when_told_to() -> None:
    gateway = saying()
    gateway.remembers = False
    async with asking(gateway) as client:
        await client.ask(QUESTION)
    assert (gateway.seen, gateway.requests) == ([], 1)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /health HTTP/1.1\r\n\r\n", 200),
        (b"GET /v1/responses HTTP/1.1\r\n\r\n", 405),
        (b"GET /nothing HTTP/1.1\r\n\r\n", 404),
    ],
)
async def test_the_stand_in_has_the_routes_of_a_gateway(request_: bytes, status: int) -> None:
    async with saying().serving() as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        async with asyncio.timeout(DEADLINE):
            writer.write(request_)
            assert int((await reader.readline()).split()[1]) == status
            writer.close()
            await writer.wait_closed()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"POST /v1/responses HTTP/1.1\r\ncontent-length: 99999999\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nx: " + b"x" * 70_000, 431),
    ],
)
async def test_the_stand_in_closes_what_is_no_request(request_: bytes, status: int) -> None:
    async with saying().serving() as gateway:
        assert (await exchange(gateway.port, request_)).status == status


async def test_the_stand_in_ends_without_waiting_for_its_model() -> None:
    gateway = saying(Said(delay=10 * DEADLINE))
    async with asking(gateway) as client:
        asked = asyncio.create_task(client.ask(QUESTION))
        async with asyncio.timeout(DEADLINE):
            await gateway.came.wait()
        begun = time.monotonic()
    assert time.monotonic() - begun < DEADLINE
    with pytest.raises(GatewayFailedError):
        await asked
