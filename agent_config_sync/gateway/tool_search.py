"""`tools.toolSearch` of the gateway's configuration: where it is on, the tools of a caller never reach a model.

The model is offered tools for finding tools then, and knows no others. In the mode `directory` it has both.
"""

from __future__ import annotations

from collections.abc import Mapping

from agent_config_sync.model.site import GatewayVersion

PATH = ("tools", "toolSearch")

SINCE = GatewayVersion(2026, 5, 12)
"""The first version that takes the key."""

DIRECTORY_SINCE = GatewayVersion(2026, 7, 1)
"""The first version that takes its mode `directory`."""

UNASKED_AFTER = GatewayVersion(2026, 8, 1)
"""The last version seen in which nothing is searched unless the key says so; in 2026.9.6 everything is."""


def hides_tools(search: object, version: GatewayVersion | None) -> bool:
    """Return whether tools of a caller are hidden. search: what the key says, None where nothing does; version: None
    where nobody knows it, and then only what the key says counts."""
    if version is not None and version < SINCE:
        return False
    if isinstance(search, Mapping) and search:
        return search.get("enabled") is not False and search.get("mode") != "directory"
    if search is None or search == {}:
        return version is not None and version > UNASKED_AFTER
    return search is not False


def open_search(version: GatewayVersion | None) -> object:
    """Return a value of the key with which a caller's tools reach a model, and that takes as little as may be."""
    return {"mode": "directory"} if version is not None and version >= DIRECTORY_SINCE else False
