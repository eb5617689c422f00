"""gateway/turn.py: rounds of calls until an agent has said its word, against the stand-in gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from harness import DEADLINE

from agent_config_sync.cli.standin_gateway import Fault, Said, SeenRequest, StandinGateway
from agent_config_sync.errors import GatewayAwayError, GatewayBusyError, GatewayError, GatewayFailedError
from agent_config_sync.gateway.answer import NOTHING_SAID, Answer, Call, Usage
from agent_config_sync.gateway.responses import CallResult, Notice, Question, ResponsesClient
from agent_config_sync.gateway.turn import NO_MORE_TOOLS, NO_NAME, TRIES, CallMade, Turn, take_turn

TOOL = {"type": "function", "name": "look_up", "description": "Look up.", "parameters": {"type": "object"}}
OPENING = Question("agent:lead:default", "lead", "Look up what there is.", "Be brief.", (TOOL,))


async def look_up(call: Call) -> str:
    """Say what was asked for."""
    return f"found {orjson.loads(call.arguments)['id']}"


def calling(*ids: int, text: str = "") -> Said:
    return Said(text, tuple(("look_up", {"id": number}) for number in ids))


@asynccontextmanager
async def asking(gateway: StandinGateway) -> AsyncIterator[ResponsesClient]:
    async with gateway.serving():
        client = ResponsesClient(gateway.url, None, timeout=DEADLINE)
        try:
            yield client
        finally:
            client.close()


def saying(*replies: Said) -> StandinGateway:
    left = list(replies)

    async def model(_: SeenRequest) -> Said:
        return left.pop(0) if left else Said("Done.")

    return StandinGateway(model)


async def turn_of(gateway: StandinGateway, **limits: Any) -> Turn:
    async with asking(gateway) as client:
        return await take_turn(client, OPENING, look_up, **{"deadline": DEADLINE, **limits})


async def trouble(gateway: StandinGateway, **limits: Any) -> GatewayError:
    with pytest.raises(GatewayError) as found:
        await turn_of(gateway, **limits)
    return found.value


@pytest.fixture
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent_config_sync.gateway.turn._PAUSES", (0.0,) * (TRIES - 1))


async def test_an_agent_that_calls_nothing_is_asked_once() -> None:
    turn = await turn_of(saying(Said("All is well.")))
    assert (turn.text, turn.before, turn.calls, turn.requests) == ("All is well.", (), (), 1)


async def test_the_results_of_a_round_go_back_together_in_the_order_of_the_calls() -> None:
    gateway = saying(calling(1, 2), calling(3), Said("Three found."))
    turn = await turn_of(gateway)
    assert [[output for _, output in seen.results] for seen in gateway.seen] == [
        [],
        ["found 1", "found 2"],
        ["found 3"],
    ]
    assert [(call.name, call.arguments, call.result) for call in turn.calls] == [
        ("look_up", f'{{"id":{number}}}', f"found {number}") for number in (1, 2, 3)
    ]
    assert (turn.text, turn.requests, len(set(turn.response_ids))) == ("Three found.", 3, 3)


async def test_every_result_bears_the_id_of_its_call() -> None:
    ids: list[str] = []

    async def note(call: Call) -> str:
        ids.append(call.id)
        return "noted"

    gateway = saying(calling(1, 2))
    async with asking(gateway) as client:
        await take_turn(client, OPENING, note, deadline=DEADLINE)
    assert [number for number, _ in gateway.seen[1].results] == ids


async def test_every_round_has_the_session_the_instructions_and_the_tools() -> None:
    gateway = saying(calling(1), calling(2))
    await turn_of(gateway)
    for seen in gateway.seen:
        assert (seen.session_key, seen.agent) == ("agent:lead:default", "lead")
        assert (seen.body["instructions"], seen.body["tools"]) == ("Be brief.", [TOOL])


async def test_the_opening_is_not_said_again() -> None:
    gateway = saying(calling(1))
    await turn_of(gateway)
    assert b"Look up what there is" not in orjson.dumps(gateway.seen[1].body["input"])


async def test_what_is_said_beside_calls_is_kept() -> None:
    turn = await turn_of(saying(calling(1, text="Let me see."), calling(2, text="One more."), Said("Found.")))
    assert (turn.text, turn.before) == ("Found.", ("Let me see.", "One more."))


async def test_an_agent_that_chose_to_say_nothing_is_silent_in_its_turn() -> None:
    turn = await turn_of(saying(calling(1), Said(NOTHING_SAID)))
    assert (turn.text, turn.silent) == ("", True)


async def test_what_a_turn_costs_is_the_sum_of_its_answers() -> None:
    turn = await turn_of(saying(calling(1)))
    assert (turn.input_tokens, turn.output_tokens) == (20, 10)


async def test_a_last_word_that_was_cut_says_so() -> None:
    assert (await turn_of(saying(calling(1), Said("Then I", status="incomplete")))).ended == "incomplete"


async def test_after_the_last_round_the_agent_has_no_tools_and_is_told_so() -> None:
    gateway = saying(calling(1), calling(2), Said("That was all."))
    turn = await turn_of(gateway, rounds=2)
    assert [seen.tools for seen in gateway.seen] == [{"look_up"}, {"look_up"}, frozenset()]
    assert [seen.notice for seen in gateway.seen] == ["", "", NO_MORE_TOOLS]
    assert [output for _, output in gateway.seen[2].results] == ["found 2"]
    assert turn.text == "That was all."


async def test_what_is_called_after_the_last_round_is_not_done_and_not_dropped() -> None:
    turn = await turn_of(saying(calling(1), calling(2, text="Once more.")), rounds=1)
    assert [(call.arguments, call.done) for call in turn.calls] == [('{"id":1}', True), ('{"id":2}', False)]
    assert (turn.text, turn.before) == ("", ("Once more.",))


class Scripted(ResponsesClient):
    """Gives these answers, and keeps what it is asked."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__("http://127.0.0.1", None, timeout=1)
        self.asked: list[Question] = []
        self._answers = list(answers)

    async def ask(self, question: Question, *, left: Callable[[], None] | None = None) -> Answer:
        self.asked.append(question)
        return self._answers.pop(0)


