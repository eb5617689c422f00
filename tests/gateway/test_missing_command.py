"""A plugin that cannot start its process, or starts another, costs the gateway nothing and says what is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from gateway.scene import Deploy, Deployment, Scene, until

MISSING = "/nowhere/agent-config-sync"


@pytest.fixture(scope="module")
def shared(deploy: Deploy) -> Deployment:
    """A gateway whose plugin names a command that is not there."""
    return deploy(command=MISSING)


async def test_the_gateway_is_healthy_and_runs_with_the_file_as_it_was(scene: Scene) -> None:
    effective = await scene.effective()
    assert effective.valid
    assert set(effective.entries) <= {"main"}  # which newer gateways make up


async def test_one_line_an_attempt_says_what_is_missing_and_which_setting_names_it(scene: Scene) -> None:
    async def look() -> list[str] | None:
        lines = [line for line in scene.gateway.log().splitlines() if MISSING in line]
        return lines if len(lines) >= 2 else None

    first, second = (await until(look, "two attempts", gateway=scene.gateway))[:2]
    assert "cannot be started (ENOENT): set plugins.entries.agent_config_sync.config.command; again in 1 s" in first
    assert second.endswith("again in 2 s")
    assert "    at " not in scene.gateway.log()  # no stack of Node's


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (
            "exit 3",
            "/bin/sh ended (status 3) and did not speak as agent-config-sync 0.1.0 or later does: install it anew",
        ),
        (
            """echo '{"hello": {"version": "0.0.9"}}'; cat >/dev/null""",
            "/bin/sh is agent-config-sync 0.0.9 and this plugin needs 0.1.0 or later: install it anew",
        ),
    ],
    ids=["another program", "a program that is too old"],
)
async def test_a_program_that_does_not_fit_is_named_in_one_line(scene: Scene, script: str, words: str) -> None:
    def change(config: dict[str, Any]) -> None:
        config["plugins"]["entries"]["agent_config_sync"]["config"]["command"] = ["/bin/sh", "-c", script]

    scene.gateway.edit_config(change)

    async def look() -> bool | None:
        return words in scene.gateway.log() or None

    await until(look, "the log says so", gateway=scene.gateway)
    assert (await scene.effective()).valid
