"""postgres/pool.py against a real server."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import replace

from pydantic import SecretStr

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
