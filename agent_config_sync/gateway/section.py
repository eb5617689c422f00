"""The `agents` section of a configuration, whichever its form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from agent_config_sync.model.site import Layout

_SECRET = re.compile(r"(?:^|\.)env(?:\.|$)|secret|password|(?:token|key)$", re.IGNORECASE)
_SHOWN_LENGTH = 60


def section_of(content: bytes, layout: Layout) -> Mapping[str, Any]:
    """Return the section in the bytes of our file.

    Raises: ValueError when it is no JSON.
    """
    document = as_object(orjson.loads(content))
    return as_object(document.get("agents")) if layout == "root" else document


def by_id(section: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the roster keyed by id; newer gateways turn a list into entries."""
    entries = dict(as_object(section.get("entries")))
    roster = section.get("list")
    for agent in roster if isinstance(roster, list) else ():
        if isinstance(agent, Mapping) and isinstance(agent.get("id"), str):
            entries[agent["id"]] = {key: value for key, value in agent.items() if key not in ("id", "default")}
    return entries


def as_object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def shown(value: Any, path: str) -> str:
    """Return a value as a message may show it: short, and not at all where its path says that it is a secret."""
    return "(not shown)" if _SECRET.search(path) else orjson.dumps(value, default=str).decode()[:_SHOWN_LENGTH]
