"""The `agents` section of a configuration, whichever its form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from agent_config_sync.model.site import Layout

_PLAIN = re.compile(
    r"(agents\.)?(defaults|(entries|list)\.[^.]+)\."
    r"(model(\.(primary|fallbacks))?|modelPolicy\.allow|name|subagents\.allowAgents|systemAgent\.agentId"
    r"|thinkingDefault|workspace)"
)
"""Where a text, or a list of them, is no secret; any other may be one, wherever it stands."""

_SHOWN_LENGTH = 60


def section_of(content: bytes, layout: Layout) -> Mapping[str, Any]:
    """Return the section in the bytes of our file.

    Raises: ValueError when it is no JSON.
    """
    document = as_object(orjson.loads(content))
    return as_object(document.get("agents")) if layout == "root" else document


def by_id(section: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the roster keyed by id, of two with one id the first, as the gateway does; newer ones turn a list into
    entries.
    """
    entries = dict(as_object(section.get("entries")))
    roster = section.get("list")
    for agent in roster if isinstance(roster, list) else ():
        if isinstance(agent, Mapping) and isinstance(agent.get("id"), str):
            entries.setdefault(
                agent["id"], {key: value for key, value in agent.items() if key not in ("id", "default")}
            )
    return entries


def agents_in(content: bytes) -> Mapping[str, Mapping[str, Any]]:
    """Return the agents of a file of ours by id, in whichever form and layout they stand; none in what is no JSON."""
    try:
        document = as_object(orjson.loads(content))
    except orjson.JSONDecodeError:
        return {}
    section = as_object(document["agents"]) if "agents" in document else document
    return {name: as_object(body) for name, body in by_id(section).items()}


def as_object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def shown(value: Any, path: str) -> str:
    """Return a value as a message may show it: numbers, and texts in places that hold no secrets."""
    texts = value if isinstance(value, list) else [value]
    plain = _PLAIN.fullmatch(path) is not None and all(isinstance(text, str) for text in texts)
    if plain or value is None or isinstance(value, bool | int | float):
        return orjson.dumps(value, default=str).decode()[:_SHOWN_LENGTH]
    return "(not shown)"
