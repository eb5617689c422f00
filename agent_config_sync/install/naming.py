"""What a gateway is called beside another one of this user on this host: both would go by the name of the host."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from agent_config_sync.install.places import Places
from agent_config_sync.install.record import read_record
from agent_config_sync.settings import Settings

_PROFILE = ".openclaw-"


def name_beside_others(settings: Settings, places: Places, plugin: Mapping[str, object]) -> str | None:
    """Return a name of its own for the second gateway, None where it has one or is the first. plugin: what its
    configuration says of ours.

    Raises: RefusedError when a record is broken.
    """
    if "gateway" in settings.model_fields_set or not places.others():
        return None
    if "command" in plugin and places.record.exists():
        return None  # it is installed, and the first
    name = _name_of(places.config)
    others = [record.config for path in places.others() if (record := read_record(path)) is not None]
    if name in map(_name_of, map(Path, others)):
        name = f"{name}-{places.record.stem[:6]}"
    return f"{settings.gateway}-{name}"


def _name_of(config: Path) -> str:
    """Return the profile of a configuration, else the name of its folder."""
    return config.parent.name.removeprefix(_PROFILE).lstrip(".")
