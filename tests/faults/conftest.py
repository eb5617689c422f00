"""Servers of their own for faults that no shared one may have."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import connected

from agent_config_sync.cli.throwaway import ThrowawayServer, throwaway_server
from agent_config_sync.postgres.migrate import migrate

STARTUP = "statement_timeout,lock_timeout,idle_in_transaction_session_timeout,tcp_keepalives_idle"
"""The session settings of ours that a pooler refuses unless it is told to ignore them."""


@pytest.fixture(scope="module")
def primary() -> Iterator[ThrowawayServer]:
    """A server with our tables."""
    with throwaway_server() as server:
        asyncio.run(_migrated(server.dsn))
        yield server


async def _migrated(dsn: str) -> None:
    async with connected(dsn) as connection:
        await migrate(connection)
        await connection.execute("INSERT INTO agents (name, model, is_default) VALUES ('lead', 'p/m', true)")


@pytest.fixture(scope="module")
def standby(primary: ThrowawayServer) -> Iterator[ThrowawayServer]:
    """A hot standby that streams from the primary."""
    folder = primary.folder / "standby"
    primary.run("pg_basebackup", "-D", str(folder / "data"), "-R", "-h", str(primary.folder), "-U", "postgres")
    server = ThrowawayServer(primary.binaries, folder, primary._user)
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=["takes our session settings", "refuses our session settings"])
def pooler_dsn(primary: ThrowawayServer, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The DSN of a transaction-mode pgbouncer before the primary."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        pytest.fail("these tests need pgbouncer: apt install pgbouncer")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ignored = STARTUP if request.param.startswith("takes") else ""
    config = primary.folder / "pgbouncer.ini"
    config.write_text(
        f"[databases]\n* = host={primary.folder} user=postgres\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n"
        f"auth_type = any\npool_mode = transaction\nignore_startup_parameters = {ignored}\nunix_socket_dir =\n"
    )
    log = tmp_path / "pgbouncer.log"
    with (
        log.open("wb") as written,
        subprocess.Popen([program, str(config)], stdout=written, stderr=written, **primary._user) as running,
    ):
        try:
            _until_it_listens(port, running, log)
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            running.terminate()


def _until_it_listens(port: int, running: subprocess.Popen[bytes], log: Path) -> None:
    while running.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
    pytest.fail(f"pgbouncer ended: {log.read_text()[-1000:]}")
