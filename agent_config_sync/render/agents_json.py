"""Rows in, the bytes of agents.json out: a pure function that keeps what it rendered.

The file is two-space indented JSON with keys and entries in an order that no locale changes. One bad row costs that
row, one bad value that value, each with a warning that names it: the gateway would refuse its whole configuration.
"""

from __future__ import annotations

import json
import math
import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import chain

import orjson

from agent_config_sync.model.names import RESERVED_KEYS, is_agent_id, is_model_ref
from agent_config_sync.model.rows import AgentRow
from agent_config_sync.model.site import Site
from agent_config_sync.model.snapshot import Snapshot
from agent_config_sync.render.defaults import DEFAULTS, choose_defaults

MODEL_ID_LIMIT = 200
"""Characters of a model id; far above any real one, far below what would bloat the allow-list."""

MANAGED = (("modelPolicy", "allow"), ("systemAgent", "agentId"), *(default.path for default in DEFAULTS.values()))
"""Paths below `agents.defaults` that are ours whenever there is something to say there."""

SETTINGS_DEPTH = 32
"""Levels of nesting in `settings`; the gateway's own configuration has eight."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_KEYS_WITH_A_COLUMN = frozenset({"id", "default", "model", "thinkingDefault"})
_FIRST_KEYS = ("model", "subagents", "thinkingDefault")
_INCLUDE = "$include"
_PLAIN = re.compile(r"[\w./:@-]{1,64}", re.ASCII)
_DEFAULT_DIRECTORY = re.compile(r"/agents/([^/]+)/agent$")
"""Where the gateway keeps an agent that names no directory."""

_SMALLEST, _LARGEST = -(2**63), 2**64 - 1
_SHOWN = 12
_SHOWN_LENGTH = 64


@dataclass(frozen=True, slots=True)
class _Entry:
    """One agent, rendered. text: its element of the list, or member of the object, indented; empty for a row that is
    left out. members: the inside of the element, for the one that is the default agent."""

    row: AgentRow
    text: bytes
    members: bytes
    models: tuple[str, ...]
    warnings: tuple[str, ...]
    agent_dir: str | None = None


@dataclass(frozen=True, slots=True)
class RenderedAgents:
    """The file and what it cost. default: the default agent's id, None for an empty roster; entries: agents in it."""

    content: bytes
    warnings: tuple[str, ...]
    default: str | None
    entries: int


@dataclass(slots=True)
class AgentsJson:
    """Renders agents.json; the only state is a memo of entries, so that an unchanged row is never rendered again."""

    _entries: dict[bytes, _Entry] = field(default_factory=dict)
    _known: frozenset[str] = frozenset()
    _shape: tuple[object, ...] = ()

    def render(self, snapshot: Snapshot, site: Site) -> RenderedAgents:
        """Return the bytes for this snapshot at this site."""
        self._forget_what_depends_on(site, frozenset([row.name for row in snapshot.agents]) | site.base_agents)
        every = [self._entry(row, site) for row in snapshot.agents]
        every.sort(key=lambda entry: entry.row.name)
        if len(self._entries) > 2 * len(every) + 100:
            self._entries = {entry.row.version: entry for entry in every}
        warnings = [warning for entry in every if entry.warnings for warning in entry.warnings]
        entries = [entry for entry in every if entry.text]
        entries = _first_of_each_name(entries, warnings)
        if any(entry.agent_dir for entry in entries):
            entries = _with_own_directories(entries, site, self._known, warnings)
        default = _default_agent([entry.row for entry in entries], site, warnings)
        chosen, skipped = choose_defaults(snapshot.system_config, site.version)
        warnings.extend(skipped)
        models = sorted(set(chain.from_iterable([entry.models for entry in entries])))
        defaults: dict[str, object] = {"models": {model: {} for model in models}}
        if site.roster == "entries":
            defaults["modelPolicy"] = {"allow": [model for model in models if is_model_ref(model)]}
            warnings.extend(
                f"model {_shown(model)}: not in the allow-list, which takes provider/model only"
                for model in models
                if not is_model_ref(model)
            )
            if default is not None:
                defaults["systemAgent"] = {"agentId": default}
        for value in chosen:
            _put(defaults, value.path, value.value)
        content = _document(defaults, entries, default, site)
        return RenderedAgents(content, tuple(warnings), default, len(entries))

    def _forget_what_depends_on(self, site: Site, known: frozenset[str]) -> None:
        """Drop the entries that another site, or the coming or going of an agent, would render differently."""
        shape = (site.version, site.roster, site.layout, site.rules)
        if shape != self._shape:
            self._entries = {}
        elif known != self._known:
            self._entries = {
                version: entry for version, entry in self._entries.items() if not entry.row.allowed_subagents
            }
        self._shape = shape
        self._known = known

    def _entry(self, row: AgentRow, site: Site) -> _Entry:
        kept = self._entries.get(row.version)
        if kept is not None and kept.row is row:
            return kept
        entry = _render_entry(row, site, self._known)
        self._entries[row.version] = entry
        return entry


