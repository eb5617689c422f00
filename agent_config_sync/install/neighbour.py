"""The gateway for which an existing configuration is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent_config_sync.gateway.rules import roster_for, rules_for
from agent_config_sync.gateway.version import find_version
from agent_config_sync.model.site import Roster, Site
from agent_config_sync.settings import Settings


def roster_with(settings: Settings, section: Mapping[str, Any]) -> Roster:
    """Return the roster for a gateway with this `agents` section: one that holds `entries` is of a version that takes
    them, and the two forms may not stand together."""
    if settings.roster != "auto":
        return settings.roster
    if section.get("entries"):
        return "entries"
    return roster_for(find_version(settings.gateway_version, None))


def site_for(settings: Settings, section: Mapping[str, Any]) -> Site:
    """Return what rendering must know of the gateway beside us. section: its whole `agents` section."""
    version = find_version(settings.gateway_version, None)
    return Site(
        gateway=settings.gateway,
        version=version,
        roster=roster_with(settings, section),
        layout="section",
        rules=rules_for(version),
        base=section,
    )
