"""How long from an operator's commit to the durable file, as a ratio to a bare floor?

Measured, for both sides alike: from just before `UPDATE agents SET model = ... WHERE account_id = 'default' AND
name = ...` is sent (one statement, committed by itself) until agents.json is renamed and its directory is fsynced.

floor   the best of 60 plain lines: an asyncpg listener, a second connection, one SELECT of the same columns, plain
        dicts, orjson, temporary file, fsync, rename, fsync of the directory. It validates nothing and keeps nothing.
ours    the real Plugin with settle = 0, up to its Published event.

Both run in this process, on two databases of one server (a notification reaches all listeners of a database), and take
turns change by change: the machine's moods hit both. A turn begins when the one before it is over, with its row in
gateway_status written, and after the same pause. Figures of two runs do not compare; the ratio does.

The server runs as initdb left it, fsync and synchronous_commit on: an operator's commit is durable too, on both sides.
`commit` in the table is that part, the milliseconds until the UPDATE is acknowledged.

    python benchmarks/commit_to_file.py [--agents N] [--rounds 5] [--changes 100]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

import asyncpg
import orjson

from agent_config_sync.cli.throwaway import ThrowawayServer, throwaway_server
from agent_config_sync.events import Event, Events, Published
from agent_config_sync.plugin import Plugin
from agent_config_sync.postgres.migrate import migrate
from agent_config_sync.settings import Settings

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

HERE = Path(__file__).parent
ACCOUNT, GATEWAY = "default", "here"
CHANGE = "UPDATE agents SET model = $1 WHERE account_id = 'default' AND name = $2"
REPORTED = "SELECT content_hash FROM gateway_status WHERE account_id = 'default' AND gateway = 'here'"
MODELS = [f"provider/model-{number}" for number in range(7)]
PAUSE = 0.02
"""Seconds of quiet before each change, the same for both sides."""
DEADLINE = 60.0
WARM_UP = 10
"""Changes of each side before the first round: prepared statements, page cache, first imports."""


@dataclass(frozen=True, slots=True)
class Size:
    """agents: rows in the table; ours: those of this account; bar: the highest ratio that passes."""

    agents: int
    ours: int
    bar: float | None


SIZES = (Size(20, 20, 1.5), Size(5_000, 5_000, 0.8), Size(100_000, 1_000, 1.0))


class Side(Protocol):
    """Somebody who turns a commit into a durable file."""

    operator: Connection

    def expect(self) -> None:
        """A change is about to be sent."""

    async def durable(self) -> float:
        """Return the time at which the file of the expected change stood, when all that follows from it is done."""
        ...


# The floor -----------------------------------------------------------------------------------------------------------


class Floor:
    """What a person would write by hand; no state, no checks, no second thought."""

    def __init__(self, listener: Connection, reader: Connection, operator: Connection, output: Path) -> None:
        self.operator = operator
        self._listener = listener
        self._reader = reader
        self._output = output
        self._query = (HERE / "floor.sql").read_text(encoding="utf-8")
        self._woken = asyncio.Event()
        self._done: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        await self._listener.add_listener("agent_config_changed", lambda *_: self._woken.set())
        self._woken.set()
        while True:
            await self._woken.wait()
            self._woken.clear()
            records = await self._reader.fetch(self._query, ACCOUNT, GATEWAY)
            replace(self._output, orjson.dumps(document(records), option=orjson.OPT_INDENT_2))
            if not self._done.done():
                self._done.set_result(time.perf_counter())

    def expect(self) -> None:
        self._done = asyncio.get_running_loop().create_future()

    async def durable(self) -> float:
        return await self._done


def document(records: Sequence[asyncpg.Record]) -> dict[str, object]:
    """Return the content of agents.json in the shape of OpenClaw 2026.9.6."""
    entries: dict[str, object] = {}
    models: set[str] = set()
    default = None
    for record in records:
        entry: dict[str, object] = {}
        primary, fallbacks = record["model"], record["fallback_models"]
        if primary is not None:
            entry["model"] = {"primary": primary, "fallbacks": fallbacks} if fallbacks else primary
            models.update((primary, *(fallbacks or ())))
        if record["allowed_subagents"]:
            entry["subagents"] = {"allowAgents": sorted(record["allowed_subagents"])}
        if record["thinking"]:
            entry["thinkingDefault"] = record["thinking"]
        if record["settings"]:
            entry.update(orjson.loads(record["settings"]))
        if record["is_default"] and (default is None or record["scoped"]):
            default = record["name"]
        entries[record["name"]] = entry
    allowed = sorted(models)
    defaults: dict[str, object] = {
        "models": {model: {} for model in allowed},
        "modelPolicy": {"allow": allowed},
        "systemAgent": {"agentId": default},
        "subagents": {"maxSpawnDepth": 5},
    }
    return {"agents": {"ownership": "explicit", "defaults": defaults, "entries": entries}}


def replace(path: Path, content: bytes) -> None:
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(directory)
    os.close(directory)


# Ours ----------------------------------------------------------------------------------------------------------------


class Ours:
    """The real thing, watched by its events as any host may watch it."""

    def __init__(self, dsn: str, operator: Connection, folder: Path) -> None:
        self.operator = operator
        config = folder / "openclaw.json"
        config.write_text('{"$include": "./agents.json"}\n', encoding="utf-8")
        events = Events()
        events.subscribe(self._watch)
        self.plugin = Plugin(
            Settings.model_validate(
                {
                    "dsn": dsn,
                    "account": ACCOUNT,
                    "gateway": GATEWAY,
                    "config_path": config,
                    "state_dir": folder / "state",
                    "gateway_version": "2026.9.6",
                    "settle": 0.0,
                    "resync_interval": 86400.0,
                }
            ),
            events=events,
        )
        self._published: asyncio.Future[tuple[float, str]] = asyncio.get_running_loop().create_future()

    def _watch(self, event: Event) -> None:
        if isinstance(event, Published) and not self._published.done():
            self._published.set_result((time.perf_counter(), event.content_hash))

    def expect(self) -> None:
        self._published = asyncio.get_running_loop().create_future()

    async def durable(self) -> float:
        at, content_hash = await self._published
        while await self.operator.fetchval(REPORTED) != content_hash:  # noqa: ASYNC110 - a row: it sends no event
            await asyncio.sleep(0.002)
        return at


# Both ----------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Times:
    """Seconds of each change; commit: until the UPDATE was acknowledged, durable: until the file was."""

    commit: list[float] = field(default_factory=list)
    durable: list[float] = field(default_factory=list)


async def change(side: Side, model: str, name: str, times: Times) -> None:
    await asyncio.sleep(PAUSE)
    side.expect()
    sent = time.perf_counter()
    await side.operator.execute(CHANGE, model, name)
    times.commit.append(time.perf_counter() - sent)
    async with asyncio.timeout(DEADLINE):
        times.durable.append(await side.durable() - sent)


class Changes:
    """A model for an agent that has another one; the same sequence for both sides."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._now: dict[str, str] = {}
        self._random = random.Random(20_26)

    def next(self) -> tuple[str, str]:
        name = self._random.choice(self._names)
        now = self._now.get(name) or MODELS[int(name.removeprefix("agent-")) % len(MODELS)]
        self._now[name] = self._random.choice([model for model in MODELS if model != now])
        return self._now[name], name


