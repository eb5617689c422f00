"""The system settings that we know: one line each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agent_config_sync.model.rows import SystemConfigRow
from agent_config_sync.model.site import GatewayVersion

_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,4000}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Default:
    """Where a key of agent_system_config goes: `path` below `agents.defaults`, whole numbers from `low` to `high`,
    on gateways from version `since` on (a gateway of unknown version is taken to be new enough)."""

    path: tuple[str, ...]
    low: int
    high: int
    since: GatewayVersion


DEFAULTS: Mapping[str, Default] = {
    "max_spawn_depth": Default(("subagents", "maxSpawnDepth"), 1, 5, GatewayVersion(2026, 3, 13)),
    "max_children_per_agent": Default(("subagents", "maxChildrenPerAgent"), 1, 20, GatewayVersion(2026, 3, 13)),
}
"""The whitelist. `max_concurrent_subagents` is reserved: it is known to the seed and not mapped."""


@dataclass(frozen=True, slots=True)
class ChosenDefaults:
    """values: in the whitelist's order. warnings: a line for each row that was skipped or clamped; untaken: for each
    that this version of the gateway does not take, which is nobody's mistake, for the table is that of all gateways.
    """

    values: tuple[ChosenDefault, ...]
    warnings: tuple[str, ...]
    untaken: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChosenDefault:
    """A value for `path` below `agents.defaults`."""

    path: tuple[str, ...]
    value: int


def choose_defaults(rows: Iterable[SystemConfigRow], version: GatewayVersion | None) -> ChosenDefaults:
    """Return what the rows say for a gateway of this version."""
    by_key = {row.key: row for row in rows}
    chosen: list[ChosenDefault] = []
    warnings: list[str] = []
    untaken: list[str] = []
    for key, default in DEFAULTS.items():
        row = by_key.get(key)
        if row is None:
            continue
        where = f"agent_system_config {key}"
        if version is not None and version < default.since:
            untaken.append(f"{where}: skipped, OpenClaw {version} does not take it (since {default.since})")
        elif row.value_type != "integer":
            warnings.append(f"{where}: skipped, value_type must be 'integer' and is {row.value_type[:40]!r}")
        elif not _WHOLE_NUMBER.fullmatch(row.value):
            warnings.append(f"{where}: skipped, {row.value[:40]!r} is not a whole number")
        else:
            value = min(max(int(row.value), default.low), default.high)
            if value != int(row.value):
                warnings.append(
                    f"{where}: {row.value[:40]} is not from {default.low} to {default.high}, {value} is used"
                )
            chosen.append(ChosenDefault(default.path, value))
    return ChosenDefaults(tuple(chosen), tuple(warnings), tuple(untaken))