def _document(defaults: dict[str, object], entries: list[_Entry], default: str | None, site: Site) -> bytes:
    """Join the entries' bytes under the defaults; nothing is parsed or serialised twice."""
    depth = _depth(site)
    pad = b"  " * depth
    texts = [entry.text for entry in entries]
    if site.roster == "list":
        texts = [
            _list_element(entry.row.name, entry.members, pad + b"  ", default=True)
            if entry.row.name == default
            else entry.text
            for entry in entries
        ]
        opening, closing, ownership = b'"list": [', b"]", b""
    else:
        opening, closing, ownership = b'"entries": {', b"}", pad + b'"ownership": "explicit",\n'
    head = b"{\n" + (ownership if texts else b"") + pad + b'"defaults": ' + _indent(_dumps(defaults), depth)
    tail = b"\n" + b"  " * (depth - 1) + b"}\n"
    if site.layout == "root":
        head, tail = b'{\n  "agents": ' + head, tail + b"}\n"
    if not texts:  # an empty object of entries is refused by the gateway, an empty list is not
        return head + (b",\n" + pad + opening + closing if site.roster == "list" else b"") + tail
    # One join, so that megabytes are copied once.
    texts[0] = head + b",\n" + pad + opening + b"\n" + texts[0]
    texts[-1] += b"\n" + pad + closing + tail
    return b",\n".join(texts)


def _depth(site: Site) -> int:
    """Levels of indentation of the section's members."""
    return 2 if site.layout == "root" else 1


def _first_of_each_name(entries: list[_Entry], warnings: list[str]) -> list[_Entry]:
    first: dict[str, _Entry] = {}
    for entry in entries:
        known = first.setdefault(entry.row.name, entry)
        if entry.row.version < known.row.version:
            first[entry.row.name] = entry
    if len(first) == len(entries):
        return entries
    others = [entry.row.name for entry in entries if first[entry.row.name] is not entry]
    warnings.extend(f"agent {name}: a second row of this name was left out" for name in others)
    return list(first.values())


def _with_own_directories(
    entries: list[_Entry], site: Site, known: frozenset[str], warnings: list[str]
) -> list[_Entry]:
    """Let no two agents share an `agentDir`: the gateway would refuse them all."""
    taken = {
        _normal(str(agent["agentDir"]))
        for agent in site.base_entries.values()
        if isinstance(agent, Mapping) and "agentDir" in agent
    }
    result: list[_Entry] = []
    for entry in entries:
        directory = entry.agent_dir
        owner = _DEFAULT_DIRECTORY.search(directory) if directory is not None else None
        is_another = owner is not None and owner[1] != entry.row.name and owner[1] in known
        if directory is not None and (directory in taken or is_another):
            warnings.append(f"agent {entry.row.name}: settings.agentDir was left out: another agent has it")
            result.append(_render_entry(entry.row, site, known, without=frozenset({"agentDir"})))
            continue
        if directory is not None:
            taken.add(directory)
        result.append(entry)
    return result


def _default_agent(rows: list[AgentRow], site: Site, warnings: list[str]) -> str | None:
    """Choose the default agent: one that names this gateway beats one for all; then the last known, then a primary."""
    if not rows:
        return None
    marked = [row for row in rows if row.is_default]
    candidates = [row.name for row in marked if row.scoped] or [row.name for row in marked]
    if candidates:
        if len(candidates) > 1:
            names = ", ".join(candidates[:_SHOWN])
            warnings.append(f"agents: {len(candidates)} rows have is_default ({names}); {candidates[0]} is used")
        return candidates[0]
    names_in_roster = {row.name for row in rows}
    if site.last_default is not None and site.last_default in names_in_roster:
        chosen = site.last_default
    else:
        chosen = next((row.name for row in rows if row.instance_type == "primary"), rows[0].name)
    warnings.append(f"agents: no row has is_default; {chosen} is used")
    return chosen


def _render_entry(row: AgentRow, site: Site, known: frozenset[str], *, without: frozenset[str] = frozenset()) -> _Entry:
    if not is_agent_id(row.name):
        problem = "left out: a name has 1 to 64 of a-z, 0-9, _ and -, the first a letter or digit"
        return _Entry(row, b"", b"", (), (f"agent {_shown(row.name)}: {problem}",))
    warnings: list[str] = []

    def warn(what: str) -> None:
        warnings.append(f"agent {row.name}: {what}")

    body: dict[str, object] = {}
    models = _models(row, warn)
    if models:
        body["model"] = models[0] if len(models) == 1 else {"primary": models[0], "fallbacks": models[1:]}
    allowed = _allowed_subagents(row, known, warn) if row.allowed_subagents else []
    if allowed:
        body["subagents"] = {"allowAgents": allowed}
    if row.thinking and row.thinking.strip():
        _add(body, "thinkingDefault", row.thinking.strip(), site, warn, source=f"thinking {row.thinking[:40]!r}")
    _merge_settings(body, row, site, warn)
    for key in without:
        body.pop(key, None)

    pad = b"  " * (_depth(site) + 1)
    ordered = {key: body[key] for key in sorted(body, key=_key_order)}
    # The lines between the braces, one level deeper than the element itself.
    members = _indent(_dumps(ordered), _depth(site) + 1)[1:-1].rstrip() if ordered else b""
    if site.roster == "list":
        text = _list_element(row.name, members, pad, default=False)
    else:
        text = pad + _dumps(row.name) + b": {" + (members + b"\n" + pad if members else b"") + b"}"
    directory = body.get("agentDir")
    agent_dir = _normal(directory) if isinstance(directory, str) else None
    return _Entry(row, text, members, tuple(models), tuple(warnings), agent_dir)