@dataclass(frozen=True, slots=True)
class Result:
    size: Size
    rounds: tuple[tuple[Times, Times], ...]

    def line(self) -> str:
        ratios = [median(ours.durable) / median(floor.durable) for floor, ours in self.rounds]
        ratio = statistics.median(ratios)
        floors = [second for floor, _ in self.rounds for second in floor.durable]
        ours = [second for _, side in self.rounds for second in side.durable]
        commits = [second for both in self.rounds for side in both for second in side.commit]
        bar = self.size.bar
        verdict = "" if bar is None else f"<= {bar:.1f}  {'PASS' if ratio <= bar else 'MISS'}"
        return (
            f"{self.size.agents:>8,} {self.size.ours:>6,} {median(commits) * 1000:>7.2f}"
            f"  {median(floors) * 1000:>8.2f} {p99(floors) * 1000:>8.2f}"
            f"  {median(ours) * 1000:>8.2f} {p99(ours) * 1000:>8.2f}"
            f"  {ratio:>6.2f}  {' '.join(f'{one:.2f}' for one in ratios):<24}  {verdict}"
        )


HEAD = (
    f"{'agents':>8} {'ours':>6} {'commit':>7}  {'floor':>8} {'':>8}  {'ours':>8} {'':>8}\n"
    f"{'in table':>8} {'':>6} {'p50 ms':>7}  {'p50 ms':>8} {'p99 ms':>8}  {'p50 ms':>8} {'p99 ms':>8}"
    f"  {'ratio':>6}  {'of each round':<24}  bar"
)


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def p99(values: Sequence[float]) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * 99 // 100)]


