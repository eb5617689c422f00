"""What operators ask of this runtime: to restart, to become another version, or the one before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, assert_never
from uuid import UUID

import asyncpg

from agent_config_sync.runtime.queries import query

LONGEST_ERROR = 2048
"""Characters that the database keeps."""

RequestKind: TypeAlias = Literal["restart", "upgrade", "rollback"]
Outcome: TypeAlias = Literal["success", "failed", "timeout", "refused"]
UpgradeStatus: TypeAlias = Literal["success", "failed", "timeout", "rolled_back"]


@dataclass(frozen=True, slots=True)
class RuntimeRequest:
    """A request that has not ended.

    target_version: None for a restart; before_us: it was asked before this process began; taken_before_us: the process
    before this one began with it; expired: it took longer than it may.
    """

    id: UUID
    kind: RequestKind
    target_version: str | None
    requested_by: str
    before_us: bool
    taken: bool
    taken_before_us: bool
    expired: bool

    def __str__(self) -> str:
        target = f" to {self.target_version}" if self.target_version is not None else ""
        return f"{self.kind}{target} that {self.requested_by} asks for"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a request ends. history: what upgrade_history says of it, None if nothing."""

    outcome: Outcome
    error: str | None = None
    history: UpgradeStatus | None = None


def at_once(request: RuntimeRequest, version: str) -> Ending | None:
    """Return how a request that nobody has taken ends without a restart, None if it wants one."""
    done = request.before_us if request.target_version is None else request.target_version == version
    return Ending("success") if done else None


def come_back(request: RuntimeRequest, version: str) -> Ending:
    """Return how a request ended for which the process before this one has ended. version: of this one."""
    match request.kind:
        case "restart":
            return Ending("success")
        case "upgrade" | "rollback":
            if request.target_version == version:
                return Ending("success", history="success" if request.kind == "upgrade" else "rolled_back")
            said = f"the process came back as version {version}, and not as {request.target_version}"
            if request.expired:
                return Ending("timeout", f"{said}, and too late", "timeout")
            return Ending("failed", f"{said}: see what upgrade_command, or the supervisor, has installed", "failed")
        case _:
            assert_never(request.kind)


async def open_request(
    connection: asyncpg.Connection, account: str, gateway: str, started_at: object
) -> RuntimeRequest | None:
    """Return what is asked. started_at: when this process began. Raises: what the driver raises."""
    record = await connection.fetchrow(query("request_open"), account, gateway, started_at)
    return RuntimeRequest(**dict(record)) if record is not None else None


async def take(connection: asyncpg.Connection, request: RuntimeRequest, version: str, *, seconds: float) -> bool:
    """Begin with it; return False when another one has taken its place. seconds: until it is given up.

    Raises: what the driver raises.
    """
    return await connection.fetchval(query("request_take"), request.id, version, seconds) is not None


async def leave(connection: asyncpg.Connection, request: RuntimeRequest, *, seconds: float) -> None:
    """Say that this process ends for it. seconds: that the next one has. Raises: what the driver raises."""
    await connection.execute(query("request_leave"), request.id, seconds)


async def finish(connection: asyncpg.Connection, request: RuntimeRequest, ending: Ending) -> None:
    """Say how it ended, in one statement with its history. Raises: what the driver raises."""
    error = ending.error.splitlines()[0][:LONGEST_ERROR] if ending.error else None
    await connection.execute(query("request_finish"), request.id, ending.outcome, error, ending.history)
