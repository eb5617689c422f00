"""What tools change in the turns of a notification, once: kept in the transaction of the change, and answered from
there when the same is asked again after a crash."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar
from uuid import UUID

import asyncpg
import orjson

from agent_config_sync.board.actor import Agent
from agent_config_sync.runtime.leases import Lease, hold
from agent_config_sync.runtime.queries import query
from agent_config_sync.runtime.tools.definition import Bench, Parameters, Result, Tool

P = TypeVar("P", bound=Parameters)

TRIES = 3

ROLLED_BACK = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.LockNotAvailableError)
"""After which nothing of a transaction is there, for sure."""


@dataclass(frozen=True, slots=True)
class TurnOf:
    """The notification that a turn is about, and which of its turns that is, from 1."""

    notification: UUID
    attempt: int


class Turn(Protocol):
    """Says in which turn a tool is used."""

    async def held(self, connection: asyncpg.Connection) -> TurnOf | None:
        """Return the turn, had by nobody else until the transaction ends; None where there is none of a notification.

        Raises: LeaseLostError.
        """


@dataclass(frozen=True, slots=True)
class LeasedTurn:
    """A turn that this process has begun. Of a heartbeat nothing is kept: no notification is there to try again."""

    lease: Lease

    async def held(self, connection: asyncpg.Connection) -> TurnOf | None:
        attempt = await hold(connection, self.lease)
        return TurnOf(self.lease.notification, attempt) if self.lease.notification is not None else None


@dataclass(frozen=True, slots=True)
class TurnInSession:
    """Whatever turn is under way in a session, whichever process has begun it."""

    account: str
    session_key: str

    async def held(self, connection: asyncpg.Connection) -> TurnOf | None:
        record = await connection.fetchrow(query("turn_of_session"), self.account, self.session_key)
        return TurnOf(record["notification_id"], record["attempts"]) if record is not None else None


async def once(bench: Bench, agent: Agent, tool: Tool[P], arguments: P, turn: Turn) -> Result:
    """Do what a tool does; in a turn, once for its notification however often a turn is begun.

    Raises: BoardError, DatabaseError, LeaseLostError.
    """
    tries = 0
    while True:
        tries += 1
        async with bench.lent() as connection:
            try:
                async with connection.transaction():
                    return await _once(connection, bench, agent, tool, arguments, await turn.held(connection))
            except ROLLED_BACK:
                if tries == TRIES:
                    raise


async def _once(
    connection: asyncpg.Connection, bench: Bench, agent: Agent, tool: Tool[P], arguments: P, turn: TurnOf | None
) -> Result:
    bench = _with(bench, connection)
    if turn is None:
        return await tool.run(bench, agent, arguments)
    said = orjson.dumps(arguments.model_dump(mode="json", exclude_none=True), option=orjson.OPT_SORT_KEYS)
    fingerprint = hashlib.sha256(tool.name.encode() + b"\0" + said).digest()
    found = await connection.fetchval(query("effect_taken"), turn.notification, fingerprint, turn.attempt)
    if found is not None:
        return tool.result.model_validate_json(found)
    result = await tool.run(bench, agent, arguments)
    kept = result.model_dump_json()
    await connection.execute(
        query("effect_done"),
        turn.notification,
        agent.account,
        fingerprint,
        turn.attempt,
        tool.name,
        said.decode(),
        kept,
    )
    return result


def _with(bench: Bench, connection: asyncpg.Connection) -> Bench:
    """Let a tool work in a transaction that is under way."""

    @contextlib.asynccontextmanager
    async def lent() -> AsyncIterator[asyncpg.Connection]:
        yield connection

    return replace(bench, lent=lent)
