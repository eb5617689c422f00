"""A gateway that `agent-config-sync run` starts: with the first pass, after each end, no longer than itself."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from gateway.debugger import listeners
from gateway.openclaw import EXIT_DEADLINE, READY_DEADLINE, Installation, OpenClaw, agent_config_sync
from gateway.scene import NAME, ROSTER, Scene, until
from harness import Operator


@dataclass
class Supervised:
    """A process of ours and the gateway that it starts."""

    process: asyncio.subprocess.Process
    scene: Scene

    @property
    def gateway(self) -> OpenClaw:
        return self.scene.gateway

    async def until_ready(self, *, other_than: int = 0) -> int:
        """Return the process id of the gateway that listens once it is ready, another one than an earlier one."""
        async with asyncio.timeout(READY_DEADLINE):
            while True:
                assert self.process.returncode is None
                pids = set(listeners(self.gateway.port)) - {other_than}
                ready = await asyncio.to_thread(self.gateway.is_ready)
                if pids and ready:
                    return pids.pop()
                await asyncio.sleep(0.1)

    async def until_nothing_is_left(self) -> None:
        async with asyncio.timeout(EXIT_DEADLINE):
            while self.gateway.alive():  # noqa: ASYNC110 - strangers' ends send no event
                await asyncio.sleep(0.1)


@pytest.fixture
async def supervised(
    installation: Installation, database: str, operator: Operator, tmp_path: Path
) -> AsyncIterator[Supervised]:
    """`agent-config-sync run` as a person starts it, where nothing has been published yet."""
    await operator.execute(ROSTER)
    gateway = OpenClaw(installation, tmp_path, {"command": agent_config_sync(), "gateway": NAME})
    gateway.set_up()
    gateway.edit_config(_without_plugin)
    gateway.output.unlink()
    settings = {
        "dsn": database,
        "gateway": NAME,
        "config_path": str(gateway.config_path),
        "gateway_command": "openclaw gateway run",
    }
    with (tmp_path / "gateway-0.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *agent_config_sync(),
            "run",
            env={
                **installation.environment(gateway.home),
                **{f"AGENT_CONFIG_SYNC_{name.upper()}": value for name, value in settings.items()},
            },
            stderr=log,
        )
    running = Supervised(process, Scene(gateway, operator))
    yield running
    if process.returncode is None:
        process.kill()
        await process.wait()
    await running.until_nothing_is_left()


def _without_plugin(config: dict[str, Any]) -> None:
    del config["plugins"]["load"]["paths"][0]
    del config["plugins"]["entries"]["agent_config_sync"]


async def test_it_runs_with_the_first_pass_and_a_change_reaches_it(supervised: Supervised) -> None:
    await supervised.until_ready()
    scene = supervised.scene
    assert set((await scene.effective()).entries) == {"lead", "coder", "writer"}
    await scene.commit("UPDATE agents SET model = 'anthropic/claude-opus-4-6' WHERE name = 'coder'")

    async def look() -> bool | None:
        return (await scene.effective()).entries["coder"]["model"] == "anthropic/claude-opus-4-6" or None

    await until(look, "the gateway runs with the change", gateway=scene.gateway)
    assert (await scene.status())["gateway_version"] == str(scene.gateway.installation.version)


async def test_it_is_started_again_when_it_is_killed(supervised: Supervised) -> None:
    first = await supervised.until_ready()
    os.kill(first, signal.SIGKILL)
    await supervised.until_ready(other_than=first)


async def test_a_sigterm_of_ours_ends_it_in_its_own_way_and_leaves_nothing(supervised: Supervised) -> None:
    await supervised.until_ready()
    supervised.process.terminate()
    async with asyncio.timeout(EXIT_DEADLINE):
        assert await supervised.process.wait() == 0
    assert supervised.gateway.alive() == {}
    assert "the gateway was stopped" in supervised.gateway.log()
    assert "SIGKILL" not in supervised.gateway.log()


async def test_a_kill_of_ours_leaves_nothing_of_it(supervised: Supervised) -> None:
    await supervised.until_ready()
    supervised.process.kill()
    await supervised.until_nothing_is_left()
