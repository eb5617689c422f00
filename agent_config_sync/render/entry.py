"""One row in, one agent's entry out; a bad value costs that value, with a warning that names it."""

from __future__ import annotations

import json
import math
import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agent_config_sync.model.names import RESERVED_KEYS, is_agent_id
from agent_config_sync.model.rows import AgentRow
from agent_config_sync.model.site import Site
from agent_config_sync.model.workspace import ProfileRow
from agent_config_sync.render.context import emoji_of, one_line
from agent_config_sync.render.json_text import depth_of, dumps, indented

MODEL_ID_LIMIT = 200
"""Characters of a model id; far above any real one, far below what would bloat the allow-list."""

SETTINGS_DEPTH = 32
"""Levels of nesting in `settings`; the gateway's own configuration has eight."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_KEYS_WITH_A_COLUMN = frozenset({"id", "default", "model", "thinkingDefault"})
_OF_THE_WORKSPACE = frozenset({"workspace", "skills"})
_COLUMNS_INSIDE: Mapping[str, frozenset[str]] = {
    "subagents": frozenset({"allowAgents"}),
    "identity": frozenset({"name"}),
    "heartbeat": frozenset({"every", "target", "model", "prompt"}),
}
"""Members of a key that have columns of their own; whatever else `settings` says there is merged under them."""

_FIRST_KEYS = ("model", "subagents", "thinkingDefault")
_INCLUDE = "$include"
_PLAIN = re.compile(r"[\w./:@-]{1,64}", re.ASCII)
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1
_SHOWN_LENGTH = 64


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


@dataclass(frozen=True, slots=True, eq=False)
class Lodging:
    """What an entry says because the agent has a workspace of ours. skills: None leaves them to the gateway."""

    profile: ProfileRow
    place: str
    skills: tuple[str, ...] | None


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
    models = _models(row, frame.aliases, warn)
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
        _lodge(body, lodging, frame, warn)
    _merge_settings(body, row, site, warn)
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


def _models(row: AgentRow, aliases: Mapping[str, str] | None, warn: Callable[[str], None]) -> list[str]:
    """Return the primary model and its fallbacks, without what is blank, broken or said twice."""
    primary = _model(row.model, "model", aliases, warn) if row.model is not None else None
    fallbacks: list[str] = []
    for item in row.fallback_models or ():
        if item is None:
            warn("a NULL in fallback_models was left out")
            continue
        fallback = _model(item, "fallback_models", aliases, warn)
        if fallback is None:
            continue
        if fallback == primary or fallback in fallbacks:
            warn(f"fallback_models names {shown(fallback)} twice")
            continue
        fallbacks.append(fallback)
    if primary is None:
        if fallbacks:
            warn("fallback_models without a model were left out")
        return []
    return [primary, *fallbacks]


def _model(text: str, column: str, aliases: Mapping[str, str] | None, warn: Callable[[str], None]) -> str | None:
    model = text.strip()
    if aliases is not None and model and "/" not in model:
        if model not in aliases:
            warn(f"{column} {shown(model)} was left out: it names no provider, and model_aliases has no such alias")
            return None
        model = aliases[model].strip()
    if not model:
        warn(f"a blank in {column} was left out")
    elif len(model) > MODEL_ID_LIMIT:
        warn(f"a {column} of {len(model)} characters was left out ({MODEL_ID_LIMIT} at most)")
    elif _CONTROL.search(model) or any(character.isspace() for character in model):
        warn(f"{column} {shown(model)} was left out: a model id has no spaces or control characters")
    elif model == _INCLUDE or model in RESERVED_KEYS:
        warn(f"{column} {shown(model)} was left out: the gateway reserves this word")
    elif "${" in model:
        warn(f"{column} {shown(model)} was left out: the gateway would put an environment variable there")
    else:
        return model
    return None


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


def _lodge(body: dict[str, object], lodging: Lodging, frame: Frame, warn: Callable[[str], None]) -> None:
    """Say where the workspace is, who lives there, when it wakes and, where that is exclusive, what it can."""
    profile = lodging.profile
    body["workspace"] = lodging.place
    identity = {"name": one_line(profile.display_name) or profile.name}
    emoji = emoji_of(profile)
    if emoji:
        identity["emoji"] = emoji
    if (found := _forbidden(identity)) is not None:
        warn(f"display_name or emoji was left out: {found}")
        identity = {"name": profile.name}
    body["identity"] = identity
    if lodging.skills is not None:
        body["skills"] = list(lodging.skills)
    heartbeat = {
        key: value.strip()
        for key, value in (
            ("every", profile.heartbeat_every),
            ("target", profile.heartbeat_target),
            ("prompt", profile.heartbeat_prompt),
        )
        if value is not None and value.strip()
    }
    if profile.heartbeat_model is not None and profile.heartbeat_model.strip():
        model = _model(profile.heartbeat_model, "heartbeat_model", frame.aliases, warn)
        if model is not None:
            heartbeat["model"] = model
    for key, value in heartbeat.items():
        if (found := _forbidden(value)) is not None:
            warn(f"heartbeat_{key} was left out: {found}")
        elif (problem := frame.site.rules.agent_key_problem("heartbeat", {key: value})) is not None:
            warn(f"heartbeat_{key} was left out: {problem}")
        else:
            wakes = body.setdefault("heartbeat", {})
            assert isinstance(wakes, dict)  # made just here
            wakes[key] = value


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
        elif (found := _forbidden({key: value})) is not None:
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


def _forbidden(value: object) -> str | None:
    """Return why this JSON value may not reach the gateway whatever its rules say, or None."""
    pending = [(value, 0)]
    while pending:
        inner, depth = pending.pop()
        if depth > SETTINGS_DEPTH:
            return f"it is nested deeper than {SETTINGS_DEPTH} levels"
        match inner:
            case str() if "${" in inner:
                return "it holds ${, where the gateway would put an environment variable"
            case str() if not inner.isascii() and any("\ud800" <= character <= "\udfff" for character in inner):
                return "it holds half a character"
            case float() if not math.isfinite(inner):
                return "it holds a number that is too large"
            case int() if not _SMALLEST <= inner <= _LARGEST:
                return "it holds a number that is too large"
            case dict():
                if _INCLUDE in inner:
                    return "it holds $include, where the gateway would read a file"
                if not RESERVED_KEYS.isdisjoint(inner):
                    return "it holds a key that JavaScript reserves"
                pending.extend((key, depth + 1) for key in inner)
                pending.extend((member, depth + 1) for member in inner.values())
            case list():
                pending.extend((item, depth + 1) for item in inner)
            case _:
                pass
    return None


def shown(text: str) -> str:
    """Return a text of the database as a warning may show it: short, and quoted unless it is as plain as a name."""
    return text if _PLAIN.fullmatch(text) else ascii(text[:_SHOWN_LENGTH])
