"""`agent-config-sync status`: what is in force, from the database."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated

import orjson
import typer

from agent_config_sync.cli.database import open_connection
from agent_config_sync.cli.options import NOT_YET, AsJson, Config, Dsn, errors_end_the_command, given, settings_of
from agent_config_sync.cli.table import table
from agent_config_sync.errors import SettingsError
from agent_config_sync.logs import printable
from agent_config_sync.model.moments import ago
from agent_config_sync.postgres.failures import QUERY_FAILURES, query_failure
from agent_config_sync.postgres.status import FleetRow, forget, read_fleet
from agent_config_sync.settings import Settings


def status(
    dsn: Dsn = None,
    config: Config = None,
    as_json: AsJson = False,
    forget_name: Annotated[
        str | None, typer.Option("--forget", metavar="GATEWAY", help="Forget a gateway that is no more.")
    ] = None,
) -> None:
    """Show what each gateway runs with. Ends with 3 if one is behind, refused or silent."""
    with errors_end_the_command():
        settings = settings_of(given(dsn=dsn), config)
        fleet = asyncio.run(_fleet(settings, forget_name))
    if as_json:
        print(
            orjson.dumps(
                [{**asdict(row), "healthy": _healthy(row)} for row in fleet], option=orjson.OPT_INDENT_2
            ).decode()
        )
    elif fleet:
        print("\n".join(_table(fleet)))
    else:
        print("no gateway has reported yet: start agent-config-sync run beside one")
    if not all(_healthy(row) for row in fleet):
        raise typer.Exit(NOT_YET)


async def _fleet(settings: Settings, forget_name: str | None) -> list[FleetRow]:
    async with open_connection(settings) as connection:
        try:
            if forget_name is not None and not await forget(connection, settings.account, forget_name):
                raise SettingsError(f"no gateway {forget_name!r} has reported, or this login may not forget it")
            return await read_fleet(connection, settings.account)
        except QUERY_FAILURES as error:
            raise query_failure(error, "the database") from None


def _healthy(row: FleetRow) -> bool:
    return row.state in ("applied", "offered") and not row.stale


def _table(fleet: list[FleetRow]) -> list[str]:
    heads = ("GATEWAY", "STATE", "SEEN", "LATENCY", "OPENCLAW", "HOST", "WARNINGS")
    rows = [
        (
            row.gateway,
            "silent" if row.stale else row.state,
            ago(row.seen_at),
            "" if row.latency_ms is None else f"{row.latency_ms:.0f} ms",
            row.gateway_version or "unknown",
            row.host or "",
            str(len(row.warnings)) if row.warnings else "",
        )
        for row in fleet
    ]
    head, *others = table(heads, rows)
    lines = [head]
    for row, line in zip(fleet, others, strict=True):
        lines.append(line)
        lines.extend(
            f"  {text}"
            for text in ([row.error] if row.error else []) + [f"warning: {warning}" for warning in row.warnings]
        )
    return [printable(line) for line in lines]
