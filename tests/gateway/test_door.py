"""The plugin as a person at the gateway meets it: its commands, its method, and a changed config of its own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from gateway.scene import NAME, Deployment, Scene, until
from harness import connected


@pytest.fixture
async def scene(shared: Deployment) -> AsyncIterator[Scene]:
    """An operator at the database of a gateway that runs with the roster."""
    async with connected(shared.dsn) as operator:
        scene = Scene(shared.gateway, operator)
        await scene.until_status("applied")
        yield scene


def json_in(text: str) -> Any:
    """Return the JSON document in what a command printed, after what the gateway may have logged before it."""
    start = min(place for place in (text.find("{"), text.find("[\n")) if place >= 0)
    return json.loads(text[start:])


async def test_the_gateways_own_command_shows_the_status_with_the_settings_of_its_plugin(scene: Scene) -> None:
    ended = scene.gateway.openclaw("agent-config-sync", "status")
    assert (ended.returncode, "agent-config-sync:" in ended.stderr) == (0, False)
    assert f"{NAME}     applied" in ended.stdout


async def test_the_gateways_own_command_passes_on_options_and_the_exit_status(scene: Scene) -> None:
    ended = scene.gateway.openclaw("agent-config-sync", "status", "--forget", "nobody")
    assert ended.returncode == 2
    assert "no gateway 'nobody' has reported" in ended.stderr


async def test_the_gateways_own_command_sees_the_state_of_the_plugins_process(scene: Scene) -> None:
    ended = scene.gateway.openclaw("agent-config-sync", "history", "--json")
    assert [one["in_place"] for one in json_in(ended.stdout)].count(True) == 1


async def test_the_gateways_method_answers_with_the_content_of_the_command(scene: Scene) -> None:
    ended = scene.gateway.openclaw("agent-config-sync", "status", "--json")
    async with scene.gateway.rpc() as rpc:
        answer = await rpc.ask("agent-config-sync.status")
    rows = [{**row, "seen_at": None} for row in answer["gateways"]]
    assert rows == [{**row, "seen_at": None} for row in json_in(ended.stdout)]
    assert rows[0]["state"] == "applied"


@pytest.mark.gateway_since(2026, 5, 12)  # the first with `plugins inspect --runtime`
async def test_the_gateway_shows_the_plugin_as_loaded_with_its_services_method_and_command(scene: Scene) -> None:
    ended = scene.gateway.openclaw("plugins", "inspect", "agent_config_sync", "--runtime", "--json")
    shown = json_in(ended.stdout)
    assert shown["plugin"]["status"] == "loaded"
    assert shown["services"] == ["agent-config-sync", "agent-config-sync-applied"]
    assert shown["gatewayMethods"] == ["agent-config-sync.status"]
    assert set(shown["cliCommands"]) == {"agent-config-sync"}
    assert [found for found in shown["diagnostics"] if found["level"] == "error"] == []


@pytest.mark.gateway_since(2026, 5, 12)  # before, it restarts for it
async def test_a_changed_config_of_the_plugin_is_taken_without_a_restart_of_the_gateway(scene: Scene) -> None:
    ours = scene.gateway.sync_pid()

    def change(config: dict[str, Any]) -> None:
        config["plugins"]["entries"]["agent_config_sync"]["config"]["resyncInterval"] = 17

    scene.gateway.edit_config(change)

    async def taken() -> asyncpg.Record | None:
        return await scene.operator.fetchrow(
            "SELECT 1 FROM gateway_status WHERE gateway = $1 AND resync_interval = '17 s'", NAME
        )

    await until(taken, "the new interval is reported", gateway=scene.gateway)
    assert scene.gateway.runs()
    assert scene.gateway.log().count("[gateway] ready") == 1
    assert scene.gateway.sync_pid() not in (None, ours)


@pytest.mark.parametrize(
    ("key", "value", "name"),
    [("port", "many", "port"), ("resyncInterval", -3, "resync_interval"), ("host", ["x"], "host")],
)
async def test_a_bad_value_in_the_plugins_config_is_named_in_the_log_and_never_invalidates_the_gateways(
    scene: Scene, key: str, value: object, name: str
) -> None:
    before: dict[str, Any] = {}

    def change(document: dict[str, Any]) -> None:
        own = document["plugins"]["entries"]["agent_config_sync"]
        before.update(own["config"])
        own["config"] = {**before, key: value}

    def put_back(document: dict[str, Any]) -> None:
        document["plugins"]["entries"]["agent_config_sync"]["config"] = before

    scene.gateway.edit_config(change)

    async def named() -> str | None:
        log = scene.gateway.log()
        return log if f"the setting {name} is not valid" in log else None

    try:
        log = await until(named, "the setting is named", gateway=scene.gateway)
        assert (await scene.effective()).valid
        assert "reload skipped" not in log
    finally:
        scene.gateway.edit_config(put_back)
