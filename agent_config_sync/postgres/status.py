"""The row in which this gateway says what it runs with."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

import asyncpg

from agent_config_sync import __version__
from agent_config_sync.errors import RightsError
from agent_config_sync.postgres.link import Link
from agent_config_sync.postgres.queries import query

CONTESTED = 3
"""Times in a row that somebody else's write is no accident."""

StatusState: TypeAlias = Literal["applied", "offered", "pending", "refused"]


@dataclass(frozen=True, slots=True)
class Status:
    """What is in force, or why not.

    snapshot, content_hash: of the last content in force (or offered); latency: seconds from the notification to that.
    """

    state: StatusState
    error: str | None = None
    warnings: tuple[str, ...] = ()
    snapshot: str | None = None
    content_hash: str | None = None
    latency: float | None = None
    gateway_version: str | None = None
    roster: str | None = None


@dataclass(frozen=True, slots=True)
class FleetRow:
    """One gateway as it last reported; stale: not seen for three of its resync intervals."""

    gateway: str
    host: str | None
    gateway_version: str | None
    plugin_version: str
    roster: str | None
    state: StatusState
    error: str | None
    warnings: tuple[str, ...]
    content_hash: str | None
    latency_ms: float | None
    reported_by: str
    changed_at: datetime
    seen_at: datetime
    stale: bool

    @classmethod
    def of(cls, record: asyncpg.Record) -> FleetRow:
        members: dict[str, Any] = dict(record)
        members["warnings"] = tuple(members["warnings"])
        return cls(**members)


class StatusReport:
    """Writes this gateway's row. A login that may not is no reason to stop: it is said once."""

    def __init__(self, *, account: str, gateway: str, resync_interval: float) -> None:
        self._account = account
        self._gateway = gateway
        self._resync_interval = resync_interval
        self._version: str | None = None
        self._in_between = 0

    @property
    def contested(self) -> bool:
        """Whether somebody else writes this row too, every time in between; a command beside us does so once."""
        return self._in_between >= CONTESTED

    async def write(self, link: Link, status: Status) -> None:
        """Write the row.

        Raises: RightsError when this login may not, DatabaseError.
        """
        async with link.reading() as connection:
            try:
                written = await connection.fetchrow(
                    query("status_report"),
                    self._account,
                    self._gateway,
                    socket.gethostname(),
                    status.gateway_version,
                    __version__,
                    status.roster,
                    status.state,
                    status.error,
                    list(status.warnings),
                    status.snapshot,
                    status.content_hash,
                    None if status.latency is None else status.latency * 1000,
                    self._resync_interval,
                )
            except (
                asyncpg.InsufficientPrivilegeError,
                asyncpg.UndefinedTableError,
                asyncpg.ReadOnlySQLTransactionError,
            ) as error:
                raise RightsError(
                    f"the status of {self._gateway} cannot be written ({error.sqlstate}): GRANT agent_config_reader TO "
                    "this login; if another login reported before, an operator runs agent-config-sync status --forget"
                ) from None
        assert written is not None  # an upsert gives the row
        ours = self._version is None or written["before"] in (None, self._version)
        self._in_between = 0 if ours else self._in_between + 1
        self._version = written["version"]


async def read_fleet(connection: asyncpg.Connection, account: str) -> list[FleetRow]:
    """Return every gateway of the account."""
    return [FleetRow.of(record) for record in await connection.fetch(query("status_fleet"), account)]


async def forget(connection: asyncpg.Connection, account: str, gateway: str) -> bool:
    """Delete a gateway's row; return whether there was one."""
    return await connection.fetchval(query("status_forget"), account, gateway) is not None
