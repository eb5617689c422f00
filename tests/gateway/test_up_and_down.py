"""One home through an upgrade of its gateway and back: each version finds the file in a form that it reads."""

from __future__ import annotations

import asyncio
import shutil
import signal

import orjson
import pytest
from gateway.openclaw import Installation
from gateway.scene import Deploy, Deployment, Scene, until
from harness import connected

EARLIER = "2026.7.1"
"""The version that it comes from and goes back to; it knows no entries."""

pytestmark = pytest.mark.gateway_since(2026, 9, 6)


@pytest.fixture(scope="module")
def earlier(installation: Installation) -> Installation:
    earlier = Installation(installation.folder.with_name(EARLIER))
    if not earlier.is_complete():
        pytest.fail(f"there is no OpenClaw gateway in {earlier.folder}: run `make test-gateway`, which installs it")
    return earlier


@pytest.fixture(scope="module")
def shared(deploy: Deploy, earlier: Installation) -> Deployment:
    """A gateway of the earlier version."""
    return deploy(of=earlier)


async def in_force(scene: Scene) -> dict[str, object]:
    """Return the file once the gateway that has started runs with it."""
    started = await scene.operator.fetchval("SELECT now()")

    async def look() -> bool | None:
        status = await scene.status()
        return True if status["state"] == "applied" and status["seen_at"] > started else None

    await until(look, "gateway_status says applied", gateway=scene.gateway)
    assert sorted((await scene.effective()).entries) == ["coder", "lead", "writer"]
    document: dict[str, object] = orjson.loads(scene.gateway.output.read_bytes())
    return document


async def test_a_home_goes_up_to_this_version_and_down_again(
    shared: Deployment, installation: Installation, earlier: Installation
) -> None:
    gateway = shared.gateway
    async with connected(shared.dsn) as operator:
        scene = Scene(gateway, operator)
        await scene.until_status("applied")

        gateway.end(signal.SIGTERM)
        state = gateway.folder / "state"  # the gateway's own, which a later version converts for good
        backup = shutil.copytree(state, gateway.home / "backup")
        gateway.installation = installation
        await asyncio.to_thread(gateway.start)
        assert "entries" in await in_force(scene)

        gateway.end(signal.SIGTERM)
        gateway.installation = earlier
        shutil.rmtree(state)
        backup.rename(state)
        await asyncio.to_thread(gateway.run_sync, "--dsn", shared.dsn)
        await asyncio.to_thread(gateway.start)
        assert "list" in await in_force(scene)
