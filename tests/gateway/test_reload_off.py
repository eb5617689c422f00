"""A gateway that does not reload shows what `applied` is worth: there, it may be said of nothing that was changed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
from gateway.scene import Deploy, Deployment, Scene, until
from harness import connected

from agent_config_sync.sync.informant import PATIENCE

pytestmark = pytest.mark.gateway_since(2026, 3, 13)  # before, every turn reads the files, reload or not


@pytest.fixture(scope="module")
def shared(deploy: Deploy) -> Deployment:
    """A gateway that has read the roster at its start and reloads nothing from then on."""
    return deploy(synced=True, gateway_config={"reload": {"mode": "off"}})


@pytest.fixture
async def scene(shared: Deployment) -> AsyncIterator[Scene]:
    """An operator at the database, which holds what the gateway runs with."""
    async with connected(shared.dsn) as operator:
        scene = Scene(shared.gateway, operator)
        await scene.reset()
        yield scene


async def test_the_roster_that_it_has_read_at_its_start_is_applied(scene: Scene) -> None:
    assert sorted((await scene.effective()).entries) == ["coder", "lead", "writer"]
    assert (await scene.status())["state"] == "applied"


@pytest.mark.parametrize(
    ("statement", "place"),
    [
        pytest.param(
            "UPDATE agents SET model = 'anthropic/claude-opus-4-6' WHERE name = 'writer'",
            "entries.writer.model",
            id="a model is changed",
        ),
        pytest.param("DELETE FROM agents WHERE name = 'writer'", "writer", id="an agent is removed"),
        pytest.param(
            "UPDATE agents SET allowed_subagents = NULL WHERE name = 'lead'",
            "entries.lead",
            id="all subagents are forbidden",
        ),
        pytest.param(
            "DELETE FROM agent_system_config WHERE key = 'max_spawn_depth'", "maxSpawnDepth", id="a default is removed"
        ),
        pytest.param("UPDATE agents SET status = 'paused'", "agent coder", id="all agents are paused"),
    ],
)
async def test_a_change_stays_pending_and_the_error_names_the_first_difference(
    scene: Scene, statement: str, place: str
) -> None:
    transaction = await scene.commit(statement)

    async def look() -> asyncpg.Record | None:
        assert await scene.applied(transaction) is None, "the status says applied and the gateway has reloaded nothing"
        status = await scene.status()
        return status if status["error"] is not None else None

    status = await until(look, f"an error, which takes {PATIENCE:g} s", gateway=scene.gateway)
    assert status["state"] == "pending"
    assert place in status["error"]
