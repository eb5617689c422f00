"""One row in, one agent's entry out; a bad value costs that value, with a warning that names it."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agent_config_sync.model.names import is_agent_id
from agent_config_sync.model.rows import AgentRow
from agent_config_sync.model.site import Site
from agent_config_sync.render.heartbeat import still
from agent_config_sync.render.json_text import depth_of, dumps, indented
from agent_config_sync.render.lodging import Lodging, lodge
from agent_config_sync.render.model_id import models_of
from agent_config_sync.render.values import forbidden, shown

_KEYS_WITH_A_COLUMN = frozenset({"id", "default", "model", "thinkingDefault"})
_OF_THE_WORKSPACE = frozenset({"workspace", "skills"})
_COLUMNS_INSIDE: Mapping[str, frozenset[str]] = {
    "subagents": frozenset({"allowAgents"}),
    "identity": frozenset({"name"}),
    "heartbeat": frozenset({"every", "target", "model", "prompt"}),
}
"""Members of a key that have columns of their own; whatever else `settings` says there is merged under them."""

_FIRST_KEYS = ("model", "subagents", "thinkingDefault")


@dataclass(frozen=True, slots=True)
class Entry:
    """One agent, rendered. text: its element of the list, or member of the object, indented; empty for a row that is
    left out. members: the inside of the element, for the one that is the default agent. agent_dir: normalised.
    lodging: what it says of the agent's workspace comes from there.
    """

    row: AgentRow
    text: bytes
    members: bytes
    models: tuple[str, ...]
    warnings: tuple[str, ...]
    agent_dir: str | None = None
    lodging: Lodging | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """What all entries of a pass share.

    known: agents that they may name; aliases: what short model ids stand for, None where nobody says and they are
    taken as they are.
    """

    site: Site
    known: frozenset[str]
    aliases: Mapping[str, str] | None = None


def render_entry(
    row: AgentRow, frame: Frame, lodging: Lodging | None = None, *, without: frozenset[str] = frozenset()
) -> Entry:
    """Return the entry of one row. without: keys that must be left out of it."""
    site = frame.site
    if not is_agent_id(row.name):
        problem = "left out: a name has 1 to 64 of a-z, 0-9, _ and -, the first a letter or digit"
        return Entry(row, b"", b"", (), (f"agent {shown(row.name)}: {problem}",), lodging=lodging)
    warnings: list[str] = []

    def warn(what: str) -> None:
        warnings.append(f"agent {row.name}: {what}")

    body: dict[str, object] = {}
    models = models_of(row, frame.aliases, warn)
    if models:
        body["model"] = models[0] if len(models) == 1 else {"primary": models[0], "fallbacks": models[1:]}
    allowed = (
        _allowed_subagents(row, frame.known if site.base_complete else None, warn) if row.allowed_subagents else []
    )
    if allowed:
        body["subagents"] = {"allowAgents": allowed}
    if row.thinking and row.thinking.strip():
        _add(body, "thinkingDefault", row.thinking.strip(), site, warn, source=f"thinking {row.thinking[:40]!r}")
    if lodging is not None:
        lodge(body, lodging, site.rules, frame.aliases, warn)
    _merge_settings(body, row, site, warn)
    if not site.gateway_beats:
        still(body)
    for key in without:
        body.pop(key, None)
    return entry_of(row, body, site, models=tuple(models), warnings=tuple(warnings), lodging=lodging)


def entry_of(
    row: AgentRow,
    body: Mapping[str, object],
    site: Site,
    *,
    models: tuple[str, ...],
    warnings: tuple[str, ...],
    lodging: Lodging | None,
) -> Entry:
    """Return the entry that says this."""
    pad = b"  " * (depth_of(site) + 1)
    ordered = {key: body[key] for key in sorted(body, key=_key_order)}
    # The lines between the braces, one level deeper than the element itself.
    members = indented(dumps(ordered), depth_of(site) + 1)[1:-1].rstrip() if ordered else b""
    if site.roster == "list":
        text = list_element(row.name, members, pad, default=False)
    else:
        text = pad + dumps(row.name) + b": {" + (members + b"\n" + pad if members else b"") + b"}"
    directory = body.get("agentDir")
    agent_dir = normal_directory(directory) if isinstance(directory, str) else None
    return Entry(row, text, members, models, warnings, agent_dir, lodging)


def normal_directory(directory: str) -> str:
    """Return a path by which two names of one directory are equal; POSIX would keep two leading slashes."""
    return posixpath.normpath(re.sub(r"^/+", "/", directory))


def list_element(name: str, members: bytes, pad: bytes, *, default: bool) -> bytes:
    lines = b"\n" + pad + b'  "id": ' + dumps(name)
    if default:
        lines += b",\n" + pad + b'  "default": true'
    return pad + b"{" + lines + (b"," + members if members else b"") + b"\n" + pad + b"}"


def _key_order(key: str) -> tuple[int, str]:
    return (_FIRST_KEYS.index(key), "") if key in _FIRST_KEYS else (len(_FIRST_KEYS), key)


def _allowed_subagents(row: AgentRow, known: frozenset[str] | None, warn: Callable[[str], None]) -> list[str]:
    """known: None while not all are; a name may then be that of an agent in a file that could not be read."""
    allowed: set[str] = set()
    for item in row.allowed_subagents or ():
        if item is None or not item.strip():
            warn("a NULL or blank in allowed_subagents was left out")
            continue
        name = item.strip()
        if name in allowed:
            warn(f"allowed_subagents names {shown(name)} twice")
        elif name == "*" or ((known is None or name in known) and is_agent_id(name)):
            allowed.add(name)
        else:
            warn(f"allowed_subagents names {shown(name)}, which is no agent of this gateway; left out")
    return sorted(allowed)


def _merge_settings(body: dict[str, object], row: AgentRow, site: Site, warn: Callable[[str], None]) -> None:
    """Put `settings` under the typed columns: what a column says wins, key by key."""
    if row.settings is None:
        return
    try:
        settings = json.loads(row.settings)  # reads 1e999 too, which then costs its key only
    except (ValueError, RecursionError):
        warn("settings cannot be read as JSON and were left out")
        return
    if not isinstance(settings, dict):
        warn("settings must be a JSON object and were left out")
        return
    for key, value in settings.items():
        source = f"settings.{shown(key)}"
        if key in _KEYS_WITH_A_COLUMN:
            warn(f"{source} was left out: it has a column of its own")
        elif key in body and key in _OF_THE_WORKSPACE:
            warn(f"{source} was left out: the agent's workspace comes from the database")
        elif (found := forbidden({key: value})) is not None:
            warn(f"{source} was left out: {found}")
        elif isinstance(value, dict) and key in _COLUMNS_INSIDE and (key in body or key == "subagents"):
            for name in _COLUMNS_INSIDE[key]:
                if name in value:
                    warn(f"{source}.{name} was left out: it has a column of its own")
            own = body.pop(key, {})
            assert isinstance(own, dict)  # rendered above
            others = {name: value[name] for name in sorted(value) if name not in _COLUMNS_INSIDE[key]}
            if (own or others) and not _add(body, key, {**own, **others}, site, warn, source=source) and own:
                body[key] = own
        else:
            _add(body, key, value, site, warn, source=source)


def _add(
    body: dict[str, object], key: str, value: object, site: Site, warn: Callable[[str], None], *, source: str
) -> bool:
    problem = site.rules.agent_key_problem(key, value)
    if problem is None:
        body[key] = value
        return True
    warn(f"{source} was left out: {problem}")
    return False
