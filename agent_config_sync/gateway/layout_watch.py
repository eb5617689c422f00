"""Does what we write reach the gateway, or does its openclaw.json keep it away?

OpenClaw flattens includes (2026.2.9 and 2026.3.13 at their first own write, `doctor --fix` on others): the file then
holds a frozen copy. And its own `config set agents...` writes a key beside the include, which beats the included files
(measured on 2026.5.12 and 2026.9.6). Both are silent, so every pass looks.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import orjson

from agent_config_sync.gateway.include import ConfigLayout, real
from agent_config_sync.gateway.section import by_id, section_of, shown
from agent_config_sync.gateway_paths import gateway_folder
from agent_config_sync.model.site import GatewayVersion, Layout

FindingKind: TypeAlias = Literal[
    "include_missing", "include_flattened", "include_outside", "shadowed", "in_both", "two_rosters"
]

KEEP_ALL_AWAY: frozenset[FindingKind] = frozenset(
    {"include_missing", "include_flattened", "include_outside", "two_rosters"}
)
"""Findings with which the gateway takes nothing of our file."""

_NAMED = 5
"""Values that one message names; further ones are counted."""

_BASE = "agents.base.json5"

_FLATTENED_BEFORE = GatewayVersion(2026, 5, 12)
"""Until then `openclaw config set` and `unset` write all that is included into openclaw.json; that one refuses to."""

_UNSET_SINCE = GatewayVersion(2026, 7, 1)
"""Since then `openclaw config unset` takes out what stands beside an include, below `agents.defaults` only."""


@dataclass(frozen=True, slots=True)
class LayoutFinding:
    """One way in which the operator's files and ours get into each other's way, and what to do about it."""

    kind: FindingKind
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.what}: {self.fix}"


@dataclass(frozen=True, slots=True)
class _Conflict:
    """A place for which both have a value."""

    path: str
    theirs: str
    ours: str

    def __str__(self) -> str:
        return f"{self.path} is {self.theirs} there and {self.ours} in the database"


def look_at_layout(
    config: Path,
    output: Path,
    found: ConfigLayout,
    content: bytes,
    layout: Layout,
    *,
    version: GatewayVersion | None = None,
) -> tuple[LayoutFinding, ...]:
    """Return what keeps `content` (our file, in this layout) from being what the gateway takes from `config`.

    version: the gateway's, None where it is not known; the way out depends on it.
    """
    if not _may_be_included(config, output, by_name=found.included_at is None):
        return (_outside(config, output),)
    if found.included_at is not None and not found.over and not any(_has_roster(item.section) for item in found.under):
        return ()  # the layout that we set up; nothing has to be parsed
    try:
        ours = section_of(content, layout)
    except ValueError:  # somebody else wrote there; the next publish mends it
        ours = {}
    if found.included_at is None:
        return (_not_included(config, output, found.base, ours),)
    return (*_doubled(found, ours), *_shadowed(config, found, ours, version))


def _may_be_included(config: Path, output: Path, *, by_name: bool) -> bool:
    """Return whether the gateway would read the file: it follows no include out of the folder of its configuration, by
    name or through a link, save into `OPENCLAW_INCLUDE_ROOTS` (2026.9.6, docs/gateway/config-secrets-env).

    by_name: the name will be ours too; an include that stands has a name of its own.
    """
    if output.parent == config.parent and not output.is_symlink():
        return True  # beside it, where it is by default: no path has to be followed at each pass
    further = filter(None, os.environ.get("OPENCLAW_INCLUDE_ROOTS", "").split(os.pathsep))
    roots = [config.parent, *map(gateway_folder, further)]
    return any(
        real(output).is_relative_to(real(root)) and (not by_name or output.is_relative_to(root.absolute()))
        for root in roots
    )


def _outside(config: Path, output: Path) -> LayoutFinding:
    return LayoutFinding(
        "include_outside",
        f"{output} is not in {config.parent}, and the gateway includes no file from elsewhere",
        f"unset output_path, or set OPENCLAW_INCLUDE_ROOTS to {output.parent} for the gateway and for this program",
    )


def _not_included(config: Path, output: Path, base: Mapping[str, Any], ours: Mapping[str, Any]) -> LayoutFinding:
    names = [f"./{os.path.relpath(output, config.parent)}"]
    if config.with_name(_BASE).exists():  # a missing include keeps the gateway from starting
        names.insert(0, f"./{_BASE}")
    line = f'"agents": {{"$include": {orjson.dumps(names).decode()}}}'
    fix = f"set {line} there, with nothing beside the include"
    copies = set(by_id(base)) & set(by_id(ours))
    if not copies:
        return LayoutFinding(
            "include_missing", f"{config} does not include {output.name}: the gateway cannot see it", fix
        )
    conflicts = [*_roster_conflicts(base, ours), *_conflicts(_without_roster(base), _without_roster(ours), "agents")]
    what = f"{config} holds a copy of {output.name} instead of including it (OpenClaw flattened it)"
    stale = f"; {_listed(conflicts)}" if conflicts else ""
    return LayoutFinding("include_flattened", what + stale, fix)


def _doubled(found: ConfigLayout, ours: Mapping[str, Any]) -> Iterator[LayoutFinding]:
    """Find agents that the operator's files define too."""
    mine = set(by_id(ours))
    form, other = ("entries", "list") if "entries" in ours else ("list", "entries")
    for layer in (*found.under, *found.over):
        if mine and other in layer.section:
            yield LayoutFinding(
                "two_rosters",
                f"{layer.path} has agents.{other} beside our agents.{form}, which the gateway does not take together",
                f"move those agents to the database (agent-config-sync import) and take agents.{other} out",
            )
        elif both := sorted(mine & set(by_id(layer.section))):
            wins = "the first one counts" if form == "list" else "what it says there stays until it is taken out"
            yield LayoutFinding(
                "in_both",
                f"{layer.path} also defines {_names(both)} of the database ({wins})",
                "take it out there, or out of the database",
            )


