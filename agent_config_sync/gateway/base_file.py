"""The operator's base file of a managed openclaw.json: all that it holds beside the agents of the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent_config_sync.errors import RefusedError, SettingsError
from agent_config_sync.gateway.include import read_effective, signature
from agent_config_sync.publish.atomic import FileSignature
from agent_config_sync.settings import Settings

DEFAULT_NAME = "openclaw.base.json5"


@dataclass(slots=True)
class BaseFile:
    """Reads the base file, and what it includes, when one of them changed; one that breaks leaves what was known."""

    settings: Settings
    _known: Mapping[str, Any] | None = None
    _seen: Mapping[Path, FileSignature | None] = field(default_factory=dict)
    _warnings: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        return self.settings.config_base or self.settings.config_path.with_name(DEFAULT_NAME)

    def look(self) -> tuple[Mapping[str, Any], tuple[str, ...]]:
        """Return what it holds, and what is wrong with it.

        Raises: RefusedError when it cannot be read and never was: nobody can tell what the configuration must hold.
        """
        seen = {path: signature(path) for path in self._seen or (self.path,)}
        if self._known is None or seen != self._seen:
            self._read()
        if self._known is None:
            raise RefusedError(f"{self._warnings[0]}; until then nobody can tell what the configuration must hold")
        return self._known, self._warnings

    def _read(self) -> None:
        base = self.path
        self._seen = {base: signature(base)}
        try:
            self._known, sources = read_effective(base)
        except FileNotFoundError:
            if self.settings.config_base is None and self._known is None:
                self._known = {}
                self._warnings = (f"there is no {base}, so the configuration holds the agents alone: write one",)
            else:
                self._warnings = (f"there is no {base}: write it, or set config_base",)
        except OSError as error:
            self._seen = {}  # a disk may fail once; the file does not change when it works again
            self._warnings = (f"{base} cannot be read ({error.strerror}): let this user read it",)
        except SettingsError as error:
            self._warnings = (str(error),)
        else:
            self._seen = {path: signature(path) for path in sources}
            self._warnings = ()
