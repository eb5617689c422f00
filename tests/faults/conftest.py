"""Servers of their own for faults that no shared one may have."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from daemon import Daemon, StartDaemon
from harness import NOBODY, Operator, connected, make_settings
from proxy import Proxy

from agent_config_sync.cli.throwaway import ThrowawayServer, find_binaries, throwaway_server
from agent_config_sync.postgres.migrate import migrate
from agent_config_sync.settings import Settings

STARTUP = "statement_timeout,lock_timeout,idle_in_transaction_session_timeout,tcp_keepalives_idle"
"""The session settings of ours that a pooler refuses unless it is told to ignore them."""


@pytest.fixture
def server() -> Iterator[ThrowawayServer]:
    """A server with our tables, for one test alone."""
    with throwaway_server() as server:
        asyncio.run(_migrated(server.dsn))
        yield server


@pytest.fixture
def settings(server: ThrowawayServer, tmp_path: Path) -> Settings:
    """Settings for a sync of that server into the test's folder."""
    return make_settings(server.dsn, tmp_path)


@pytest.fixture
def small_queue() -> Iterator[ThrowawayServer]:
    """A server with our tables whose queue of notifications is soon full, which PostgreSQL 17 and later can have."""
    wheel = next(binaries for binaries in find_binaries() if binaries.origin.startswith("the pixeltable"))
    with throwaway_server({"max_notify_queue_pages": "64"}, binaries=[wheel]) as server:
        asyncio.run(_migrated(server.dsn))
        yield server


@pytest.fixture
async def proxy(server: ThrowawayServer) -> AsyncIterator[Proxy]:
    """A network before that server."""
    async with Proxy(server.socket).running() as proxy:
        yield proxy


async def _migrated(dsn: str) -> None:
    async with connected(dsn) as connection:
        await migrate(connection)
        await connection.execute("INSERT INTO agents (name, model, is_default) VALUES ('lead', 'p/m', true)")


@pytest.fixture
def standby(server: ThrowawayServer) -> Iterator[ThrowawayServer]:
    """A hot standby that streams from that server."""
    folder = server.folder / "standby"
    server.run(
        "pg_basebackup", "-D", str(folder / "data"), "-R", "-c", "fast", "-h", str(server.folder), "-U", "postgres"
    )
    standby = ThrowawayServer(server.binaries, folder, server._user)
    standby.start()
    yield standby
    standby.stop()


@pytest.fixture(params=["takes our session settings", "refuses our session settings"])
def pooler_dsn(server: ThrowawayServer, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The DSN of a transaction-mode pgbouncer before that server."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        pytest.fail("these tests need pgbouncer: apt install pgbouncer")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ignored = STARTUP if request.param.startswith("takes") else ""
    config = server.folder / "pgbouncer.ini"
    config.write_text(
        f"[databases]\n* = host={server.folder} user=postgres\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n"
        f"auth_type = any\npool_mode = transaction\nignore_startup_parameters = {ignored}\nunix_socket_dir =\n"
    )
    log = tmp_path / "pgbouncer.log"
    with (
        log.open("wb") as written,
        subprocess.Popen([program, str(config)], stdout=written, stderr=written, **server._user) as running,
    ):
        try:
            _until_it_listens(port, running, log)
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            running.kill()  # a newer one waits for its clients when it is asked to end


def _until_it_listens(port: int, running: subprocess.Popen[bytes], log: Path) -> None:
    while running.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
    pytest.fail(f"pgbouncer ended: {log.read_text()[-1000:]}")


@pytest.fixture
async def lead(operator: Operator) -> None:
    """The only agent."""
    await operator.execute("INSERT INTO agents (name, model, is_default) VALUES ('lead', 'a/before', true)")


@pytest.fixture
async def daemons(settings: Settings) -> AsyncIterator[StartDaemon]:
    """Start `agent-config-sync run` as a process; killed at the end."""
    started: list[Daemon] = []

    async def start(**changes: object) -> Daemon:
        daemon = await Daemon.start(Settings.model_validate({**dict(settings), **changes}))
        started.append(daemon)
        return daemon

    yield start
    for daemon in started:
        if daemon.process.returncode is None:
            daemon.process.kill()
        await daemon.process.communicate()


@pytest.fixture
def home(server: ThrowawayServer) -> Iterator[Path]:
    """A folder that a user who owns nothing else can reach, as they can the server."""
    if os.geteuid():
        pytest.fail("these tests give files to other users: run them as root")
    server.folder.chmod(0o711)
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        home = Path(name)
        for folder in (home, home / "gateway", home / "state"):
            folder.mkdir(exist_ok=True)
            os.chown(folder, NOBODY, NOBODY)
        yield home
