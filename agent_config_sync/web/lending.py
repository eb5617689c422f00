"""The link's read connection, for one request."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable

import asyncpg

from agent_config_sync.errors import UnreachableError
from agent_config_sync.postgres.link import Link


@contextlib.asynccontextmanager
async def lent(link: Callable[[], Link | None]) -> AsyncIterator[asyncpg.Connection]:
    """Lend the connection of the link that stands now.

    Raises: UnreachableError where none does, DatabaseError.
    """
    standing = link()
    if standing is None:
        raise UnreachableError("there is no connection to the database now: try again in a minute")
    async with standing.reading() as connection:
        yield connection
