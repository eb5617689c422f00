"""One turn of an agent: it is asked, its calls of tools are answered, round after round, until it has said its word."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from agent_config_sync.errors import GatewayAwayError, GatewayBusyError, GatewayFailedError
from agent_config_sync.gateway.answer import Answer, Call, Ended
from agent_config_sync.gateway.responses import CallResult, Notice, Question, ResponsesClient

ROUNDS = 8
"""Answers whose calls are done, before an agent is asked for its word without tools."""

_PAUSES = (0.25, 0.5, 1.0)
"""Seconds at the most until a turn is begun again, of which the gateway has begun nothing. They are drawn, for many may
have met a busy one at once; and by hand, for a library would set up its own for each turn, and few need them."""

TRIES = len(_PAUSES) + 1
"""Times that a turn is begun, while the gateway begins nothing."""

NO_MORE_TOOLS = (
    "There are no more tools in this turn. Answer now, with what you have: say what is done and what is still open."
)
"""What an agent is told with the results of its last round."""

NO_NAME = '{"success": false, "error": "this call has no name of a tool, so nothing was done: call a tool by its name"}'
"""The result of a call that names no tool."""

NO_ID = "A call of {name} had no id, so nothing was done and no result can be given: call it again if you need it."
"""What an agent is told of a call that cannot be answered."""

Execute = Callable[[Call], Awaitable[str]]
"""Does one call and returns what the model is to see of it. What it raises ends the turn."""


@dataclass(frozen=True, slots=True)
class CallMade:
    """A call and what the agent was told of it. done: it was given to whoever does calls."""

    name: str
    arguments: str
    result: str
    done: bool = True


@dataclass(frozen=True, slots=True)
class Turn:
    """What came of a turn.

    text: the agent's last word, empty where it said none; before: what it said on the way; calls: of all rounds, in
    their order; response_ids: one for each answer; requests: that were made, those that began nothing included; ended:
    `incomplete` where the last word was cut; silent: its last word is that it says nothing, by the gateway's word.
    """

    text: str
    before: tuple[str, ...]
    calls: tuple[CallMade, ...]
    response_ids: tuple[str, ...]
    requests: int
    input_tokens: int
    output_tokens: int
    ended: Ended
    silent: bool = False


async def take_turn(
    client: ResponsesClient,
    opening: Question,
    execute: Execute,
    *,
    rounds: int = ROUNDS,
    deadline: float,
    asked: Callable[[], None] = lambda: None,
) -> Turn:
    """Let an agent take a turn with the tools of its opening, within `deadline` seconds.

    The results of a round go back together, in the order of the calls, to the same session: the gateway gives them to
    the model as a message. It knows its own history; sent along with a session's key, history would stand there twice.
    After `rounds` answers with calls the agent gets their results, and is asked for its word without tools.

    Only the first request is made again, while the gateway is away or busy and begins nothing. asked: hears when it has
    left.

    Raises: GatewayError of the request that failed: that it began nothing does not mean that the turn had done nothing,
    for what calls did stays done. Cancelled, it ends the run at the gateway.
    """
    turn = _Taking(client, opening, execute, rounds, asked)
    try:
        async with asyncio.timeout(deadline) as limit:
            return await turn.take()
    except TimeoutError:
        if not limit.expired():  # a call's own
            raise
        raise GatewayFailedError(
            f"the turn was not over after {deadline:g} s, {len(turn.calls)} calls of tools and {turn.requests} requests"
        ) from None


@dataclass(slots=True)
class _Taking:
    """A turn under way."""

    client: ResponsesClient
    opening: Question
    execute: Execute
    rounds: int
    asked: Callable[[], None]
    before: list[str] = field(default_factory=list)
    calls: list[CallMade] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    requests: int = 0

    async def take(self) -> Turn:
        answer = await self._begin()
        for number in range(1, self.rounds + 1):
            if not answer.calls:
                break
            results = await self._do(answer.calls)
            last = number == self.rounds
            answer = await self._ask(
                replace(
                    self.opening,
                    input=(*results, Notice(NO_MORE_TOOLS)) if last else results,
                    tools=() if last else self.opening.tools,
                )
            )
        for call in answer.calls:  # the gateway offered none
            self.calls.append(CallMade(call.name, call.arguments, NO_MORE_TOOLS, done=False))
        return Turn(
            answer.text,
            tuple(self.before),
            tuple(self.calls),
            tuple(each.id for each in self.answers),
            self.requests,
            sum(each.usage.input_tokens for each in self.answers),
            sum(each.usage.output_tokens for each in self.answers),
            answer.status,
            answer.silent,
        )

    async def _begin(self) -> Answer:
        """Ask for the first time; again, while the gateway begins nothing."""
        for pause in _PAUSES:
            try:
                return await self._ask(self.opening)
            except (GatewayAwayError, GatewayBusyError):
                await asyncio.sleep(random.uniform(0, pause))  # noqa: S311 - no secret
        return await self._ask(self.opening)

    async def _ask(self, question: Question) -> Answer:
        self.requests += 1
        answer = await self.client.ask(question, left=self._left)
        self.answers.append(answer)
        if answer.commentary:
            self.before.append(answer.commentary)
        return answer

    def _left(self) -> None:
        told, self.asked = self.asked, lambda: None
        told()

    async def _do(self, calls: tuple[Call, ...]) -> tuple[CallResult | Notice, ...]:
        """Do the calls of a round, one after the other: a later one may build on an earlier one."""
        results: list[CallResult | Notice] = []
        notices: list[Notice] = []
        for call in calls:
            if not call.id:
                told = NO_ID.format(name=call.name or "a tool")
                notices.append(Notice(told))
            else:
                told = await self.execute(call) if call.name else NO_NAME
                results.append(CallResult(call.id, told))
            self.calls.append(CallMade(call.name, call.arguments, told, done=bool(call.id and call.name)))
        return (*results, *notices)