def answer(*calls: Call, text: str = "") -> Answer:
    return Answer("resp_1", "completed", text, "", calls, Usage())


async def test_a_call_without_a_name_gets_an_error_for_its_result() -> None:
    client = Scripted(answer(Call("a", "", "{}"), Call("b", "look_up", '{"id":1}')), answer(text="Well."))
    turn = await take_turn(client, OPENING, look_up, deadline=DEADLINE)
    assert client.asked[1].input == (CallResult("a", NO_NAME), CallResult("b", "found 1"))
    assert [call.done for call in turn.calls] == [False, True]


async def test_a_call_without_an_id_is_told_beside_the_results_that_nothing_was_done() -> None:
    client = Scripted(answer(Call("", "look_up", '{"id":1}'), Call("b", "look_up", '{"id":2}')), answer(text="Well."))
    turn = await take_turn(client, OPENING, look_up, deadline=DEADLINE)
    assert isinstance(client.asked[1].input, tuple)
    result, notice = client.asked[1].input
    assert result == CallResult("b", "found 2")
    assert isinstance(notice, Notice)
    assert "A call of look_up had no id" in notice.text
    assert turn.calls[0] == CallMade("look_up", '{"id":1}', notice.text, done=False)


# What goes wrong -----------------------------------------------------------------------------------------------------


def troubled(gateway: StandinGateway, *faults: Fault | None) -> StandinGateway:
    left: Iterator[Fault | None] = iter(faults)
    gateway.fault = lambda _: next(left, None)
    return gateway


@pytest.mark.usefixtures("_no_pauses")
async def test_a_turn_that_the_gateway_has_not_begun_is_begun_again() -> None:
    turn = await turn_of(troubled(saying(Said("Now.")), "busy", "busy"))
    assert (turn.text, turn.requests) == ("Now.", 3)


@pytest.mark.usefixtures("_no_pauses")
async def test_whoever_asks_hears_once_that_it_was_asked_however_often_that_was_tried() -> None:
    heard: list[str] = []
    gateway = troubled(saying(calling(1), Said("Now.")), "busy", "busy")
    await turn_of(gateway, asked=lambda: heard.append("asked"))
    assert (heard, gateway.requests) == (["asked"], 4)


@pytest.mark.usefixtures("_no_pauses")
async def test_a_gateway_that_stays_busy_is_left_alone_after_a_few_tries() -> None:
    gateway = saying()
    gateway.fault = lambda _: "busy"
    assert type(await trouble(gateway)) is GatewayBusyError
    assert len(gateway.seen) == TRIES


@pytest.mark.usefixtures("_no_pauses")
async def test_a_gateway_that_is_away_is_away_for_the_turn() -> None:
    gateway = saying()
    async with asking(gateway) as client:
        await gateway.go_away()
        with pytest.raises(GatewayAwayError):
            await take_turn(client, OPENING, look_up, deadline=DEADLINE)


@pytest.mark.parametrize("fault", ["error", "refused", "cut", "garbage", "huge"])
async def test_a_turn_that_may_have_begun_is_not_begun_again(fault: Fault) -> None:
    gateway = troubled(saying(), fault)
    await trouble(gateway)
    assert len(gateway.seen) == 1


async def test_after_a_call_was_done_nothing_is_asked_again() -> None:
    gateway = troubled(saying(calling(1)), None, "busy")
    assert type(await trouble(gateway)) is GatewayBusyError
    assert len(gateway.seen) == 2


@pytest.mark.parametrize("error", [ZeroDivisionError, TimeoutError])
async def test_what_a_call_raises_ends_the_turn(error: type[Exception]) -> None:
    async def fall(_: Call) -> str:
        raise error

    gateway = saying(calling(1))
    async with asking(gateway) as client:
        with pytest.raises(error):
            await take_turn(client, OPENING, fall, deadline=DEADLINE)
    assert len(gateway.seen) == 1


async def test_a_turn_has_one_deadline_for_all_of_its_rounds() -> None:
    gateway = saying(*[Said("", (("look_up", {"id": 1}),), delay=0.1)] * 99)
    found = await trouble(gateway, deadline=0.35, rounds=99)
    assert type(found) is GatewayFailedError
    assert "not over after 0.35 s" in str(found)
    assert 1 < len(gateway.seen) < 9


async def test_a_turn_that_is_cancelled_ends_its_request_at_the_gateway() -> None:
    gateway = saying(calling(1), Said(delay=DEADLINE))
    async with asking(gateway) as client, asyncio.timeout(DEADLINE):
        taking = asyncio.create_task(take_turn(client, OPENING, look_up, deadline=DEADLINE))
        while len(gateway.seen) < 2:
            gateway.came.clear()
            await gateway.came.wait()
        taking.cancel()
        await asyncio.wait([taking])
        await gateway.gave_up.wait()
    assert gateway.aborted == gateway.seen[1:]
