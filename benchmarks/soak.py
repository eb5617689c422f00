"""Does the daemon stay as it is when it works and things break for a long time?

Runs `agent-config-sync run`, as an operator would, through a proxy on a database of 200 agents; `counted_run.py` counts
its tasks. A change is committed, and once it is in the file the next one; every few seconds a fault: sessions ended,
connections reset, a message cut, the server restarted, rights taken away, the file deleted, a network that swallows
all, each in its turn.

Each minute: resident memory (VmRSS), descriptors, threads and tasks of the process, publishes and faults so far. At the
end the medians of the first and the last third are compared, without the warm-up: a growth over the tolerance ends
with 1.

    PYTHONPATH=tests python benchmarks/soak.py [--minutes 10]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
from harness import start_again
from proxy import Proxy

from agent_config_sync.cli.throwaway import ThrowawayServer, throwaway_server
from agent_config_sync.postgres.migrate import migrate

HERE = Path(__file__).parent

AGENTS = 200
FAULT_EVERY = 4.0
"""Seconds."""
PAUSE = 0.2
"""Seconds between a change that is in the file and the next one."""
WARM_UP = 0.2
"""Share of the time before the first sample counts."""
DEADLINE = 90.0
"""Seconds that a change may take, faults and backoff included."""
LOGIN = "soak"
SERVER_SETTINGS = {"fsync": "off"}

TOLERANCE = {"resident": 1.5, "descriptors": 1.0, "threads": 1.0, "tasks": 1.0}
"""MB, then pieces: more than this between the first third and the last is growth."""


@dataclass
class Soak:
    """What is driven, and what was seen of it."""

    server: ThrowawayServer
    proxy: Proxy
    folder: Path
    daemon: subprocess.Popen[bytes]
    changes: int = 0
    publishes: int = 0
    faults: int = 0
    samples: list[dict[str, float]] = field(default_factory=list)

    @property
    def output(self) -> Path:
        return self.folder / "agents.json"

    def sample(self) -> dict[str, float]:
        process = Path(f"/proc/{self.daemon.pid}")
        lines = (process / "status").read_text(encoding="utf-8").splitlines()
        resident = next(line for line in lines if line.startswith("VmRSS:"))  # in KiB
        return {
            "resident": int(resident.split()[1]) * 1024 / 1e6,
            "descriptors": len(list((process / "fd").iterdir())),
            "threads": len(list((process / "task").iterdir())),
            "tasks": int((self.folder / "tasks").read_text()),
        }

    async def operate(self, sql: str, *arguments: object) -> None:
        """Run a statement as somebody past the proxy; the server may be restarting."""
        async with asyncio.timeout(DEADLINE):
            while True:
                with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                    connection = await asyncpg.connect(self.server.dsn)
                    try:
                        await connection.execute(sql, *arguments)
                    finally:
                        connection.terminate()
                    return
                await asyncio.sleep(0.1)

    async def change(self) -> None:
        """Commit a change and return when it is in the file."""
        self.changes += 1
        model = f"p/change-{self.changes}"
        await self.operate("UPDATE agents SET model = $1 WHERE name = 'agent-000000'", model)
        wanted = f'"{model}"'.encode()
        async with asyncio.timeout(DEADLINE):
            while not (self.output.exists() and wanted in self.output.read_bytes()):
                if self.daemon.poll() is not None:
                    raise SystemExit(f"the daemon has ended:\n{(self.folder / 'log').read_text()[-2000:]}")
                await asyncio.sleep(0.01)

    # Faults --------------------------------------------------------------------------------------------------------

    async def end_sessions(self) -> None:
        await self.operate("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", LOGIN)

    async def reset(self) -> None:
        self.proxy.reset()

    async def cut(self) -> None:
        self.proxy.cut_after = 5

    async def restart(self) -> None:
        await asyncio.to_thread(self.server.stop, "immediate")
        await start_again(self.server, SERVER_SETTINGS)

    async def take_rights_away(self) -> None:
        await self.operate(f"REVOKE agent_config_reader FROM {LOGIN}")
        await self.operate("NOTIFY agent_config_changed")
        await asyncio.sleep(1.0)
        await self.operate(f"GRANT agent_config_reader TO {LOGIN}")

    async def delete_the_file(self) -> None:
        self.output.unlink(missing_ok=True)

    async def stall(self) -> None:
        self.proxy.swallowing = True
        await asyncio.sleep(FAULT_EVERY)
        self.proxy.heal()

    async def break_things(self, end: float) -> None:
        kinds: tuple[Callable[[], Awaitable[None]], ...] = (
            self.end_sessions,
            self.reset,
            self.cut,
            self.restart,
            self.take_rights_away,
            self.delete_the_file,
            self.stall,
        )
        for fault in itertools.cycle(kinds):
            await asyncio.sleep(FAULT_EVERY)
            if time.monotonic() > end:
                return
            await fault()
            self.faults += 1

    async def work(self, end: float) -> None:
        while time.monotonic() < end:
            await self.change()
            await asyncio.sleep(PAUSE)

    async def watch(self, end: float) -> None:
        """Sample each second, count the publishes by the inode, and say each minute how things stand."""
        began, inode = time.monotonic(), 0
        minutes = 0
        while (now := time.monotonic()) < end:
            for _ in range(20):
                with contextlib.suppress(FileNotFoundError):
                    found = self.output.stat().st_ino
                    self.publishes += found != inode
                    inode = found
                await asyncio.sleep(0.05)
            self.samples.append(self.sample())
            if now - began >= 60 * (minutes + 1):
                minutes += 1
                self.say(f"{minutes:3d} min")

    def say(self, when: str) -> None:
        last = self.samples[-1]
        print(
            f"{when}  {last['resident']:7.2f} MB  {last['descriptors']:3.0f} descriptors  "
            f"{last['threads']:3.0f} threads  {last['tasks']:3.0f} tasks  "
            f"{self.publishes:6,} publishes  {self.faults:4,} faults",
            flush=True,
        )


async def fill(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await migrate(connection)
    await connection.execute((HERE / "fill.sql").read_text(encoding="utf-8"), AGENTS, 1)
    await connection.execute(f"CREATE ROLE {LOGIN} LOGIN IN ROLE agent_config_reader")
    await connection.close()


def start(dsn: str, folder: Path) -> subprocess.Popen[bytes]:
    (folder / "openclaw.json").write_text('{"$include": "./agents.json"}\n', encoding="utf-8")
    foreign = ("AGENT_CONFIG_SYNC_", "HEALTH_", "PG", "OPENCLAW_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    environment |= {
        "AGENT_CONFIG_SYNC_DSN": dsn,
        "AGENT_CONFIG_SYNC_CONFIG_PATH": str(folder / "openclaw.json"),
        "AGENT_CONFIG_SYNC_STATE_DIR": str(folder / "state"),
        "AGENT_CONFIG_SYNC_GATEWAY_VERSION": "2026.9.6",
        "AGENT_CONFIG_SYNC_RESYNC_INTERVAL": "10",
        "TASKS": str(folder / "tasks"),
    }
    command = [sys.executable, str(HERE / "counted_run.py")]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


async def soak(server: ThrowawayServer, folder: Path, seconds: float) -> Soak:
    await fill(server.dsn)
    async with Proxy(server.socket).running() as proxy:
        daemon = start(proxy.dsn(user=LOGIN), folder)
        try:
            driven = Soak(server, proxy, folder, daemon)
            await driven.change()
            end = time.monotonic() + seconds
            async with asyncio.TaskGroup() as group:
                for part in (driven.work, driven.break_things, driven.watch):
                    group.create_task(part(end))
        finally:
            daemon.terminate()
            await asyncio.to_thread(daemon.wait)
    return driven


def verdict(samples: list[dict[str, float]]) -> int:
    """Print the medians of the first and the last third after the warm-up; return 1 if something has grown."""
    counted = samples[int(len(samples) * WARM_UP) :]
    third = len(counted) // 3
    grown = 0
    for name, tolerance in TOLERANCE.items():
        first, last = (
            statistics.median(sample[name] for sample in part) for part in (counted[:third], counted[-third:])
        )
        flat = last - first <= tolerance
        grown |= not flat
        print(f"{name:<12} {first:7.2f} -> {last:7.2f}  tolerance {tolerance:g}  {'flat' if flat else 'GROWS'}")
    return grown


def main() -> int:
    parser = argparse.ArgumentParser(description="Memory and descriptors over a long time of changes and faults.")
    parser.add_argument("--minutes", type=float, default=10.0)
    options = parser.parse_args()
    place = Path("build", "bench").absolute()
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place) as name, throwaway_server(SERVER_SETTINGS) as server:
        driven = asyncio.run(soak(server, Path(name), options.minutes * 60))
    print(f"{driven.changes:,} changes, each in the file; {driven.publishes:,} publishes, {driven.faults:,} faults")
    return verdict(driven.samples)


if __name__ == "__main__":
    sys.exit(main())
