"""The real PostgreSQL, and a sync on it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from harness import (
    QUICK,
    Operator,
    Recorder,
    Running,
    Start,
    connected,
    database_dsn,
    make_settings,
    rights_of_nobody,
)

from agent_config_sync.cli.throwaway import FOLDER, throwaway_server
from agent_config_sync.errors import NoServerError
from agent_config_sync.events import Event, Events
from agent_config_sync.plugin import Plugin
from agent_config_sync.postgres.link import Timing
from agent_config_sync.postgres.migrate import migrate
from agent_config_sync.settings import Settings
from agent_config_sync.sync.informant import Informant

_numbers = itertools.count(1)

MEMORY = Path("/dev/shm")
ROOM = 4 * 1024**3
"""Bytes that a server of the tests never takes."""


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the person's own settings, home and libpq variables out of the tests."""
    for name in list(os.environ):
        if (
            name.startswith(("AGENT_CONFIG_SYNC_", "HEALTH_", "PG", "OPENCLAW_"))
            and name != "AGENT_CONFIG_SYNC_TEST_DSN"
        ):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home" / "state"))


@pytest.fixture(scope="session")
def server_dsn() -> Iterator[str]:
    """A superuser's DSN of a real server: a given one, the system's own, a container, or the wheel."""
    given = os.environ.get("AGENT_CONFIG_SYNC_TEST_DSN")
    if given:
        yield given
        return
    with ExitStack() as stack:
        try:
            settings = {"fsync": "off", "max_connections": "200", "max_wal_size": "256MB"}
            yield stack.enter_context(throwaway_server(settings, within=_quick_folder())).dsn
        except NoServerError as error:
            if not _docker_runs():
                pytest.fail(str(error))
            from testcontainers.postgres import PostgresContainer  # noqa: PLC0415 - only where Docker runs

            container = stack.enter_context(PostgresContainer("postgres:16-alpine"))
            yield container.get_connection_url(driver=None)


def _quick_folder() -> Path:
    """Return where a server is made: in memory, where a database is copied in a fifth of the time, if there is room."""
    with contextlib.suppress(OSError):
        if shutil.disk_usage(MEMORY).free > ROOM:
            return MEMORY
    return FOLDER


def _docker_runs() -> bool:
    docker = shutil.which("docker")
    if docker is None:
        return False
    return subprocess.run([docker, "info"], capture_output=True, check=False).returncode == 0


@pytest.fixture
async def empty_database(server_dsn: str) -> AsyncIterator[str]:
    """The DSN of a new database with nothing in it."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    async with connected(server_dsn) as server:
        await server.execute(f"CREATE DATABASE {name}")
    yield database_dsn(server_dsn, name)
    await _drop(server_dsn, name)


@pytest.fixture(scope="session")
def template(server_dsn: str) -> Iterator[str]:
    """The name of a database with our tables in it, to copy: that takes a third of making them."""
    name = f"template_{os.getpid()}"
    asyncio.run(_make_template(server_dsn, name))
    yield name
    asyncio.run(_drop(server_dsn, name))


async def _make_template(server_dsn: str, name: str) -> None:
    async with connected(server_dsn) as server:
        await server.execute(f"CREATE DATABASE {name}")
    async with connected(database_dsn(server_dsn, name)) as connection:
        await migrate(connection)


async def _drop(server_dsn: str, name: str) -> None:
    async with connected(server_dsn) as server:
        await server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
async def database(server_dsn: str, template: str) -> AsyncIterator[str]:
    """The DSN of a new database with our tables in it."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    async with connected(server_dsn) as server:
        await server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield database_dsn(server_dsn, name)
    await _drop(server_dsn, name)


@pytest.fixture
async def operator(database: str) -> AsyncIterator[Operator]:
    """A person at the database."""
    async with connected(database) as connection:
        yield connection


@pytest.fixture
def settings(database: str, tmp_path: Path) -> Settings:
    """Settings for a sync of the test's database into the test's folder."""
    return make_settings(database, tmp_path)


@pytest.fixture
async def start(settings: Settings) -> AsyncIterator[Start]:
    """Start a sync and return it when its first pass is done (or at once with `wait=False`); stopped at the end."""
    running: list[Plugin] = []

    async def started(
        *, wait: type[Event] | None = None, informant: Informant | None = None, timing: Timing = QUICK, **changes: Any
    ) -> Running:
        events = Events()
        recorder = Recorder()
        events.subscribe(recorder)
        chosen = Settings.model_validate({**dict(settings), **changes})
        plugin = Plugin(chosen, informant=informant, events=events, timing=timing, patience=0.5)
        running.append(plugin)
        await plugin.start()
        if wait is not None:
            await recorder.until(wait)
        return Running(plugin, recorder)

    yield started
    for plugin in running:
        await plugin.stop()


@pytest.fixture
def _as_nobody() -> Iterator[None]:
    with rights_of_nobody():
        yield


@pytest.fixture
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let skills and requests be looked at again at once."""
    monkeypatch.setattr("agent_config_sync.skills.service.LOOK", 0.05)
    for half in ("inventory", "intake"):
        monkeypatch.setattr(f"agent_config_sync.skills.{half}.RETRY", 0.1)


@pytest.fixture
def port() -> int:
    """A port that nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number: int = taken.getsockname()[1]
        return number
