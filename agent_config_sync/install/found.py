"""The gateway's configuration as an installation finds it."""

from __future__ import annotations

import contextlib
import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent_config_sync.errors import RefusedError
from agent_config_sync.gateway.include import ConfigLayout, read_effective, read_json5, read_layout
from agent_config_sync.install.json5_text import Json5Text
from agent_config_sync.install.places import Places
from agent_config_sync.model.site import Layout
from agent_config_sync.publish import atomic
from agent_config_sync.publish.atomic import Ownership
from agent_config_sync.publish.gate import Gate


@dataclass(frozen=True, slots=True)
class Found:
    """openclaw.json. content: None where there is none yet; effective: with all that it includes; layout: how it
    includes our file, None likewise."""

    content: bytes | None
    document: Json5Text
    effective: Mapping[str, Any]
    layout: ConfigLayout | None

    @property
    def included_at(self) -> Layout | None:
        """Where it includes our file, None where it does not."""
        return self.layout.included_at if self.layout is not None else None

    @property
    def agents(self) -> Mapping[str, Any]:
        """The whole `agents` section."""
        section = self.effective.get("agents")
        return section if isinstance(section, Mapping) else {}

    @property
    def sections(self) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """The operator's own part of it, and the whole."""
        return self.layout.base if self.layout is not None else {}, self.agents

    def check_unchanged(self, places: Places) -> None:
        """Raise RefusedError if somebody, such as the gateway itself, has written openclaw.json since."""
        now = places.target.read_bytes() if places.target.exists() else None
        if now != self.content:
            raise RefusedError(f"{places.config} was changed by somebody meanwhile: run this again")


def check_user(places: Places) -> None:
    """Raise RefusedError for a user whose files the gateway could not write, or would not load."""
    own = places.config.parent
    folder = next((folder for folder in (own, *own.parents) if folder.exists()), own)
    with contextlib.suppress(FileNotFoundError):
        owner = folder.stat().st_uid
        if owner != os.geteuid() and (folder == own or os.geteuid() == 0):  # anybody else cannot make it there
            name = _name_of(owner)
            raise RefusedError(f"{folder} belongs to {name}: run this as that user (sudo -iu {name})")


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def find(places: Places, *, mend: bool) -> Found:
    """Read it. mend: put an empty file where openclaw.json includes ours and there is none; a pass replaces it.

    Raises: SettingsError, RefusedError, PublishError.
    """
    config = places.config
    check_user(places)
    try:
        if not config.exists():
            return Found(None, Json5Text("{}\n"), {}, None)
        read_json5(config)  # says at which line it is not valid
        layout = read_layout(config, places.output, keys=places.keys)
        if mend and layout.included_at is not None and not places.output.exists():
            atomic.replace(places.output, b"{}\n", gate=Gate(), like=Ownership.of(places.target))
        effective, _ = read_effective(config, may_lack=places.output)
        content = config.read_bytes()
        return Found(content, Json5Text(content.decode()), effective, layout)
    except OSError as error:
        raise RefusedError(f"{config} cannot be read ({error.strerror}): let this user read it") from None
    except ValueError as error:
        raise RefusedError(f"{config} cannot be edited: it is {error}") from None
