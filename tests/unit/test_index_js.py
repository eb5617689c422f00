"""index.js: what the door in the gateway does with the process and its words."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_config_sync.resources import resource

HOST = Path(__file__).with_name("plugin_host.mjs")

HELLO = """echo '{"hello": {"version": "9.9.9"}}'"""

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not on PATH")


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """The file as an ES module, as its package makes it."""
    path = tmp_path / "index.mjs"
    path.write_bytes(resource("index.js").read_bytes())
    return path


def started(index: Path, script: str, task: str = "run", **environment: str) -> subprocess.Popen[str]:
    """Let a gateway start this shell script as the program."""
    config = json.dumps({"command": ["/bin/sh", "-c", script]})
    return subprocess.Popen(
        ["node", str(HOST), str(index), config, task],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def lines_until(running: subprocess.Popen[str], words: str) -> Iterator[str]:
    assert running.stdout is not None
    for line in running.stdout:
        yield line.strip()
        if words in line:
            return


def test_a_line_without_an_end_is_left_out_and_the_next_one_is_heard(index: Path) -> None:
    flood = "head -c 3000000 /dev/zero | tr '\\0' x; echo"
    last = """echo '{"log": {"level": "info", "message": "after it"}}'"""
    with started(index, f"{HELLO}; {flood}; {last}; cat >/dev/null") as running:
        heard = list(lines_until(running, "after it"))
        running.communicate("stop\n")
    assert heard == [
        "warn [agent-config-sync] a line of more than 1048576 characters was left out",
        "info [agent-config-sync] after it",
    ]


def test_a_second_start_ends_the_process_of_the_first(index: Path, tmp_path: Path) -> None:
    ends = tmp_path / "ends"
    ends.mkdir()
    script = f'{HELLO}; echo "$$ runs" >&2; cat >/dev/null; touch {ends}/$$; echo "$$ ended" >&2'
    with started(index, script, "twice") as running:
        list(lines_until(running, "ended"))
        running.communicate("stop\n")
    assert len(list(ends.iterdir())) == 2


def test_the_status_before_the_start_says_so(index: Path) -> None:
    with started(index, "exit 1", "status") as running:
        out, _ = running.communicate()
    assert out == "false agent-config-sync has not started yet\n"


@pytest.mark.parametrize(
    ("environment", "config", "state"),
    [
        ({}, "/home/me/.openclaw/openclaw.json", "/home/me/.openclaw"),
        ({"OPENCLAW_HOME": "~/svc"}, "/home/me/svc/.openclaw/openclaw.json", "/home/me/svc/.openclaw"),
        ({"OPENCLAW_HOME": "/svc", "OPENCLAW_STATE_DIR": "~/claw"}, "/svc/claw/openclaw.json", "/svc/claw"),
        ({"OPENCLAW_CONFIG_PATH": "~/c.json"}, "/home/me/c.json", "/home/me/.openclaw"),
        ({"OPENCLAW_CONFIG_PATH": "~/c.json", "OPENCLAW_HOME": "/svc"}, "/svc/c.json", "/svc/.openclaw"),
        ({"OPENCLAW_STATE_DIR": " "}, "/home/me/.openclaw/openclaw.json", "/home/me/.openclaw"),
    ],
)
def test_a_persons_command_is_about_the_gateway_that_the_environment_names(
    index: Path, environment: dict[str, str], config: str, state: str
) -> None:
    with started(index, "cat", "command", HOME="/home/me", **environment) as running:
        out, _ = running.communicate()
    greeting = json.loads(out)
    assert (greeting["configPath"], greeting["stateDir"], greeting["pid"]) == (config, state, None)
