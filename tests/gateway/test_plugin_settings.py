"""The settings that the predecessor names work as they stand there: its six keys, and the database of agent_chat."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from gateway.openclaw import OpenClaw
from gateway.scene import Deploy, Deployment, Scene

CHAT_PLUGIN = {
    "id": "agent_chat",
    "channels": ["agent_chat"],
    "configSchema": {"type": "object", "additionalProperties": True},
}
"""The manifest of the plugin that owns the channel; without it the gateway refuses `channels.agent_chat`."""


def database_keys(dsn: str) -> dict[str, Any]:
    """Return a DSN in the predecessor's five keys."""
    parts = urlsplit(dsn)
    (host,) = parse_qs(parts.query).get("host", [parts.hostname])
    return {
        "host": host,
        "port": parts.port or 5432,
        "database": unquote(parts.path.removeprefix("/")),
        "user": parts.username,
        "password": parts.password or "not-asked-for",
    }


def with_the_six_keys(gateway: OpenClaw, dsn: str) -> None:
    def change(config: dict[str, Any]) -> None:
        own = config["plugins"]["entries"]["agent_config_sync"]["config"]
        del own["dsn"]
        own |= database_keys(dsn) | {"outputPath": str(gateway.output)}

    gateway.edit_config(change)


def with_agent_chat(gateway: OpenClaw, dsn: str) -> None:
    folder = gateway.home / "agent_chat"
    folder.mkdir()
    members = {"name": "agent_chat", "version": "1.0.0", "type": "module", "openclaw": {"extensions": ["./index.js"]}}
    (folder / "package.json").write_text(json.dumps(members), encoding="utf-8")
    (folder / "openclaw.plugin.json").write_text(json.dumps(CHAT_PLUGIN), encoding="utf-8")
    (folder / "index.js").write_text("export default { id: 'agent_chat', register() {} };\n", encoding="utf-8")

    def change(config: dict[str, Any]) -> None:
        del config["plugins"]["entries"]["agent_config_sync"]["config"]["dsn"]
        config["plugins"]["load"]["paths"].append(str(folder))
        config["plugins"]["entries"]["agent_chat"] = {"enabled": True}
        config["channels"] = {"agent_chat": {"enabled": True, "pollIntervalMs": 1000, **database_keys(dsn)}}

    gateway.edit_config(change)


@pytest.fixture(scope="module", params=[with_the_six_keys, with_agent_chat], ids=["six keys", "agent_chat"])
def shared(deploy: Deploy, request: pytest.FixtureRequest) -> Deployment:
    """A gateway whose configuration names the database as the predecessor's does."""
    return deploy(prepare=request.param)


async def test_a_change_is_in_force_when_the_status_says_applied(scene: Scene) -> None:
    await scene.until_status("applied")
    effective = await scene.change("UPDATE agents SET model = 'anthropic/claude-opus-4-6' WHERE name = 'coder'")
    assert effective.valid
    assert effective.entries["coder"]["model"] == "anthropic/claude-opus-4-6"


def test_the_file_is_the_one_that_the_configuration_names(shared: Deployment) -> None:
    assert Path(shared.gateway.output).stat().st_size > len("{}\n")
