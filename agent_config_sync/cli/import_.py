"""`agent-config-sync import`: the agents of an existing openclaw.json, into the database."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer

from agent_config_sync.cli.database import open_connection
from agent_config_sync.cli.options import (
    NOT_YET,
    Config,
    Dsn,
    GatewayVersion,
    errors_end_the_command,
    given,
    settings_of,
)
from agent_config_sync.errors import SettingsError
from agent_config_sync.gateway.include import read_effective
from agent_config_sync.gateway.version import find_version
from agent_config_sync.install.adoption import Adoption, adopt
from agent_config_sync.install.intake import Intake, plan_intake, take_in_agents
from agent_config_sync.install.neighbour import site_for
from agent_config_sync.logs import set_up_logs
from agent_config_sync.settings import Settings


def import_(
    dsn: Dsn = None,
    config: Config = None,
    gateway_version: GatewayVersion = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace what the database has of these agents and settings.")
    ] = False,
) -> None:
    """Take the agents of openclaw.json into the database; no file is changed. Ends with 3 if something is left out."""
    with errors_end_the_command():
        settings = settings_of(given(dsn=dsn, gateway_version=gateway_version), config)
        set_up_logs(settings.log_level, "text")
        adoption, intake, kept = asyncio.run(_import(settings, replace=replace))
    if adoption.losses and find_version(settings.gateway_version, None) is None:
        print("note: the version of the gateway is not known here, --gateway-version names it", file=sys.stderr)
    for name in intake.new:
        print(f"imported: {name}" + (f" (for {settings.gateway} alone)" if intake.only_here else ""))
    for name in intake.replaced:
        print(f"replaced: {name}")
    for name in intake.same:
        print(f"already there: {name}")
    left_out = [*adoption.losses, *intake.kept, *kept]
    for line in left_out:
        print(f"left out: {line}")
    if not (adoption.agents or left_out):
        print(f"{settings.config_path} has no agents")
    if left_out:
        raise typer.Exit(NOT_YET)


async def _import(settings: Settings, *, replace: bool) -> tuple[Adoption, Intake, tuple[str, ...]]:
    try:
        effective, _ = read_effective(settings.config_path)
    except OSError as error:
        raise SettingsError(
            f"{settings.config_path} cannot be read ({error.strerror}): set config_path or OPENCLAW_CONFIG_PATH"
        ) from None
    section = effective.get("agents", {})
    if not isinstance(section, dict):
        raise SettingsError(f"agents in {settings.config_path} must be an object: correct it there")
    site = site_for(settings, section)
    adoption = adopt(section, site)
    async with open_connection(settings) as connection:
        intake = await plan_intake(connection, adoption, site, account=settings.account, replace=replace)
        kept = await take_in_agents(connection, intake, adoption, site, account=settings.account, replace=replace)
    return adoption, intake, kept
