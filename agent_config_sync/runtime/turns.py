"""One turn of an agent, from the lease to how it ended: read, asked, answered, and settled in one transaction."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import assert_never

import orjson
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from agent_config_sync.board import threads
from agent_config_sync.board.acting import refusals
from agent_config_sync.errors import (
    BoardError,
    GatewayFailedError,
    GatewayOffError,
    GatewayRefusedError,
    RolledBackError,
    ToolsRefusedError,
    UnreachableError,
)
from agent_config_sync.events import Delivered, DeliveryFailed, DeliveryOutcome, Event, TurnBegan
from agent_config_sync.gateway.answer import Call
from agent_config_sync.gateway.responses import Question, ResponsesClient
from agent_config_sync.gateway.turn import Turn, take_turn
from agent_config_sync.postgres.pool import Pool
from agent_config_sync.runtime import leases
from agent_config_sync.runtime.context import Context, Notification, context_of
from agent_config_sync.runtime.effects import LeasedTurn
from agent_config_sync.runtime.leases import Lease
from agent_config_sync.runtime.policy import decide
from agent_config_sync.runtime.prompt import FunctionDoor, HttpDoor, ToolDoor, fence_of, instructions, opening
from agent_config_sync.runtime.queries import query
from agent_config_sync.runtime.silence import Reply, after_silence, fallback_message, read_answer
from agent_config_sync.runtime.tools.call import call as call_tool
from agent_config_sync.runtime.tools.catalog import offered_to
from agent_config_sync.runtime.tools.definition import Bench
from agent_config_sync.runtime.tools.schema import function_tool
from agent_config_sync.settings import Settings

MOST_FAILURES = 5
"""Turns of one notification that fail for its own sake; then it is given up."""

LONGEST_PAUSE = 2.0
"""Seconds until the database is asked again to take how a turn ended; the first pauses are shorter."""

_JITTER = 0.2
"""Of a pause, so that sessions which failed together do not come back together."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How soon a session is tried again after a failure, in seconds. least: as in health; never sooner than that."""

    least: float
    base: float
    most: float

    def after(self, failures: int) -> float:
        """Return the pause after so many failures in a row."""
        pause: float = max(self.least, min(self.most, self.base * 2.0 ** min(failures - 1, 30)))
        return pause * (1 + _JITTER * random.random())  # noqa: S311 - no secret


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a notification is dealt with. posted: what is written into the thread, and quiet: waking no agent."""

    outcome: DeliveryOutcome
    reason: str | None = None
    posted: str | None = None
    quiet: bool = False
    exhausted: bool = False
    response: str | None = None


class Turns:
    """Takes turns that were begun to their end."""

    def __init__(
        self,
        settings: Settings,
        pool: Pool,
        bench: Bench,
        client: ResponsesClient,
        tell: Callable[[Event], None],
        *,
        offers_tools: Callable[[], bool],
    ) -> None:
        """offers_tools: whether the gateway lets agents have tools of ours now, or they use them over HTTP."""
        self._settings = settings
        self._pool = pool
        self._bench = bench
        self._client = client
        self._tell = tell
        self._offers_tools = offers_tools
        self._pace = Pace(settings.delivery_interval, settings.delivery_backoff_base, settings.delivery_backoff_max)

    async def take(self, lease: Lease, told: str | None) -> None:
        """Take a turn to its end, whatever that is, and settle it. told: what it is about, as context_of reads it.

        Raises: GatewayError where the gateway takes nobody's turn now, for the turn is given back then; LeaseLostError;
        DatabaseError.
        """
        began = time.monotonic()
        context = context_of(self._settings.account, told)
        if context is None:
            await self._leave(lease, "its agent works on the board no more")
            return
        verdict = decide(context)
        if not verdict.deliver:
            await self._settle(lease, context, Settlement("skipped", verdict.row), began)
            return
        try:
            turn = await self._ask(lease, context)
        except (GatewayFailedError, GatewayRefusedError) as error:
            if isinstance(error, GatewayOffError | ToolsRefusedError):
                raise
            await self.fail(lease, str(error))
            return
        await self._answered(lease, context, turn, began)

    async def give_back(self, lease: Lease, reason: str, *, pausing: bool = False) -> None:
        """Let somebody take the turn again, and count no failure of the notification. pausing: not at once.

        Raises: LeaseLostError, DatabaseError.
        """
        pause = timedelta(seconds=self._pace.after(lease.failures + 1)) if pausing else None
        async with self._pool.lent() as connection, connection.transaction():
            await leases.hold(connection, lease)
            await connection.fetchval(
                query("notification_failed"), lease.notification, reason, False, False, MOST_FAILURES
            )
            await leases.end(connection, lease, failed=True if pausing else None, pause=pause)

    async def _ask(self, lease: Lease, context: Context) -> Turn:
        agent = context.agent
        tools = offered_to(agent)
        as_functions = self._offers_tools()
        door: ToolDoor = FunctionDoor() if as_functions else HttpDoor(self._base_url(context), lease.session_key)
        fence = fence_of(context)
        question = Question(
            session_key=lease.session_key,
            agent=agent.name,
            instructions=instructions(context, tools, door, fence),
            input=opening(context, datetime.now(UTC), fence),
            tools=tuple(function_tool(tool, agent, "flat") for tool in tools) if as_functions else (),
        )
        turn = LeasedTurn(lease)

        async def execute(call: Call) -> str:
            return orjson.dumps(await call_tool(self._bench, agent, call.name, call.arguments, turn)).decode()

        # To tell takes time, and the gateway need not wait for that.
        told = partial(self._tell, _began(context))
        return await take_turn(self._client, question, execute, deadline=self._settings.turn_timeout, asked=told)

    async def _answered(self, lease: Lease, context: Context, turn: Turn, began: float) -> None:
        notification = context.notification
        response = turn.response_ids[-1] if turn.response_ids else None
        acted = bool(turn.calls)
        meaning = read_answer(turn.text, acted=acted, silent=turn.silent)
        if isinstance(meaning, Reply):
            await self._settle(lease, context, Settlement("replied", posted=meaning.text, response=response), began)
            return
        decision = after_silence(notification, meaning.kind, silent=notification.silences + 1)
        match decision.step:
            case "delivered":
                settled = Settlement("acted" if acted else "silent", decision.row, response=response)
            case "skip":
                settled = Settlement("skipped", decision.row, response=response)
            case "exhausted":
                settled = Settlement("skipped", decision.row, response=response, exhausted=True)
            case "fallback":
                said = fallback_message(context) if self._settings.fallback_replies else None
                settled = Settlement(
                    "fallback" if said else "skipped", decision.row, said, quiet=True, exhausted=True, response=response
                )
            case "retry":
                await self.fail(lease, decision.row, silent=True)
                return
            case _:
                assert_never(decision.step)
        await self._settle(lease, context, settled, began)

    async def _settle(self, lease: Lease, context: Context, settled: Settlement, began: float) -> None:
        """Write what follows from a turn, all of it or nothing."""
        try:
            await self._written(lease, context, settled)
        except BoardError as error:  # the task is gone or closed by now: there is nobody to tell
            await self._leave(lease, str(error))
            settled = Settlement("skipped", str(error), response=settled.response)
        self._tell(
            Delivered(
                context.agent.name,
                str(context.task.id),
                str(lease.notification),
                settled.outcome,
                settled.reason,
                settled.response,
                settled.exhausted,
                time.monotonic() - began,
            )
        )

    async def _written(self, lease: Lease, context: Context, settled: Settlement) -> None:
        """Write it, again and again while the database does not take it: what an agent has said is not asked for anew.
        Where it was taken after all and we were not told, the lease is gone.

        Raises: BoardError, LeaseLostError, DatabaseError.
        """
        attempts = AsyncRetrying(
            retry=retry_if_exception_type((UnreachableError, RolledBackError)),
            stop=stop_after_delay(leases.LEASE),
            wait=wait_random_exponential(multiplier=0.1, max=LONGEST_PAUSE),
            reraise=True,
        )
        async for attempt in attempts:
            with attempt:
                async with self._pool.lent() as connection:
                    with refusals():
                        await leases.settle(
                            connection,
                            lease,
                            context.agent,
                            settled.outcome,
                            reason=settled.reason,
                            posted=threads.fitting(settled.posted) if settled.posted is not None else None,
                            quiet=settled.quiet,
                            begins=_begins_work(context) and not settled.quiet,
                        )

    async def _leave(self, lease: Lease, reason: str) -> None:
        """Deal with a notification about which nothing can be done."""
        async with self._pool.lent() as connection, connection.transaction():
            await leases.hold(connection, lease)
            await connection.execute(query("notification_ended"), lease.notification, "skipped", reason)
            await leases.end(connection, lease)

    async def fail(self, lease: Lease, error: str, *, silent: bool = False) -> None:
        """End a turn that failed for its notification's own sake. silent: nothing was said, though somebody waits.

        Raises: LeaseLostError, DatabaseError.
        """
        pause = self._pace.after(lease.failures + 1)
        async with self._pool.lent() as connection, connection.transaction():
            await leases.hold(connection, lease)
            dead = await connection.fetchval(
                query("notification_failed"), lease.notification, error, not silent, silent, MOST_FAILURES
            )
            await leases.end(connection, lease, failed=not dead, pause=None if dead else timedelta(seconds=pause))
        self._tell(
            DeliveryFailed(lease.agent, str(lease.task), str(lease.notification), error, None if dead else pause)
        )

    def _base_url(self, context: Context) -> str:
        return (context.base_url or self._settings.tools_url).rstrip("/")


def _begins_work(context: Context) -> bool:
    """Return whether an answer says that the agent is at work on its task now."""
    assigned = context.notification.type == "assignment" and context.assigned
    return assigned and context.agent.can_modify_task_status


def _began(context: Context) -> TurnBegan:
    told: Notification = context.notification
    waited = max(0.0, (datetime.now(UTC) - told.created_at).total_seconds())
    return TurnBegan(context.agent.name, str(context.task.id), str(told.id), told.type, told.attempts, waited)
