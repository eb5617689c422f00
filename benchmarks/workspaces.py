"""What do 1,000 workspaces cost: the first time, and when one soul changed?

first   from the snapshot of the first pass to the durable agents.json: tokens, templates, 13 files an agent, manifests.
        Against a bare loop on 8 threads that writes the same bytes with the same durability: temporary file, fsync,
        rename, and one fsync for each folder.
changed from the notification of one changed soul until the pass is over and reported, warm; once with workspaces and
        once without, on two databases with the same rows. The files of the others keep their mtime, which is checked.

Both sides of a comparison run in this process and take turns. Figures of two runs do not compare; the ratio does.

    python benchmarks/workspaces.py [--agents 1000] [--rounds 5] [--changes 30]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import asyncpg

from agent_config_sync.cli.throwaway import ThrowawayServer, throwaway_server
from agent_config_sync.events import Event, Events, Notified, Published, Reported, SnapshotTaken
from agent_config_sync.plugin import Plugin
from agent_config_sync.postgres.migrate import migrate
from agent_config_sync.settings import Settings

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

DEADLINE = 300.0
THREADS = 8
FIRST_BAR, CHANGED_BAR = 1.5, 0.050
WARM_UP = 5
FILL = """
    INSERT INTO boards (id, name, objective)
    SELECT ('00000000-0000-4000-8000-0000000000' || lpad(number::text, 2, '0'))::uuid, 'Board ' || number, 'A goal.'
    FROM generate_series(0, 9) AS number;
    INSERT INTO agents (name, display_name, is_default, model, board_id, is_board_lead)
    SELECT 'agent-' || lpad(number::text, 6, '0'), 'Agent ' || number, number = 0, 'provider/model',
           CASE WHEN number > 0 THEN
               ('00000000-0000-4000-8000-0000000000' || lpad((number % 10)::text, 2, '0'))::uuid
           END,
           number BETWEEN 1 AND 10
    FROM generate_series(0, {last}) AS number;
