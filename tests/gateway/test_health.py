"""Health beside a real gateway: what it answers is what the gateway runs with."""

from __future__ import annotations

import asyncio
import socket
import urllib.error
import urllib.request

import orjson
import pytest
from gateway.scene import Deploy, Deployment, Scene, until


@pytest.fixture(scope="module")
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        number: int = found.getsockname()[1]
        return number


@pytest.fixture(scope="module")
def shared(deploy: Deploy, port: int) -> Deployment:
    return deploy(healthPort=port)


def page(port: int, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as answer:
        content: bytes = answer.read()
        return content


async def once_served(scene: Scene, port: int) -> bytes:
    """Return the page of health. A process that has just been started loads its web server beside the first pass."""

    async def look() -> bytes | None:
        try:
            return await asyncio.to_thread(page, port, "health")
        except urllib.error.URLError:
            return None

    return await until(look, "health is served", gateway=scene.gateway)


async def test_a_gateway_that_runs_with_a_change_is_healthy_and_measured(scene: Scene, port: int) -> None:
    await scene.reset()  # the first roster makes the gateway load plugins anew, and start our process again
    await scene.change("UPDATE agents SET model = 'anthropic/claude-opus-4-6' WHERE name = 'writer'")
    health = orjson.loads(await once_served(scene, port))
    assert (health["status"], health["state"]) == ("healthy", "applied")
    assert health["versions"]["gateway_version"] == str(scene.gateway.installation.version)
    assert health["last_published"]["content_hash"] == scene.content_hash()
    assert health["latency_ms"] > 0
    assert b"agent_config_sync_config_last_reload_successful 1.0\n" in page(port, "metrics")
