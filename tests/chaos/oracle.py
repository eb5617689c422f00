"""What agents.json must be for a database: plain and slow, from the design and the guide alone.

It reads every row with one SELECT a table and builds the document anew. It knows the kinds of rows that the machine
makes and no others, and it imports nothing of what it judges.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import asyncpg
from harness import Operator

Row: TypeAlias = "Mapping[str, Any] | asyncpg.Record"

AGENTS = """
    SELECT name, instance_type, status, is_default, model, fallback_models, thinking, allowed_subagents, gateways,
           settings::text AS settings
    FROM agents WHERE account_id = 'default'
"""
SETTINGS = "SELECT key, value, value_type FROM agent_system_config"

RANGES = {"max_spawn_depth": ("maxSpawnDepth", 1, 5), "max_children_per_agent": ("maxChildrenPerAgent", 1, 20)}
THINKING = {"off", "minimal", "low", "medium", "high"}
TAKEN = {"name", "identity", "params", "tools", "subagents"}
COLUMNS = {"id", "default", "model", "thinkingDefault"}
RESERVED = {"__proto__", "constructor", "prototype"}
"""Words that are no names of agents or models, because a key of that name is dropped by the gateway."""


@dataclass(frozen=True)
class Oracle:
    """One gateway. entries: its version takes `agents.entries`, else `agents.list`."""

    gateway: str
    entries: bool

    async def document(self, operator: Operator, *, last_default: str | None = None) -> bytes:
        """Return the bytes for the database as it is now. last_default: of the last publish."""
        async with operator.transaction(isolation="repeatable_read", readonly=True):
            agents = await operator.fetch(AGENTS)
            settings = await operator.fetch(SETTINGS)
        return self.bytes_of(agents, settings, last_default)

    async def default(self, operator: Operator) -> str | None:
        """Return the default agent of the database as it is now."""
        return default_agent(self._here(await operator.fetch(AGENTS)), None)

    def bytes_of(self, agents: Sequence[Row], settings: Sequence[Row], last_default: str | None) -> bytes:
        here = self._here(agents)
        names = {row["name"] for row in here}
        default = default_agent(here, last_default)
        entries = {row["name"]: entry(row, names) for row in here}
        section: dict[str, Any] = {"ownership": "explicit"} if self.entries and entries else {}
        section["defaults"] = self._defaults(here, settings, default)
        if not self.entries:
            section["list"] = [
                {"id": name, **({"default": True} if name == default else {}), **body} for name, body in entries.items()
            ]
        elif entries:
            section["entries"] = entries
        return json.dumps({"agents": section}, indent=2, ensure_ascii=False).encode() + b"\n"

    def _here(self, agents: Sequence[Row]) -> list[Row]:
        return sorted((row for row in agents if self._is_here(row)), key=lambda row: str(row["name"]))

    def _is_here(self, row: Row) -> bool:
        return (
            row["name"] not in RESERVED
            and row["status"] == "active"
            and row["instance_type"] != "peer"
            and (row["gateways"] is None or self.gateway in row["gateways"])
        )

    def _defaults(self, here: Sequence[Row], settings: Sequence[Row], default: str | None) -> dict[str, Any]:
        every = sorted({model for row in here for model in models(row)})
        defaults: dict[str, Any] = {"models": {model: {} for model in every}}
        if self.entries:
            defaults["modelPolicy"] = {"allow": [model for model in every if has_provider(model)]}
            if default is not None:
                defaults["systemAgent"] = {"agentId": default}
        numbers = {row["key"]: row for row in settings}
        subagents = {}
        for key, (name, low, high) in RANGES.items():
            if key in numbers and numbers[key]["value_type"] == "integer":
                value = numbers[key]["value"]
                if re.fullmatch("-?[0-9]+", value):
                    subagents[name] = max(low, min(high, int(value)))
        if subagents:
            defaults["subagents"] = subagents
        return defaults


def default_agent(here: Sequence[Row], last_default: str | None) -> str | None:
    marked = [row for row in here if row["is_default"]]
    primaries = [row for row in here if row["instance_type"] == "primary"]
    last = [row for row in here if row["name"] == last_default]
    scoped = [row for row in marked if row["gateways"] is not None]
    for candidates in (scoped, marked, last, primaries, here):
        if candidates:
            return str(candidates[0]["name"])
    return None


def entry(row: Row, names: set[str]) -> dict[str, Any]:
    """Return one agent's entry: what its columns say first, then the rest of its settings by name."""
    settings = {key: value for key, value in json.loads(row["settings"] or "{}").items() if is_taken(key, value)}
    body: dict[str, Any] = {}
    chosen = models(row)
    if chosen:
        body["model"] = chosen[0] if len(chosen) == 1 else {"primary": chosen[0], "fallbacks": chosen[1:]}
    mentioned = {(item or "").strip() for item in row["allowed_subagents"] or []}
    allowed = sorted(name for name in mentioned if name == "*" or name in names)
    others = {key: value for key, value in settings.pop("subagents", {}).items() if key != "allowAgents"}
    if allowed or others:
        body["subagents"] = {**({"allowAgents": allowed} if allowed else {}), **dict(sorted(others.items()))}
    thinking = (row["thinking"] or "").strip()
    if thinking in THINKING:
        body["thinkingDefault"] = thinking
    return body | dict(sorted(settings.items()))


def models(row: Row) -> list[str]:
    """Return the model and its fallbacks; none without a model. No operator here names one by an alias."""
    primary = (row["model"] or "").strip()
    if not is_model(primary):
        return []
    chosen = [primary]
    for item in row["fallback_models"] or []:
        fallback = (item or "").strip()
        if is_model(fallback) and fallback not in chosen:
            chosen.append(fallback)
    return chosen


def is_model(text: str) -> bool:
    odd = any(character.isspace() or unicodedata.category(character) == "Cc" for character in text)
    return "/" in text and len(text) <= 200 and not odd and "${" not in text and text not in RESERVED | {"$include"}


def has_provider(model: str) -> bool:
    return "*" not in model and len(parts := model.split("/")) > 1 and all(parts)


def is_taken(key: str, value: Any) -> bool:
    """Return whether the gateway takes this member of `settings`."""
    if key in COLUMNS or key not in TAKEN or holds_a_snare(value):
        return False
    return key != "tools" or isinstance(value["allow"], list)


def holds_a_snare(value: Any) -> bool:
    """Return whether the gateway would put a variable or a file there."""
    if isinstance(value, dict):
        return any(key == "$include" or holds_a_snare(key) or holds_a_snare(inner) for key, inner in value.items())
    if isinstance(value, list):
        return any(map(holds_a_snare, value))
    return isinstance(value, str) and "${" in value
