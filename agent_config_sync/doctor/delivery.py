"""Can this gateway give agents the turns that the board asks for?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agent_config_sync.doctor.finding import Finding, edit
from agent_config_sync.errors import SettingsError
from agent_config_sync.gateway.address import gateway_address
from agent_config_sync.gateway.include import read_effective
from agent_config_sync.gateway.responses import TOOLS_SINCE, takes_tools
from agent_config_sync.gateway.tool_search import PATH, hides_tools, open_search
from agent_config_sync.install.delivery import ENDPOINT
from agent_config_sync.install.openclaw_json import PLUGIN, value_at
from agent_config_sync.model.site import GatewayVersion
from agent_config_sync.settings import Settings

KNOWS_ITS_AGENTS = GatewayVersion(2026, 7, 1)
"""The first version that refuses a turn of an agent that it does not have; earlier ones let their default agent take
it."""

_PLUGIN = ("plugins", "entries", PLUGIN)


def examine_delivery(settings: Settings, version: GatewayVersion | None, *, child: bool) -> tuple[Finding, ...]:
    """Return what keeps agents from their turns, or their tools. child: the sync runs as the gateway's child."""
    if not settings.delivers:
        return ()
    config: Mapping[str, Any] | None
    try:
        config, _ = read_effective(settings.config_path, may_lack=settings.output)
    except FileNotFoundError:
        config = None
    except (OSError, SettingsError):
        return ()  # `examine_gateway` has said it
    return (
        *_endpoint(settings, config),
        *_token(settings, config, child=child),
        *_tools(settings, config or {}, version),
        *_agents(config or {}, version, child=child),
    )


def _endpoint(settings: Settings, config: Mapping[str, Any] | None) -> Iterator[Finding]:
    where = _where(settings)
    if config is None:
        what = f"there is no {settings.config_path}, so nobody can tell whether the gateway serves /v1/responses"
        yield Finding("responses_unknown", what, edit("set config_path to its openclaw.json, or delivery = false"))
    elif value_at(config, ENDPOINT) is not True:
        what = f"{where} does not let the gateway serve /v1/responses, by which agents get their turns"
        yield Finding(
            "responses_off", what, edit(f"set {'.'.join(ENDPOINT)} to true in {where} (install.sh --delivery)")
        )


def _token(settings: Settings, config: Mapping[str, Any] | None, *, child: bool) -> Iterator[Finding]:
    if value_at(config, ("gateway", "auth", "mode")) == "none":
        return
    _, token = gateway_address(settings.config_path, url=settings.gateway_url, token=settings.gateway_token)
    if token is None and not _is_child(config or {}, child=child):
        what = f"nobody can tell the gateway's token, which opens /v1/responses: {_where(settings)} does not say it"
        yield Finding("gateway_token_unknown", what, edit("set gateway_token (or OPENCLAW_GATEWAY_TOKEN)"))


def _tools(settings: Settings, config: Mapping[str, Any], version: GatewayVersion | None) -> Iterator[Finding]:
    if settings.client_tools is False:
        return
    search = value_at(config, PATH)
    if not takes_tools(version):
        what = (
            f"OpenClaw {version} gives an agent no tools of ours (since {TOOLS_SINCE} it does): agents call them over "
            f"HTTP, at {settings.tools_url}"
        )
        way_out = "update it; or set client_tools = false, and agent_base_url where agents do not reach that address"
        yield Finding("tools_over_http", what, edit(way_out))
    elif hides_tools(search, version):
        how = "where nothing is said of it" if search is None else "as it is set"
        wanted = "{ mode: 'directory' }" if open_search(version) else "false"
        what = f"tools.toolSearch, {how}, hides the tools of the board from the agents' models"
        yield Finding("tools_hidden", what, edit(f"set {'.'.join(PATH)} to {wanted} in {_where(settings)}"))


def _agents(config: Mapping[str, Any], version: GatewayVersion | None, *, child: bool) -> Iterator[Finding]:
    if version is None or version >= KNOWS_ITS_AGENTS or _is_child(config, child=child):
        return
    what = (
        f"OpenClaw {version} lets its default agent take the turn of an agent that it does not have yet, and does not "
        "say what it runs with to a process that it has not started"
    )
    way_out = f"let the gateway start this as its plugin (install.sh), or update it to {KNOWS_ITS_AGENTS} or later"
    yield Finding("turns_of_others", what, edit(way_out))


def _is_child(config: Mapping[str, Any], *, child: bool) -> bool:
    """Return whether the gateway starts the process that delivers, and tells it its token and what it runs with."""
    entry = value_at(config, _PLUGIN)
    return child or (isinstance(entry, Mapping) and entry.get("enabled") is not False)


def _where(settings: Settings) -> str:
    """Return the file in which a person says what the gateway is to do."""
    if settings.config_file == "managed":
        return str(settings.config_base or "the config_base of the gateway")
    return str(settings.config_path)