def _shadowed(
    config: Path, found: ConfigLayout, ours: Mapping[str, Any], version: GatewayVersion | None
) -> Iterator[LayoutFinding]:
    """Find values of ours that a file beats which the gateway merges after ours."""
    for layer in found.over:
        conflicts = [*_conflicts(_without_roster(layer.section), _without_roster(ours), "agents")]
        if "entries" in ours and "list" not in layer.section:  # of a list the first agent counts, which is ours
            conflicts += _roster_conflicts(layer.section, ours)
        if conflicts:
            way = _way_to_unset(conflicts, version) if layer.path == config else ""
            yield LayoutFinding(
                "shadowed", f"{layer.path} beats the database: {_listed(conflicts)}", f"take it out there{way}"
            )


def _way_to_unset(conflicts: list[_Conflict], version: GatewayVersion | None) -> str:
    """Return how to take keys out of openclaw.json, by what its version's own command does to an include."""
    if version is not None and version < _FLATTENED_BEFORE:
        return f" in an editor (openclaw config of {version} would flatten the include)"
    by_command = all(conflict.path.startswith("agents.defaults.") for conflict in conflicts)
    if version is None or version < _UNSET_SINCE or not by_command:
        return " in an editor"
    return f" ({'; '.join(f'openclaw config unset {conflict.path}' for conflict in conflicts[:_NAMED])})"


def _roster_conflicts(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> Iterator[_Conflict]:
    yield from _conflicts(by_id(theirs), by_id(ours), "agents.entries" if "entries" in ours else "agents.list")


def _conflicts(theirs: Mapping[str, Any], ours: Mapping[str, Any], path: str) -> Iterator[_Conflict]:
    for key, value in theirs.items():
        if key not in ours:
            continue
        mine, where = ours[key], f"{path}.{key}"
        if isinstance(value, Mapping) and isinstance(mine, Mapping):
            yield from _conflicts(value, mine, where)
        elif isinstance(value, list) and isinstance(mine, list):
            if any(item not in mine for item in value):  # the gateway concatenates
                yield _Conflict(where, shown(value, where), shown(mine, where))
        elif value != mine:
            yield _Conflict(where, shown(value, where), shown(mine, where))


def _without_roster(section: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: value for key, value in section.items() if key not in ("entries", "list")}


def _has_roster(section: Mapping[str, Any]) -> bool:
    return bool(section.get("entries") or section.get("list"))


def _listed(conflicts: list[_Conflict]) -> str:
    rest = len(conflicts) - _NAMED
    return "; ".join(map(str, conflicts[:_NAMED])) + (f"; and {rest} more" if rest > 0 else "")


def _names(names: list[str]) -> str:
    rest = len(names) - _NAMED
    listed = ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
    return f"agent{'s' if len(names) > 1 else ''} {listed}"
