"""The agents of an existing configuration as rows: the way back from agents.json to the database.

Whether a row holds an agent is not decided by a table of what should work: each row is rendered as it would be for the
gateway, and what comes out is compared with what went in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent_config_sync.model.names import is_agent_id
from agent_config_sync.model.rows import AgentRow
from agent_config_sync.model.site import Site
from agent_config_sync.render.defaults import DEFAULTS
from agent_config_sync.render.entry import Entry, Frame, render_entry
from agent_config_sync.render.values import shown

_OUTSIDE_SETTINGS = frozenset({"id", "default", "model", "thinkingDefault"})
_COLUMNS = {
    "model": ("model", "fallback_models"),
    "subagents": ("allowed_subagents",),
    "thinkingDefault": ("thinking",),
}
_SECRET_NAME = re.compile(r"(?:api_?key|authorization|password|secret|token)$", re.IGNORECASE)
_NOT_FOR_POSTGRES = re.compile(r"[\0\ud800-\udfff]")
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


@dataclass(frozen=True, slots=True)
class AdoptedAgent:
    """One agent as a row. entry: what the row renders to; lost: what the row does not hold, each with its reason."""

    row: AgentRow
    entry: Entry
    lost: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Adoption:
    """What a configuration's `agents` section becomes.

    agents: by name; left_out: agents that no row can stand for, by id, with the reason; default: the default agent's
    id, which may be none of these; defaults: rows of agent_system_config, key to value.
    """

    agents: Mapping[str, AdoptedAgent]
    left_out: Mapping[str, str]
    default: str | None
    defaults: Mapping[str, str]

    @property
    def whole(self) -> frozenset[str]:
        """Names of the agents of which nothing is lost."""
        return frozenset(name for name, agent in self.agents.items() if not agent.lost)

    @property
    def losses(self) -> list[str]:
        """Everything that is lost, one line each, in the roster's order."""
        return [*self.left_out.values(), *(line for agent in self.agents.values() for line in agent.lost)]


def roster_of(section: Mapping[str, Any]) -> dict[str, object]:
    """Return the agents of a section by their id, whichever the form of its roster; of two with one id the first."""
    roster: dict[str, object] = dict(_object(section.get("entries")))
    agents = section.get("list")
    for agent in agents if isinstance(agents, list) else ():
        roster.setdefault(str(_object(agent).get("id", "")), agent)
    return roster


def _said_twice(section: Mapping[str, Any]) -> list[str]:
    """Return the ids that a list has more than once; the gateway's validator lets them pass."""
    agents = section.get("list")
    names = [str(_object(agent).get("id", "")) for agent in (agents if isinstance(agents, list) else ())]
    return [name for number, name in enumerate(names) if name in names[:number]]


def adopt(section: Mapping[str, Any], site: Site, *, within: Mapping[str, Any] | None = None) -> Adoption:
    """Return rows for the agents of a section. site: the gateway that they are rendered for, to see what they hold;
    within: the whole section that the gateway makes of this one and others, which knows the default agent.
    """
    roster = roster_of(section)
    default = _default_agent(section if within is None else within)
    known = frozenset(roster) | site.base_agents
    agents: dict[str, AdoptedAgent] = {}
    left_out = {name: f"agent {shown(name)}: a second one of this id" for name in _said_twice(section)}
    for name, members in roster.items():
        if not is_agent_id(name):
            left_out[name] = (
                f"agent {shown(name)}: a name has 1 to 64 of a-z, 0-9, _ and -, the first a letter or digit"
            )
        elif not isinstance(members, Mapping):
            left_out[name] = f"agent {name}: it is no object"
        else:
            agents[name] = _adopted(name, members, site, known, is_default=name == default)
    return Adoption(agents, left_out, default, _defaults(section))


def _adopted(
    name: str, members: Mapping[str, Any], site: Site, known: frozenset[str], *, is_default: bool
) -> AdoptedAgent:
    public = {key: value for key, value in members.items() if not _holds_secret(value)}
    secret = [
        f"agent {name}: {shown(key)} holds what looks like a secret, which is not for the database"
        for key in members
        if key not in public
    ]
    entry = render_entry(_row(name, public, is_default=is_default), Frame(site, known))
    held = _members_of(entry)
    # What the gateway would not be given does not belong into the row either.
    row = _row(name, held, is_default=is_default)
    return AdoptedAgent(row, entry, (*secret, *_lost(name, public, held, entry.warnings)))


