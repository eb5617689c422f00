"""What we change in openclaw.json, and how it is taken back: texts in, texts out.

The `agents` section moves, text and comments and all, to a file of the operator's own that is included before ours, so
that the database wins and the gateway can still write the rest of its configuration.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent_config_sync.errors import RefusedError
from agent_config_sync.install.json5_text import Json5Text, Key

PLUGIN = "agent_config_sync"
BASE = "agents.base.json5"
"""The operator's own part of the `agents` section."""

_PATHS = ("plugins", "load", "paths")
_ALLOW = ("plugins", "allow")
_ENTRY = ("plugins", "entries", PLUGIN)
_SECRET = ("dsn", "password")
HEADER = """\
// The `agents` section of openclaw.json. What the database says comes from agents.json, which is included after this
// file and wins.
"""
"""How that file begins."""


def include_of(output: str) -> str:
    """Return the `agents` member's text. output: our file as openclaw.json names it."""
    return f'{{ "$include": ["./{BASE}", "./{output}"] }}'


def output_in(document: Json5Text) -> str | None:
    """Return our file as openclaw.json names it, None where it does not include what `move_section` lets it.

    What stands beside the include does not matter: somebody may have added it since.
    """
    names = _include_names(document)
    return str(names[-1]).removeprefix("./") if names[:-1] == [f"./{BASE}"] else None


@dataclass(frozen=True, slots=True)
class Registration:
    """What the gateway must know of the plugin. door: the folder that it loads; config: the plugin's own settings."""

    door: str
    config: Mapping[str, object]


def own_section(document: Json5Text) -> Mapping[str, Any]:
    """Return the `agents` section as it stands in this text.

    Raises: RefusedError when it is no object.
    """
    value = document.value
    section = value.get("agents", {}) if isinstance(value, Mapping) else None
    if not isinstance(section, Mapping):
        raise RefusedError("openclaw.json and its `agents` must be objects: correct them there")
    return section


def move_section(document: Json5Text, held: Iterable[str], *, output: str) -> tuple[Json5Text, str]:
    """Return openclaw.json with our include, and the text of the operator's own file.

    held: agents that the database has now, whose entries do not move. A list never moves: two files' lists would be
    concatenated, and `list` beside `entries` is refused.
    """
    node = document.find("agents")
    if node is None:
        return document.insert((), f'"agents": {include_of(output)}'), HEADER + "{}\n"
    section = Json5Text(document.text_of(node)).without((), {"list"})
    gone: set[Key] = set(held)
    entries = section.find("entries")
    if entries is not None and all(part.key in gone for part in entries.parts):
        section = section.without((), {"entries"})  # an empty one is refused
    else:
        section = section.without(("entries",), gone)
    return document.replace(node, include_of(output)), f"{HEADER}{section.text}\n"


def register(document: Json5Text, effective: Mapping[str, Any], wanted: Registration) -> Json5Text:
    """Return openclaw.json with the plugin in it. effective: the configuration with all that it includes; what it says
    already stays as it says it, but for a password that is given anew.
    """
    if not is_named(effective, wanted.door):
        document = document.append(_PATHS, wanted.door)
    allowed = _items(effective, _ALLOW)
    if allowed and PLUGIN not in allowed:
        document = document.append(_ALLOW, PLUGIN)
    entry = value_at(effective, _ENTRY)
    if not isinstance(entry, Mapping):
        return document.put(_ENTRY, {"enabled": True, "config": dict(wanted.config)})
    if "enabled" not in entry:
        document = document.put((*_ENTRY, "enabled"), value=True)
    config = entry.get("config")
    for key, value in wanted.config.items():
        if key in _SECRET or key not in (config if isinstance(config, Mapping) else {}):
            document = document.put((*_ENTRY, "config", key), value)
    return document


def unregister(document: Json5Text, before: Json5Text, door: str) -> Json5Text:
    """Return openclaw.json without the plugin, but with what it said of it `before`."""
    for path, added in ((_PATHS, door), (_ALLOW, PLUGIN)):
        items = value_at(document.value, path) or []
        if added not in (value_at(before.value, path) or ()):
            document = document.without(path, {number for number, item in enumerate(items) if item == added})
    earlier, now = before.find(*_ENTRY), document.find(*_ENTRY)
    if earlier is None:
        document = document.without(_ENTRY[:-1], {PLUGIN})
    elif now is not None:
        document = document.replace(now, before.text_of(earlier))
    ours: tuple[tuple[str, ...], ...] = (_PATHS, _ALLOW, _ENTRY[:-1], _PATHS[:-1], _PATHS[:-2])
    for container in ours:
        node = document.find(*container)
        if node is not None and not node.parts and before.find(*container) is None:
            document = document.without(container[:-1], {container[-1]})
    return document


def move_back(
    document: Json5Text, before: Json5Text, base: str | None, held: Iterable[str], *, output: str
) -> Json5Text:
    """Return openclaw.json with its `agents` section where it was.

    before: openclaw.json as it was; base: the operator's own file where he has changed it, None where it is as it was
    written; held: agents that went to the database.

    Raises: RefusedError when something stands beside our include, which would be lost, or agents cannot be put back.
    """
    node = document.find("agents")
    if node is None or f"./{output}" not in _include_names(document):
        return document  # the operator, or the gateway, has replaced the include since
    if document.value != {**_members(document), "agents": Json5Text(include_of(output)).value}:
        raise RefusedError(
            f"agents in openclaw.json has got members of its own beside the include: move them to {BASE} and run this "
            "again"
        )
    earlier = before.find("agents")
    if base is None:
        if earlier is None:
            return document.without((), {"agents"})
        return document.replace(node, before.text_of(earlier))
    section = Json5Text(Json5Text(base).text_of(Json5Text(base).root))
    if earlier is not None:
        section = _with_agents(section, Json5Text(before.text_of(earlier)), frozenset(held))
    return document.replace(node, section.text)


