"""`npm pack` makes a package that the gateway installs by its own command."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from gateway.openclaw import OpenClaw
from gateway.scene import Deploy, Deployment, Scene

from agent_config_sync.model.site import GatewayVersion
from agent_config_sync.resources import resource

FILES = {"index.js", "openclaw.plugin.json", "package.json"}

pytestmark = pytest.mark.gateway_since(2026, 7, 1)  # before, `plugins install` flattens the include, or refuses to

CONSENT = {"--force": GatewayVersion(2026, 7, 1), "--accept-capabilities": GatewayVersion(2026, 8, 1)}
"""What `plugins install` wants to hear before it installs, and since when."""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, made of the files that come with the program."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("package")
    for name in FILES:
        (source / name).write_bytes(resource(name).read_bytes())
    made = subprocess.run(
        ["npm", "pack", "--json", "--pack-destination", str(target)],
        cwd=source, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    (described,) = json.loads(made.stdout)
    assert {file["path"] for file in described["files"]} == FILES
    return target / str(described["filename"])


@pytest.fixture(scope="module")
def shared(deploy: Deploy, package: Path) -> Deployment:
    """A gateway into which the package was installed, instead of a folder that it is told to load."""

    def install(gateway: OpenClaw, _: str) -> None:
        own: dict[str, Any] = {}

        def without(config: dict[str, Any]) -> None:
            del config["plugins"]["load"]["paths"][0]
            own.update(config["plugins"]["entries"].pop("agent_config_sync"))

        gateway.edit_config(without)
        version = gateway.installation.version
        consent = [option for option, since in CONSENT.items() if version >= since]
        ended = gateway.openclaw("plugins", "install", str(package), *consent)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        gateway.edit_config(lambda config: config["plugins"]["entries"].update(agent_config_sync=own))

    return deploy(prepare=install)


async def test_the_installed_plugin_keeps_the_gateway_in_step(scene: Scene) -> None:
    await scene.until_status("applied")
    effective = await scene.change("UPDATE agents SET model = 'anthropic/claude-opus-4-6' WHERE name = 'coder'")
    assert effective.valid
    assert effective.entries["coder"]["model"] == "anthropic/claude-opus-4-6"
