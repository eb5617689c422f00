"""Turns of agents, each in its session and with a lease: one at a time, whatever the number of processes.

A lease that runs out may be had by another process. Whoever comes back late carries an earlier fence, and the database
turns it away.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from agent_config_sync.board.actor import Agent
from agent_config_sync.errors import LeaseLostError
from agent_config_sync.events import DeliveryOutcome
from agent_config_sync.runtime.context import SHOWN
from agent_config_sync.runtime.queries import query

LEASE = timedelta(seconds=60)
"""For which a turn is held unless renewed: so long its session waits when its process is gone."""

RENEWAL = 15.0
"""Seconds between two renewals."""

ALIVE = timedelta(seconds=180)
"""After it was seen, a gateway is believed to be there, and its sessions stay with it."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A turn that was begun. holder: the process; notification, task: None where it is a heartbeat; failures: of the
    session, in a row."""

    session: UUID
    session_key: str
    holder: UUID
    fence: int
    notification: UUID | None
    agent: str
    task: UUID | None
    failures: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a process works: its account, its gateway, and the number that it has drawn for itself."""

    account: str
    gateway: str
    process: UUID


async def begin(
    connection: asyncpg.Connection, place: Place, agents: Collection[str], most: int
) -> dict[Lease, str | None]:
    """Begin turns of these agents, at most so many, the longest waiting first; return each with what it is about, as
    context_of reads it."""
    records = await connection.fetch(
        query("turns_begin"), place.account, place.gateway, place.process, list(agents), LEASE, ALIVE, most, SHOWN
    )
    return {
        Lease(
            record["session_id"],
            record["session_key"],
            place.process,
            record["fence"],
            record["notification_id"],
            record["agent"],
            record["task_id"],
            record["failures"],
        ): record["told"]
        for record in records
    }


async def begin_heartbeats(
    connection: asyncpg.Connection, place: Place, due: Sequence[tuple[str, datetime | None]], most: int
) -> tuple[Lease, ...]:
    """Begin heartbeats, at most so many, in their order. due: agents, and when each had its last one as far as is
    known; where that is not so any more, somebody was quicker."""
    agents, last = [agent for agent, _ in due], [moment for _, moment in due]
    records = await connection.fetch(
        query("heartbeats_begin"), place.account, place.gateway, place.process, agents, last, LEASE, ALIVE, most
    )
    return tuple(
        Lease(
            record["session_id"],
            record["session_key"],
            place.process,
            record["fence"],
            None,
            record["agent"],
            None,
            record["failures"],
        )
        for record in records
    )


async def renew(connection: asyncpg.Connection, place: Place, turns: Collection[Lease]) -> frozenset[Lease]:
    """Keep the leases of turns; return those that are lost, to another turn of this process too."""
    records = await connection.fetch(
        query("leases_renew"), place.process, [turn.session for turn in turns], [turn.fence for turn in turns], LEASE
    )
    lost = {(record["session_id"], record["fence"]) for record in records}
    return frozenset(turn for turn in turns if (turn.session, turn.fence) in lost)


async def free(connection: asyncpg.Connection, place: Place) -> None:
    """Free what earlier processes of this gateway have held."""
    await connection.execute(query("leases_free"), place.account, place.gateway, place.process)


async def sweep(connection: asyncpg.Connection, account: str) -> None:
    """Forget the leases of sessions that are over."""
    await connection.execute(query("leases_swept"), account)


async def hold(connection: asyncpg.Connection, lease: Lease) -> int:
    """Have a lease to oneself until the transaction ends; return which turn of its notification it is, from 1.

    Raises: LeaseLostError.
    """
    held = await connection.fetchrow(query("turn_held"), lease.session, lease.holder, lease.fence)
    if held is None or held["notification_id"] != lease.notification:
        raise _lost(lease)
    return held["attempts"] or 0  # of one that is deleted


async def end(
    connection: asyncpg.Connection, lease: Lease, *, failed: bool | None = False, pause: timedelta | None = None
) -> None:
    """End a turn. failed: None where it is given back, which says nothing about the session; pause: until the next one
    there. Raises: LeaseLostError."""
    if not await connection.fetchval(query("turn_end"), lease.session, lease.holder, lease.fence, failed, pause):
        raise _lost(lease)


async def settle(
    connection: asyncpg.Connection,
    lease: Lease,
    agent: Agent,
    outcome: DeliveryOutcome,
    *,
    reason: str | None = None,
    posted: str | None = None,
    quiet: bool = False,
    begins: bool = False,
) -> None:
    """Write all that follows from a turn about a notification, and end it: a transaction of its own where none is open.

    outcome, reason: of the notification; posted: what its thread gets, and quiet: waking no agent; begins: if it is
    posted, a task that is assigned is in progress.

    Raises: LeaseLostError; what the driver raises, TB409 where the notification was dealt with before.
    """
    acts_as = f"{agent.kind}/{agent.id}"
    if not await connection.fetchval(
        query("turn_settle"), lease.session, lease.holder, lease.fence, acts_as, outcome, reason, posted, quiet, begins
    ):
        raise _lost(lease)


def _lost(lease: Lease) -> LeaseLostError:
    return LeaseLostError(f"the turn of {lease.agent} in session {lease.session} is another process's by now")
