"""`agent-config-sync diff`: the pass without writing."""

from __future__ import annotations

import asyncio
import difflib
import re
import sys
from pathlib import Path
from typing import Annotated

import orjson
import typer

from agent_config_sync.cli.options import (
    NOT_YET,
    AsJson,
    Config,
    Dsn,
    GatewayVersion,
    Output,
    errors_end_the_command,
    given,
    settings_of,
)
from agent_config_sync.errors import SettingsError
from agent_config_sync.logs import set_up_logs
from agent_config_sync.plugin import Plugin
from agent_config_sync.settings import Settings
from agent_config_sync.sync.prepared import Prepared

_TOKEN = re.compile(r"^(AUTH_TOKEN=).+", re.MULTILINE)
"""A secret, which belongs on no screen."""


def diff(
    dsn: Dsn = None,
    config: Config = None,
    output: Output = None,
    gateway_version: GatewayVersion = None,
    sql: Annotated[
        str | None,
        typer.Option("--sql", metavar="FILE", help="As if this SQL (- for standard input) had run; it is rolled back."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what `sync` would write, now or after some SQL. Ends with 3 if something would change."""
    options = given(dsn=dsn, output_path=output, gateway_version=gateway_version)
    with errors_end_the_command():
        settings = settings_of(options, config)
        set_up_logs("error", "text")
        prepared = asyncio.run(_prepare(settings, None if sql is None else _statements(sql, config)))
        text = unified(prepared, str(settings.output)) + unified_workspaces(prepared, settings)
        changed = prepared.changed or any(outcome.changes for outcome in prepared.workspaces)
        if as_json:
            members = {
                "path": str(settings.output),
                "changed": changed,
                "diff": text,
                "warnings": prepared.warnings,
            }
            print(orjson.dumps(members, option=orjson.OPT_INDENT_2).decode())
        else:
            sys.stdout.write(text)
            for warning in prepared.warnings:
                print(f"warning: {warning}", file=sys.stderr)
    if changed:
        raise typer.Exit(NOT_YET)


async def _prepare(settings: Settings, statements: str | None) -> Prepared:
    return await Plugin(settings).visit.preview(statements)


def _statements(source: str, config: str | None) -> str:
    """Return the text of a file of SQL.

    Raises: SettingsError.
    """
    if source == "-" and config == "-":
        raise SettingsError("--sql and --config cannot both be read from standard input")
    name = "the SQL of standard input" if source == "-" else f"the SQL file {source}"
    try:
        # Whatever the locale says, and strictly: sys.stdin may let every byte through.
        return (sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()).decode()
    except OSError as error:
        raise SettingsError(f"{name} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{name} is not UTF-8 text") from None


def unified(prepared: Prepared, path: str) -> str:
    """Return a unified diff of agents.json from what is there to what would be."""
    return _unified(prepared.before.content if prepared.before is not None else None, prepared.content, path)


def unified_workspaces(prepared: Prepared, settings: Settings) -> str:
    """Return a unified diff of the agents' workspaces, without their tokens."""
    root = settings.workspaces
    return "".join(
        _unified(change.before, change.after, f"{root}/{outcome.folder}/{change.path}")
        for outcome in prepared.workspaces
        for change in outcome.changes
    )


def _unified(before: bytes | None, after: bytes | None, path: str) -> str:
    lines = difflib.unified_diff(
        _lines(before),
        _lines(after),
        path if before is not None else "/dev/null",
        path if after is not None else "/dev/null",
    )
    return "".join(lines)


def _lines(content: bytes | None) -> list[str]:
    text = _TOKEN.sub(r"\1***", content.decode("utf-8", "replace")) if content is not None else ""
    return text.splitlines(keepends=True)
