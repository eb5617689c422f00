"""How the gateway's openclaw.json includes our file: at which level, and what else is there."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyjson5

from agent_config_sync.errors import SettingsError
from agent_config_sync.model.credentials import PROVIDER
from agent_config_sync.model.merging import merged
from agent_config_sync.model.site import Layout
from agent_config_sync.publish.atomic import FileSignature

_INCLUDE = "$include"


@dataclass(frozen=True, slots=True)
class Layer:
    """A piece of the `agents` section, and the file that says it."""

    path: Path
    section: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ConfigLayout:
    """What openclaw.json says of our file.

    included_at: `section` below `agents`, `root` at the top, None where it is not included. under, over: what the
    operator's other files say of `agents`, in the order in which the gateway merges them; ours beats what is under it,
    and what is over it beats ours. sources: the files that this was read from, each as it was then, or None for one
    that was not there. values: what the included ones hold. unread: what is wrong with those that could not be read; of
    these `values` has what they held when they could. complete: nothing else is lacking. includes_keys: its `skills`
    includes our file of keys; secret_provider: how it would find our secrets file, None where it does not say;
    own_skills: what the operator's own files say of skills, by their entries.
    """

    included_at: Layout | None
    under: tuple[Layer, ...]
    over: tuple[Layer, ...]
    sources: Mapping[Path, FileSignature | None]
    values: Mapping[Path, Any] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    complete: bool = True
    includes_keys: bool = False
    secret_provider: Mapping[str, Any] | None = None
    own_skills: Mapping[str, Any] = field(default_factory=dict)

    @property
    def base(self) -> Mapping[str, Any]:
        """The `agents` section that the operator's own files make without ours."""
        return merged(layer.section for layer in (*self.under, *self.over))


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


def read_layout(
    config: Path, output: Path, *, keys: Path | None = None, known: Mapping[Path, Any] | None = None
) -> ConfigLayout:
    """Return how `config` includes `output`.

    keys: our file of keys, which `skills` may include; known: what included files held when they were last read, for
    those that cannot be read now.

    Raises: SettingsError when the file is not valid, OSError when it cannot be read.
    """
    reader = _Reader(real(output), config, known or {})
    document = reader.read_config()
    layers: list[Layer] = []
    included_at: Layout | None = None
    under = 0
    for piece in reader.document(document, config):
        if isinstance(piece, Layer):
            layers.append(piece)
        else:  # included twice, the last place counts: it beats the other
            included_at, under = piece, len(layers)
    if included_at is None:
        under = len(layers)
    includes_keys = keys is not None and reader.includes(document, config, ("skills",), real(keys))
    providers = _object(reader.section(document, config, "secrets").get("providers")) if includes_keys else {}
    skills = (
        reader.section(document, config, "skills", without=real(keys)) if includes_keys and keys is not None else {}
    )
    return ConfigLayout(
        included_at,
        tuple(layers[:under]),
        tuple(layers[under:]),
        reader.sources,
        reader.values,
        tuple(reader.unread),
        complete=reader.complete,
        includes_keys=includes_keys,
        secret_provider=_object(providers.get(PROVIDER)) or None,
        own_skills=_object(skills.get("entries")),
    )


def read_effective(config: Path, *, may_lack: Path | None = None) -> tuple[Mapping[str, Any], tuple[Path, ...]]:
    """Return the whole configuration as the gateway merges it, our file and all, and the files that it is made of.

    may_lack: a file that need not be there.

    Raises: SettingsError when one of the files is missing or not valid, OSError when it cannot be read.
    """
    reader = _Reader(real(may_lack) if may_lack is not None and not may_lack.exists() else None, config, {})
    effective: Mapping[str, Any] = reader.whole(reader.read_config(), config.parent)
    if reader.unread:
        raise SettingsError(reader.unread[0])
    return effective, tuple(reader.sources)


def read_section(config: Path, name: str) -> Mapping[str, Any]:
    """Return a section of the configuration as the gateway merges it, as far as its files can be read.

    Raises: SettingsError when openclaw.json itself is not valid, OSError when it cannot be read.
    """
    reader = _Reader(None, config, {})
    return reader.section(reader.read_config(), config, name)


