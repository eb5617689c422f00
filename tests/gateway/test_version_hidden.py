"""A gateway whose version nobody tells is given what every version takes, and no signal: it may open a debugger."""

from __future__ import annotations

import pytest
from gateway.scene import Deploy, Deployment, Scene

pytestmark = pytest.mark.gateway_since(2026, 8, 1)  # earlier ones need a touch or a signal, so somebody tells


@pytest.fixture(scope="module", params=["auto", "signal"])
def shared(deploy: Deploy, request: pytest.FixtureRequest) -> Deployment:
    """A gateway that says it is of no version that we know, to be told in each way that may mean a signal."""
    return deploy(gateway_version="hidden", reload=request.param)


async def test_a_change_is_in_force_and_the_debugger_stays_closed(scene: Scene) -> None:
    effective = await scene.change("UPDATE agents SET model = 'anthropic/claude-opus-4-6' WHERE name = 'writer'")
    assert effective.valid
    assert effective.entries["writer"]["model"] == "anthropic/claude-opus-4-6"
    assert (await scene.status())["gateway_version"] is None
    assert "[agent-config-sync] the gateway was signalled" not in scene.gateway.log()