def _with_agents(section: Json5Text, before: Json5Text, held: frozenset[str]) -> Json5Text:
    """Put the agents that went to the database back into a section, as they were written. Those that the operator has
    added since take the form that the roster had: the gateway refuses a list beside entries.

    Raises: RefusedError when they cannot.
    """
    for part in before.root.parts:
        if part.key == "list":
            name = before.text[part.start : part.value.start]
            section = _with_list(section, name, Json5Text(before.text_of(part.value)))
        elif part.key == "entries":
            if section.find("entries") is None:
                section = section.put(("entries",), {})
            for entry in part.value.parts:
                if entry.key in held and section.find("entries", entry.key) is None:
                    section = section.insert(("entries",), before.text[entry.start : entry.value.end])
            section = _without_list(section)
    return section


def _with_list(section: Json5Text, name: str, roster: Json5Text) -> Json5Text:
    """Return a section whose agents all are members of this list. name: `list` and the colon as they were written."""
    since = {agent: f'{{ "id": {json.dumps(agent)}, {text[1:].lstrip()}' for agent, text in _entries_in(section)}
    since |= dict(_items_in(section))
    ids = [item.get("id") if isinstance(item, Mapping) else None for item in _items(roster.value, ())]
    roster = roster.without((), {number for number, agent in enumerate(ids) if agent in since})
    for text in since.values():
        roster = roster.insert((), text)
    return section.without((), {"entries", "list"}).insert((), name + roster.text)


def _without_list(section: Json5Text) -> Json5Text:
    """Return a section whose agents all are entries."""
    for name, text in _items_in(section):
        if section.find("entries", name) is None:
            entry = Json5Text(text).without((), {"id"}).text
            section = section.insert(("entries",), f"{json.dumps(name)}: {entry}")
    return section.without((), {"list"})


def _entries_in(section: Json5Text) -> Iterator[tuple[str, str]]:
    """Yield the entries of a section: name and text."""
    entries = section.find("entries")
    for part in entries.parts if entries is not None else ():
        if part.value.kind != "object" or part.key == "$include":
            raise RefusedError(f"agents.entries in {BASE} is not written out: write them there as a list of objects")
        yield str(part.key), section.text_of(part.value)


def _items_in(section: Json5Text) -> Iterator[tuple[str, str]]:
    """Yield the members of a section's list: name and text."""
    roster = section.find("list")
    if roster is None:
        return
    names = [item.get("id") if isinstance(item, Mapping) else None for item in _items(section.value, ("list",))]
    if roster.kind != "array" or not all(isinstance(name, str) for name in names):
        raise RefusedError(f"agents.list in {BASE} is no array of objects with an id: write them there as such")
    for name, part in zip(names, roster.parts, strict=True):
        yield str(name), section.text_of(part.value)


def is_named(effective: Mapping[str, Any], door: str) -> bool:
    """Return whether the gateway is told to load the plugin's folder."""
    return any(path in (door, _from_home(door)) for path in _items(effective, _PATHS))


def _from_home(path: str) -> str:
    """Return a path as a person may write it."""
    home = f"{Path.home()}/"
    return f"~/{path.removeprefix(home)}" if path.startswith(home) else path


def obstacle(effective: Mapping[str, Any]) -> str | None:
    """Return what the person has set so that the gateway would not load the plugin, None if nothing."""
    if value_at(effective, (*_ENTRY, "enabled")) not in (None, True):
        return f"plugins.entries.{PLUGIN}.enabled is not true: set it"
    if value_at(effective, ("plugins", "enabled")) is False:
        return "plugins.enabled is false: set it to true"
    if PLUGIN in _items(effective, ("plugins", "deny")):
        return f"plugins.deny names {PLUGIN}: take it out there"
    return None


def is_registered(effective: Mapping[str, Any], door: str) -> str | None:
    """Return why the gateway would not load the plugin, None if it would."""
    if not is_named(effective, door):
        return f"plugins.load.paths does not name {door}"
    if not isinstance(value_at(effective, _ENTRY), Mapping):
        return f"plugins.entries.{PLUGIN} is missing"
    allowed = _items(effective, _ALLOW)
    if allowed and PLUGIN not in allowed:
        return f"plugins.allow does not name {PLUGIN}: add it there"
    return obstacle(effective)


def _include_names(document: Json5Text) -> list[object]:
    names = value_at(document.value, ("agents", "$include"))
    return names if isinstance(names, list) else [names]


def _members(document: Json5Text) -> dict[str, Any]:
    assert isinstance(document.value, Mapping)  # it has an `agents`
    return dict(document.value)


def value_at(tree: object, path: Iterable[str]) -> Any:
    """Return what stands at a path of keys, None where nothing does."""
    for key in path:
        if not isinstance(tree, Mapping):
            return None
        tree = tree.get(key)
    return tree


def _items(tree: object, path: Iterable[str]) -> list[Any]:
    found = value_at(tree, path)
    return found if isinstance(found, list) else []
