"""Small local builders: rows, a snapshot, a site."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any

import orjson

from agent_config_sync.gateway.rules import rules_for
from agent_config_sync.model.rows import AgentRow, SystemConfigRow
from agent_config_sync.model.site import GatewayVersion, Layout, Roster, Site
from agent_config_sync.model.snapshot import Snapshot
from agent_config_sync.render.agents_json import AgentsJson, RenderedAgents

NEWEST = "2026.9.6"
OLD = "2026.7.1"

_versions = itertools.count(1)


def agent(name: str, model: str | None = None, **columns: Any) -> AgentRow:
    """A row that was never seen before, so with a version of its own."""
    members: dict[str, Any] = {
        "version": b"(0,%d)" % next(_versions),
        "name": name,
        "is_default": False,
        "scoped": False,
        "instance_type": "subagent",
        "model": model,
        "fallback_models": None,
        "thinking": None,
        "allowed_subagents": None,
        "settings": None,
        **columns,
    }
    return AgentRow(**members)


def system(key: str, value: str, value_type: str = "integer") -> SystemConfigRow:
    return SystemConfigRow(key=key, value=value, value_type=value_type)


def snapshot(*agents: AgentRow, config: tuple[SystemConfigRow, ...] = ()) -> Snapshot:
    return Snapshot(at="1:1:", agents=agents, system_config=config, excluded=False)


def site(
    roster: Roster = "entries",
    layout: Layout = "section",
    version: str | None = NEWEST,
    base_agents: frozenset[str] = frozenset(),
    last_default: str | None = None,
) -> Site:
    """base_agents: those that the operator's own files define."""
    parsed = GatewayVersion.parse(version)
    return Site(
        gateway="here",
        version=parsed,
        roster=roster,
        layout=layout,
        rules=rules_for(parsed),
        base={"entries": {name: {} for name in base_agents}},
        last_default=last_default,
    )


def rendered(*agents: AgentRow, at: Site | None = None, config: tuple[SystemConfigRow, ...] = ()) -> RenderedAgents:
    """Render afresh."""
    return AgentsJson().render(snapshot(*agents, config=config), at or site())


def section(result: RenderedAgents) -> dict[str, Any]:
    """The `agents` section of what was rendered, whatever its layout."""
    document: dict[str, Any] = orjson.loads(result.content)
    inside: dict[str, Any] = document.get("agents", document)
    return inside


def about(result: RenderedAgents, text: str) -> list[str]:
    """The warnings that hold this text."""
    return [warning for warning in result.warnings if text in warning]


PYTHON = sys.executable
REPOSITORY = Path(__file__).parents[2]
