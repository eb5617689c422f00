"""What is not in the database: the gateway beside us and how its configuration is laid out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

Roster: TypeAlias = Literal["list", "entries"]
Layout: TypeAlias = Literal["root", "section"]

UNKNOWN_VERSION = "unknown"
"""What an operator says of a gateway whose version is not to be believed."""

_VERSION = re.compile(r"v?(\d{4})\.(\d{1,2})\.(\d{1,4})(?:[-+].*)?", re.ASCII)


@dataclass(frozen=True, order=True, slots=True)
class GatewayVersion:
    """A calendar version of OpenClaw; a pre-release counts as its release, which introduced what it has."""

    year: int
    month: int
    patch: int

    @classmethod
    def parse(cls, text: str | None) -> GatewayVersion | None:
        """Read `2026.9.6` or `2026.8.1-beta.1`; anything else ("unknown", "dev", None) is None."""
        found = _VERSION.fullmatch(text.strip()) if text else None
        return cls(int(found[1]), int(found[2]), int(found[3])) if found else None

    def __str__(self) -> str:
        return f"{self.year}.{self.month}.{self.patch}"


class Rules(Protocol):
    """What one version of the gateway accepts; the gateway rejects its whole configuration over one bad value."""

    def agent_key_problem(self, key: str, value: object) -> str | None:
        """Return why an agent's entry may not carry `key: value`, or None."""
        ...


@dataclass(frozen=True, slots=True)
class Site:
    """Everything a renderer knows beside the rows.

    gateway: the name that `agents.gateways` holds. version: None when it could not be found out. base: the `agents`
    section that the operator's own files make without ours; base_complete: all of them could be read. last_default: the
    default agent of the last publish. gateway_beats: whether the gateway lets agents beat by itself. beside: what a
    whole openclaw.json of ours holds beside `agents`, the base as merged under it; None where a person's own includes
    our file.
    """

    gateway: str
    version: GatewayVersion | None
    roster: Roster
    layout: Layout
    rules: Rules
    base: Mapping[str, Any] = field(default_factory=dict)
    base_complete: bool = True
    last_default: str | None = None
    gateway_beats: bool = True
    beside: Mapping[str, Any] | None = None

    @property
    def base_entries(self) -> Mapping[str, Any]:
        """The agents that the operator's own files define, by id, whichever the form of their roster."""
        entries, roster = self.base.get("entries"), self.base.get("list")
        found = dict(entries) if isinstance(entries, Mapping) else {}
        for agent in roster if isinstance(roster, list) else ():
            if isinstance(agent, Mapping) and isinstance(agent.get("id"), str):
                found[agent["id"]] = agent
        return found

    @property
    def base_agents(self) -> frozenset[str]:
        """Their ids."""
        return frozenset(self.base_entries)

    @property
    def base_aliases(self) -> Mapping[str, str]:
        """What short model ids stand for in the operator's own files."""
        defaults = self.base.get("defaults")
        models = defaults.get("models") if isinstance(defaults, Mapping) else None
        return {
            own["alias"]: model
            for model, own in (models.items() if isinstance(models, Mapping) else ())
            if isinstance(own, Mapping) and isinstance(own.get("alias"), str)
        }
