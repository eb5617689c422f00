"""An operator's own templates: a folder, and two files that are taken as they are."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agent_config_sync.errors import SettingsError
from agent_config_sync.settings import Settings

SUFFIXES = (".md", ".md.j2")
LONGEST = 1_000_000
"""Bytes of a template; a gateway reads 20,000 characters of what comes out."""


@dataclass(frozen=True, slots=True)
class OwnTemplates:
    """Texts in the place of ours. templates: by name, such as `SOUL.md`; literal: by file of the workspace."""

    templates: Mapping[str, str] = field(default_factory=dict)
    literal: Mapping[str, str] = field(default_factory=dict)


class TemplateFolder:
    """An operator's own templates, read anew when a file changed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._seen: tuple[object, ...] | None = None
        self._own = OwnTemplates()

    def look(self) -> OwnTemplates:
        """Return them, the same object while nothing changed.

        Raises: SettingsError that names the file.
        """
        seen = tuple(_state_of(path) for path in self._paths())
        if seen != self._seen:
            self._own = read_own_templates(self._settings)
            self._seen = seen
        return self._own

    def _paths(self) -> list[Path]:
        settings = self._settings
        named = [path for path in (settings.agents_md_path, settings.heartbeat_md_path) if path is not None]
        folder = settings.templates_dir
        if folder is None:
            return named
        inside: list[Path] = []
        with contextlib.suppress(OSError):  # reading it says so
            inside = sorted(path for path in folder.iterdir() if path.name.endswith(SUFFIXES))
        return [*named, folder, *inside]


def _state_of(path: Path) -> tuple[object, ...]:
    """Return what changes with every change of a file."""
    try:
        status = path.stat()
    except OSError as error:
        return (path, error.errno)
    return (path, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def read_own_templates(settings: Settings) -> OwnTemplates:
    """Read what the settings name.

    Raises: SettingsError that names the file.
    """
    literal = {
        name: _text(path)
        for name, path in (("AGENTS.md", settings.agents_md_path), ("HEARTBEAT.md", settings.heartbeat_md_path))
        if path is not None
    }
    folder = settings.templates_dir
    return OwnTemplates(_of_folder(folder) if folder is not None else {}, literal)


def _of_folder(folder: Path) -> dict[str, str]:
    try:
        files = sorted(path for path in folder.iterdir() if path.name.endswith(SUFFIXES) and path.is_file())
    except OSError as error:
        raise SettingsError(f"templates_dir {folder} cannot be read ({error.strerror})") from None
    found: dict[str, Path] = {}
    for path in files:
        name = path.name.removesuffix(".j2")
        if name in found:
            raise SettingsError(f"{found[name]} and {path} are the same template: remove one of them")
        found[name] = path
    return {name: _text(path) for name, path in found.items()}


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LONGEST + 1)
        if len(content) > LONGEST:
            raise SettingsError(f"the template {path} has more than {LONGEST:,} bytes")
        return content.decode()
    except OSError as error:
        raise SettingsError(f"the template {path} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise SettingsError(f"the template {path} is not UTF-8 text") from None
