"""What tests share: a person at the database, and a running sync that is watched by its events."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import asyncpg
import orjson
import pytest

from agent_config_sync.cli.throwaway import ThrowawayServer, find_binaries
from agent_config_sync.errors import NoServerError
from agent_config_sync.events import Event
from agent_config_sync.plugin import Plugin
from agent_config_sync.postgres.link import Timing
from agent_config_sync.settings import Settings

Operator: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

DEADLINE = 30.0
"""Seconds; generous, because a test waits for an event and says so when it does not come."""

NOBODY = 65534
"""A user who owns nothing."""

QUICK = Timing(connect=5.0, silence=0.2, answer=2.0, diagnosis=1.0, statement=5.0, lock=2.0)
"""Intervals shrunk for tests."""

E = TypeVar("E", bound=Event)


def database_dsn(server_dsn: str, name: str) -> str:
    """Return the DSN of another database of the same server."""
    base, _, query = server_dsn.partition("?")
    return base[: base.rindex("/") + 1] + name + (f"?{query}" if query else "")


@contextlib.asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(dsn, timeout=DEADLINE)
    try:
        yield connection
    finally:
        await connection.close(timeout=DEADLINE)


def psql(dsn: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the real psql: the system's own, else the one beside the server's programs."""
    places = [str(binaries.folder / "psql") for binaries in find_binaries()]
    program = shutil.which("psql") or next(place for place in places if Path(place).exists())
    return subprocess.run(
        [program, "-X", "-q", *words, dsn], capture_output=True, text=True, check=False, timeout=DEADLINE
    )


async def dump(dsn: str) -> str:
    """Return all rows of all tables of a database, as text."""
    async with connected(dsn) as connection:
        tables = await connection.fetch(
            "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        rows = [await connection.fetch(f"SELECT t::text FROM {table['name']} AS t") for table in tables]
    return str(rows)


@dataclass
class Recorder:
    """All events in their order; `until` waits for the next one of a kind, and forgets what came before it."""

    seen: list[Event] = field(default_factory=list)
    _cursor: int = 0
    _more: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    def __call__(self, event: Event) -> None:
        self.seen.append(event)
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._more.set)

    async def until(self, kind: type[E], when: Callable[[E], bool] = lambda _: True) -> E:
        """Return the next event of this kind that fits; fails after the deadline with what came instead."""
        begin = self._cursor
        try:
            async with asyncio.timeout(DEADLINE):
                while True:
                    self._more.clear()
                    while self._cursor < len(self.seen):
                        event = self.seen[self._cursor]
                        self._cursor += 1
                        if isinstance(event, kind) and when(event):
                            return event
                    await self._more.wait()
        except TimeoutError:
            came = [type(event).__name__ for event in self.seen[begin:]]
            pytest.fail(f"no {kind.__name__} within {DEADLINE:g} s; instead: {came}")

    def count(self, kind: type[Event]) -> int:
        return sum(isinstance(event, kind) for event in self.seen)

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.seen if isinstance(event, kind)]

    def rewind(self) -> None:
        """Let `until` look at everything again."""
        self._cursor = 0

    def forget(self) -> None:
        """Skip all that has come so far."""
        self._cursor = len(self.seen)


@dataclass
class Running:
    """A running sync, its events and its output."""

    plugin: Plugin
    events: Recorder

    @property
    def output(self) -> Path:
        return self.plugin.settings.output


Start = Callable[..., Awaitable[Running]]


def make_settings(dsn: str, folder: Path, **changes: Any) -> Settings:
    members: dict[str, Any] = {
        "dsn": dsn,
        "gateway": "here",
        "config_path": folder / "gateway" / "openclaw.json",
        "state_dir": folder / "state",
        "settle": 0.0,
        "resync_interval": 3600.0,
        "gateway_version": "2026.9.6",
        **changes,
    }
    return Settings.model_validate(members)


def model_in(path: Path) -> str:
    """Return the model of the agent `lead`, the only one, in a file that is whole."""
    document = orjson.loads(path.read_bytes())
    section = document.get("agents", document)
    found: str = (section["entries"]["lead"] if "entries" in section else section["list"][0])["model"]
    return found


def temporaries(*folders: Path) -> list[str]:
    """Return what publishes have left in these folders and below."""
    return [path.name for folder in folders for path in folder.rglob(".*.tmp")]


async def eventually(operator: Operator, question: str, *arguments: object) -> None:
    """Return when the database answers true; what a server does by itself sends no event."""
    async with asyncio.timeout(DEADLINE):
        while not await operator.fetchval(question, *arguments):  # noqa: ASYNC110 - nothing to wait on but the server
            await asyncio.sleep(0.01)


async def start_again(server: ThrowawayServer, settings: Mapping[str, str] | None = None) -> None:
    """Start a server whose last processes may not be gone yet."""
    async with asyncio.timeout(DEADLINE):
        while True:
            with contextlib.suppress(NoServerError):
                await asyncio.to_thread(server.start, settings=settings)
                return


class ServiceManager(asyncio.DatagramProtocol):
    """What systemd hears."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.told.put_nowait(data)

    async def hears(self) -> bytes:
        async with asyncio.timeout(DEADLINE):
            return await self.told.get()


@contextlib.asynccontextmanager
async def service_manager(address: str) -> AsyncIterator[ServiceManager]:
    """Listen on a real datagram socket, in the file system or (with @) in the abstract namespace."""
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    channel.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
    transport, manager = await asyncio.get_running_loop().create_datagram_endpoint(ServiceManager, sock=channel)
    try:
        yield manager
    finally:
        transport.close()


@contextlib.contextmanager
def rights_of_nobody() -> Iterator[None]:
    """Lend the rights of a user who owns nothing, where the tests run as root."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)
