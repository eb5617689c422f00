"""`agent-config-sync migrate`: bring the database up to what this version works with."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from agent_config_sync.cli.database import open_connection
from agent_config_sync.cli.options import NOT_YET, Config, Dsn, errors_end_the_command, given, settings_of
from agent_config_sync.logs import set_up_logs
from agent_config_sync.postgres.migrate import PATIENCE, keeps_accounts_apart, migrations, pending, tenancy_step
from agent_config_sync.postgres.migrate import migrate as apply_pending
from agent_config_sync.settings import Settings


def migrate(
    dsn: Dsn = None,
    config: Config = None,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; end with 3 if something is pending.")] = False,
    print_sql: Annotated[bool, typer.Option("--print", help="Print the SQL for a DBA; touch no database.")] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Apply every migration again: they only add what is missing.")
    ] = False,
    tenancy: Annotated[
        bool, typer.Option("--tenancy", help="Also keep accounts apart, by login: docs/permissions.md.")
    ] = False,
) -> None:
    """Create or update our tables, triggers and roles; what is yours stays as it is."""
    with errors_end_the_command():
        if print_sql:
            for migration in [*migrations(), *([tenancy_step()] if tenancy else [])]:
                print(migration.sql)
            return
        settings = settings_of(given(dsn=dsn), config)
        set_up_logs(settings.log_level, "text")
        if check:
            names, apart = asyncio.run(_look(settings, tenancy=tenancy))
        else:
            names = asyncio.run(_apply(settings, repair=repair, tenancy=tenancy))
    if check:
        if tenancy:
            print(f"tenancy is {'on' if apart else 'off'}")
        print("\n".join(f"pending: {name}" for name in names) or "nothing is pending")
        raise typer.Exit(NOT_YET if names else 0)
    print("\n".join(f"applied: {name}" for name in names) or "nothing to do")


async def _look(settings: Settings, *, tenancy: bool) -> tuple[list[str], bool]:
    """Return what is pending, and whether accounts are kept apart already."""
    async with open_connection(settings, notices=False, timing=PATIENCE) as connection:
        names = [migration.name for migration in await pending(connection, tenancy=tenancy)]
        return names, await keeps_accounts_apart(connection)


async def _apply(settings: Settings, *, repair: bool, tenancy: bool) -> list[str]:
    async with open_connection(settings, notices=True, timing=PATIENCE) as connection:
        return [migration.name for migration in await apply_pending(connection, repair=repair, tenancy=tenancy)]
