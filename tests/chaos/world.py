"""One sync with all that is around it: a database, a network, a gateway's folder, a witness and an operator."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import hashlib
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest
from chaos import rows
from chaos.oracle import Oracle
from chaos.tally import Tally
from chaos.witness import CLOCK, Witness, second_hand
from harness import DEADLINE, Operator, Recorder, connected, eventually, make_settings, start_again
from proxy import Proxy
from tenacity import wait_chain, wait_fixed

from agent_config_sync.cli.throwaway import ThrowawayServer
from agent_config_sync.events import Event, Events
from agent_config_sync.plugin import Plugin
from agent_config_sync.postgres.link import Timing
from agent_config_sync.postgres.migrate import migrate
from agent_config_sync.sync import loop

IMPATIENT = Timing(connect=1.0, silence=0.1, answer=0.8, diagnosis=0.3, statement=2.0, lock=0.5)
"""Deadlines of a link that ten thousand faults can be waited for."""

LOGIN = "sync"
TEMPLATE = "chaos_template"
SERVER_SETTINGS = {"fsync": "off"}
NEVER = 3600.0

STAMP = """
    INSERT INTO agents (name, model, is_default) VALUES ($1, $2, true)
    ON CONFLICT (account_id, name) DO UPDATE
    SET model = excluded.model, is_default = true, status = 'active', instance_type = 'subagent', gateways = NULL
"""
SECOND_HAND = """
    INSERT INTO agent_system_config (key, value, value_type) VALUES ('max_children_per_agent', $1, 'integer')
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, value_type = 'integer'
"""
STATUS = "SELECT state = 'offered' AND content_hash = $1 FROM gateway_status"

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Site:
    """What is drawn once for a world. resync: seconds; a short one finds what nobody notified of, a long one hides no
    lost notification."""

    version: str
    resync: float

    @property
    def entries(self) -> bool:
        return self.version == "2026.9.6"


async def prepare(server: ThrowawayServer) -> None:
    """Make what every world's database is copied from, and our login."""
    async with connected(server.dsn) as connection:
        await connection.execute(f"CREATE DATABASE {TEMPLATE}")
    async with connected(server.dsn_of(TEMPLATE)) as connection:
        await migrate(connection)
        await connection.execute(f"CREATE ROLE {LOGIN} LOGIN IN ROLE agent_config_reader")


@contextlib.contextmanager
def in_haste() -> Iterator[None]:
    """Shrink the pauses between retries."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "BACKOFF", wait_chain(*map(wait_fixed, (0.05, 0.1, 0.2, 0.4))))
        patch.setattr(loop, "CURE_PAUSE", 0.05)
        patch.setattr(loop, "TAKE_OVER_POLL", 0.05)
        yield


class World:
    """Built by `begin`, ended by `end`; a check that fails raises AssertionError."""

    def __init__(self, server: ThrowawayServer, tally: Tally, site: Site) -> None:
        self.server = server
        self.tally = tally
        self.site = site
        self.age = 0
        self.unannounced = False
        """Whether something has happened that nobody notifies of, and only a resync or the next wake finds."""
        self.plugin: Plugin | None = None
        self.waiting: Plugin | None = None
        """A second one that waits for the first to end."""
        self._database = f"chaos_{next(_numbers)}"
        self._ends = AsyncExitStack()

    async def begin(self) -> None:
        async with connected(self.server.dsn) as connection:
            await connection.execute(f"CREATE DATABASE {self._database} TEMPLATE {TEMPLATE}")
        self.folder = Path(tempfile.mkdtemp(prefix="agent-config-sync-chaos-"))
        self._ends.callback(shutil.rmtree, self.folder)
        self.proxy = await self._ends.enter_async_context(Proxy(self.server.socket).running())
        self.operator: Operator = await self.connect()
        self.events = Recorder()
        dsn = self.proxy.dsn(self._database, LOGIN)
        self.settings = make_settings(
            dsn, self.folder, gateway_version=self.site.version, resync_interval=self.site.resync, reload="touch"
        )
        self.settings.config_path.parent.mkdir()
        self.settings.config_path.write_text('{"$include": "./agents.json"}\n', encoding="utf-8")
        self.oracle = Oracle(self.settings.gateway, entries=self.site.entries)
        self.witness = Witness(self.settings.output)
        self._ends.callback(self.witness.stop)
        self.witness.start()
        await self.commit(rows.SETTLERS)
        await self.start()

    async def end(self, *, sound: bool) -> None:
        """Come to rest, stop and leave nothing behind; only the last where it is not sound any more."""
        try:
            if sound:
                await self.rest()
                self.witness.satisfied()
        finally:
            self.tally.torn_files += self.witness.torn
            for event in self.events.seen:
                self.tally.events[type(event)] += 1
            self.proxy.heal()
            while self.plugin is not None:
                await self.stop()
            await self.operator.close(timeout=DEADLINE)
            await self._ends.aclose()
            async with connected(self.server.dsn) as connection:
                await connection.execute(f"DROP DATABASE {self._database} WITH (FORCE)")
        left = [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        self.tally.left_over += len(left)
        assert not left, left

    async def connect(self) -> Operator:
        """Return another person's session, past the network that breaks."""
        operator: Operator = await asyncpg.connect(self.server.dsn_of(self._database), timeout=DEADLINE)
        return operator

    # The operator ----------------------------------------------------------------------------------------------------

    async def commit(self, *statements: tuple[Any, ...]) -> None:
        """Run statements, each with its arguments, in one transaction, and move the clock in it."""
        async with self.operator.transaction():
            await self.stamp(self.operator)
            for sql, *arguments in statements:
                await self.operator.execute(sql, *arguments)

    async def roll_back(self, *statements: tuple[Any, ...]) -> None:
        transaction = self.operator.transaction()
        await transaction.start()
        await self.stamp(self.operator)
        self.witness.rolled_back.add(self.age)
        for sql, *arguments in statements:
            await self.operator.execute(sql, *arguments)
        await transaction.rollback()

    async def stamp(self, operator: Operator) -> None:
        self.age += 1
        await operator.execute(STAMP, CLOCK, f"age/{self.age}")
        await operator.execute(SECOND_HAND, str(second_hand(self.age)))

    # Rest ------------------------------------------------------------------------------------------------------------

    async def rest(self, *, last_default: str | None = None) -> None:
        """Take every fault away and wait until file, debt and status are what they must be."""
        if self.proxy.swallowing or self.proxy.deaf:
            self.proxy.heal()
        self.proxy.delay = 0.0
        await self.operator.execute(f"GRANT agent_config_reader TO {LOGIN}")
        if self.plugin is None:
            await self.start()
        if self.unannounced and self.site.resync == NEVER:
            await self.commit()
        wanted = await self.oracle.document(self.operator, last_default=last_default)
        try:
            if not self._settled(wanted):
                await self.events.until(Event, lambda _: self._settled(wanted))
        except BaseException as error:
            self._say_what_is_wrong(error, wanted)
            raise
        await eventually(self.operator, STATUS, hashlib.sha256(wanted).hexdigest())
        self.unannounced = self.witness.forgives = False
        self.tally.rests += 1
        self.witness.satisfied()

    def _settled(self, wanted: bytes) -> bool:
        return self._content() == wanted and self._paid(wanted)

    def _content(self) -> bytes:
        try:
            return self.settings.output.read_bytes()
        except FileNotFoundError:
            return b""

    def _paid(self, wanted: bytes) -> bool:
        """Return whether the gateway was told after the last publish, and the state says so."""
        states = list(self.settings.state_dir.glob("agents-*.json"))
        confirmed = [orjson.loads(state.read_bytes())["confirmed"] for state in states]
        told, published = (path.stat().st_mtime_ns for path in (self.settings.config_path, self.settings.output))
        return confirmed == [hashlib.sha256(wanted).hexdigest()] and told >= published

    def _say_what_is_wrong(self, error: BaseException, wanted: bytes) -> None:
        found = self._content()
        if found == wanted:
            self.tally.unpaid_reloads += 1
            error.add_note("the file is as it must be and its reload is owed")
            return
        self.tally.lost_updates += 1
        lines = difflib.unified_diff(
            wanted.decode().splitlines(), found.decode("utf-8", "replace").splitlines(), "oracle", "file", lineterm=""
        )
        error.add_note("\n".join(lines))

    # Lives -----------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        self.plugin = self._built()
        await self.plugin.start()

    async def stop(self) -> None:
        """Stop the one that runs; a second one takes over."""
        stopped, self.plugin, self.waiting = self.plugin, self.waiting, None
        if stopped is not None:
            await stopped.stop()

    async def start_another(self) -> None:
        self.waiting = self._built()
        await self.waiting.start()

    async def visit(self) -> None:
        """Make one pass beside whoever runs, as the command `sync` does."""
        await self._built().visit.once()

    def _built(self) -> Plugin:
        events = Events()
        events.subscribe(self.events)
        return Plugin(self.settings, events=events, timing=IMPATIENT)

    async def process(self) -> subprocess.Popen[bytes]:
        """Start the command `run` as a process of its own."""
        foreign = ("AGENT_CONFIG_SYNC_", "HEALTH_", "PG", "OPENCLAW_")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        for name in ("gateway", "config_path", "state_dir", "gateway_version", "reload"):
            environment[f"AGENT_CONFIG_SYNC_{name.upper()}"] = str(getattr(self.settings, name))
        environment["AGENT_CONFIG_SYNC_DSN"] = self.proxy.dsn(self._database, LOGIN)
        command = [sys.executable, "-m", "agent_config_sync", "run"]
        with (self.folder / "log").open("ab") as log:
            return await asyncio.to_thread(
                subprocess.Popen, command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    # The server ------------------------------------------------------------------------------------------------------

    async def restart_server(self) -> None:
        await asyncio.to_thread(self.server.stop, "immediate")
        await start_again(self.server, SERVER_SETTINGS)
        self.operator.terminate()
        self.operator = await self.connect()
