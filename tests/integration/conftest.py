"""A board that is made once and cleared for each test, which takes a tenth of a database of its own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator

import pytest
from board_ground import Board, furnished
from harness import connected, database_dsn


@pytest.fixture(scope="session")
def board_database(server_dsn: str, template: str) -> Iterator[str]:
    """The DSN of a database in which tests of the board take turns."""
    name = f"board_{os.getpid()}"
    asyncio.run(_run(server_dsn, f"CREATE DATABASE {name} TEMPLATE {template}"))
    yield database_dsn(server_dsn, name)
    asyncio.run(_run(server_dsn, f"DROP DATABASE {name} WITH (FORCE)"))


async def _run(server_dsn: str, statement: str) -> None:
    async with connected(server_dsn) as server:
        await server.execute(statement)


@pytest.fixture
async def board(board_database: str) -> AsyncIterator[Board]:
    """A board with an orchestrator, two agents, a reviewer and two people, and nothing on it."""
    async with connected(board_database) as connection:
        for table in ("board_tasks", "board_documents", "agents", "accounts", "memberships", "activities"):
            await connection.execute(f"DELETE FROM {table}")
        yield await furnished(connection)
