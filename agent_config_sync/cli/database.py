"""One plain connection for a command."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator

import asyncpg

from agent_config_sync.postgres.link import Timing, connect
from agent_config_sync.postgres.server import server_of
from agent_config_sync.settings import Settings


@contextlib.asynccontextmanager
async def open_connection(
    settings: Settings, *, notices: bool = False, timing: Timing | None = None
) -> AsyncIterator[asyncpg.Connection]:
    """Open a connection and close it again. notices: show the server's warnings to the person.

    Raises: SyncError that says why not.
    """
    connection = await connect(server_of(settings), application_name="agent-config-sync", timing=timing or Timing())
    if notices:
        connection.add_log_listener(
            lambda _, message: print(
                f"{message.severity.lower()}: {'; '.join(filter(None, (message.message, message.hint)))}",
                file=sys.stderr,
            )
        )
    try:
        yield connection
        await connection.close(timeout=5)
    finally:
        connection.terminate()
