"""Every form of the file and of the include that we write for is one that the gateway takes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import orjson
import pytest
from gateway.scene import Deploy, Deployment, Scene
from harness import connected

from agent_config_sync.gateway.rules import roster_for


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(("section", "list"), marks=pytest.mark.gateway_since(2026, 8, 1)),
        pytest.param(("root", "auto")),
    ],
    ids=["list in a section", "root"],
)
def shared(deploy: Deploy, request: pytest.FixtureRequest) -> Deployment:
    """A gateway with another roster, or another layout, than ours; its plugin's config has a typo."""
    layout, roster = request.param
    return deploy(layout=layout, roster=roster, logLevle="debug")


@pytest.fixture
async def scene(shared: Deployment) -> AsyncIterator[Scene]:
    """An operator at the database of a gateway that runs with the roster."""
    async with connected(shared.dsn) as operator:
        scene = Scene(shared.gateway, operator)
        await scene.reset()
        yield scene


async def test_the_file_has_the_form_that_was_asked_for(scene: Scene) -> None:
    document = orjson.loads(scene.gateway.output.read_bytes())
    if scene.gateway.layout == "root":
        form = roster_for(scene.gateway.installation.version)
        assert sorted(document["agents"]) == sorted(["defaults", form] + ["ownership"] * (form == "entries"))
    else:
        assert [agent["id"] for agent in document["list"]] == ["coder", "lead", "writer"]


async def test_a_change_is_in_force_when_the_status_says_applied(scene: Scene) -> None:
    effective = await scene.change(
        "UPDATE agents SET model = 'anthropic/claude-opus-4-6' WHERE name = 'coder'",
        "DELETE FROM agents WHERE name = 'writer'",
        "INSERT INTO agents (name) VALUES ('analyst')",
    )
    assert effective.valid
    assert sorted(effective.entries) == ["analyst", "coder", "lead"]
    assert effective.entries["coder"]["model"] == "anthropic/claude-opus-4-6"
    assert "anthropic/claude-opus-4-6" in effective.allowed_models


async def test_the_default_agent_of_the_rows_is_the_one_that_the_gateway_reports(scene: Scene) -> None:
    await scene.change("UPDATE agents SET is_default = (name = 'coder')")
    async with scene.gateway.rpc() as rpc:
        assert (await rpc.ask("agents.list"))["defaultId"] == "coder"


async def test_an_unknown_setting_of_the_plugin_is_a_warning_that_names_the_nearest(scene: Scene) -> None:
    lines = [line for line in scene.gateway.log().splitlines() if "logLevle" in line]
    assert lines  # one a start: a change that brings in another provider makes the gateway load its plugins anew
    assert all("did you mean logLevel?" in line for line in lines)


async def test_the_last_agent_may_be_paused_and_comes_back(scene: Scene) -> None:
    effective = await scene.change("UPDATE agents SET status = 'paused'")
    assert effective.valid
    assert "lead" not in effective.entries
    effective = await scene.change("UPDATE agents SET status = 'active'")
    assert sorted(effective.entries) == ["coder", "lead", "writer"]
