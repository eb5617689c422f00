"""`agent-config-sync install`: what install.sh hands over to, once there is a Python environment."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer

from agent_config_sync.cli.database import open_connection
from agent_config_sync.cli.options import FAILED, NOT_YET, Dsn, errors_end_the_command, given
from agent_config_sync.errors import SettingsError
from agent_config_sync.gateway.include import read_effective
from agent_config_sync.install.config_file import check_can_join
from agent_config_sync.install.database import prepare_database
from agent_config_sync.install.delivery import delivering
from agent_config_sync.install.found import Found, check_user, find
from agent_config_sync.install.installation import join_gateway, missing
from agent_config_sync.install.job import Job, Options, Outcome, Say
from agent_config_sync.install.naming import name_beside_others
from agent_config_sync.install.places import Places
from agent_config_sync.install.recovery import recover
from agent_config_sync.install.roster import check_roster
from agent_config_sync.install.sources import find_settings, plugin_config, unset_names
from agent_config_sync.install.withdrawal import remove_shared, withdraw
from agent_config_sync.logs import set_up_logs
from agent_config_sync.postgres.migrate import PATIENCE
from agent_config_sync.publish.lock import FileLock
from agent_config_sync.setting_sources import load_settings
from agent_config_sync.settings import Settings

LOCK_DEADLINE = 60.0
"""Seconds to wait for another installation of this user."""


def install(
    dsn: Dsn = None,
    database: Annotated[str | None, typer.Option("--database", help="Another database name.")] = None,
    verify_only: Annotated[bool, typer.Option("--verify-only", help="Look at everything; change nothing.")] = False,
    uninstall: Annotated[
        bool, typer.Option("--uninstall", help="Put back what was there; the database stays.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Go on where something would be left out.")] = False,
    no_restart: Annotated[bool, typer.Option("--no-restart", help="Restart nothing from here.")] = False,
    no_gateway: Annotated[bool, typer.Option("--no-gateway", help="Only the database.")] = False,
    delivery: Annotated[
        bool, typer.Option("--delivery", help="Let notifications of the board become turns of agents.")
    ] = False,
) -> None:
    """Put agent-config-sync beside the gateway of this user; install.sh makes the Python environment first."""
    options = Options(look=verify_only, force=force, restart=not no_restart, delivery=delivery)
    with errors_end_the_command():
        if delivery and (uninstall or no_gateway):
            raise SettingsError("--delivery goes with neither --uninstall nor --no-gateway: leave one out")
        set_up_logs("error", "text")  # what a pass has to tell is told as its step
        if uninstall:
            asyncio.run(_uninstall(options))
            return
        seen = asyncio.run(_install(options, given(dsn=dsn, database=database), gateway=not no_gateway))
    if seen.wanting and verify_only:
        raise typer.Exit(NOT_YET)
    if seen.wanting:
        print("\n".join(f"not so: {line}" for line in seen.wanting))
        raise typer.Exit(FAILED)
    but = f", but not {' and not '.join(seen.unseen)}" if seen.unseen else ""
    what = "the database is" if no_gateway else "database, files and gateway configuration are"
    print(f"verified{but}: {what} as said")


@dataclass(slots=True)
class Seen:
    """What a look at everything has shown. wanting: what is not as it should be; unseen: what it could not see."""

    wanting: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)


async def _install(options: Options, command_line: dict[str, object], *, gateway: bool) -> Seen:
    """Do it, and return what is not as it should be."""
    places = Places.of(load_settings(command_line={}))
    if gateway:
        check_user(places)
    if options.look:
        return await _steps(places, options, command_line, gateway=gateway)
    async with FileLock(places.lock).held(LOCK_DEADLINE):
        return await _steps(places, options, command_line, gateway=gateway)


def _settings_of_gateway(places: Places, found: Found, command_line: dict[str, object], say: Say) -> Settings:
    """Return the settings for the gateway that was found, and say what is odd about them."""
    settings = find_settings(places.config, found.effective, command_line)
    if unset := unset_names(found.effective):
        say("note", "database", f"only the gateway's environment has {', '.join(unset)}: its login is not checked")
    name = name_beside_others(settings, places, plugin_config(found.effective))
    if name is None:
        return settings
    other_name = "AGENT_CONFIG_SYNC_GATEWAY names it otherwise"
    say("note", "gateway", f"another one of this user is called {settings.gateway}: this one is {name} ({other_name})")
    return settings.model_copy(update={"gateway": name})


def _effective(places: Places) -> Mapping[str, Any]:
    """Return the gateway's configuration where it can be read; the database can be prepared without it."""
    try:
        return read_effective(places.config)[0]
    except (SettingsError, OSError):
        return {}


async def _uninstall(options: Options) -> None:
    settings = load_settings(command_line={})
    job = Job(settings, Places.of(settings), options, _told)
    check_user(job.places)
    async with FileLock(job.places.lock).held(LOCK_DEADLINE):
        await withdraw(job)
        remove_shared(job)


def _told(outcome: Outcome, step: str, text: str) -> None:
    print(f"{outcome:<8} {step:<14} {text}", flush=True)


async def _steps(places: Places, options: Options, command_line: dict[str, object], *, gateway: bool) -> Seen:
    seen = Seen()

    def say(outcome: Outcome, step: str, text: str) -> None:
        if outcome != "unseen":
            _told(outcome, step, text)
        elif text not in seen.unseen:
            seen.unseen.append(text)
        if outcome == "would":
            seen.wanting.append(text)

    if gateway:
        recover(places, options, say)
        if seen.wanting:
            return seen  # the rest builds on what is gone
    found = find(places, mend=not options.look) if gateway else None
    if found is None:
        settings = find_settings(places.config, _effective(places), command_line)
    else:
        settings = _settings_of_gateway(places, found, command_line, say)
        if options.delivery:
            settings = delivering(settings)
    job = Job(settings, Places.of(settings), options, say)
    if found is not None and job.places != places:  # the plugin's config names another output
        found = find(job.places, mend=not options.look)
    if found is not None:
        check_can_join(job, found)
        check_roster(job, found)
    async with open_connection(settings, notices=not options.look, timing=PATIENCE) as connection:
        await prepare_database(job, connection)
        if options.look and seen.wanting:
            return seen  # nothing else can be looked at without the tables
        if found is not None:
            await join_gateway(job, connection, found)
        if not options.look:
            seen.wanting = await missing(job, connection, gateway=gateway)
        return seen
