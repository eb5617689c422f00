"""How this runtime is, in its row of gateway_status; and which others have fallen silent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

import asyncpg

from agent_config_sync.runtime.queries import query
from agent_config_sync.settings import Settings

RuntimeStatus: TypeAlias = Literal["provisioning", "online", "degraded", "offline", "error", "upgrading"]


@dataclass(frozen=True, slots=True)
class Condition:
    """error: why it is not simply online."""

    status: RuntimeStatus
    error: str | None = None


class RuntimeReport:
    """Writes this runtime's part of the row; no other login can."""

    def __init__(self, settings: Settings, version: str) -> None:
        self._account = settings.account
        self._gateway = settings.gateway
        self._resync_interval = settings.resync_interval
        self._version = version
        self.started_at: datetime | None = None
        """When this process first said so, by the server's clock."""

    async def write(self, connection: asyncpg.Connection, condition: Condition) -> datetime:
        """Write it, and return when this process began. Raises: what the driver raises."""
        began: datetime = await connection.fetchval(
            query("runtime_report"),
            self._account,
            self._gateway,
            condition.status,
            self._version,
            condition.error,
            self.started_at,
            self._resync_interval,
        )
        self.started_at = began
        return began

    async def sweep(self, connection: asyncpg.Connection) -> int:
        """Mark those that are silent; return how many. Raises: what the driver raises."""
        marked: int = await connection.fetchval(query("runtimes_sweep"), self._account)
        return marked
