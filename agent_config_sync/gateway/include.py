"""How the gateway's openclaw.json includes our file: at which level, and what else is there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyjson5

from agent_config_sync.errors import SettingsError
from agent_config_sync.model.site import Layout

_INCLUDE = "$include"


@dataclass(frozen=True, slots=True)
class ConfigLayout:
    """What openclaw.json says of our file.

    included_at: `section` below `agents`, `root` at the top, None where it is not included. base_agents: ids that the
    operator's other files define beside ours. sources: the files that this was read from.
    """

    included_at: Layout | None
    base_agents: frozenset[str]
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
    here = output.resolve()
    in_section = list(_included(section, config.parent))
    if here in in_section:
        others = [path for path in in_section if path != here]
        return ConfigLayout("section", _ids([*map(_members, others), section]), (config, *others))
    at_root = list(_included(document, config.parent))
    if here in at_root:
        others = [path for path in at_root if path != here]
        sections = [_members(_members(path).get("agents")) for path in others]
        return ConfigLayout("root", _ids([*sections, section]), (config, *others))
    return ConfigLayout(None, frozenset(), (config,))


def _included(node: Mapping[str, object], folder: Path) -> Iterator[Path]:
    names = node.get(_INCLUDE)
    for name in [names] if isinstance(names, str) else names if isinstance(names, list) else []:
        if isinstance(name, str) and "\0" not in name:
            yield (folder / name).resolve()


def _members(source: object) -> Mapping[str, object]:
    """Return the members of an object, or of the object in a file; of anything else none."""
    if isinstance(source, Path):
        try:
            source = read_json5(source)
        except (OSError, SettingsError):
            return {}
    return source if isinstance(source, Mapping) else {}


def _ids(sections: list[Mapping[str, object]]) -> frozenset[str]:
    found: set[str] = set()
    for section in sections:
        entries, roster = section.get("entries"), section.get("list")
        if isinstance(entries, Mapping):
            found.update(str(name) for name in entries)
        if isinstance(roster, list):
            found.update(str(agent["id"]) for agent in roster if isinstance(agent, Mapping) and "id" in agent)
    return frozenset(found)
