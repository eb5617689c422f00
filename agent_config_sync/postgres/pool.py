"""Connections for requests, opened when they are needed: beside the link, which is busy with its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, cast

import asyncpg

from agent_config_sync.errors import RightsError, UnreachableError
from agent_config_sync.postgres.failures import QUERY_FAILURES, query_failure
from agent_config_sync.postgres.link import Timing, connect
from agent_config_sync.postgres.server import Server

IDLE = 60.0
"""Seconds until a connection that nobody needs is closed."""

PATIENCE = 3.0
"""Seconds that a request waits for one of them."""


class Pool:
    """Some connections to one server; it holds none until somebody asks."""

    def __init__(self, server: Server, *, application_name: str, size: int, timing: Timing | None = None) -> None:
        """size: connections at the most."""
        self._server = server
        self._name = application_name
        self._size = size
        timing = timing or Timing()
        # Of several hosts each has its share: whoever waits has to outlast a silent one, or the next is never asked.
        self._timing = replace(timing, connect=min(timing.connect, 0.8 * PATIENCE))
        self._pool: asyncpg.Pool | None = None

    @contextlib.asynccontextmanager
    async def lent(self) -> AsyncIterator[asyncpg.Connection]:
        """Lend a connection; what asyncpg raises leaves as a DatabaseError.

        Raises: SyncError where none can be made or had.
        """
        if self._pool is None:
            self._pool = asyncpg.create_pool(
                min_size=0,
                max_size=self._size,
                max_inactive_connection_lifetime=IDLE,
                connect=self._connect,
                reset=_no_reset,
            )
            await self._pool
        try:
            try:
                async with asyncio.timeout(PATIENCE):
                    connection = await self._pool.acquire()
            except TimeoutError:
                raise UnreachableError(
                    f"all {self._size} connections to {self._server.name} are busy: try again in a moment"
                ) from None
            try:
                yield cast("asyncpg.Connection", connection)  # a proxy of one
            finally:
                await self._pool.release(connection)
        except asyncpg.InsufficientPrivilegeError as error:
            raise RightsError(f"{error}: GRANT agent_config_runtime TO the login of this gateway") from None
        except QUERY_FAILURES as error:
            raise query_failure(error, self._server.name) from None

    async def close(self) -> None:
        """End all connections, in use or not."""
        if self._pool is not None:
            self._pool.terminate()
            self._pool = None

    async def _connect(self, *_: Any, **__: Any) -> asyncpg.Connection:
        connection = await connect(self._server, application_name=self._name, timing=self._timing)
        # What requests ask is found by an index whatever its values: to plan it anew takes longer than to find it.
        try:
            await connection.execute("SET plan_cache_mode = force_generic_plan")
        except BaseException:
            connection.terminate()  # whoever waited for it is gone, and nobody else knows of it
            raise
        return connection


async def _no_reset(_: asyncpg.Connection) -> None:
    """A transaction that was not ended is rolled back before this, by asyncpg; nothing else of a request sticks to its
    connection, and to reset the rest costs each a round trip."""