def _normal(directory: str) -> str:
    """Return a path by which two names of one directory are equal; POSIX would keep two leading slashes."""
    return posixpath.normpath(re.sub(r"^/+", "/", directory))


def _list_element(name: str, members: bytes, pad: bytes, *, default: bool) -> bytes:
    lines = b"\n" + pad + b'  "id": ' + _dumps(name)
    if default:
        lines += b",\n" + pad + b'  "default": true'
    return pad + b"{" + lines + (b"," + members if members else b"") + b"\n" + pad + b"}"


def _key_order(key: str) -> tuple[int, str]:
    return (_FIRST_KEYS.index(key), "") if key in _FIRST_KEYS else (len(_FIRST_KEYS), key)


def _models(row: AgentRow, warn: Callable[[str], None]) -> list[str]:
    """Return the primary model and its fallbacks, without what is blank, broken or said twice."""
    primary = _model(row.model, "model", warn) if row.model is not None else None
    fallbacks: list[str] = []
    for item in row.fallback_models or ():
        if item is None:
            warn("a NULL in fallback_models was left out")
            continue
        fallback = _model(item, "fallback_models", warn)
        if fallback is None:
            continue
        if fallback == primary or fallback in fallbacks:
            warn(f"fallback_models names {_shown(fallback)} twice")
            continue
        fallbacks.append(fallback)
    if primary is None:
        if fallbacks:
            warn("fallback_models without a model were left out")
        return []
    return [primary, *fallbacks]


def _model(text: str, column: str, warn: Callable[[str], None]) -> str | None:
    model = text.strip()
    if not model:
        warn(f"a blank in {column} was left out")
    elif len(model) > MODEL_ID_LIMIT:
        warn(f"a {column} of {len(model)} characters was left out ({MODEL_ID_LIMIT} at most)")
    elif _CONTROL.search(model) or any(character.isspace() for character in model):
        warn(f"{column} {_shown(model)} was left out: a model id has no spaces or control characters")
    elif model == _INCLUDE or model in RESERVED_KEYS:
        warn(f"{column} {_shown(model)} was left out: the gateway reserves this word")
    elif "${" in model:
        warn(f"{column} {_shown(model)} was left out: the gateway would put an environment variable there")
    else:
        return model
    return None


def _allowed_subagents(row: AgentRow, known: frozenset[str], warn: Callable[[str], None]) -> list[str]:
    allowed: set[str] = set()
    for item in row.allowed_subagents or ():
        if item is None or not item.strip():
            warn("a NULL or blank in allowed_subagents was left out")
            continue
        name = item.strip()
        if name in allowed:
            warn(f"allowed_subagents names {_shown(name)} twice")
        elif name == "*" or (name in known and is_agent_id(name)):
            allowed.add(name)
        else:
            warn(f"allowed_subagents names {_shown(name)}, which is no agent of this gateway; left out")
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
        source = f"settings.{_shown(key)}"
        if key in _KEYS_WITH_A_COLUMN:
            warn(f"{source} was left out: it has a column of its own")
        elif (found := _forbidden({key: value})) is not None:
            warn(f"{source} was left out: {found}")
        elif key == "subagents" and isinstance(value, dict):
            if "allowAgents" in value:
                warn(f"{source}.allowAgents was left out: it has a column of its own")
            own = body.pop(key, {})
            assert isinstance(own, dict)  # rendered above
            others = {name: value[name] for name in sorted(value) if name != "allowAgents"}
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


def _shown(text: str) -> str:
    """Return a text of the database as a warning may show it: short, and quoted unless it is as plain as a name."""
    return text if _PLAIN.fullmatch(text) else ascii(text[:_SHOWN_LENGTH])


def _put(tree: dict[str, object], path: tuple[str, ...], value: object) -> None:
    for name in path[:-1]:
        branch = tree.setdefault(name, {})
        assert isinstance(branch, dict)  # the whitelist's paths do not cross a value
        tree = branch
    tree[path[-1]] = value


def _dumps(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2)


def _indent(block: bytes, depth: int) -> bytes:
    """Shift all lines but the first; JSON text holds no raw newline inside a string."""
    return block.replace(b"\n", b"\n" + b"  " * depth)
