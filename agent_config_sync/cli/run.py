"""`agent-config-sync run`: the daemon."""

from __future__ import annotations

import asyncio
import gc
import signal
from typing import Annotated

import typer

from agent_config_sync.cli.options import Config, Dsn, LogLevel, Output, errors_end_the_command, given, settings_of
from agent_config_sync.cli.systemd import feed_watchdog, tell_systemd
from agent_config_sync.errors import SettingsError
from agent_config_sync.events import Event, HealthServed
from agent_config_sync.gateway.door import Door, DoorHandler, door_settings, warn_of_another_version
from agent_config_sync.gateway.rpc import RpcInformant, find_address
from agent_config_sync.logs import install, set_up_logs
from agent_config_sync.plugin import Plugin
from agent_config_sync.setting_sources import load_settings


def run(
    dsn: Dsn = None,
    config: Config = None,
    output: Output = None,
    log_level: LogLevel = None,
    door: Annotated[
        bool,
        typer.Option("--door", help="Started by the gateway's plugin: speak with it over standard input and output."),
    ] = False,
) -> None:
    """Keep agents.json in step with the database until SIGTERM."""
    options = given(dsn=dsn, output_path=output, log_level=log_level)
    with errors_end_the_command():
        status = asyncio.run(_behind_the_door(options, config) if door else _alone(options, config))
    if status is not None:
        raise typer.Exit(status)


async def _alone(options: dict[str, object], config: str | None) -> int | None:
    settings = settings_of(options, config)
    set_up_logs(settings.log_level, settings.log_format)
    address = find_address(settings.config_path, url=settings.gateway_url, token=settings.gateway_token)
    informant = RpcInformant(address) if address is not None else None
    return await _until_stopped(Plugin(settings, informant=informant), _stop_signal())


async def _behind_the_door(options: dict[str, object], config: str | None) -> int | None:
    door = await Door.open()
    install(DoorHandler(door), "info")
    door.hello()
    greeting = await door.greeting()
    warn_of_another_version(greeting)
    told = door_settings(greeting)
    settings = load_settings(command_line=options, config_file=config, door=told)
    if settings.gateway_command is not None:
        raise SettingsError(
            "the setting gateway_command is for a process that runs alone, and the gateway has started this one: "
            "take it out"
        )
    install(DoorHandler(door), settings.log_level)
    serving = asyncio.create_task(door.serve(), name="door")
    status = await _until_stopped(Plugin(settings, informant=door), _stop_signal(), serving)
    serving.cancel()
    return status


async def _until_stopped(plugin: Plugin, *reasons: asyncio.Future[None]) -> int | None:
    """Run until a signal has come, the gateway has closed our standard input, the sync has ended by itself, or an
    operator wants another process. Return the exit status that this one is to have then."""
    plugin.events.subscribe(_keep_what_is_loaded)
    await plugin.start()
    tell_systemd("READY=1")
    watchdog = asyncio.create_task(feed_watchdog(), name="watchdog")
    running = asyncio.ensure_future(plugin.wait())
    await asyncio.wait([running, *reasons], return_when=asyncio.FIRST_COMPLETED)
    tell_systemd("STOPPING=1")
    await plugin.stop()
    watchdog.cancel()
    await running
    return plugin.exit_status


def _keep_what_is_loaded(event: Event) -> None:
    """Let the garbage collector look no more at what is there once all is served: it stays, and to look at all of it
    keeps every request waiting for 40 ms. This process is ours; a Python host decides for itself."""
    if isinstance(event, HealthServed):
        gc.freeze()


def _stop_signal() -> asyncio.Future[None]:
    """Return a future that SIGTERM or SIGINT completes. A second one ends the process at once, whatever it is at: what
    it holds in the database expires by itself, and its files are whole at every moment."""
    loop = asyncio.get_running_loop()
    stop: asyncio.Future[None] = loop.create_future()
    numbers = (signal.SIGTERM, signal.SIGINT)

    def stopped() -> None:
        for number in numbers:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        stop.set_result(None)

    for number in numbers:
        loop.add_signal_handler(number, stopped)
    return stop
