"""Upgrade and rollback by SQL, as they go in earnest: two built wheels, and a supervisor that starts what ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shlex
import shutil
import site
import subprocess
import sys
import venv
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from daemon import environment
from harness import DEADLINE, Operator, eventually, make_settings
from unit.builders import REPOSITORY

OLD, NEW = "90.1.0", "90.2.0"

RUNS = "SELECT runtime_version = $1 AND runtime_status = 'online' FROM gateway_status"
HISTORY = "SELECT from_version, to_version, status FROM upgrade_history ORDER BY id"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with wheels of two versions of this tree."""
    folder = tmp_path_factory.mktemp("wheels")
    for version in (OLD, NEW):
        tree = folder / version
        shutil.copytree(
            REPOSITORY, tree, ignore=shutil.ignore_patterns(".*", "build", "dist", "tests", "docs", "*.lock")
        )
        module = tree / "agent_config_sync" / "__init__.py"
        text, times = re.subn(r'__version__ = ".*"', f'__version__ = "{version}"', module.read_text(encoding="utf-8"))
        assert times == 1
        module.write_text(text, encoding="utf-8")
        build = ("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(tree))
        subprocess.run([sys.executable, "-m", "pip", *build], check=True)
    return folder


@dataclass
class Installation:
    """An environment of its own, which has the libraries of the tests' one behind it. command: installs a version."""

    python: Path
    command: str

    @classmethod
    def make(cls, folder: Path, wheels: Path) -> Installation:
        venv.create(folder, with_pip=False)
        python = folder / "bin" / "python"
        (found,) = folder.glob("lib/python*/site-packages")
        (found / "behind.pth").write_text("\n".join(site.getsitepackages()), encoding="utf-8")
        pip = f"{shlex.quote(sys.executable)} -m pip --python {shlex.quote(str(python))} install --quiet"
        wheel = f"{wheels}/agent_config_sync-$AGENT_CONFIG_SYNC_TARGET_VERSION-*.whl"
        install = f"{pip} --no-deps --no-index --force-reinstall {wheel}"
        return cls(python, f"sh -c {shlex.quote(install)}")

    def install(self, version: str) -> None:
        subprocess.run(
            shlex.split(self.command), env={**os.environ, "AGENT_CONFIG_SYNC_TARGET_VERSION": version}, check=True
        )


@dataclass
class Supervisor:
    """Starts the process again as our units let systemd do it: on 75 and on failure, and neither on 0 nor on 2."""

    python: Path
    variables: dict[str, str]
    on_75: Callable[[], None] = lambda: None
    ended: list[int] = field(default_factory=list)

    async def run(self) -> None:
        while True:
            words = (self.python, "-P", "-m", "agent_config_sync", "run")
            process = await asyncio.create_subprocess_exec(*words, env={**os.environ, **self.variables})
            try:
                status = await process.wait()
            except asyncio.CancelledError:
                process.terminate()
                async with asyncio.timeout(DEADLINE):
                    await process.wait()
                raise
            self.ended.append(status)
            if status in (0, 2):
                return
            if status == 75:
                await asyncio.to_thread(self.on_75)
            await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def supervised(installation: Installation, **settings: str) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(installation.python, settings)
    running = asyncio.create_task(supervisor.run())
    try:
        yield supervisor
    finally:
        running.cancel()
        await asyncio.wait([running], timeout=2 * DEADLINE)


@pytest.fixture
async def installation(wheels: Path, tmp_path: Path, operator: Operator) -> Installation:
    """The old version, and an agent."""
    await operator.execute("INSERT INTO agents (name, is_default) VALUES ('lead', true)")
    made = Installation.make(tmp_path / "env", wheels)
    await asyncio.to_thread(made.install, OLD)
    return made


@pytest.fixture
def variables(database: str, port: int, tmp_path: Path) -> dict[str, str]:
    return environment(
        make_settings(database, tmp_path, workspace_root=tmp_path / "ws", health_port=port, health_check_interval=5)
    )


async def history(operator: Operator) -> list[tuple[str, str, str]]:
    return [tuple(row) for row in await operator.fetch(HISTORY)]


async def test_an_upgrade_by_sql_runs_the_new_version_and_a_rollback_the_old_one(
    installation: Installation, variables: dict[str, str], operator: Operator
) -> None:
    command = {"AGENT_CONFIG_SYNC_UPGRADE_COMMAND": installation.command}
    async with supervised(installation, **variables, **command) as supervisor:
        await eventually(operator, RUNS, OLD)
        await operator.execute("SELECT request_upgrade('here', $1)", NEW)
        await eventually(operator, RUNS, NEW)
        assert await history(operator) == [(OLD, NEW, "success")]
        await operator.execute("SELECT rollback_upgrade('here')")
        await eventually(operator, RUNS, OLD)
        assert await history(operator) == [(OLD, NEW, "success"), (NEW, OLD, "rolled_back")]
        assert supervisor.ended == [75, 75]
    assert await operator.fetchval("SELECT bool_and(outcome = 'success') FROM runtime_requests")
    assert await operator.fetchval("SELECT runtime_status FROM gateway_status") == "offline"


async def test_a_command_that_installs_nothing_fails_once_and_does_not_loop(
    installation: Installation, variables: dict[str, str], operator: Operator
) -> None:
    async with supervised(installation, **variables, AGENT_CONFIG_SYNC_UPGRADE_COMMAND="true") as supervisor:
        await eventually(operator, RUNS, OLD)
        await operator.execute("SELECT request_upgrade('here', $1)", NEW)
        await eventually(operator, "SELECT outcome = 'failed' FROM runtime_requests")
        ended = await operator.fetchval("SELECT clock_timestamp()")
        again = "SELECT runtime_seen_at > $1::timestamptz + interval '6 s' FROM gateway_status"  # two looks later
        await eventually(operator, again, ended)
        assert supervisor.ended == [75]
        assert await history(operator) == [(OLD, NEW, "failed")]
        error = await operator.fetchval("SELECT error FROM upgrade_history")
        assert f"came back as version {OLD}, and not as {NEW}" in error


async def test_without_a_command_the_supervisor_installs_what_is_asked_for(
    installation: Installation, variables: dict[str, str], operator: Operator
) -> None:
    async with supervised(installation, **variables) as supervisor:
        supervisor.on_75 = lambda: installation.install(NEW)
        await eventually(operator, RUNS, OLD)
        await operator.execute("SELECT request_upgrade('here', $1)", NEW)
        await eventually(operator, RUNS, NEW)
        assert supervisor.ended == [75]
    assert await history(operator) == [(OLD, NEW, "success")]
