"""Rows in, the bytes of agents.json out: a pure function that keeps what it rendered.

The file is two-space indented JSON with keys and entries in an order that no locale changes. One bad row costs that
row, one bad value that value, each with a warning that names it: the gateway would refuse its whole configuration.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain

from agent_config_sync.model.merging import merged
from agent_config_sync.model.names import is_agent_id, is_model_ref
from agent_config_sync.model.rows import AgentRow
from agent_config_sync.model.site import Site
from agent_config_sync.model.snapshot import Snapshot
from agent_config_sync.render.defaults import DEFAULTS, choose_defaults
from agent_config_sync.render.entry import Entry, Frame, entry_of, list_element, normal_directory, render_entry
from agent_config_sync.render.heartbeat import DEFAULT_PATH, NEVER, still, unstilled
from agent_config_sync.render.json_text import depth_of, dumps, indented
from agent_config_sync.render.lodging import Lodging
from agent_config_sync.render.values import shown

MANAGED = (
    ("modelPolicy", "allow"),
    ("systemAgent", "agentId"),
    ("skipBootstrap",),
    *(default.path for default in DEFAULTS.values()),
)
"""Paths below `agents.defaults` that are ours whenever there is something to say there."""

_DEFAULT_DIRECTORY = re.compile(r"/agents/([^/]+)/agent$")
"""Where the gateway keeps an agent that names no directory."""

_SHOWN = 12


@dataclass(frozen=True, slots=True)
class RenderedAgents:
    """The file and what it cost.

    warnings: what the rows' mistakes cost; untaken: what this version of the gateway does not take, which is nobody's
    mistake; default: the default agent's id, None for an empty roster; entries: agents of the rows in it.
    """

    content: bytes
    warnings: tuple[str, ...]
    untaken: tuple[str, ...]
    default: str | None
    entries: int


@dataclass(frozen=True, slots=True)
class Housing:
    """The agents' workspaces, as far as agents.json speaks of them.

    lodgings: of each agent that has one, the same object while nothing changed; failed: agents whose workspace is not
    what it should be; standing: their entries in the file on disk, without `id` and `default`.
    """

    lodgings: Mapping[str, Lodging]
    failed: frozenset[str] = frozenset()
    standing: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


@dataclass(slots=True)
class AgentsJson:
    """Renders agents.json; the only state is a memo of entries, so that an unchanged row is never rendered again."""

    _entries: dict[bytes, Entry] = field(default_factory=dict)
    _frame: Frame | None = None

    def render(self, snapshot: Snapshot, site: Site, housing: Housing | None = None) -> RenderedAgents:
        """Return the bytes for this snapshot at this site. housing: None where there are no workspaces of ours."""
        known = frozenset([row.name for row in snapshot.agents]) | site.base_agents
        aliases = snapshot.aliases
        frame = Frame(site, known, None if aliases is None else {**site.base_aliases, **aliases})
        self._forget_what_depends_on(frame)
        every = [self._entry(row, frame, housing) for row in snapshot.agents]
        every.sort(key=lambda entry: entry.row.name)
        if len(self._entries) > 2 * len(every) + 100:
            self._entries = {entry.row.version: entry for entry in every}
        warnings = [warning for entry in every if entry.warnings for warning in entry.warnings]
        entries = [entry for entry in every if entry.text]
        entries = _first_of_each_name(entries, warnings)
        if any(entry.agent_dir for entry in entries):
            entries = _with_own_directories(entries, frame, warnings)
        of_rows = len(entries)
        if site.beside is not None:
            entries = _with_base_agents(entries, frame)
        default = default_agent([entry.row for entry in entries], site, warnings)
        chosen = choose_defaults(snapshot.system_config, site.version)
        warnings.extend(chosen.warnings)
        models = sorted(set(chain.from_iterable([entry.models for entry in entries])))
        defaults: dict[str, object] = {"models": {model: {} for model in models}}
        if site.roster == "entries":
            defaults["modelPolicy"] = {"allow": [model for model in models if is_model_ref(model)]}
            warnings.extend(
                f"model {shown(model)}: not in the allow-list, which takes provider/model only"
                for model in models
                if not is_model_ref(model)
            )
            if default is not None:
                defaults["systemAgent"] = {"agentId": default}
        if housing is not None:
            defaults["skipBootstrap"] = True
        for value in chosen.values:
            _put(defaults, value.path, value.value)
        if not site.gateway_beats:
            _put(defaults, DEFAULT_PATH, NEVER)
            warnings.extend(unstilled(site))
        if site.beside is not None:
            of_base = site.base.get("defaults")
            defaults = dict(merged((of_base if isinstance(of_base, Mapping) else {}, defaults)))
        content = _document(defaults, entries, default, site)
        return RenderedAgents(content, tuple(warnings), chosen.untaken, default, of_rows)

    def _forget_what_depends_on(self, frame: Frame) -> None:
        """Drop the entries that another site, another alias, or the coming or going of an agent, would render
        differently."""
        before, self._frame = self._frame, frame
        if before is None or _shape(before) != _shape(frame):
            self._entries = {}
        elif before.known != frame.known:
            self._entries = {
                version: entry for version, entry in self._entries.items() if not entry.row.allowed_subagents
            }

    def _entry(self, row: AgentRow, frame: Frame, housing: Housing | None) -> Entry:
        lodging = housing.lodgings.get(row.name) if housing is not None else None
        kept = self._entries.get(row.version)
        if kept is not None and kept.row is row and kept.lodging is lodging:
            return kept
        if housing is not None and row.name in housing.failed:
            return _last_good(row, frame, housing)
        entry = render_entry(row, frame, lodging)
        self._entries[row.version] = entry
        return entry


def _shape(frame: Frame) -> tuple[object, ...]:
    site = frame.site
    return (site.version, site.roster, site.layout, site.rules, site.base_complete, site.gateway_beats, frame.aliases)


def _last_good(row: AgentRow, frame: Frame, housing: Housing) -> Entry:
    """Return the entry that the file on disk has for an agent whose workspace is not what it should be; a new agent
    has to wait until it is."""
    body = housing.standing.get(row.name)
    if body is None:
        return Entry(row, b"", b"", (), (f"agent {row.name}: it joins the roster when its workspace stands",))
    return _entry_as_it_is(row, body, frame)


def _document(defaults: dict[str, object], entries: list[Entry], default: str | None, site: Site) -> bytes:
    """Join the entries' bytes under the defaults; nothing is parsed or serialised twice."""
    depth = depth_of(site)
    pad = b"  " * depth
    texts = [entry.text for entry in entries]
    if site.roster == "list":
        texts = [
            list_element(entry.row.name, entry.members, pad + b"  ", default=True)
            if entry.row.name == default
            else entry.text
            for entry in entries
        ]
        opening, closing, ownership = b'"list": [', b"]", b""
    else:
        opening, closing, ownership = b'"entries": {', b"}", pad + b'"ownership": "explicit",\n'
    head = b"{\n" + (ownership if texts else b"") + pad + b'"defaults": ' + indented(dumps(defaults), depth)
    tail = b"\n" + b"  " * (depth - 1) + b"}\n"
    if site.layout == "root":
        beside = dumps(site.beside)[2:-2] + b",\n" if site.beside else b""
        head, tail = b"{\n" + beside + b'  "agents": ' + head, tail + b"}\n"
    if not texts:  # an empty object of entries is refused by the gateway, an empty list is not
        return head + (b",\n" + pad + opening + closing if site.roster == "list" else b"") + tail
    # One join, so that megabytes are copied once.
    texts[0] = head + b",\n" + pad + opening + b"\n" + texts[0]
    texts[-1] += b"\n" + pad + closing + tail
    return b",\n".join(texts)


