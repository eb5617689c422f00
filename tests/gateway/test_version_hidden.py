"""A door that tells no version: whether or not it is found out otherwise, no way of telling opens the debugger."""

from __future__ import annotations

import pytest
from gateway.scene import Deploy, Deployment, Scene

pytestmark = pytest.mark.gateway_since(2026, 8, 1)


@pytest.fixture(scope="module", params=["auto", "signal"])
def shared(deploy: Deploy, request: pytest.FixtureRequest) -> Deployment:
    """A gateway of a version that the door does not tell, in each way to tell it that may mean a signal."""
    return deploy(gateway_version="hidden", reload=request.param)


async def test_a_change_is_in_force_and_the_debugger_stays_closed(scene: Scene) -> None:
    transaction = await scene.commit("UPDATE agents SET model = 'anthropic/claude-opus-4-6' WHERE name = 'writer'")
    status = await scene.until_applied(transaction)
    assert status["gateway_version"] in (None, str(scene.gateway.installation.version))
    assert status["content_hash"] == scene.content_hash()
