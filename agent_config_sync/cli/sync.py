"""`agent-config-sync sync`: one pass."""

from __future__ import annotations

import asyncio
import logging

import orjson

from agent_config_sync.cli.options import (
    AsJson,
    Config,
    Dsn,
    GatewayVersion,
    LogLevel,
    Output,
    errors_end_the_command,
    given,
)
from agent_config_sync.errors import RefusedError, SyncError
from agent_config_sync.events import (
    Applied,
    Event,
    PassFailed,
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
from agent_config_sync.settings import Settings, load_settings


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
        settings = load_settings(command_line=options, config_file=config)
        set_up_logs("error" if as_json else settings.log_level, "text")
        asyncio.run(_sync(settings, as_json=as_json))


async def _sync(settings: Settings, *, as_json: bool) -> None:
    plugin = Plugin(settings)
    seen: list[Event] = []
    plugin.events.subscribe(seen.append)
    await plugin.sync.once()
    refused = next((event for event in seen if isinstance(event, Refused)), None)
    if as_json:
        print(orjson.dumps(_summary(settings, seen), option=orjson.OPT_INDENT_2).decode())
    if refused is not None:
        raise RefusedError(f"refused: {refused.reason}")
    if not as_json and not any(isinstance(event, Published) for event in seen):
        logging.getLogger(__name__).info("%s is up to date", settings.output)


def _summary(settings: Settings, seen: list[Event]) -> dict[str, object]:
    summary: dict[str, object] = {"path": str(settings.output), "changed": False, "told": None, "warnings": []}
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
            case Refused(reason=reason) | ReloadDeferred(reason=reason) | StatusUnwritable(reason=reason):
                summary |= {"problem": reason}
            case PassFailed(error=error):
                summary |= {"problem": str(error) if isinstance(error, SyncError) else type(error).__name__}
            case Applied():
                summary |= {"applied": True}
            case _:
                pass
    return summary
