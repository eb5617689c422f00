"""A process beside a gateway that knows nothing of it: it asks over the gateway's own RPC."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest
from gateway.openclaw import EXIT_DEADLINE, OpenClaw, agent_config_sync
from gateway.scene import NAME, Deploy, Deployment, Scene
from harness import connected


@pytest.fixture(scope="module")
def shared(deploy: Deploy) -> Deployment:
    """A gateway without our plugin."""

    def without_plugin(gateway: OpenClaw, _: str) -> None:
        def change(config: dict[str, Any]) -> None:
            del config["plugins"]["load"]["paths"][0]
            del config["plugins"]["entries"]["agent_config_sync"]

        gateway.edit_config(change)

    return deploy(prepare=without_plugin)


@pytest.fixture
async def scene(shared: Deployment) -> AsyncIterator[Scene]:
    """An operator, and `agent-config-sync run` as a person starts it."""
    settings = {"dsn": shared.dsn, "gateway": NAME, "config_path": str(shared.gateway.config_path)}
    running = await asyncio.create_subprocess_exec(
        *agent_config_sync(),
        "run",
        env={
            **shared.gateway.installation.environment(shared.gateway.home),
            **{f"AGENT_CONFIG_SYNC_{name.upper()}": value for name, value in settings.items()},
        },
        stderr=asyncio.subprocess.DEVNULL,
    )
    async with connected(shared.dsn) as operator:
        yield Scene(shared.gateway, operator)
    os.kill(running.pid, signal.SIGTERM)
    async with asyncio.timeout(EXIT_DEADLINE):
        assert await running.wait() == 0


@pytest.mark.gateway_since(2026, 8, 1)  # earlier ones do not say over their RPC what they run with
async def test_a_change_is_in_force_when_the_status_says_applied(scene: Scene) -> None:
    effective = await scene.change("UPDATE agents SET model = 'anthropic/claude-opus-4-6' WHERE name = 'coder'")
    assert effective.valid
    assert effective.entries["coder"]["model"] == "anthropic/claude-opus-4-6"
    assert (await scene.status())["gateway_version"] is not None


async def test_without_a_gateway_to_ask_a_change_is_offered(scene: Scene) -> None:
    scene.gateway.end(signal.SIGTERM)
    await scene.commit("UPDATE agents SET model = 'anthropic/claude-haiku-4-5' WHERE name = 'lead'")
    await scene.until_status("offered")
