"""A signal, where somebody asks for it: one restart for a burst."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from gateway.scene import Deploy, Deployment, Scene
from harness import connected


@pytest.fixture(scope="module")
def shared(deploy: Deploy) -> Deployment:
    """A gateway that is told by a signal, which restarts it; it has read the roster at its start."""
    return deploy(synced=True, reload="signal")


@pytest.fixture
async def scene(shared: Deployment) -> AsyncIterator[Scene]:
    """An operator at the database of a gateway that runs with the roster."""
    async with connected(shared.dsn) as operator:
        scene = Scene(shared.gateway, operator)
        await scene.until_status("applied")
        yield scene


@pytest.mark.gateway_since(2026, 5, 12)
@pytest.mark.gateway_until(2026, 7, 35)  # later ones see the file by themselves, before any signal
async def test_a_burst_of_200_commits_restarts_it_once_by_sigusr1(scene: Scene) -> None:
    updates = [f"UPDATE agents SET model = 'anthropic/burst-{number}' WHERE name = 'writer'" for number in range(200)]
    await scene.operator.execute(";".join(f"BEGIN; {update}; COMMIT" for update in updates[:-1]))
    transaction = await scene.commit(updates[-1])
    await scene.until_applied(transaction)
    effective = await scene.effective()
    assert effective.entries["writer"]["model"] == "anthropic/burst-199"
    assert scene.gateway.log().count("received SIGUSR1") == 1
