"""`agent-config-sync migrate`: bring the database up to what this version works with."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated

import typer

from agent_config_sync.cli.database import open_connection
from agent_config_sync.cli.options import NOT_YET, Config, Dsn, errors_end_the_command, given, settings_of
from agent_config_sync.logs import set_up_logs
from agent_config_sync.postgres.migrate import PATIENCE, migrations, pending
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
) -> None:
    """Create or update our tables, triggers and roles; what is yours stays as it is."""
    with errors_end_the_command():
        if print_sql:
            for migration in migrations():
                print(migration.sql)
            return
        settings = settings_of(given(dsn=dsn), config)
        set_up_logs(settings.log_level, "text")
        names = asyncio.run(_migrate(settings, check=check, repair=repair))
    if check:
        print("\n".join(f"pending: {name}" for name in names) or "nothing is pending")
        raise typer.Exit(NOT_YET if names else 0)
    print("\n".join(f"applied: {name}" for name in names) or "nothing to do")


async def _migrate(settings: Settings, *, check: bool, repair: bool) -> list[str]:
    async with contextlib.AsyncExitStack() as stack:
        connection = await stack.enter_async_context(open_connection(settings, notices=not check, timing=PATIENCE))
        done = await pending(connection) if check else await apply_pending(connection, repair=repair)
    return [migration.name for migration in done]