def _with_base_agents(entries: list[Entry], frame: Frame) -> list[Entry]:
    """Return the agents of the database and, of the operator's own file, those that are not among them."""
    taken = {entry.row.name for entry in entries}
    own = [
        _entry_as_it_is(_bare_row(name, body.get("default") is True), body, frame)
        for name, body in frame.site.base_entries.items()
        if name not in taken and is_agent_id(name) and isinstance(body, Mapping)
    ]
    return sorted([*entries, *own], key=lambda entry: entry.row.name)


def _bare_row(name: str, is_default: bool) -> AgentRow:
    return AgentRow(
        version=b"", name=name, is_default=is_default, scoped=False, instance_type=None, model=None,
        fallback_models=None, thinking=None, allowed_subagents=None, settings=None,
    )  # fmt: skip


def _entry_as_it_is(row: AgentRow, body: Mapping[str, object], frame: Frame) -> Entry:
    """Return the entry of an agent that somebody has written out already."""
    model = body.get("model")
    named: list[object] = [model]
    if isinstance(model, Mapping):
        fallbacks = model.get("fallbacks")
        named = [model.get("primary"), *(fallbacks if isinstance(fallbacks, list) else [])]
    models = tuple(each for each in named if isinstance(each, str))
    members = {key: value for key, value in body.items() if key not in ("id", "default")}
    if not frame.site.gateway_beats:
        still(members)
    return entry_of(row, members, frame.site, models=models, warnings=(), lodging=None)


def _first_of_each_name(entries: list[Entry], warnings: list[str]) -> list[Entry]:
    first: dict[str, Entry] = {}
    for entry in entries:
        known = first.setdefault(entry.row.name, entry)
        if entry.row.version < known.row.version:
            first[entry.row.name] = entry
    if len(first) == len(entries):
        return entries
    others = [entry.row.name for entry in entries if first[entry.row.name] is not entry]
    warnings.extend(f"agent {name}: a second row of this name was left out" for name in others)
    return list(first.values())


def _with_own_directories(entries: list[Entry], frame: Frame, warnings: list[str]) -> list[Entry]:
    """Let no two agents share an `agentDir`: the gateway would refuse them all."""
    taken = {
        normal_directory(str(agent["agentDir"]))
        for agent in frame.site.base_entries.values()
        if isinstance(agent, Mapping) and "agentDir" in agent
    }
    result: list[Entry] = []
    for entry in entries:
        directory = entry.agent_dir
        owner = _DEFAULT_DIRECTORY.search(directory) if directory is not None else None
        is_another = owner is not None and owner[1] != entry.row.name and owner[1] in frame.known
        if directory is not None and (directory in taken or is_another):
            warnings.append(f"agent {entry.row.name}: settings.agentDir was left out: another agent has it")
            result.append(render_entry(entry.row, frame, entry.lodging, without=frozenset({"agentDir"})))
            continue
        if directory is not None:
            taken.add(directory)
        result.append(entry)
    return result


def default_agent(rows: list[AgentRow], site: Site, warnings: list[str]) -> str | None:
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


def _put(tree: dict[str, object], path: tuple[str, ...], value: object) -> None:
    for name in path[:-1]:
        branch = tree.setdefault(name, {})
        assert isinstance(branch, dict)  # the whitelist's paths do not cross a value
        tree = branch
    tree[path[-1]] = value
