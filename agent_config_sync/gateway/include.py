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
    section = document.get("agents")
    section = section if isinstance(section, Mapping) else {}
    here = _real(output)
    in_section, at_root = list(_included(section, config.parent)), list(_included(document, config.parent))
    included_at: Layout | None = "section" if here in in_section else "root" if here in at_root else None
    others = [path for path in (*at_root, *in_section) if path != here]
    parts = [_members(_members(path).get("agents")) for path in at_root if path != here]
    parts += [_members(path) for path in in_section if path != here]
    base: Mapping[str, Any] = {}
    for part in (*parts, section):
        base = _merged(base, {key: value for key, value in part.items() if key != _INCLUDE})
    return ConfigLayout(included_at, base, (config, *others))


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


def _members(source: object) -> Mapping[str, Any]:
    """Return the members of an object, or of the object in a file; of anything else none."""
    if isinstance(source, Path):
        try:
            source = read_json5(source)
        except (OSError, SettingsError):
            return {}
    return source if isinstance(source, Mapping) else {}
