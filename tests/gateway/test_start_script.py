"""The start script of the gateway's container starts a real gateway on the base file."""

from __future__ import annotations

import json
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from gateway.base_file import with_agents
from gateway.debugger import DebuggerWatch
from gateway.openclaw import TOKEN, Installation, OpenClaw
from unit.builders import REPOSITORY

from agent_config_sync.gateway.rules import roster_for

GITHUB = "github-of-the-tests"
EVERYWHERE, LOOPBACK = "00000000", "0100007F"


@dataclass(slots=True)
class Contained(OpenClaw):
    """A gateway as in its container. The start script gets the token, if there is one, by its earlier name."""

    token: str = ""

    SCRIPT: ClassVar = REPOSITORY / "deploy" / "compose" / "start-openclaw.sh"

    @property
    def folder(self) -> Path:
        return self.home / "clawd"

    @property
    def command(self) -> list[str]:
        return [str(self.SCRIPT)]

    @property
    def environment(self) -> dict[str, str]:
        return {
            **self.installation.environment(self.home),
            "OPENCLAW_CONFIG_PATH": str(self.config_path),
            "CLAWDBOT_GATEWAY_TOKEN": self.token,
            "GH_TOKEN": GITHUB,
        }

    def set_up(self) -> None:
        """Write the configuration: the base file and two agents, on a port of its own."""
        self.folder.mkdir()
        config = with_agents(roster_for(self.installation.version))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = config["gateway"]["port"] = probe.getsockname()[1]
        self.config_path.write_text(json.dumps(config, indent=2), encoding="utf-8")
        self.config_path.chmod(0o600)

    def listens_on(self) -> set[str]:
        """Return the IPv4 addresses on which it listens, as the kernel writes them (proc(5), /proc/net/tcp)."""
        lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
        ends = (line.split()[1].split(":") for line in lines if line.split()[3] == "0A")
        return {address for address, port in ends if int(port, 16) == self.port}

    def status_of_a_request(self, token: str) -> int:
        """Send a request that asks for nothing to the endpoint that the base file enables."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/v1/responses",
            data=b"{}",
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=30)
        with refused.value as answer:
            return answer.code


@pytest.fixture(scope="module", params=[TOKEN, ""], ids=["token", "no token"])
def container(
    request: pytest.FixtureRequest,
    installation: Installation,
    tmp_path_factory: pytest.TempPathFactory,
    debugger_watch: DebuggerWatch,
) -> Iterator[Contained]:
    gateway = Contained(installation, tmp_path_factory.mktemp("home"), {}, token=request.param)
    gateway.set_up()
    try:
        gateway.start()
        yield gateway
    finally:
        gateway.stop()


def test_it_listens_on_all_addresses_only_with_a_token(container: Contained) -> None:
    assert container.listens_on() == {EVERYWHERE if container.token else LOOPBACK}


def test_only_who_has_the_token_is_let_in(container: Contained) -> None:
    assert container.status_of_a_request("another") == 401
    assert container.status_of_a_request(TOKEN) == (400 if container.token else 401)


def test_it_leaves_the_configuration_as_it_was_written(container: Contained) -> None:
    config = with_agents(roster_for(container.installation.version))
    config["gateway"]["port"] = container.port
    assert json.loads(container.config_path.read_text(encoding="utf-8")) == config


def test_what_it_keeps_is_not_among_the_workspaces(container: Contained) -> None:
    assert {path.name for path in container.folder.iterdir()} <= {"openclaw.json", "openclaw.json.last-good"}


def test_no_secret_is_in_its_log(container: Contained) -> None:
    assert TOKEN not in container.log()
    assert GITHUB not in container.log()


def test_a_signal_ends_it_whole(container: Contained) -> None:
    assert container.end(signal.SIGTERM) == 0
    assert container.alive() == {}
