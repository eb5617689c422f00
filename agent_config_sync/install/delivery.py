"""Let openclaw.json say what delivery needs of the gateway and of the plugin, and take it back."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from pydantic.alias_generators import to_camel

from agent_config_sync.errors import RefusedError
from agent_config_sync.gateway.tool_search import PATH as SEARCH
from agent_config_sync.gateway.tool_search import hides_tools, open_search
from agent_config_sync.gateway.version import find_version
from agent_config_sync.install.found import Found
from agent_config_sync.install.job import Job
from agent_config_sync.install.json5_text import Json5Text
from agent_config_sync.install.openclaw_json import PLUGIN, value_at
from agent_config_sync.install.sources import plugin_config
from agent_config_sync.settings import Settings

ENDPOINT = ("gateway", "http", "endpoints", "responses", "enabled")

_PORTS = range(3000, 3100)
"""Where health is served, the first that is free: another gateway of this machine may have the usual one."""

_NEEDED = ("delivery", "health_port", "workspace_root")


def delivering(settings: Settings) -> Settings:
    """Return the settings with what delivery needs.

    Raises: RefusedError where they switch off what it needs.
    """
    changes: dict[str, object] = {"delivery": True}
    if settings.health_address is None:
        changes["health_port"] = _free_port()
    if settings.workspaces is None:
        changes["workspace_root"] = settings.config_path.absolute().with_name("workspaces")
    changed = settings.model_copy(update=changes)
    if settings.delivery is False or not changed.has_board:
        raise RefusedError(
            f"delivery needs the board, health and workspaces, and the config of {PLUGIN} or the environment switches "
            "one of them off (delivery, board, health, profile_sync): take that out there"
        )
    return changed


def delivery_config(job: Job, found: Found) -> dict[str, object]:
    """Return what the plugin's config must say besides, as far as it says nothing of it."""
    if not job.options.delivery:
        return {}
    said = {spelling for key in plugin_config(found.effective) for spelling in (key, to_camel(key))}
    values = {name: getattr(job.settings, name) for name in _NEEDED}
    wanted = {to_camel(name): value for name, value in values.items() if value is not None}
    return {
        name: value if isinstance(value, bool | int) else str(value)
        for name, value in wanted.items()
        if name not in said
    }


def give_delivery(job: Job, found: Found, document: Json5Text) -> tuple[Json5Text, dict[str, str | None]]:
    """Return openclaw.json with what delivery needs of the gateway; and of each key that was set, what stood there.

    Raises: RefusedError where the keys have no place.
    """
    given: dict[str, str | None] = {}
    if not job.options.delivery:
        return document, given
    for path, value in _wanted(job, found).items():
        node = document.find(*path)
        try:
            given[".".join(path)] = document.text_of(node) if node is not None else None
            document = document.put(path, value)
        except ValueError:
            raise RefusedError(
                f"{job.places.config} has no place for {'.'.join(path)}: write {path[0]} out there, as an object"
            ) from None
    return document, given


def tell_given(job: Job, given: Mapping[str, str | None]) -> None:
    """Say what of a person's own was changed, and what this could not know."""
    for path, before in given.items():
        if before is not None:
            job.say("note", "delivery", f"{path} was {before}, with which no turn or no tool would reach an agent")
    if job.options.delivery and find_version(job.settings.gateway_version, None) is None:
        job.say("note", "delivery", "the gateway's version is not known: doctor says what it lacks once it is")


def take_delivery(document: Json5Text, before: Json5Text, given: Mapping[str, str | None]) -> Json5Text:
    """Return openclaw.json without what `give_delivery` has set, unless it was changed since. before: as it was."""
    for dotted, earlier in given.items():
        path = tuple(dotted.split("."))
        node = document.find(*path)
        if node is None or Json5Text(document.text_of(node)).value not in (True, False, {"mode": "directory"}):
            continue
        if earlier is not None:
            document = document.replace(node, earlier)
            continue
        document = document.without(path[:-1], {path[-1]})
        for depth in range(len(path) - 1, 0, -1):
            container = document.find(*path[:depth])
            if container is not None and not container.parts and before.find(*path[:depth]) is None:
                document = document.without(path[: depth - 1], {path[depth - 1]})
    return document


def _wanted(job: Job, found: Found) -> dict[tuple[str, ...], object]:
    """Return the keys that the gateway has not as delivery needs them, with their values."""
    wanted: dict[tuple[str, ...], object] = {}
    version = find_version(job.settings.gateway_version, None)
    if value_at(found.effective, ENDPOINT) is not True:
        wanted[ENDPOINT] = True
    if job.settings.client_tools is not False and hides_tools(value_at(found.effective, SEARCH), version):
        wanted[SEARCH] = open_search(version)
    return wanted


def _free_port() -> int:
    for port in _PORTS:
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                taken.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RefusedError("no port from 3000 to 3099 is free for health: set HEALTH_PORT")
