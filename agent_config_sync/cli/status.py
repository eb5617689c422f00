"""`agent-config-sync status`: what is in force, from the database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Annotated

import orjson
import typer

from agent_config_sync.cli.board_deliveries import late_line
from agent_config_sync.cli.database import open_connection
from agent_config_sync.cli.options import NOT_YET, AsJson, Config, Dsn, errors_end_the_command, given, settings_of
from agent_config_sync.cli.table import table
from agent_config_sync.errors import SettingsError
from agent_config_sync.logs import printable
from agent_config_sync.model.moments import ago
from agent_config_sync.postgres.failures import QUERY_FAILURES, query_failure
from agent_config_sync.postgres.status import FleetRow, forget, read_fleet
from agent_config_sync.runtime.fleet import Runtime, read_runtimes
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
        fleet, runtimes, late = asyncio.run(_seen(settings, forget_name))
    if as_json:
        rows = [{**asdict(row), "healthy": _healthy(row), "runtime": runtimes.get(row.gateway)} for row in fleet]
        print(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
    elif fleet:
        print("\n".join(_table(fleet, runtimes)))
    else:
        print("no gateway has reported yet: start agent-config-sync run beside one")
    if late is not None and not as_json:
        print(late)
    if not all(_healthy(row) for row in fleet):
        raise typer.Exit(NOT_YET)


async def _seen(
    settings: Settings, forget_name: str | None
) -> tuple[list[FleetRow], Mapping[str, Runtime], str | None]:
    """Return the fleet, its runtimes, and what people should know of deliveries."""
    async with open_connection(settings) as connection:
        try:
            if forget_name is not None and not await forget(connection, settings.account, forget_name):
                raise SettingsError(f"no gateway {forget_name!r} has reported, or this login may not forget it")
            fleet = await read_fleet(connection, settings.account)
            runtimes = await read_runtimes(connection, settings.account)
            return fleet, runtimes, await late_line(connection, settings.account)
        except QUERY_FAILURES as error:
            raise query_failure(error, "the database") from None


def _healthy(row: FleetRow) -> bool:
    return row.state in ("applied", "offered") and not row.stale


def _table(fleet: list[FleetRow], runtimes: Mapping[str, Runtime]) -> list[str]:
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
        if row.gateway in runtimes:
            lines.extend(f"  {text}" for text in _about(runtimes[row.gateway]))
    return [printable(line) for line in lines]


def _about(runtime: Runtime) -> Iterator[str]:
    """Tell how a runtime is, what is asked of it, and how its last upgrades ended."""
    seen = f", seen {ago(runtime.seen_at)}" if runtime.seen_at is not None else ""
    why = f": {runtime.error}" if runtime.error else ""
    yield f"runtime {runtime.status}, version {runtime.version or 'unknown'}{seen}{why}"
    if runtime.asked is not None and runtime.requested_at is not None:
        target = f" to {runtime.target_version}" if runtime.target_version else ""
        taken = f"taken {ago(runtime.taken_at)}" if runtime.taken_at is not None else "not taken yet"
        yield f"asked: {runtime.asked}{target}, by {runtime.requested_by} {ago(runtime.requested_at)}, {taken}"
    for upgrade in runtime.upgrades:
        status = upgrade.status.replace("_", " ")
        error = f": {upgrade.error}" if upgrade.error else ""
        yield f"upgrade {upgrade.from_version} to {upgrade.to_version}: {status}, {ago(upgrade.completed_at)}{error}"
