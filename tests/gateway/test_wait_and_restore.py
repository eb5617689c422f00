"""`wait`, `restore` and `resume` beside a real gateway's plugin, as the guide has them."""

from __future__ import annotations

import asyncio
import os
import subprocess

import orjson
from gateway.openclaw import agent_config_sync
from gateway.scene import Deployment, Scene, until

STATE = "agent-config-sync"


async def command(shared: Deployment, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command where the plugin's process keeps its state."""
    folder = shared.gateway.config_path.parent
    return await asyncio.to_thread(
        subprocess.run,
        [*agent_config_sync(), *words],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(shared.gateway.home),
            "AGENT_CONFIG_SYNC_CONFIG_PATH": str(shared.gateway.config_path),
            "AGENT_CONFIG_SYNC_STATE_DIR": str(folder / STATE),
            "AGENT_CONFIG_SYNC_GATEWAY": str(shared.gateway.plugin_config["gateway"]),
            "AGENT_CONFIG_SYNC_GATEWAY_VERSION": str(shared.gateway.installation.version),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def newest_set(shared: Deployment) -> int | None:
    """Return the number of the set that is in place, None while it is not kept yet."""
    sets = orjson.loads((await command(shared, "history", "--json")).stdout)
    return next((int(one["number"]) for one in sets if one["in_place"]), None)


async def test_wait_returns_when_the_gateway_runs_with_the_change(scene: Scene, shared: Deployment) -> None:
    await scene.reset()
    await scene.commit("UPDATE agents SET model = 'anthropic/claude-opus-4-6' WHERE name = 'coder'")
    ended = await command(shared, "wait", "--dsn", shared.dsn)
    assert (ended.returncode, ended.stdout) == (0, "here: applied\n")
    assert (await scene.effective()).entries["coder"]["model"] == "anthropic/claude-opus-4-6"


async def test_a_restored_set_is_in_force_until_resume(scene: Scene, shared: Deployment) -> None:
    await scene.reset()
    number = await until(lambda: newest_set(shared), "the set is kept", gateway=shared.gateway)
    await scene.change("UPDATE agents SET model = 'anthropic/claude-opus-4-6' WHERE name = 'coder'")
    restored = await command(shared, "restore", str(number), "--dsn", shared.dsn)
    assert restored.returncode == 0, restored.stderr

    async def model() -> str | None:
        found = (await scene.effective()).entries["coder"]["model"]
        return str(found) if found != "anthropic/claude-opus-4-6" else None

    assert await until(model, "the older set is in force", gateway=shared.gateway) == "anthropic/claude-sonnet-4-5"
    held = await scene.until_status("pending", with_error=True)
    assert held["error"].startswith(f"held at set {number} of ")
    assert (await command(shared, "resume", "--dsn", shared.dsn)).returncode == 0
    assert (await command(shared, "wait", "--dsn", shared.dsn)).returncode == 0
    assert (await scene.effective()).entries["coder"]["model"] == "anthropic/claude-opus-4-6"