"""
CHANGE = "UPDATE agents SET soul_content = $1 WHERE account_id = 'default' AND name = $2"


class Watched:
    """A sync whose passes are timed by its events."""

    def __init__(self, dsn: str, folder: Path, *, workspaces: bool) -> None:
        events = Events()
        events.subscribe(self._watch)
        self.root = folder / "workspaces"
        self.settings = Settings.model_validate(
            {
                "dsn": dsn,
                "gateway": "here",
                "config_path": folder / "openclaw.json",
                "state_dir": folder / "state",
                "gateway_version": "2026.9.6",
                "settle": 0.0,
                "resync_interval": 86400.0,
                "workspace_root": self.root if workspaces else None,
            }
        )
        self.plugin = Plugin(self.settings, events=events)
        self.at: dict[type[Event], float] = {}
        self._over = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def _watch(self, event: Event) -> None:
        self.at[type(event)] = time.perf_counter()
        if isinstance(event, Reported):
            self._loop.call_soon_threadsafe(self._over.set)

    def expect(self) -> None:
        self._over.clear()

    async def over(self) -> None:
        async with asyncio.timeout(DEADLINE):
            await self._over.wait()


async def first_pass(dsn: str, folder: Path) -> tuple[float, Watched]:
    """Return the seconds that the first pass takes once it has its rows."""
    watched = Watched(dsn, folder, workspaces=True)
    await watched.plugin.start()
    await watched.over()
    return watched.at[Published] - watched.at[SnapshotTaken], watched


def bare_loop(contents: Mapping[Path, bytes], folder: Path) -> float:
    """Write the same files in the same folders, as durably, on as many threads; return the seconds."""
    agents: dict[str, dict[Path, bytes]] = {}
    for path, content in contents.items():
        agents.setdefault(path.parts[0], {})[path] = content

    def one(files: Mapping[Path, bytes]) -> None:
        folders = {folder / path.parent for path in files} | {folder / next(iter(files)).parts[0] / "deliverables"}
        for each in folders:
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path, content in files.items():
            target = folder / path
            temporary = target.with_name(f".{target.name}.tmp")
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            os.write(descriptor, content)
            os.fsync(descriptor)
            os.close(descriptor)
            temporary.rename(target)
        for each in {*folders, folder / next(iter(files)).parts[0], folder}:
            descriptor = os.open(each, os.O_RDONLY | os.O_DIRECTORY)
            os.fsync(descriptor)
            os.close(descriptor)

    began = time.perf_counter()
    folder.mkdir(parents=True)
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(one, agents.values()))
    return time.perf_counter() - began


def files_below(root: Path) -> Iterator[Path]:
    return (path for path in root.rglob("*") if path.is_file())


async def make_database(server: ThrowawayServer, name: str, agents: int) -> str:
    async with connected(server.dsn) as connection:
        await connection.execute(f"CREATE DATABASE {name}")
    async with connected(server.dsn_of(name)) as connection:
        await migrate(connection)
        await connection.execute(FILL.format(last=agents - 1), timeout=DEADLINE)
        await connection.execute("ANALYZE")
    return server.dsn_of(name)


@contextlib.asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(dsn, timeout=60)
    try:
        yield connection
    finally:
        connection.terminate()


async def measure_first(server: ThrowawayServer, folder: Path, *, agents: int, rounds: int) -> bool:
    ratios: list[float] = []
    ours: list[float] = []
    floors: list[float] = []
    for number in range(rounds):
        dsn = await make_database(server, f"first_{number}", agents)
        place = folder / f"first-{number}"
        seconds, watched = await first_pass(dsn, place)
        await watched.plugin.stop()
        contents = {path.relative_to(watched.root): path.read_bytes() for path in files_below(watched.root)}
        floor = await asyncio.to_thread(bare_loop, contents, folder / f"bare-{number}")
        ours.append(seconds)
        floors.append(floor)
        ratios.append(seconds / floor)
        shutil.rmtree(place)
        shutil.rmtree(folder / f"bare-{number}")
    ratio = statistics.median(ratios)
    print(
        f"first render of {agents:,} agents, {len(contents):,} files, {sum(map(len, contents.values())) / 1e6:.1f} MB:"
        f" ours {statistics.median(ours):.2f} s, bare loop {statistics.median(floors):.2f} s,"
        f" ratio {ratio:.2f} ({' '.join(f'{one:.2f}' for one in ratios)})"
        f"  <= {FIRST_BAR:.1f}  {'PASS' if ratio <= FIRST_BAR else 'MISS'}"
    )
    return ratio <= FIRST_BAR


async def measure_changed(server: ThrowawayServer, folder: Path, *, agents: int, changes: int) -> bool:
    sides: list[tuple[Watched, Connection, list[float]]] = []
    async with contextlib.AsyncExitStack() as stack:
        for name, workspaces in (("without", False), ("with_them", True)):
            dsn = await make_database(server, name, agents)
            watched = Watched(dsn, folder / name, workspaces=workspaces)
            await watched.plugin.start()
            stack.push_async_callback(watched.plugin.stop)
            await watched.over()
            sides.append((watched, await stack.enter_async_context(connected(dsn)), []))
        root = sides[1][0].root
        before = {path: path.stat().st_mtime_ns for path in files_below(root)}
        gc.collect()
        gc.freeze()
        touched: set[str] = set()
        for number in range(WARM_UP + changes):
            agent = f"agent-{number * 7 % agents:06}"
            touched.add(agent)
            for watched, operator, seconds in sides:
                await asyncio.sleep(0.02)
                watched.expect()
                await operator.execute(CHANGE, f"Soul number {number}.", agent)
                await watched.over()
                if number >= WARM_UP:
                    seconds.append(watched.at[Reported] - watched.at[Notified])
        gc.unfreeze()
        after = {path: path.stat().st_mtime_ns for path in files_below(root)}
        written = {path for path in after if after[path] != before.get(path)}
        assert written == {root / agent / "SOUL.md" for agent in touched}, "files that nothing changed were written"
    without, with_them = (statistics.median(seconds) for _, _, seconds in sides)
    above = with_them - without
    print(
        f"one changed soul of {agents:,}: {with_them * 1000:.1f} ms with workspaces, {without * 1000:.1f} ms without,"
        f" {above * 1000:.1f} ms above  <= {CHANGED_BAR * 1000:.0f} ms  {'PASS' if above <= CHANGED_BAR else 'MISS'}"
    )
    return above <= CHANGED_BAR


async def main(agents: int, rounds: int, changes: int) -> bool:
    with throwaway_server({"max_connections": "50"}) as server, tempfile.TemporaryDirectory() as folder:
        first = await measure_first(server, Path(folder), agents=agents, rounds=rounds)
        changed = await measure_changed(server, Path(folder), agents=agents, changes=changes)
    return first and changed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--changes", type=int, default=30)
    chosen = parser.parse_args()
    raise SystemExit(0 if asyncio.run(main(chosen.agents, chosen.rounds, chosen.changes)) else 1)
