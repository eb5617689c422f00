"""`agent-config-sync demo --board`: a task from SQL to review, worked by two agents while a page shows it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from agent_config_sync.cli.demo_model import MODEL, DemoModel
from agent_config_sync.cli.standin_gateway import StandinGateway
from agent_config_sync.cli.throwaway import ThrowawayServer
from agent_config_sync.errors import SyncError
from agent_config_sync.events import (
    Delivered,
    DeliveryFailed,
    DeliveryStarted,
    Event,
    GatewayAway,
    GatewayReady,
    GatewayStarted,
    HealthServed,
    ToolUsed,
    TurnBegan,
)
from agent_config_sync.gateway.version import version_of
from agent_config_sync.logs import install
from agent_config_sync.model.site import GatewayVersion
from agent_config_sync.plugin import Plugin
from agent_config_sync.postgres.migrate import migrate
from agent_config_sync.settings import Settings
from agent_config_sync.state import State
from agent_config_sync.web.logins import Logins

DEADLINE = 120.0
"""Seconds for the gateway to start and the task to be worked; a real one takes most of them to start."""

TOKEN = "of-the-demo"  # noqa: S105 - it lets one in to what ends with the demo

TURNS_SINCE = GatewayVersion(2026, 5, 12)
"""Of a gateway that is installed; an earlier one gives its agents no tools of ours."""

Say = Callable[..., None]


class BoardDemo:
    """One performance. say: prints a line."""

    def __init__(self, server: ThrowawayServer, folder: Path, say: Say) -> None:
        self._server = server
        self._folder = folder
        self._say = say
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._past: list[Event] = []
        self._operator: asyncpg.Connection
        self._began = time.monotonic()

    async def play(self, *, once: bool) -> bool:
        """Play it; return whether the task came to its review."""
        install(logging.NullHandler(), "error")  # the events are the show
        self._operator = await asyncpg.connect(self._server.dsn, timeout=DEADLINE, command_timeout=DEADLINE)
        try:
            await migrate(self._operator)
            people, task = _script()
            await self._operator.execute(people)
            async with self._gateway() as (settings, what):
                self._say(what)
                return await self._perform(settings, task, once=once)
        finally:
            self._operator.terminate()

    @contextlib.asynccontextmanager
    async def _gateway(self) -> AsyncIterator[tuple[dict[str, Any], str]]:
        """Lend the settings by which there is a gateway, and what it is."""
        lock = asyncio.Lock()

        async def actor(notification: str) -> tuple[str, str]:
            async with lock:
                found = await self._operator.fetchrow(
                    "SELECT agent, type FROM board_notifications WHERE id = $1", UUID(notification)
                )
            return (found["agent"], found["type"]) if found is not None else ("", "")

        model = DemoModel(actor)
        command = shutil.which("openclaw")
        version = version_of(Path(command)) if command is not None else None
        if command is not None and version is not None and version >= TURNS_SINCE:
            async with model.serving() as port:
                yield self._real(command, port), f"a real gateway: OpenClaw {version}, with a scripted model"
            return
        why = f"OpenClaw {version} is too old" if version is not None else "no OpenClaw is installed"
        async with StandinGateway(model, token=TOKEN).serving() as standin:
            yield (
                {"gateway_url": standin.url, "gateway_version": "2026.9.6", "reload": "none"},
                f"the stand-in that the tests use, with a scripted model, for {why}",
            )

    def _real(self, command: str, model_port: int) -> dict[str, Any]:
        """Return the settings by which a gateway is started here, and write the configuration that it starts with."""
        port = _free_port()
        home = self._folder / "home"
        home.mkdir(mode=0o700)
        os.environ["HOME"] = str(home)  # of the gateway, which writes into no other folder of this machine then
        os.environ["OPENCLAW_CONFIG_PATH"] = str(self._folder / "openclaw.json")
        provider = {
            "baseUrl": f"http://127.0.0.1:{model_port}/v1",
            "apiKey": "none",
            "api": "openai-completions",
            "models": [{"id": MODEL, "name": MODEL, "contextWindow": 128_000, "maxTokens": 4096}],
        }
        config = {
            "agents": {"$include": ["./agents.base.json5", "./agents.json"]},
            "gateway": {
                "mode": "local",
                "port": port,
                "bind": "loopback",
                "auth": {"mode": "token", "token": TOKEN},
                "http": {"endpoints": {"responses": {"enabled": True}}},
            },
            "tools": {"toolSearch": False},
            "models": {"mode": "merge", "providers": {"demo": provider}},
        }
        defaults = {"defaults": {"skipBootstrap": True, "model": {"primary": f"demo/{MODEL}"}}}
        (self._folder / "openclaw.json").write_bytes(orjson.dumps(config))
        (self._folder / "agents.base.json5").write_bytes(orjson.dumps(defaults))
        return {"gateway_command": (command, "gateway", "run"), "gateway_url": f"http://127.0.0.1:{port}"}

    async def _perform(self, gateway: dict[str, Any], task: str, *, once: bool) -> bool:
        settings = Settings.model_validate(
            {
                "dsn": self._server.dsn,
                "gateway": "demo",
                "gateway_token": TOKEN,
                "config_path": self._folder / "openclaw.json",
                "state_dir": self._folder / "state",
                "data_dir": self._folder / "data",
                "workspace_root": self._folder / "workspaces",
                "health_port": _free_port(),
                "settle": 0.0,
                **gateway,
            }
        )
        loop = asyncio.get_running_loop()

        def seen(event: Event) -> None:
            loop.call_soon_threadsafe(self._events.put_nowait, event)

        plugin = Plugin(settings)
        plugin.events.subscribe(seen)
        await plugin.start()
        try:
            url = (await self._until(HealthServed)).url
            code = Logins(State(settings.state_dir, settings.output).logins_folder).issue("ada")
            self._say(f"watch it: {url}/admin/login?code={code}, then Board")
            await self._until(DeliveryStarted)
            self._began = time.monotonic()
            self._say(task, prompt="sql>")
            await self._operator.execute(task)
            await self._until(Delivered, "reviewer")
            reached = await self._told()
            if not once:
                await self._watch()
            return reached
        finally:
            await plugin.stop()

    async def _told(self) -> bool:
        """Show what stands on the board; return whether the task is in review."""
        thread = await self._operator.fetch("SELECT author_id, content FROM board_messages ORDER BY seq")
        for message in thread:
            self._say(f"{message['author_id']} wrote:")
            print("".join(f"   {line}\n" for line in message["content"].splitlines()))
        status = await self._operator.fetchval("SELECT status FROM board_tasks")
        took = time.monotonic() - self._began
        self._say(f"the task is in {status}, {took:.1f} s after the SQL; a person has the word")
        return bool(status == "review")

    async def _watch(self) -> None:
        """Go on until Ctrl-C."""
        self._say(f"now you: psql '{self._server.dsn}', or the page   (Ctrl-C ends)")
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        showing = asyncio.create_task(self._show_all())
        await stopped.wait()
        showing.cancel()

    async def _show_all(self) -> None:
        while True:
            self._show(await self._events.get())

    async def _until(self, kind: type[Any], agent: str | None = None) -> Any:
        """Return the first event of a kind, which may have come already, and show what comes before it.

        Raises: SyncError.
        """
        try:
            async with asyncio.timeout(DEADLINE):
                while True:
                    for event in self._past:
                        if isinstance(event, kind) and agent in (None, getattr(event, "agent", None)):
                            return event
                    self._past.append(await self._events.get())
                    self._show(self._past[-1])
        except TimeoutError:
            raise SyncError(f"the demo waited for {kind.__name__} for {DEADLINE:g} s and gives up") from None

    def _show(self, event: Event) -> None:
        match event:
            case GatewayStarted(pid=pid):
                self._say(f"the gateway is started, process {pid}; it takes a while to be ready")
            case GatewayReady():
                self._say("the gateway takes turns")
            case GatewayAway(error=error) | DeliveryFailed(error=error):
                self._say(error)
            case TurnBegan(agent=agent, type=kind, waited=waited):
                self._say(f"{agent} has a turn ({kind}), {waited * 1000:.0f} ms after it was told")
            case ToolUsed(agent=agent, tool=tool, outcome=outcome):
                self._say(f"{agent} uses {tool}: {outcome}")
            case Delivered(agent=agent, outcome=outcome, seconds=seconds):
                self._say(f"{agent}: {outcome}, after {seconds:.1f} s")
            case _:
                pass


def _script() -> list[str]:
    """Return who is there, and the task."""
    text = files(__package__).joinpath("demo_board.sql").read_text(encoding="utf-8")
    return [statement.strip() for statement in text.split("\n\n", 1)[1].split("\n--\n")]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port
