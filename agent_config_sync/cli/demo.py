"""`agent-config-sync demo`: the main job on screen, on a PostgreSQL of its own."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import logging
import os
import signal
import statistics
import sys
import tempfile
import time
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import asyncpg
import typer

from agent_config_sync.cli.options import FAILED, errors_end_the_command
from agent_config_sync.cli.throwaway import ThrowawayServer, throwaway_server
from agent_config_sync.errors import SyncError
from agent_config_sync.events import Event, PassFailed, Published, Refused, Reported, Warned
from agent_config_sync.logs import install
from agent_config_sync.plugin import Plugin
from agent_config_sync.postgres.migrate import migrate
from agent_config_sync.settings import Settings

DEADLINE = 30.0
"""Seconds that a change may take before the demo gives up."""


def script() -> list[str]:
    """Return the statements of the demo: the first makes the agents it starts with."""
    text = files(__package__).joinpath("demo.sql").read_text(encoding="utf-8")
    return [statement.strip() for statement in text.split("\n\n", 1)[1].split("\n--\n")]


def demo(
    once: Annotated[bool, typer.Option("--once", help="Show the changes and end.")] = False,
    board: Annotated[bool, typer.Option("--board", help="Show two agents at work on a task instead.")] = False,
) -> None:
    """Show the main job: SQL in, a file out, milliseconds between them. Needs no database and no gateway."""
    with errors_end_the_command(), contextlib.ExitStack() as stack:
        server = stack.enter_context(throwaway_server())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="agent-config-sync-demo-")))
        if board:
            from agent_config_sync.cli.demo_board import BoardDemo  # noqa: PLC0415 - the other one starts without it

            succeeded = asyncio.run(BoardDemo(server, folder, _say).play(once=once))
        else:
            succeeded = asyncio.run(_Demo(server, folder).play(once=once))
    if not succeeded:
        raise typer.Exit(FAILED)


class _Demo:
    """One performance."""

    def __init__(self, server: ThrowawayServer, folder: Path) -> None:
        self._server = server
        self._settings = Settings.model_validate(
            {
                "dsn": server.dsn,
                "gateway": "demo",
                "gateway_version": "2026.9.6",
                "config_path": folder / "openclaw.json",
                "state_dir": folder / "state",
                "settle": 0.0,
            }
        )
        self._plugin = Plugin(self._settings)
        self._events: asyncio.Queue[tuple[float, Event]] = asyncio.Queue()

    async def play(self, *, once: bool) -> bool:
        """Play it; return whether every change reached the file."""
        loop = asyncio.get_running_loop()

        def seen(event: Event) -> None:
            loop.call_soon_threadsafe(self._events.put_nowait, (time.perf_counter(), event))

        self._plugin.events.subscribe(seen)
        install(logging.NullHandler(), "error")  # the events are the show
        _say(f"PostgreSQL from {self._server.binaries.origin} ({self._server.binaries.folder})")
        if os.geteuid() == 0:
            _say("you are root, which PostgreSQL refuses to run as: the server runs as another user of this machine")
        operator = await asyncpg.connect(self._server.dsn, timeout=DEADLINE, command_timeout=DEADLINE)
        try:
            await migrate(operator)
            first, *changes = script()
            await operator.execute(first)
            await self._plugin.start()
            try:
                return await self._perform(operator, changes, once=once)
            finally:
                await self._plugin.stop()
        finally:
            operator.terminate()

    async def _perform(self, operator: asyncpg.Connection[asyncpg.Record], changes: list[str], *, once: bool) -> bool:
        _, first = await self._next()
        if not isinstance(first, Published):
            return False
        _say(f"three agents in the database; {self._settings.output} is:")
        print(first.after.decode())
        waits: list[float] = []
        for change in changes:
            _say(change, prompt="sql>")
            begun = time.perf_counter()
            await operator.execute(change)
            stood, event = await self._next()
            if isinstance(event, Published):
                waits.append((stood - begun) * 1000)
                _say(f"in the file, durably, {waits[-1]:.1f} ms after the statement was sent")
            self._show(event)
        refused = len(changes) - len(waits)
        median = statistics.median(waits)
        _say(f"{len(waits)} changes in the file, median {median:.1f} ms; {refused} refused, the last good file kept")
        if not once:
            await self._watch()
        return len(waits) == len(changes) - 1

    async def _watch(self) -> None:
        """Show whatever a person changes, until Ctrl-C."""
        _say(f"now you: psql '{self._server.dsn}'   (Ctrl-C ends)")
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        ended = asyncio.create_task(stopped.wait())
        while not ended.done():
            event = asyncio.ensure_future(self._events.get())
            await asyncio.wait([event, ended], return_when=asyncio.FIRST_COMPLETED)
            if event.done():
                self._show(event.result()[1], aloud=True)
            else:
                event.cancel()

    async def _next(self) -> tuple[float, Event]:
        """Return what became of a change and when, once the database says so too."""
        try:
            async with asyncio.timeout(DEADLINE):
                outcome = await self._events.get()
                while not isinstance(outcome[1], Published | Refused | PassFailed):
                    outcome = await self._events.get()
                last = outcome
                while not isinstance(last[1], Reported | PassFailed):
                    last = await self._events.get()
        except TimeoutError:
            raise SyncError(f"the change did not reach the file within {DEADLINE:g} s") from None
        return outcome

    def _show(self, event: Event, *, aloud: bool = False) -> None:
        match event:
            case Published(before=before, after=after, latency=latency):
                if aloud:
                    _say(f"in the file, durably, {latency * 1000:.1f} ms after the notification")
                lines = difflib.unified_diff(
                    (before or b"").decode().splitlines(),
                    after.decode().splitlines(),
                    "before",
                    "after",
                    lineterm="",
                    n=2,
                )
                print("\n".join(_painted(line) for line in list(lines)[2:]) + "\n")
            case Refused(reason=reason):
                _say(f"refused: {reason}")
                print()
            case PassFailed(error=error):
                _say(str(error))
            case Warned(warnings=warnings) if aloud:
                for warning in warnings:
                    _say(f"warning: {warning}")
            case _:
                pass


def _say(text: str, *, prompt: str = "--") -> None:
    print(f"\033[1m{prompt} {text}\033[0m" if _in_colour() else f"{prompt} {text}", flush=True)


def _painted(line: str) -> str:
    colour = {"+": 32, "-": 31, "@": 36}.get(line[:1])
    return f"\033[{colour}m{line}\033[0m" if colour and _in_colour() else line


def _in_colour() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ
