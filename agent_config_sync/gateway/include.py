"""How the gateway's openclaw.json includes our file: at which level, and what else is there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyjson5

from agent_config_sync.errors import SettingsError
from agent_config_sync.model.site import Layout

_INCLUDE = "$include"


@dataclass(frozen=True, slots=True)
class ConfigLayout:
    """What openclaw.json says of our file.

    included_at: `section` below `agents`, `root` at the top, None where it is not included. base: the `agents` section
    that the operator's other files make, merged as the gateway merges. sources: the files that this was read from.
    """

    included_at: Layout | None
    base: Mapping[str, Any]
    sources: tuple[Path, ...]


def read_json5(path: Path) -> object:
    """Return the value of a JSON5 file.

    Raises: SettingsError that names the file and the place, OSError.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is not UTF-8 text") from None
    try:
        return pyjson5.decode(text)
    except (pyjson5.Json5Exception, RecursionError, ValueError) as error:
        raise SettingsError(f"{path} is not valid JSON5{_place(error, text)}: correct it there") from None


def _place(error: Exception, text: str) -> str:
    """Return the line at which the parser gave up; its own words quote what it read, which may be a secret."""
    found = re.search(r"near (\d+)", str(error.args[0]) if error.args else "")
    return f" at line {text.count(chr(10), 0, int(found[1])) + 1}" if found else ""


def read_layout(config: Path, output: Path) -> ConfigLayout:
    """Return how `config` includes `output`.

    Raises: SettingsError when the file is not valid, OSError when it cannot be read.
    """
    document = read_json5(config)
    if not isinstance(document, Mapping):
        raise SettingsError(f"{config} must hold an object")
    ours = _real(output)
    section = document.get("agents")
    included_at: Layout | None = None
    if isinstance(section, Mapping) and ours in _included(section, config.parent):
        included_at = "section"
    elif ours in _included(document, config.parent):
        included_at = "root"
    sources = [config]
    base = _agents(document, config.parent, ours, sources)
    return ConfigLayout(included_at, base, tuple(sources))


def read_effective(config: Path) -> tuple[Mapping[str, Any], tuple[Path, ...]]:
    """Return the whole configuration as the gateway merges it, our file and all, and the files that it is made of.

    Raises: SettingsError when one of the files is missing or not valid, OSError when it cannot be read.
    """
    document = read_json5(config)
    if not isinstance(document, Mapping):
        raise SettingsError(f"{config} must hold an object")
    sources = [config]
    effective = _expanded(document, config.parent, config, sources)
    for path in sources[1:]:
        if not path.exists():
            raise SettingsError(f"{config} includes {path}, which is not there: write it, or take the include out")
        read_json5(path)
    return effective, tuple(sources)


def _agents(document: Mapping[str, Any], folder: Path, ours: Path, sources: list[Path]) -> Mapping[str, Any]:
    """Return the `agents` section that a document and the files it includes make without our file."""
    merged: Mapping[str, Any] = {}
    for path in _included(document, folder):
        if path != ours:
            merged = _merged(merged, _agents(_members(path, sources), path.parent, ours, sources))
    section = document.get("agents")
    return _merged(merged, _expanded(section, folder, ours, sources)) if isinstance(section, Mapping) else merged


def _expanded(node: Mapping[str, Any], folder: Path, ours: Path, sources: list[Path]) -> Mapping[str, Any]:
    """Return an object with the files that it includes, at every level: its own members win."""
    merged: Mapping[str, Any] = {}
    for path in _included(node, folder):
        if path != ours:
            merged = _merged(merged, _expanded(_members(path, sources), path.parent, ours, sources))
    own = {
        key: _expanded(value, folder, ours, sources) if isinstance(value, Mapping) else value
        for key, value in node.items()
        if key != _INCLUDE
    }
    return _merged(merged, own)


def _real(path: Path) -> Path:
    """Return the path through symbolic links; unlike `resolve`, one that leads to itself is no error."""
    return Path(os.path.realpath(path))


def _merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> Mapping[str, Any]:
    """Merge as the gateway does: objects by key, arrays one after the other, of anything else the later."""
    merged = dict(one)
    for key, value in other.items():
        known = merged.get(key)
        if isinstance(known, Mapping) and isinstance(value, Mapping):
            merged[key] = _merged(known, value)
        elif isinstance(known, list) and isinstance(value, list):
            merged[key] = [*known, *value]
        else:
            merged[key] = value
    return merged


def _included(node: Mapping[str, object], folder: Path) -> Iterator[Path]:
    names = node.get(_INCLUDE)
    for name in [names] if isinstance(names, str) else names if isinstance(names, list) else []:
        if isinstance(name, str) and "\0" not in name:
            yield _real(folder / name)


def _members(path: Path, sources: list[Path]) -> Mapping[str, Any]:
    """Return the members of the object in a file, none where there is none; a file is read once."""
    if path in sources:
        return {}
    sources.append(path)
    try:
        found = read_json5(path)
    except (OSError, SettingsError):
        return {}
    return found if isinstance(found, Mapping) else {}