@contextlib.asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(dsn, timeout=DEADLINE)
    try:
        yield connection
    finally:
        connection.terminate()


async def make_database(server: ThrowawayServer, name: str, size: Size) -> str:
    async with connected(server.dsn) as connection:
        await connection.execute(f"CREATE DATABASE {name}")
    dsn = server.dsn_of(name)
    async with connected(dsn) as connection:
        await migrate(connection)
        fill = (HERE / "fill.sql").read_text(encoding="utf-8")
        await connection.execute(fill, size.agents, size.agents // size.ours, timeout=DEADLINE)
        await connection.execute("ANALYZE")
    return dsn


async def measure(server: ThrowawayServer, folder: Path, size: Size, *, rounds: int, changes: int) -> Result:
    (folder / "ours").mkdir(parents=True)
    (folder / "floor").mkdir()
    output = folder / "floor" / "agents.json"
    dsn_of_ours = await make_database(server, f"ours_{size.agents}", size)
    dsn_of_floor = await make_database(server, f"floor_{size.agents}", size)
    async with contextlib.AsyncExitStack() as stack:
        listener, reader, one, other = [
            await stack.enter_async_context(connected(dsn))
            for dsn in (dsn_of_floor, dsn_of_floor, dsn_of_floor, dsn_of_ours)
        ]
        floor, ours = Floor(listener, reader, one, output), Ours(dsn_of_ours, other, folder / "ours")
        running = asyncio.create_task(floor.run())
        stack.callback(running.cancel)
        await ours.plugin.start()
        stack.push_async_callback(ours.plugin.stop)
        async with asyncio.timeout(DEADLINE):
            await asyncio.gather(floor.durable(), ours.durable())
        queue = Changes([f"agent-{number:06}" for number in range(0, size.agents, size.agents // size.ours)])
        await one_round(floor, ours, queue, WARM_UP)
        assert orjson.loads(output.read_bytes()) == orjson.loads(ours.plugin.settings.output.read_bytes())
        gc.collect()
        gc.freeze()  # or the floor, which makes garbage, pays for looking through the rows that ours keeps
        result = Result(size, tuple([await one_round(floor, ours, queue, changes) for _ in range(rounds)]))
        gc.unfreeze()
    return result


async def one_round(floor: Floor, ours: Ours, queue: Changes, changes: int) -> tuple[Times, Times]:
    of_floor, of_ours = Times(), Times()
    for _ in range(changes):
        model, name = queue.next()
        await change(floor, model, name, of_floor)
        await change(ours, model, name, of_ours)
    return of_floor, of_ours


def main() -> None:
    parser = argparse.ArgumentParser(description="Commit to durable file, ours beside a bare floor.")
    parser.add_argument("--agents", type=int, help="only this size (default: 20, 5000 and 100000)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--changes", type=int, default=100, help="of each side in each round")
    wanted = parser.parse_args()
    sizes: tuple[Size, ...] = SIZES
    if wanted.agents is not None:
        sizes = tuple(size for size in SIZES if size.agents == wanted.agents)
        sizes = sizes or (Size(wanted.agents, wanted.agents, None),)
    place = Path("build", "bench").absolute()  # on the disk of the checkout: in memory an fsync costs nothing
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place) as folder, throwaway_server() as server:
        print(f"commit sent to durable file, {wanted.rounds} rounds of {wanted.changes} changes of each side, in turns")
        print(HEAD)
        for size in sizes:
            measured = measure(
                server, Path(folder, str(size.agents)), size, rounds=wanted.rounds, changes=wanted.changes
            )
            print(asyncio.run(measured).line(), flush=True)


if __name__ == "__main__":
    main()
