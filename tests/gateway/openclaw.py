"""A real OpenClaw gateway in a home of its own: its configuration, its process, and its RPC."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
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
from gateway.debugger import listeners
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin

from agent_config_sync.model.site import GatewayVersion

Layout: TypeAlias = Literal["section", "root"]

VALIDATOR_SINCE = GatewayVersion(2026, 3, 2)
"""The first version with `openclaw config validate`."""

TAKES_PLUGINS_SINCE = GatewayVersion(2026, 5, 12)
"""Until then a gateway restarts for a change of `plugins`."""

DEVICES = (GatewayVersion(2026, 3, 0), GatewayVersion(2026, 5, 0))
"""From the first of these versions until before the second, a client without a device of its own has no rights."""

READY_DEADLINE = 180.0
"""Seconds from the start of a gateway until it says that it is ready; about 8 on two cores."""

EXIT_DEADLINE = 30.0
"""Seconds that a gateway may take to end; about 2."""

TURN_DEADLINE = 120.0
"""Seconds that an agent may take for one turn; less than one, but the first after a start loads half of the gateway."""

COMMAND_DEADLINE = 150.0
"""Seconds for one of its commands; on 2026.5.12 those of plugins take half a minute of processor."""

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

    @property
    def package(self) -> Path:
        return self.folder / "node_modules" / "openclaw"

    def is_complete(self) -> bool:
        return (self.folder / "node_modules" / ".bin" / "openclaw").exists()

    @property
    def version(self) -> GatewayVersion:
        version = GatewayVersion.parse(
            json.loads((self.package / "package.json").read_text(encoding="utf-8"))["version"]
        )
        assert version is not None
        return version

    def environment(self, home: Path) -> dict[str, str]:
        """Return the environment of a gateway: nothing of ours but the PATH. The folder for temporary files is its own,
        because 2026.5.12 takes everybody else's rights from it."""
        programs = self.folder / "node_modules" / ".bin"
        temporary = home / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        return {
            "HOME": str(home),
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "LANG": "C.UTF-8",
            "TMPDIR": str(temporary),
            "XDG_STATE_HOME": str(home / "state"),
            # 2026.3.13 would restart as another process, which nobody here would end.
            **({"OPENCLAW_NO_RESPAWN": "1"} if self.version < TAKES_PLUGINS_SINCE else {}),
        }

    def run(self, *words: str, home: Path, config: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run one command of the `openclaw` program, whatever becomes of it."""
        of_config = {"OPENCLAW_CONFIG_PATH": str(config)} if config is not None else {}
        return subprocess.run(
            ["openclaw", *words],
            env={**self.environment(home), **of_config},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def json(self, *words: str, home: Path, config: Path | None = None) -> dict[str, Any]:
        """Run one command and return the object that it prints; some versions warn of this and that before it."""
        ended = self.run(*words, home=home, config=config)
        _, brace, rest = ended.stdout.partition("{")
        if not brace:
            pytest.fail(f"openclaw {' '.join(words)} said nothing: {ended.stdout[-500:]}{ended.stderr[-500:]}")
        said: dict[str, Any] = json.loads(brace + rest)
        return said

    def validate(self, config: Path, home: Path) -> Verdict:
        """Ask the gateway's own validator for its verdict on one openclaw.json and what it includes.

        Before 2026.3.2 there is no command for it, but every command that reads the configuration names its issues.
        """
        if self.version < VALIDATOR_SINCE:
            ended = self.run("config", "get", "gateway.port", home=home, config=config)
            issues = re.findall(r"^ +- ([\w.]+): (.*)$", ended.stderr, re.MULTILINE)
            if ended.returncode != 0 and not issues:
                pytest.fail(f"config get said nothing of the reason: {ended.stderr[-1000:]}")
            return Verdict(ended.returncode == 0, tuple(issues))
        said = self.json("config", "validate", "--json", home=home, config=config)
        return Verdict(
            said["valid"], tuple((str(issue["path"]), str(issue["message"])) for issue in said.get("issues", ()))
        )


@dataclass(frozen=True, slots=True)
class Effective:
    """What a gateway runs with, and whether the configuration on disk is `valid` by its own judgement.

    No version tells it over its RPC: `config.get` says what is on disk (before 2026.8.1), or a `runtimeConfig` that
    follows the disk long before the gateway has reloaded (2026.9.6: after 0.25 s; the reload takes 0.9). So a plugin of
    the tests, the probe, asks inside the gateway: the accessor that the gateway's own RPC methods read (2026.5.12 and
    later), or the configuration that is given to plugins. On 2026.3.13 that is the one of the last reload. 2026.2.9 has
    no configuration that it runs with: every turn reads the files, and so does the probe. 2026.8.1 and later also have
    two hashes, equal once what is on disk has been applied.
    """

    agents: Mapping[str, Any]
    valid: bool
    applied_hash: str | None
    revision_hash: str | None

    @property
    def entries(self) -> Mapping[str, Any]:
        """The agents by id, in whichever form the version keeps them."""
        if "list" not in self.agents:
            entries: Mapping[str, Any] = self.agents.get("entries", {})
            return entries
        return {
            agent["id"]: {key: value for key, value in agent.items() if key not in ("id", "default")}
            for agent in self.agents["list"]
        }

    @property
    def defaults(self) -> Mapping[str, Any]:
        defaults: Mapping[str, Any] = self.agents.get("defaults", {})
        return defaults

    @property
    def allowed_models(self) -> list[str]:
        """The allow-list: a policy where the version has one, else the catalogue itself."""
        policy: Mapping[str, list[str]] = self.defaults.get("modelPolicy", {})
        return policy.get("allow") or sorted(self.defaults.get("models", {}))


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
        running = await self.ask("probe.running")
        return Effective(
            running.get("agents", {}),
            answer["valid"],
            answer.get("appliedConfigHash"),
            answer.get("configRevisionHash"),
        )

    async def skills_of(self, agent: str) -> frozenset[str]:
        """Return the names of the skills that an agent may use now, by the gateway's own word: before 2026.7.1 it does
        not heed the agent's `skills` here, although it does in the prompt."""
        skills = (await self.ask("skills.status", agentId=agent))["skills"]
        return frozenset(
            skill["name"] for skill in skills if skill["eligible"] and not skill.get("blockedByAgentFilter", False)
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

    @property
    def command(self) -> list[str]:
        """What starts it."""
        return ["openclaw", "gateway", "run"]

    @property
    def environment(self) -> dict[str, str]:
        return self.installation.environment(self.home)

    @property
    def wants_devices(self) -> bool:
        first, beyond = DEVICES
        return first <= self.installation.version < beyond

    def log(self) -> str:
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def reloads(self) -> int:
        """Return how often it has read its configuration anew since it started, by its own log."""
        return self.log().count("config change detected; evaluating reload")

    def set_up(self) -> None:
        """Write the configuration, an empty agents.json and the plugin's three files."""
        self.folder.mkdir(mode=0o700, parents=True)
        door = self.home / "door"
        subprocess.run([*agent_config_sync(), "door", str(door)], check=True, capture_output=True, timeout=60)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        gateway: dict[str, Any] = {
            "mode": "local",
            "port": self.port,
            "bind": "loopback",
            "auth": {"mode": "token", "token": TOKEN},
            **self.gateway_config,
        }
        if self.wants_devices:
            gateway["controlUi"] = {"dangerouslyDisableDeviceAuth": True}
        paths, entries = [str(door)], {"agent_config_sync": {"enabled": True, "config": self.plugin_config}}
        asker = self.home / "probe"
        shutil.copytree(Path(__file__).with_name("probe"), asker)
        paths, entries = [*paths, str(asker)], {**entries, "probe": {"enabled": True, "config": {}}}
        config: dict[str, Any] = {
            "gateway": gateway,
            "plugins": {"load": {"paths": paths}, "entries": entries},
            "logging": {"file": str(self.home / "openclaw.log")},  # else a file below /tmp that outlives the tests
        }
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
            [*agent_config_sync(), "sync", *options, "--gateway-version", str(self.installation.version)],
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
            timeout=COMMAND_DEADLINE,
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
                self.command,
                env=self.environment,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        give_up = time.monotonic() + READY_DEADLINE
        while not self.is_ready():
            if self._process.poll() is not None:
                pytest.fail(f"the gateway ended with status {self._process.returncode}:\n{self.log()[-3000:]}")
            if time.monotonic() > give_up:
                pytest.fail(f"the gateway was not ready within {READY_DEADLINE:g} s:\n{self.log()[-3000:]}")
            time.sleep(0.1)

    def is_ready(self) -> bool:
        """Return whether it says so itself, whoever has started it."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ready", timeout=2) as answer:
                said = answer.read()
        except (OSError, urllib.error.URLError):
            return False
        if said.startswith(b"<"):  # 2026.2.9 answers everything with its web page, once it is up
            return True
        try:
            return json.loads(said).get("ready") is True
        except json.JSONDecodeError:
            return False

    def end(self, number: signal.Signals) -> int:
        """End it by one signal and return its status: SIGKILL meets the process that listens (2026.2.9 and 2026.3.13
        have a launcher before it), any other the one that was started, as a service manager does it.
        """
        assert self._process is not None
        pids = list(listeners(self.port)) if number == signal.SIGKILL else []
        os.kill(pids[0] if pids else self._process.pid, number)
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

    # Its agents ------------------------------------------------------------------------------------------------------

    async def ask(self, agent: str, text: str, session: str) -> str:
        """Let an agent take one turn and return what it says; `session` is a name of the caller's own, new or not."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/v1/responses",
            json.dumps({"model": f"openclaw/{agent}", "input": text}).encode(),
            {
                "Authorization": f"Bearer {TOKEN}",
                "Content-Type": "application/json",
                "x-openclaw-session-key": f"agent:{agent}:{session}",
            },
        )
        return await asyncio.to_thread(_said, request)

    async def skills_of(self, agent: str) -> frozenset[str]:
        """Return the names of the skills that an agent may use now."""
        async with self.rpc() as rpc:
            return await rpc.skills_of(agent)

    # The RPC ---------------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def rpc(self) -> AsyncIterator[Rpc]:
        """Connect as an operator does; every event of the gateway comes beside the answers."""
        client = {"id": "gateway-client", "version": "0.1", "platform": "linux", "mode": "backend"}
        origin = None
        if self.wants_devices:  # only a page of the gateway's own may do without, see `set_up`
            client |= {"id": "openclaw-control-ui", "mode": "webchat"}
            origin = Origin(f"http://127.0.0.1:{self.port}")
        greeting = {
            "minProtocol": 3,
            "maxProtocol": 4,
            "client": client,
            "role": "operator",
            "scopes": ["operator.read", "operator.write", "operator.admin"],
            "caps": [],
            "auth": {"token": TOKEN},
        }
        address = f"ws://127.0.0.1:{self.port}"
        async with connect(address, origin=origin, max_size=None, ping_interval=None) as connection:
            challenge = json.loads(await connection.recv())
            assert challenge.get("event") == "connect.challenge", challenge
            rpc = Rpc(connection)
            hello = await rpc.ask("connect", **greeting)
            assert hello["type"] == "hello-ok", hello
            yield rpc


def _said(request: urllib.request.Request) -> str:
    """Return the text of an agent's answer (OpenResponses)."""
    try:
        with urllib.request.urlopen(request, timeout=TURN_DEADLINE) as answer:
            output = json.loads(answer.read())["output"]
    except urllib.error.HTTPError as error:
        with error:
            pytest.fail(f"the gateway refused the turn with status {error.code}: {error.read()[:1000]!r}")
    return "".join(part["text"] for item in output for part in item["content"])
