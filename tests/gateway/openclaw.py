"""A real OpenClaw gateway in a home of its own: its configuration, its process, and its RPC."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pytest
from websockets.asyncio.client import ClientConnection, connect

Layout: TypeAlias = Literal["section", "root"]

VERSION = "2026.9.6"
"""What install_gateway.sh installs."""

READY_DEADLINE = 60.0
"""Seconds from the start of a gateway until it says that it is ready; about 8 on two cores."""

EXIT_DEADLINE = 30.0
"""Seconds that a gateway may take to end; about 2."""

TOKEN = "token-of-the-tests"


def agent_config_sync() -> list[str]:
    """Return the command of the package that this interpreter has."""
    script = Path(sys.executable).with_name("agent-config-sync")
    return [str(script)] if script.exists() else [sys.executable, "-m", "agent_config_sync"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gateway's own validator says. issues: (path, message), empty for a valid configuration."""

    valid: bool
    issues: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Installation:
    """A folder into which install_gateway.sh has installed one version of OpenClaw, with its Node."""

    folder: Path

    def environment(self, home: Path) -> dict[str, str]:
        """Return the environment of a gateway: nothing of ours but the PATH."""
        programs = self.folder / "node_modules" / ".bin"
        return {
            "HOME": str(home),
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "LANG": "C.UTF-8",
            "XDG_STATE_HOME": str(home / "state"),
        }

    def validate(self, config: Path, home: Path) -> Verdict:
        """Ask `openclaw config validate` for its verdict on one openclaw.json and what it includes."""
        ended = subprocess.run(
            ["openclaw", "config", "validate", "--json"],
            env={**self.environment(home), "OPENCLAW_CONFIG_PATH": str(config)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        _, brace, rest = ended.stdout.partition("{")
        if not brace:
            pytest.fail(f"config validate said nothing: {ended.stdout[-500:]}{ended.stderr[-500:]}")
        said = json.loads(brace + rest)
        issues = tuple((str(issue["path"]), str(issue["message"])) for issue in said.get("issues", ()))
        return Verdict(said["valid"], issues)


@dataclass(frozen=True, slots=True)
class Effective:
    """What a gateway says of itself (RPC config.get): the configuration it runs with, and whether it is the one on
    disk, which is `valid` or not."""

    agents: Mapping[str, Any]
    valid: bool
    applied_hash: str | None
    revision_hash: str | None

    @property
    def entries(self) -> Mapping[str, Any]:
        entries: Mapping[str, Any] = self.agents.get("entries", {})
        return entries

    @property
    def defaults(self) -> Mapping[str, Any]:
        defaults: Mapping[str, Any] = self.agents.get("defaults", {})
        return defaults


@dataclass(slots=True)
class Rpc:
    """A connection to a gateway's WebSocket, greeted as an operator."""

    _connection: ClientConnection

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Return the payload of the answer; what the gateway tells beside is passed over."""
        number = str(uuid.uuid4())
        frame = {"type": "req", "id": number, "method": method, "params": params}
        await self._connection.send(json.dumps(frame))
        async with asyncio.timeout(READY_DEADLINE):
            async for text in self._connection:
                answer = json.loads(text)
                if answer.get("type") == "res" and answer.get("id") == number:
                    break
            else:
                pytest.fail(f"the gateway closed its WebSocket before it answered {method}")
        if not answer["ok"]:
            pytest.fail(f"{method} failed: {answer.get('error')}")
        payload: dict[str, Any] = answer["payload"]
        return payload

    async def effective(self) -> Effective:
        answer = await self.ask("config.get")
        return Effective(
            answer["runtimeConfig"].get("agents", {}),
            answer["valid"],
            answer["appliedConfigHash"],
            answer["configRevisionHash"],
        )


@dataclass(slots=True)
class OpenClaw:
    """One gateway: `start` and `stop` as often as wanted, always in the same home and on the same port."""

    installation: Installation
    home: Path
    plugin_config: Mapping[str, Any]
    layout: Layout = "section"
    gateway_config: Mapping[str, Any] = field(default_factory=dict)
    port: int = 0
    starts: int = 0
    _process: subprocess.Popen[bytes] | None = None

    # On disk ---------------------------------------------------------------------------------------------------------

    @property
    def folder(self) -> Path:
        return self.home / ".openclaw"

    @property
    def config_path(self) -> Path:
        return self.folder / "openclaw.json"

    @property
    def output(self) -> Path:
        return self.folder / "agents.json"

    @property
    def log_path(self) -> Path:
        return self.home / f"gateway-{self.starts}.log"

    def log(self) -> str:
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def set_up(self) -> None:
        """Write the configuration, an empty agents.json and the plugin's three files."""
        self.folder.mkdir(mode=0o700, parents=True)
        door = self.home / "door"
        subprocess.run([*agent_config_sync(), "door", str(door)], check=True, capture_output=True, timeout=60)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        gateway = {
            "mode": "local",
            "port": self.port,
            "bind": "loopback",
            "auth": {"mode": "token", "token": TOKEN},
            **self.gateway_config,
        }
        plugins = {
            "load": {"paths": [str(door)]},
            "entries": {"agent_config_sync": {"enabled": True, "config": self.plugin_config}},
        }
        config: dict[str, Any] = {"gateway": gateway, "plugins": plugins}
        if self.layout == "section":
            config["agents"] = {"$include": ["./agents.base.json5", "./agents.json"]}
            (self.folder / "agents.base.json5").write_text("{} // the operator's own\n", encoding="utf-8")
        else:
            config["$include"] = "./agents.json"
        self.config_path.write_text(json.dumps(config, indent=2), encoding="utf-8")
        self.config_path.chmod(0o600)
        self.output.write_text("{}\n", encoding="utf-8")

    def run_sync(self, *options: str, **settings: str) -> None:
        """Do one pass from the command line."""
        members = {"config_path": str(self.config_path), "gateway": str(self.plugin_config["gateway"]), **settings}
        ended = subprocess.run(
            [*agent_config_sync(), "sync", *options, "--gateway-version", VERSION],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.home),
                **{f"AGENT_CONFIG_SYNC_{name.upper()}": value for name, value in members.items()},
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert ended.returncode == 0, ended.stderr

    def openclaw(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one of the gateway's own commands as a person in this home does."""
        return subprocess.run(
            ["openclaw", *words],
            env=self.installation.environment(self.home),
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=EXIT_DEADLINE * 2,
        )

    def edit_config(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Let `change` edit openclaw.json, as a person with an editor does."""
        config = json.loads(self.config_path.read_text(encoding="utf-8"))
        change(config)
        self.config_path.write_text(json.dumps(config, indent=2), encoding="utf-8")

    # The process -----------------------------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it in a session of its own and return when it says that it is ready."""
        self.starts += 1
        with self.log_path.open("wb") as log:
            self._process = subprocess.Popen(
                ["openclaw", "gateway", "run"],
                env=self.installation.environment(self.home),
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        give_up = time.monotonic() + READY_DEADLINE
        while not self._is_ready():
            if self._process.poll() is not None:
                pytest.fail(f"the gateway ended with status {self._process.returncode}:\n{self.log()[-3000:]}")
            if time.monotonic() > give_up:
                pytest.fail(f"the gateway was not ready within {READY_DEADLINE:g} s:\n{self.log()[-3000:]}")
            time.sleep(0.1)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ready", timeout=2) as answer:
                return json.load(answer).get("ready") is True
        except (OSError, urllib.error.URLError, json.JSONDecodeError):
            return False

    def end(self, number: signal.Signals) -> int:
        """Send one signal to the gateway's own process and return its status when it has ended."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(EXIT_DEADLINE)

    def stop(self) -> None:
        """End it as a service manager would; nothing that it started may be left."""
        if self._process is None:
            return
        try:
            if self._process.poll() is None:
                self.end(signal.SIGTERM)
            left = self.alive()
            assert not left, f"the gateway has ended and left {left}"
        finally:
            self._sweep()

    def _sweep(self) -> None:
        """Leave no process behind, whatever went wrong: the gateway's session, and nothing else."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(EXIT_DEADLINE)
        self._process = None

    def alive(self) -> dict[int, str]:
        """Return every living process of this gateway, by pid with its command line: of its session, or in its home."""
        mark = f"HOME={self.home}".encode()
        found: dict[int, str] = {}
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            with contextlib.suppress(OSError, ValueError):
                stat = (folder / "stat").read_text(encoding="utf-8", errors="replace")
                state, _, _, session = stat[stat.rindex(")") + 1 :].split()[:4]
                in_session = self._process is not None and int(session) == self._process.pid
                if state not in "ZX" and (in_session or mark in (folder / "environ").read_bytes().split(b"\0")):
                    words = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                    found[int(folder.name)] = words.decode("utf-8", "replace").strip()
        return found

    def sync_pid(self) -> int | None:
        """Return the Python process behind the door, None while there is none."""
        return next((pid for pid, words in self.alive().items() if words.endswith("run --door")), None)

    # The RPC ---------------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def rpc(self) -> AsyncIterator[Rpc]:
        """Connect as an operator does; every event of the gateway comes beside the answers."""
        greeting = {
            "minProtocol": 3,
            "maxProtocol": 4,
            "client": {"id": "gateway-client", "version": "0.1", "platform": "linux", "mode": "backend"},
            "role": "operator",
            "scopes": ["operator.read", "operator.write", "operator.admin"],
            "caps": [],
            "auth": {"token": TOKEN},
        }
        async with connect(f"ws://127.0.0.1:{self.port}", max_size=None, ping_interval=None) as connection:
            challenge = json.loads(await connection.recv())
            assert challenge.get("event") == "connect.challenge", challenge
            rpc = Rpc(connection)
            hello = await rpc.ask("connect", **greeting)
            assert hello["type"] == "hello-ok", hello
            yield rpc
