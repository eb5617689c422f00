"""`agent-config-sync diff`: the pass without writing."""

from __future__ import annotations

import asyncio
import difflib
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
from agent_config_sync.sync.pipeline import Prepared


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
        text = unified(prepared, str(settings.output))
        if as_json:
            members = {
                "path": str(settings.output),
                "changed": prepared.changed,
                "diff": text,
                "warnings": prepared.warnings,
            }
            print(orjson.dumps(members, option=orjson.OPT_INDENT_2).decode())
        else:
            sys.stdout.write(text)
            for warning in prepared.warnings:
                print(f"warning: {warning}", file=sys.stderr)
    if prepared.changed:
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
    """Return a unified diff from what is there to what would be."""
    before = prepared.before.content.decode("utf-8", "replace") if prepared.before is not None else ""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True),
        prepared.content.decode().splitlines(keepends=True),
        path if prepared.before is not None else "/dev/null",
        path,
    )
    return "".join(lines)
