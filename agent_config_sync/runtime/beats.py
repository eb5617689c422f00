"""One heartbeat of an agent, from the lease to how it ended: it looks at its work, and what it says is settled at once.

A beat that fails is not kept anywhere: the next one looks at the work as it is then.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import assert_never
from uuid import UUID

import orjson

from agent_config_sync.board import threads
from agent_config_sync.board.acting import acting
from agent_config_sync.board.actor import Agent
from agent_config_sync.errors import (
    BoardError,
    GatewayFailedError,
    GatewayOffError,
    GatewayRefusedError,
    SyncError,
    ToolsRefusedError,
)
from agent_config_sync.events import Event, HeartbeatBegan, HeartbeatEnded, HeartbeatFailed, HeartbeatOutcome
from agent_config_sync.gateway.answer import Call
from agent_config_sync.gateway.responses import Question, ResponsesClient
from agent_config_sync.gateway.turn import CallMade, Turn, take_turn
from agent_config_sync.postgres.pool import Pool
from agent_config_sync.runtime import leases
from agent_config_sync.runtime.delivery import Delivery
from agent_config_sync.runtime.effects import LeasedTurn
from agent_config_sync.runtime.follow_ups import BUDGET, follow_up
from agent_config_sync.runtime.heartbeat_context import HeartbeatContext, read_heartbeat
from agent_config_sync.runtime.heartbeat_prompt import heartbeat_prompt
from agent_config_sync.runtime.leases import Lease
from agent_config_sync.runtime.prompt import FunctionDoor, HttpDoor, ToolDoor
from agent_config_sync.runtime.queries import query
from agent_config_sync.runtime.silence import Reply, read_answer
from agent_config_sync.runtime.tools.call import call as call_tool
from agent_config_sync.runtime.tools.catalog import offered_to
from agent_config_sync.runtime.tools.definition import Bench
from agent_config_sync.runtime.tools.schema import function_tool
from agent_config_sync.runtime.tools.sharing import RESPONSE_REQUEST
from agent_config_sync.settings import Settings

_TASK = re.compile(r"Task ID:[\s`*]*([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})", re.IGNORECASE)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Settlement:
    """What follows from a heartbeat. posted: into the thread of the task; task: that the agent has in hand."""

    outcome: HeartbeatOutcome
    posted: str | None = None
    task: UUID | None = None


class Beats:
    """Takes heartbeats that were begun to their end."""

    def __init__(
        self,
        settings: Settings,
        pool: Pool,
        bench: Bench,
        client: ResponsesClient,
        tell: Callable[[Event], None],
        delivery: Delivery,
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._bench = bench
        self._client = client
        self._tell = tell
        self._delivery = delivery

    async def take(self, lease: Lease) -> None:
        """Take a heartbeat to its end, whatever that is, and settle it.

        Raises: SyncError where another one would be no better now, and LeaseLostError; it is given back then.
        """
        began = time.monotonic()
        self._tell(HeartbeatBegan(lease.agent))
        try:
            await self._take(lease, began)
        except ToolsRefusedError:  # it is begun again at once, without
            raise
        except Exception as error:
            what = str(error) if isinstance(error, SyncError) else type(error).__name__
            self._tell(HeartbeatFailed(lease.agent, what, time.monotonic() - began))
            if not isinstance(error, GatewayFailedError | GatewayRefusedError) or isinstance(error, GatewayOffError):
                raise
            self._delivery.pause(lease, what)

    async def _take(self, lease: Lease, began: float) -> None:
        place = self._delivery.place
        async with self._pool.lent() as connection:
            context = await read_heartbeat(connection, place.account, place.gateway, lease.agent)
        if context is None:  # who works on the board no more has no presence there, and beats no more
            async with self._pool.lent() as connection:
                await leases.end(connection, lease)
            self._tell(HeartbeatEnded(lease.agent, "dropped", time.monotonic() - began))
            return
        turn = await self._ask(lease, context)
        settled = await self._meant(context, turn)
        if context.agent.is_orchestrator:
            await follow_up(self._pool, lease, context.agent, BUDGET - _asked(turn.calls))
        outcome = await self._settle(lease, context.agent, settled)
        self._tell(HeartbeatEnded(lease.agent, outcome, time.monotonic() - began))

    async def _ask(self, lease: Lease, context: HeartbeatContext) -> Turn:
        agent = context.agent
        tools = offered_to(agent)
        as_functions = self._delivery.offers_tools
        url = (context.base_url or self._settings.tools_url).rstrip("/")
        door: ToolDoor = FunctionDoor() if as_functions else HttpDoor(url, lease.session_key)
        question = Question(
            session_key=lease.session_key,
            agent=agent.name,
            input=heartbeat_prompt(context, tools, door, datetime.now(UTC)),
            tools=tuple(function_tool(tool, agent, "flat") for tool in tools) if as_functions else (),
        )
        turn = LeasedTurn(lease)

        async def execute(call: Call) -> str:
            return orjson.dumps(await call_tool(self._bench, agent, call.name, call.arguments, turn)).decode()

        return await take_turn(self._client, question, execute, deadline=self._settings.turn_timeout)

    async def _meant(self, context: HeartbeatContext, turn: Turn) -> _Settlement:
        """Return what follows from what an agent said. Raises: DatabaseError."""
        focus = context.focus.id if context.focus is not None else None
        meaning = read_answer(turn.text, acted=bool(turn.calls), silent=turn.silent)
        if not isinstance(meaning, Reply):
            match meaning.kind:
                case "acted":
                    return _Settlement("acted", task=focus)
                case "heartbeat_ok":
                    return _Settlement("ok")
                case "no_reply" | "blank" | "placeholder":
                    return _Settlement("silent")
                case _:
                    assert_never(meaning.kind)
        task = await self._named(context.agent, meaning.text) or focus
        if task is None:
            _log.warning("agent %s: what its heartbeat said is about no task, and was dropped", context.agent.name)
            return _Settlement("dropped")
        return _Settlement("reported", meaning.text, task)

    async def _named(self, agent: Agent, text: str) -> UUID | None:
        """Return the task that a report names, if the agent may write there. Raises: DatabaseError."""
        found = _TASK.search(text)
        if found is None:
            return None
        async with self._pool.lent() as connection:
            task: UUID | None = await connection.fetchval(
                query("heartbeat_target"), agent.account, UUID(found[1]), agent.name
            )
        return task

    async def _settle(self, lease: Lease, agent: Agent, settled: _Settlement) -> HeartbeatOutcome:
        """Write what follows from a heartbeat, all of it or nothing, and return how it ended."""
        try:
            async with self._pool.lent() as connection, acting(connection, agent):
                await leases.hold(connection, lease)
                if settled.posted is not None and settled.task is not None:
                    # For people to read: it wakes no agent, for that is what requests are for.
                    said = threads.fitting(settled.posted)
                    await threads.write(connection, agent, settled.task, said, quiet=True)
                await leases.end(connection, lease)
                await connection.execute(query("heartbeat_ended"), agent.account, agent.name, settled.task)
        except BoardError as error:
            if settled.posted is None:
                raise
            _log.warning("agent %s: what its heartbeat said was dropped: %s", agent.name, error)
            return await self._settle(lease, agent, _Settlement("dropped"))
        return settled.outcome


def _asked(calls: Iterable[CallMade]) -> int:
    """Return how many requests for responses went well."""
    return sum(
        made.done and made.name == RESPONSE_REQUEST.name and orjson.loads(made.result).get("success") is True
        for made in calls
    )