@dataclass(slots=True)
class _Reader:
    """Walks through openclaw.json and what it includes, in the order in which the gateway merges: the included files
    one after the other, then what stands beside the include. Where our own file stands it says at which level.
    """

    ours: Path | None
    config: Path
    known: Mapping[Path, Any]
    sources: dict[Path, FileSignature | None] = field(default_factory=dict)
    values: dict[Path, Any] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    complete: bool = True
    _open: list[Path] = field(default_factory=list)

    def read_config(self) -> Mapping[str, Any]:
        """Return openclaw.json itself.

        Raises: SettingsError when it is not valid, OSError when it cannot be read.
        """
        self.sources[self.config] = signature(self.config)  # before it is read: a change in between is seen later
        document = read_json5(self.config)
        if not isinstance(document, Mapping):
            raise SettingsError(f"{self.config} must hold an object")
        return document

    def document(self, document: Mapping[str, Any], path: Path) -> Iterator[Layer | Layout]:
        """Yield what a whole configuration says of `agents`."""
        for included in _included(document, path.parent):
            if included == self.ours:
                yield "root"
                continue
            with self._inside(included) as value:
                yield from self.document(_object(value), included)
        section = document.get("agents")
        if isinstance(section, Mapping):
            yield from self._section(section, path)

    def _section(self, section: Mapping[str, Any], path: Path) -> Iterator[Layer | Layout]:
        for included in _included(section, path.parent):
            if included == self.ours:
                yield "section"
                continue
            with self._inside(included) as value:
                yield from self._section(_object(value), included)
        own = {key: self.whole(value, path.parent) for key, value in section.items() if key != _INCLUDE}
        if own:
            yield Layer(path, own)

    def includes(self, node: Mapping[str, Any], path: Path, below: tuple[str, ...], wanted: Path) -> bool:
        """Return whether a section of the configuration includes a file. below: its keys from this node on."""
        for included in _included(node, path.parent):
            if included == wanted:
                return not below
            with self._inside(included) as value:
                if self.includes(_object(value), included, below, wanted):
                    return True
        return bool(below) and self.includes(_object(node.get(below[0])), path, below[1:], wanted)

    def section(
        self, node: Mapping[str, Any], path: Path, key: str, *, without: Path | None = None
    ) -> Mapping[str, Any]:
        """Return a section of the configuration as the gateway merges it. without: a file that counts as empty."""
        parts: list[Mapping[str, Any]] = []
        for included in _included(node, path.parent):
            with self._inside(included) as value:
                parts.append(self.section(_object(value), included, key, without=without))
        own = node.get(key)
        if isinstance(own, Mapping):
            for included in _included(own, path.parent):
                if included != without:
                    with self._inside(included) as value:
                        parts.append(_object(self.whole(value, included.parent)))
            parts.append({name: self.whole(value, path.parent) for name, value in own.items() if name != _INCLUDE})
        return merged(parts)

    def whole(self, value: Any, folder: Path) -> Any:
        """Return a value with the files that it includes, at every level; a file alone may stand for any value."""
        if isinstance(value, list):
            return [self.whole(item, folder) for item in value]
        if not isinstance(value, Mapping):
            return value
        own = {key: self.whole(inner, folder) for key, inner in value.items() if key != _INCLUDE}
        parts: list[Any] = []
        for path in _included(value, folder):
            with self._inside(path) as included:
                parts.append(self.whole(included, path.parent))
        if len(parts) == 1 and not own:
            return parts[0]
        return merged([*(_object(part) for part in parts), own])

    @contextlib.contextmanager
    def _inside(self, path: Path) -> Iterator[Any]:
        """Lend the value in a file while what it includes is read; one that includes itself holds nothing there, and
        neither does our own.
        """
        if path in self._open or path in (self.ours, self.config):
            yield {}
            return
        if path not in self.sources:
            self.sources[path] = signature(path)
            self._read(path)
        self._open.append(path)
        try:
            yield self.values.get(path, {})
        finally:
            self._open.remove(path)

    def _read(self, path: Path) -> None:
        """Keep the value of a file; for one that cannot be read, what is known of it, and nothing if it never was."""
        try:
            self.values[path] = read_json5(path)
        except FileNotFoundError:
            problem = f"{self.config} includes {path}, which is not there: write it, or take the include out"
        except OSError as error:
            problem = f"{path} cannot be read ({error.strerror}): let this user read it"
        except SettingsError as error:
            problem = str(error)
        else:
            return
        self.unread.append(problem)
        if path in self.known:
            self.values[path] = self.known[path]
        else:
            self.complete = False


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _included(node: Mapping[str, object], folder: Path) -> Iterator[Path]:
    names = node.get(_INCLUDE)
    for name in [names] if isinstance(names, str) else names if isinstance(names, list) else []:
        if isinstance(name, str) and "\0" not in name:
            yield real(folder / name)


def real(path: Path) -> Path:
    """Return the path through symbolic links; unlike `resolve`, one that leads to itself is no error."""
    return Path(os.path.realpath(path))


def signature(path: Path) -> FileSignature | None:
    """Return by what a change of the file is known, None while it cannot be looked at."""
    try:
        return FileSignature.of(path.stat())
    except OSError:
        return None
