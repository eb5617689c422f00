"""How the runtimes of an account are, what is asked of them, and how their last upgrades ended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from agent_config_sync.runtime.queries import query
from agent_config_sync.runtime.reporting import RuntimeStatus
from agent_config_sync.runtime.requests import RequestKind, UpgradeStatus

LAST = 3
"""Upgrades of each gateway that are told of."""


@dataclass(frozen=True, slots=True)
class Upgrade:
    """One that has ended. error: why not well."""

    from_version: str
    to_version: str
    status: UpgradeStatus
    error: str | None
    requested_by: str
    completed_at: datetime


@dataclass(frozen=True, slots=True)
class Runtime:
    """The process beside one gateway. asked: what is open, None if nothing is; target_version to taken_at: of that."""

    status: RuntimeStatus
    version: str | None
    error: str | None
    started_at: datetime | None
    seen_at: datetime | None
    asked: RequestKind | None
    target_version: str | None
    requested_by: str | None
    requested_at: datetime | None
    taken_at: datetime | None
    upgrades: tuple[Upgrade, ...]


async def read_runtimes(connection: asyncpg.Connection, account: str) -> Mapping[str, Runtime]:
    """Return each runtime that has reported, by its gateway; none where this login may not see them, or where the
    database does not know of any yet. Raises: what the driver raises."""
    if not await connection.fetchval(query("runtimes_known")):
        return {}
    upgrades: defaultdict[str, list[Upgrade]] = defaultdict(list)
    for record in await connection.fetch(query("upgrades_last"), account, LAST):
        members = dict(record)
        upgrades[members.pop("gateway")].append(Upgrade(**members))
    runtimes = {}
    for record in await connection.fetch(query("runtimes"), account):
        members = dict(record)
        gateway = members.pop("gateway")
        runtimes[gateway] = Runtime(**members, upgrades=tuple(upgrades[gateway]))
    return runtimes
