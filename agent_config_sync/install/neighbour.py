"""The gateway for which an existing configuration is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent_config_sync.gateway.rules import roster_for, rules_for
from agent_config_sync.gateway.version import find_version
from agent_config_sync.model.site import Roster, Site
from agent_config_sync.settings import Settings


def roster_with(settings: Settings, *sections: Mapping[str, Any]) -> Roster:
    """Return the roster for this gateway: the one of its version, else, where nobody knows that, the one that the first
    of these `agents` sections has which has any; the two forms may not stand together.
    """
    if settings.roster != "auto":
        return settings.roster
    version = find_version(settings.gateway_version, None)
    for section in sections if version is None else ():
        if section.get("entries"):
            return "entries"
        if section.get("list"):
            return "list"
    return roster_for(version)


def site_for(settings: Settings, *sections: Mapping[str, Any]) -> Site:
    """Return what rendering must know of the gateway beside us. sections: as above; the last one is the whole."""
    version = find_version(settings.gateway_version, None)
    return Site(
        gateway=settings.gateway,
        version=version,
        roster=roster_with(settings, *sections),
        layout="section",
        rules=rules_for(version),
        base=sections[-1],
    )