def _row(name: str, members: Mapping[str, Any], *, is_default: bool) -> AgentRow:
    model = members.get("model")
    models = model if isinstance(model, Mapping) else {"primary": model}
    subagents = members.get("subagents")
    allowed = _texts(_object(subagents).get("allowAgents"))
    settings = {key: value for key, value in members.items() if key not in _OUTSIDE_SETTINGS and not _has_nul(value)}
    if allowed and isinstance(subagents, Mapping):
        settings["subagents"] = {key: value for key, value in subagents.items() if key != "allowAgents"}
        if not settings["subagents"]:
            del settings["subagents"]
    return AgentRow(
        version=name.encode(),
        name=name,
        is_default=is_default,
        scoped=False,
        instance_type="primary" if is_default else "subagent",
        model=_text(models.get("primary")),
        fallback_models=_texts(models.get("fallbacks")),
        thinking=_text(members.get("thinkingDefault")),
        allowed_subagents=allowed,
        settings=json.dumps(settings) if settings else None,
    )


def _lost(name: str, members: Mapping[str, Any], held: Mapping[str, Any], warnings: tuple[str, ...]) -> tuple[str, ...]:
    """Return what is not held: the renderer's own reasons, and each further key that comes out differently."""
    wanted = _normal(members)
    lost = [re.sub(r"\bsettings\.", "", warning) for warning in warnings]
    for key, value in wanted.items():
        if held.get(key) != value and not any(_names(key, warning) for warning in warnings):
            lost.append(f"agent {name}: {shown(key)} has no place in the database as it is")
    return tuple(lost)


def _names(key: str, warning: str) -> bool:
    return any(f" {column} " in warning for column in _COLUMNS.get(key, ())) or f"settings.{shown(key)}" in warning


def _normal(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return an agent's members in the form in which the renderer writes what means the same."""
    normal = {key: value for key, value in members.items() if key not in ("id", "default")}
    model = normal.get("model")
    if isinstance(model, Mapping) and list(model) == ["primary"]:
        normal["model"] = model["primary"]
    subagents = normal.get("subagents")
    if isinstance(subagents, Mapping):
        allowed = _texts(subagents.get("allowAgents"))
        normal["subagents"] = {**subagents, **({"allowAgents": sorted(set(allowed))} if allowed else {})}
        if not subagents:
            del normal["subagents"]
    return normal


def _members_of(entry: Entry) -> dict[str, Any]:
    members: dict[str, Any] = json.loads(b"{" + entry.members + b"}")
    return members


def _default_agent(section: Mapping[str, Any]) -> str | None:
    """Return the default agent: the marked one, the owner of what is addressed to nobody, else the list's first."""
    roster = roster_of(section)
    marked = [name for name, members in roster.items() if _object(members).get("default") is True]
    owner = _object(_object(section.get("defaults")).get("systemAgent")).get("agentId")
    if marked:
        return marked[0]
    if isinstance(owner, str) and owner in roster:
        return owner
    return next(iter(roster)) if roster and (len(roster) == 1 or not section.get("entries")) else None


def _defaults(section: Mapping[str, Any]) -> dict[str, str]:
    """Return the values that agent_system_config has a key for."""
    found: dict[str, str] = {}
    for key, default in DEFAULTS.items():
        value: Any = section.get("defaults")
        for name in default.path:
            value = _object(value).get(name)
        if (isinstance(value, int) and not isinstance(value, bool)) or (
            isinstance(value, float) and value.is_integer()
        ):
            found[key] = str(int(value))
    return found


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and not _NOT_FOR_POSTGRES.search(value) else None


def _texts(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list) or not value or not all(_text(item) is not None for item in value):
        return None
    return tuple(value)


def _holds_secret(value: object) -> bool:
    """Return whether a text in here has the name of a secret; a reference to one is an object, or holds a `${`."""
    if isinstance(value, Mapping):
        return any(
            (isinstance(inner, str) and bool(_SECRET_NAME.search(key))) or _holds_secret(inner)
            for key, inner in value.items()
        )
    return isinstance(value, list) and any(_holds_secret(item) for item in value)


def _has_nul(value: object) -> bool:
    """PostgreSQL holds no NUL in a text."""
    return _ESCAPED_NUL.search(json.dumps(value)) is not None
