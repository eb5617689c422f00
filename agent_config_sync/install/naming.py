"""What a gateway is called beside another one of this user on this host: both would go by the name of the host."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from agent_config_sync.errors import SettingsError
from agent_config_sync.gateway.include import read_effective
from agent_config_sync.install.places import Places
from agent_config_sync.install.record import read_record
from agent_config_sync.install.sources import plugin_config
from agent_config_sync.settings import Settings

_PROFILE = ".openclaw-"


def name_beside_others(settings: Settings, places: Places, plugin: Mapping[str, object]) -> str | None:
    """Return a name of its own for the second gateway, None where it has one or is the first. plugin: what its
    configuration says of ours.

    Raises: RefusedError when a record is broken.
    """
    if "gateway" in settings.model_fields_set:
        return None
    others = [config for config in others_of(places) if _name_told(config) in (None, settings.gateway)]
    if not others:
        return None
    if "command" in plugin and places.record.exists():
        return None  # it is installed, and the first
    name = _name_of(places.config)
    if name in map(_name_of, others_of(places)):
        name = f"{name}-{places.record.stem[:6]}"
    return f"{settings.gateway}-{name}"


def others_of(places: Places) -> list[Path]:
    """Return the configurations of this user's other gateways; a record whose configuration is gone is of none.

    Raises: RefusedError when a record is broken.
    """
    records = (read_record(path) for path in places.others())
    configs = (Path(record.config) for record in records if record is not None)
    return [config for config in configs if config.exists()]


def _name_told(config: Path) -> object:
    """Return the name that a configuration gives its gateway, None where it gives none or cannot be read."""
    try:
        return plugin_config(read_effective(config)[0]).get("gateway")
    except (SettingsError, OSError):
        return None


def _name_of(config: Path) -> str:
    """Return the profile of a configuration, else the name of its folder."""
    return config.parent.name.removeprefix(_PROFILE).lstrip(".")
