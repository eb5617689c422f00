"""postgres/pool.py against a real server."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import replace

import asyncpg
import pytest
from harness import Operator, eventually
from pydantic import SecretStr

from agent_config_sync.errors import UnreachableError
from agent_config_sync.postgres.pool import Pool
from agent_config_sync.postgres.server import server_of
from agent_config_sync.settings import Settings


async def test_behind_a_silent_host_the_next_is_asked_while_somebody_waits(database: str) -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as silent:
        first = {"host": "127.0.0.1", "port": silent.getsockname()[1]}
        server = replace(server_of(Settings(dsn=SecretStr(database))), hosts=(first, {}))
        pool = Pool(server, application_name="test", size=1)
        async with pool.lent() as connection:
            assert await connection.fetchval("SELECT 1") == 1
        await pool.close()


async def test_a_connection_that_is_ready_too_late_is_closed(
    database: str, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def late(*_: object) -> None:
        raise TimeoutError

    pool = Pool(server_of(Settings(dsn=SecretStr(database))), application_name="too late", size=1)
    with monkeypatch.context() as slow:
        slow.setattr(asyncpg.Connection, "execute", late)
        with pytest.raises(UnreachableError):
            await pool.lent().__aenter__()
    await eventually(operator, "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'too late'")
