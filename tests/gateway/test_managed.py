"""A gateway whose whole configuration this program makes, over the base file of the containers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from gateway.debugger import DebuggerWatch
from gateway.openclaw import EXIT_DEADLINE, TOKEN, Installation, OpenClaw, agent_config_sync
from gateway.scene import NAME, Scene, until
from harness import connected, database_dsn
from unit.builders import REPOSITORY

from agent_config_sync.postgres.migrate import migrate

BASE = REPOSITORY / "deploy" / "openclaw.base.json5"


@dataclass(slots=True)
class Contained(OpenClaw):
    """A gateway as in its container: started by its script on a configuration that this program writes."""

    dsn: str = ""

    @property
    def folder(self) -> Path:
        return self.home / "clawd"

    @property
    def command(self) -> list[str]:
        return [str(REPOSITORY / "deploy" / "compose" / "start-openclaw.sh")]

    @property
    def environment(self) -> dict[str, str]:
        return {
            **self.installation.environment(self.home),
            "OPENCLAW_CONFIG_PATH": str(self.config_path),
            "CLAWDBOT_GATEWAY_TOKEN": TOKEN,
        }

    @property
    def managed(self) -> dict[str, str]:
        """What makes a process the one of the runtime's container."""
        return {
            **self.installation.environment(self.home),
            "AGENT_CONFIG_SYNC_DSN": self.dsn,
            "AGENT_CONFIG_SYNC_GATEWAY": NAME,
            "AGENT_CONFIG_SYNC_GATEWAY_VERSION": str(self.installation.version),
            "AGENT_CONFIG_SYNC_CONFIG_FILE": "managed",
            "AGENT_CONFIG_SYNC_CONFIG_BASE": str(self.folder / "base.json5"),
            "AGENT_CONFIG_SYNC_STATE_DIR": str(self.home / "state"),
            "OPENCLAW_CONFIG_PATH": str(self.config_path),
            "OPENCLAW_GATEWAY_TOKEN": TOKEN,
        }

    def set_up(self) -> None:
        """Put the base file there, on a port of its own."""
        self.folder.mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        text = BASE.read_text(encoding="utf-8")
        assert "port: 18789" in text
        (self.folder / "base.json5").write_text(text.replace("port: 18789", f"port: {self.port}"), encoding="utf-8")


@pytest.fixture(scope="module")
def container(
    installation: Installation,
    server_dsn: str,
    tmp_path_factory: pytest.TempPathFactory,
    debugger_watch: DebuggerWatch,
) -> Iterator[Contained]:
    """A gateway that finds its configuration with two agents in it."""
    name = f"managed_{os.getpid()}"
    dsn = database_dsn(server_dsn, name)
    asyncio.run(_make_database(server_dsn, name, dsn))
    gateway = Contained(installation, tmp_path_factory.mktemp("home"), {}, dsn=dsn)
    try:
        gateway.set_up()
        ended = subprocess.run(
            [*agent_config_sync(), "sync"], env=gateway.managed, capture_output=True, text=True, check=False, timeout=60
        )
        assert ended.returncode == 0, ended.stderr
        gateway.start()
        yield gateway
    finally:
        try:
            gateway.stop()
        finally:
            asyncio.run(_drop_database(server_dsn, name))


async def _make_database(server_dsn: str, name: str, dsn: str) -> None:
    async with connected(server_dsn) as server:
        await server.execute(f"CREATE DATABASE {name}")
    async with connected(dsn) as connection:
        await migrate(connection)
        await connection.execute("INSERT INTO agents (name, is_default) VALUES ('lead', true), ('coder', false)")


async def _drop_database(server_dsn: str, name: str) -> None:
    async with connected(server_dsn) as server:
        await server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
async def scene(container: Contained) -> AsyncIterator[Scene]:
    """An operator, and the process of the runtime's container."""
    running = await asyncio.create_subprocess_exec(
        *agent_config_sync(), "run", env=container.managed, stderr=asyncio.subprocess.DEVNULL
    )
    async with connected(container.dsn) as operator:
        yield Scene(container, operator)
    os.kill(running.pid, signal.SIGTERM)
    async with asyncio.timeout(EXIT_DEADLINE):
        assert await running.wait() == 0


async def test_the_gateway_reads_a_changed_configuration_without_a_restart(scene: Scene) -> None:
    gateway = scene.gateway
    before, pid = gateway.reloads(), gateway.pid
    await scene.commit("INSERT INTO agents (name, model) VALUES ('fresh', 'anthropic/claude-haiku-4-5')")

    async def read() -> bool | None:
        return True if gateway.reloads() > before else None

    await until(read, "the gateway evaluates its changed configuration", gateway=gateway)
    assert gateway.pid == pid
    assert (gateway.folder / "agents" / "fresh" / "AGENTS.md").exists()


@pytest.mark.gateway_since(2026, 8, 1)  # earlier ones do not say over their RPC what they run with
async def test_a_change_is_in_force_when_the_status_says_applied(scene: Scene) -> None:
    await scene.until_applied(
        await scene.commit("UPDATE agents SET model = 'anthropic/claude-opus-4-6' WHERE name = 'coder'")
    )
    entry = json.loads(scene.gateway.config_path.read_text(encoding="utf-8"))["agents"]["entries"]["coder"]
    assert entry["model"] == "anthropic/claude-opus-4-6"
    assert entry["workspace"] == str(scene.gateway.folder / "agents" / "coder")


async def test_the_base_file_is_in_force_beside_the_agents(container: Contained) -> None:
    config = json.loads(container.config_path.read_text(encoding="utf-8"))
    assert config["skills"]["allowBundled"] == ["github"]
    assert config["agents"]["defaults"]["compaction"] == {"mode": "safeguard"}
