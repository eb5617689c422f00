"""How soon is a silent link found, and how soon is the file in step again after an outage? With the real intervals.

silent   a proxy swallows every byte both ways while the sockets stay open; seconds until the link is given up.
outage   the server is stopped (immediate) for 0.1 to 0.9 s; somebody tries to connect every few milliseconds, and
         changes a row as soon as that succeeds; seconds from there until the file with that change is durable.

    python benchmarks/outages.py [--silent 5] [--outages 20]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
from harness import Recorder, connected
from proxy import Proxy

from agent_config_sync.cli.throwaway import ThrowawayServer, throwaway_server
from agent_config_sync.events import Events, LinkLost, LinkProven, Published, Reported
from agent_config_sync.plugin import Plugin
from agent_config_sync.postgres.migrate import migrate
from agent_config_sync.settings import Settings

SILENT_BAR = 10.0
STEP_BAR = 1.0
SET = "UPDATE agents SET model = $1"


@contextlib.asynccontextmanager
async def running(dsn: str, folder: Path) -> AsyncIterator[Recorder]:
    """Run a sync with the intervals that it has in the field, and yield its events."""
    settings = {
        "dsn": dsn,
        "gateway": "here",
        "config_path": folder / "openclaw.json",
        "state_dir": folder / "state",
        "gateway_version": "2026.9.6",
    }
    events, recorder = Events(), Recorder()
    events.subscribe(recorder)
    plugin = Plugin(Settings.model_validate(settings), events=events)
    await plugin.start()
    try:
        await recorder.until(LinkProven)
        yield recorder
    finally:
        await plugin.stop()


async def silence(server: ThrowawayServer, folder: Path) -> float:
    """Return the seconds until a link that swallows everything is given up."""
    async with Proxy(server.socket).running() as proxy, running(proxy.dsn(), folder) as events:
        await asyncio.sleep(random.uniform(0, 4))
        events.forget()
        proxy.swallowing = True
        began = time.perf_counter()
        await events.until(LinkLost)
        return time.perf_counter() - began


async def first_connection(dsn: str) -> asyncpg.Connection[asyncpg.Record]:
    while True:
        with contextlib.suppress(OSError, asyncpg.PostgresError):
            return await asyncpg.connect(dsn, timeout=5)
        await asyncio.sleep(0.002)


async def outage(server: ThrowawayServer, events: Recorder, number: int) -> float:
    """Return the seconds from the first connection that succeeds until a change made there is in the file."""
    await asyncio.to_thread(server.stop, "immediate")
    await events.until(LinkLost)
    await asyncio.sleep(random.uniform(0.1, 0.9))
    starting = asyncio.create_task(asyncio.to_thread(server.start))
    operator = await first_connection(server.dsn)
    succeeded = time.perf_counter()
    await operator.execute(SET, f"a/outage-{number}")
    await events.until(Published, lambda event: f'"a/outage-{number}"'.encode() in event.after)
    taken = time.perf_counter() - succeeded
    await events.until(Reported)
    await starting
    operator.terminate()
    return taken


def told(name: str, seconds: list[float], worst: float, bar: float) -> bool:
    kept = worst <= bar
    print(
        f"{name:<8} {len(seconds):>3} times  median {statistics.median(seconds):6.2f} s  longest {max(seconds):6.2f} s"
        f"  bar {bar:g} s  {'PASS' if kept else 'MISS'}"
    )
    return kept


async def measure(server: ThrowawayServer, folder: Path, *, silent: int, outages: int) -> bool:
    async with connected(server.dsn) as operator:
        await migrate(operator)
        await operator.execute("INSERT INTO agents (name, is_default) VALUES ('lead', true)")
    (folder / "openclaw.json").write_text('{"$include": "./agents.json"}\n', encoding="utf-8")
    found = [await silence(server, folder) for _ in range(silent)]
    kept = told("silent", found, max(found), SILENT_BAR)
    async with running(server.dsn, folder) as events:
        back = [await outage(server, events, number) for number in range(outages)]
    return told("outage", back, statistics.median(back), STEP_BAR) and kept


def main() -> None:
    parser = argparse.ArgumentParser(description="Seconds until a silent link is found, and until an outage is over.")
    parser.add_argument("--silent", type=int, default=5)
    parser.add_argument("--outages", type=int, default=20)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, throwaway_server() as server:
        kept = asyncio.run(measure(server, Path(folder), silent=wanted.silent, outages=wanted.outages))
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
