"""`agent-config-sync sync`: one pass."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import orjson
import typer

from agent_config_sync.cli.options import (
    FAILED,
    NOT_YET,
    AsJson,
    Config,
    Dsn,
    GatewayVersion,
    LogLevel,
    Output,
    errors_end_the_command,
    given,
    settings_of,
)
from agent_config_sync.events import (
    Event,
    Held,
    Published,
    Refused,
    ReloadDeferred,
    Reloaded,
    StatusUnwritable,
    Unchanged,
    Warned,
)
from agent_config_sync.logs import set_up_logs
from agent_config_sync.plugin import Plugin
from agent_config_sync.settings import Settings
from agent_config_sync.sync.visit import Visit


def sync(
    dsn: Dsn = None,
    config: Config = None,
    output: Output = None,
    gateway_version: GatewayVersion = None,
    log_level: LogLevel = None,
    as_json: AsJson = False,
) -> None:
    """Do one pass: write agents.json if the database says something new, tell the gateway, and end."""
    options = given(dsn=dsn, output_path=output, gateway_version=gateway_version, log_level=log_level)
    with errors_end_the_command():
        settings = settings_of(options, config)
        set_up_logs("error" if as_json else log_level or "warning", "text")
        summary = asyncio.run(one_pass(settings, Visit.once))
    if as_json:
        print(orjson.dumps(summary, option=orjson.OPT_INDENT_2).decode())
    elif summary["refused"] is None:
        print(sentence(summary))
    if summary["refused"] is not None:
        raise typer.Exit(FAILED)
    if summary["held"] is not None:
        raise typer.Exit(NOT_YET)


async def one_pass(settings: Settings, do: Callable[[Visit], Awaitable[None]]) -> dict[str, object]:
    """Do one pass and return what became of it."""
    plugin = Plugin(settings)
    seen: list[Event] = []
    plugin.events.subscribe(seen.append)
    await do(plugin.visit)
    return _summary(settings, seen)


def sentence(summary: dict[str, object]) -> str:
    """Return what became of a pass that was not refused."""
    told = f"; the gateway was told ({summary['told']})" if summary["told"] not in (None, "none") else ""
    held = f"; {summary['held']}" if summary["held"] is not None else ""
    return f"{summary['path']}: " + ("published" if summary["changed"] else "up to date") + told + held


def _summary(settings: Settings, seen: list[Event]) -> dict[str, object]:
    summary: dict[str, object] = {
        "path": str(settings.output),
        "changed": False,
        "told": None,
        "warnings": [],
        "refused": None,
        "held": None,
    }
    for event in seen:
        match event:
            case Published(content_hash=content, after=after):
                summary |= {"changed": True, "content_hash": content, "bytes": len(after)}
            case Unchanged(content_hash=content):
                summary |= {"content_hash": content}
            case Reloaded(method=method):
                summary |= {"told": method}
            case Warned(warnings=warnings):
                summary |= {"warnings": list(warnings)}
            case Held(reason=reason):
                summary |= {"held": reason}
            case Refused(reason=reason):
                summary |= {"refused": reason}
            case ReloadDeferred(reason=reason):
                summary |= {"not_told": reason}
            case StatusUnwritable(reason=reason):
                summary |= {"not_reported": reason}
            case _:
                pass
    return summary
