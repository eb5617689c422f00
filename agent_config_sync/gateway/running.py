"""Does the gateway run with what we published? Its configuration holds more than ours: defaults that it fills in, and
the operator's own files. So each of our values must be there, and no agent that is neither ours nor the operator's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from agent_config_sync.model.site import Layout


def difference(content: bytes, layout: Layout, base_agents: frozenset[str], running: Mapping[str, Any]) -> str | None:
    """Return the first place where `running` (the gateway's `agents`) is not what `content` says; None when it is."""
    section = _object(orjson.loads(content))
    if layout == "root":
        section = _object(section.get("agents"))
    wanted = _by_id(section)
    has = _by_id(running)
    for name in wanted:
        if name not in has:
            return f"agent {name} is not there yet"
        problem = _missing(wanted[name], has[name], f"entries.{name}")
        if problem is not None:
            return problem
    for name in has:
        if wanted and name not in wanted and name not in base_agents:
            return f"agent {name} is still there"
    return _missing(section.get("defaults", {}), running.get("defaults", {}), "defaults")


def _by_id(section: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the roster keyed by id, whichever its form; newer gateways turn a list into entries."""
    entries = dict(_object(section.get("entries")))
    roster = section.get("list")
    for agent in roster if isinstance(roster, list) else ():
        if isinstance(agent, Mapping) and isinstance(agent.get("id"), str):
            entries[agent["id"]] = {key: value for key, value in agent.items() if key not in ("id", "default")}
    return entries


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _missing(wanted: Any, has: Any, path: str) -> str | None:
    if isinstance(wanted, Mapping):
        if not isinstance(has, Mapping):
            return f"{path} is not there"
        for key, value in wanted.items():
            if key not in has:
                return f"{path}.{key} is not there"
            problem = _missing(value, has[key], f"{path}.{key}")
            if problem is not None:
                return problem
        return None
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        # Arrays of included files are concatenated, so the operator's own items may stand around ours.
        if isinstance(has, Sequence) and not isinstance(has, str) and all(item in has for item in wanted):
            return None
        return f"{path} is another list"
    if wanted == has or (isinstance(wanted, str) and isinstance(has, str) and _same_text(wanted, has)):
        return None
    return f"{path} is {_shown(has)} and should be {_shown(wanted)}"


def _same_text(wanted: str, has: str) -> bool:
    """The gateway trims some texts and expands a leading ~/ to a home directory."""
    return wanted.strip() == has.strip() or (wanted.startswith("~/") and has.endswith(wanted[1:]))


def _shown(value: Any) -> str:
    return orjson.dumps(value).decode()[:60]
