"""A key beside the include beats the database: it is named, and the gateway's own command takes it out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from gateway.scene import Deployment, Scene, until
from harness import connected

PATH = "agents.defaults.subagents.maxSpawnDepth"

pytestmark = pytest.mark.gateway_since(2026, 7, 1)


@pytest.fixture
async def scene(shared: Deployment) -> AsyncIterator[Scene]:
    """An operator at the database of a gateway that runs with the roster."""
    async with connected(shared.dsn) as operator:
        scene = Scene(shared.gateway, operator)
        await scene.reset()
        yield scene


async def test_a_value_beside_the_include_is_named_until_it_is_unset(scene: Scene) -> None:
    def change(config: dict[str, Any]) -> None:
        config["agents"]["defaults"] = {"subagents": {"maxSpawnDepth": 2}}

    scene.gateway.edit_config(change)

    async def warned() -> asyncpg.Record | None:
        await scene.operator.execute("NOTIFY agent_config_changed")
        status = await scene.status()
        return status if any(PATH in warning for warning in status["warnings"]) else None

    status = await until(warned, "the status warns of it", gateway=scene.gateway)
    (warning,) = [warning for warning in status["warnings"] if PATH in warning]
    assert f"{PATH} is 2 there and 5 in the database" in warning

    async def beaten() -> bool | None:
        return (await scene.effective()).defaults["subagents"]["maxSpawnDepth"] == 2 or None

    await until(beaten, "the gateway runs with it", gateway=scene.gateway)
    found = scene.gateway.openclaw("agent-config-sync", "doctor")
    assert found.returncode == 3
    assert "shadowed: " in found.stdout

    assert f"openclaw config unset {PATH}" in warning
    ended = scene.gateway.openclaw("config", "unset", PATH)
    assert ended.returncode == 0, ended.stderr
    effective = await scene.change("UPDATE agents SET model = 'anthropic/claude-opus-4-6' WHERE name = 'coder'")
    assert effective.defaults["subagents"]["maxSpawnDepth"] == 5
    assert not any(PATH in warning for warning in (await scene.status())["warnings"])
