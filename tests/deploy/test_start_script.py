"""The start script of the gateway's container, with a stand-in for the gateway; tests/gateway takes the real one."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness import DEADLINE
from unit.builders import REPOSITORY

SCRIPT = REPOSITORY / "deploy" / "compose" / "start-openclaw.sh"
TOKEN = "token-of-the-tests"
GITHUB = "github-of-the-tests"

STAND_IN = """\
#!/usr/bin/env bash
printf '%s\\n' "$@" >"$HOME/words"
env -0 >"$HOME/environment"
trap 'exit 7' TERM
echo "gateway $$"
[[ "$*" != *--stays* ]] || { sleep 60 & wait $!; }
"""


@dataclass(frozen=True, slots=True)
class Started:
    """What became of the script. words, environment: what the stand-in got, nothing if it was not started."""

    status: int
    said: str
    words: list[str]
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Container:
    """A home with a stand-in for `openclaw` on the PATH, and no configuration yet."""

    home: Path

    @property
    def config(self) -> Path:
        return self.home / "clawd" / "openclaw.json"

    def configure(self) -> None:
        """Write the configuration as agent-config-sync does, by a rename."""
        new = self.config.with_name(".new")
        new.write_text("{}\n", encoding="utf-8")
        new.replace(self.config)

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [SCRIPT, *words],
            env={
                "HOME": str(self.home),
                "PATH": f"{self.home}{os.pathsep}{os.environ['PATH']}",
                "OPENCLAW_CONFIG_PATH": str(self.config),
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *words: str, **environment: str) -> Started:
        with self.start(*words, **environment) as process:
            said, _ = process.communicate(timeout=DEADLINE)
        got = {name: self._text(name) for name in ("words", "environment")}
        pairs = (pair.partition("=") for pair in got["environment"].split("\0") if pair)
        return Started(process.returncode, said, got["words"].splitlines(), {name: value for name, _, value in pairs})

    def _text(self, name: str) -> str:
        path = self.home / name
        return path.read_text(encoding="utf-8") if path.exists() else ""


def next_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.fixture
def container(tmp_path: Path) -> Container:
    program = tmp_path / "openclaw"
    program.write_text(STAND_IN, encoding="utf-8")
    program.chmod(0o755)
    container = Container(tmp_path)
    container.config.parent.mkdir()
    return container


@pytest.fixture
def configured(container: Container) -> Container:
    container.configure()
    return container


# The configuration ---------------------------------------------------------------------------------------------------


def test_it_waits_for_the_configuration_and_says_so(container: Container) -> None:
    with container.start() as process:
        assert f"waiting for {container.config}" in next_line(process) + next_line(process)
        assert process.poll() is None
        container.configure()
        assert next_line(process) == f"gateway {process.pid}\n"
    assert process.returncode == 0


@pytest.mark.parametrize("empty", [False, True], ids=["missing", "empty"])
def test_it_gives_up_after_the_time_that_it_was_given(container: Container, empty: bool) -> None:
    if empty:
        container.config.touch()
    started = container.run(OPENCLAW_CONFIG_WAIT="1")
    assert (started.status, started.words) == (1, [])
    assert f"{container.config} has not come within 1 s" in started.said


def test_without_time_to_wait_a_configuration_that_is_there_is_enough(configured: Container) -> None:
    assert configured.run(OPENCLAW_CONFIG_WAIT="0").status == 0


@pytest.mark.parametrize("patience", ["soon", "-1", "1.5", "1; id"])
def test_a_time_to_wait_that_is_no_number_of_seconds_is_refused(configured: Container, patience: str) -> None:
    started = configured.run(OPENCLAW_CONFIG_WAIT=patience)
    assert (started.status, started.words) == (2, [])
    assert "OPENCLAW_CONFIG_WAIT" in started.said


def test_the_configuration_is_looked_for_where_the_workspace_is(container: Container) -> None:
    started = container.run(OPENCLAW_CONFIG_PATH="", OPENCLAW_CONFIG_WAIT="0")
    assert "/root/clawd/openclaw.json has not come" in started.said


def test_the_gateway_learns_where_its_configuration_and_its_state_are(configured: Container) -> None:
    environment = configured.run().environment
    assert environment["OPENCLAW_CONFIG_PATH"] == str(configured.config)
    assert environment["OPENCLAW_STATE_DIR"] == str(configured.home / ".openclaw")


# Signals -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_waiting(container: Container, number: signal.Signals, status: int) -> None:
    with container.start(CLAWDBOT_GATEWAY_TOKEN=TOKEN) as process:
        assert "waiting" in next_line(process)
        process.send_signal(number)
        process.wait(DEADLINE)  # before its pipe is closed: a shell may end a line for an interrupt
    assert process.returncode == status


def test_a_signal_reaches_the_gateway(configured: Container) -> None:
    with configured.start("--stays", CLAWDBOT_GATEWAY_TOKEN=TOKEN) as process:
        assert next_line(process) == f"gateway {process.pid}\n"
        process.send_signal(signal.SIGTERM)
        process.wait(DEADLINE)
    assert process.returncode == 7


# Who may come in -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["CLAWDBOT_GATEWAY_TOKEN", "OPENCLAW_GATEWAY_TOKEN"])
@pytest.mark.parametrize("host", ["", "127.0.0.1", "0.0.0.0"])
def test_with_a_token_the_gateway_listens_on_all_addresses(configured: Container, name: str, host: str) -> None:
    started = configured.run(**{name: TOKEN, "OPENCLAW_BIND_HOST": host})
    assert started.words == ["gateway", "--auth", "token", "--bind", "lan"]
    assert started.environment["OPENCLAW_GATEWAY_TOKEN"] == TOKEN
    assert "CLAWDBOT_GATEWAY_TOKEN" not in started.environment


def test_of_two_tokens_the_one_by_the_newer_name_counts(configured: Container) -> None:
    started = configured.run(OPENCLAW_GATEWAY_TOKEN=TOKEN, CLAWDBOT_GATEWAY_TOKEN="another")
    assert started.environment["OPENCLAW_GATEWAY_TOKEN"] == TOKEN


@pytest.mark.parametrize("host", ["", "127.0.0.1", "127.1.2.3", "localhost", "LOCALHOST", "::1", "[::1]"])
def test_without_a_token_it_listens_on_the_loopback(configured: Container, host: str) -> None:
    started = configured.run(OPENCLAW_BIND_HOST=host)
    assert started.words == ["gateway", "--auth", "token", "--bind", "loopback"]
    assert "no CLAWDBOT_GATEWAY_TOKEN" in started.said


def test_a_token_that_nobody_gave_is_another_one_each_time_and_nobody_learns_it(configured: Container) -> None:
    runs = [configured.run(CLAWDBOT_GATEWAY_TOKEN=blank) for blank in ("", " ")]
    tokens = [run.environment["OPENCLAW_GATEWAY_TOKEN"] for run in runs]
    assert all(re.fullmatch("[0-9a-f]{64}", token) for token in tokens)
    assert tokens[0] != tokens[1]
    assert not any(token in run.said for run, token in zip(runs, tokens, strict=True))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.org", "127.0.0.1.example.org", " "])
def test_without_a_token_it_does_not_start_where_others_could_reach_it(configured: Container, host: str) -> None:
    started = configured.run(OPENCLAW_BIND_HOST=host)
    assert (started.status, started.words) == (2, [])
    assert "set CLAWDBOT_GATEWAY_TOKEN" in started.said


# What is handed on ---------------------------------------------------------------------------------------------------


def test_secrets_are_handed_on_and_never_printed(configured: Container) -> None:
    started = configured.run(CLAWDBOT_GATEWAY_TOKEN=TOKEN, GH_TOKEN=GITHUB)
    assert started.environment["GH_TOKEN"] == GITHUB
    assert started.said == f"gateway {started.said.split()[-1]}\n"
    assert not {TOKEN, GITHUB} & set(started.words)


def test_what_is_empty_is_not_handed_on(configured: Container) -> None:
    empty = dict.fromkeys(["ANTHROPIC_API_KEY", "GH_TOKEN", "OPENAI_API_KEY"], "")
    assert not empty.keys() & configured.run(**empty).environment.keys()


def test_further_words_are_the_gateways(configured: Container) -> None:
    started = configured.run("--verbose", "--ws-log", "a b", CLAWDBOT_GATEWAY_TOKEN=TOKEN)
    assert started.words[-3:] == ["--verbose", "--ws-log", "a b"]
