"""A gateway whose version is not known: no way of telling it opens the debugger."""

from __future__ import annotations

import pytest
from gateway.scene import Deploy, Deployment, Scene

pytestmark = pytest.mark.gateway_since(2026, 8, 1)

CHANGE = "UPDATE agents SET model = 'anthropic/claude-opus-4-6' WHERE name = 'writer'"


@pytest.fixture(scope="module", params=["auto", "signal"])
def shared(deploy: Deploy, request: pytest.FixtureRequest) -> Deployment:
    """A gateway of a version that nobody tells, in each way to tell it that may mean a signal."""
    return deploy(gateway_version="unknown", reload=request.param)


@pytest.mark.parametrize("shared", ["auto"], indirect=True)
async def test_a_change_is_in_force_and_the_debugger_stays_closed(scene: Scene) -> None:
    status = await scene.until_applied(await scene.commit(CHANGE))
    assert status["gateway_version"] is None
    assert status["content_hash"] == scene.content_hash()


@pytest.mark.parametrize("shared", ["signal"], indirect=True)
async def test_a_signal_that_might_open_the_debugger_is_not_sent_and_the_status_says_why(scene: Scene) -> None:
    await scene.commit(CHANGE)
    status = await scene.until_status("pending", with_error=True)
    assert "the gateway's version is unknown and on newer ones SIGUSR1 opens a debugger" in status["error"]
