"""How soon does a notification become a turn, how well are sessions used, and does memory stay?

A daemon of its own delivers to a stand-in for the gateway in this process, over a PostgreSQL of their own.

- Latency, workers idle: from COMMIT until the gateway has the request, beside a bare NOTIFY from COMMIT until a bare
  listener hears it.
- Schedule: 1,000 queued notifications of 50 sessions and a model that answers in 100 ms, beside the ideal: all workers
  busy until the last is done.
- Memory: of the daemon, over 10,000 deliveries; the slope of the last 80 %.

    python benchmarks/delivery.py [--only latency | schedule | memory] [--deliveries 10000]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import asyncpg

from agent_config_sync.cli.standin_gateway import Said, SeenRequest, StandinGateway
from agent_config_sync.cli.throwaway import throwaway_server
from agent_config_sync.postgres.migrate import migrate

LATENCY_BAR = 5.0
"""Milliseconds above the bare NOTIFY, at the median."""
SCHEDULE_BAR = 1.2
"""Times the ideal."""
MEMORY_BAR = 1.0
"""MB in 1,000 deliveries."""

AGENTS, SESSIONS, QUEUED = 10, 50, 1000
WORKERS = 10
"""As the setting delivery_sessions has it by default."""
ANSWER = 0.1
"""Seconds of the model."""
PATIENCE = 600.0
PAGE = os.sysconf("SC_PAGE_SIZE")

TOLD = """
INSERT INTO board_notifications (account_id, type, agent, actor_type, actor_id, task_id, title, body)
SELECT 'default', 'mention', $1, 'user', 'ada', $2, 'ada mentioned you', 'Well?'
"""


@dataclass
class World:
    """connection: a person's; gateway: what is asked; daemon: what delivers; tasks: each with the agent of its
    session."""

    connection: asyncpg.Connection
    dsn: str
    gateway: StandinGateway
    daemon: subprocess.Popen[bytes]
    tasks: list[tuple[UUID, str]]

    def rss(self) -> float:
        """Return the MB that the daemon takes."""
        pages = Path(f"/proc/{self.daemon.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * PAGE / 1e6

    async def waiting(self) -> int:
        found: int = await self.connection.fetchval(
            "SELECT count(*) FROM board_notifications WHERE agent IS NOT NULL AND delivered_at IS NULL"
        )
        return found

    async def settled(self) -> None:
        async with asyncio.timeout(PATIENCE):
            while await self.waiting():  # noqa: ASYNC110 - nothing to wait on but the server
                await asyncio.sleep(0.02)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def start(dsn: str, folder: Path, gateway: StandinGateway) -> subprocess.Popen[bytes]:
    (folder / "openclaw.json").write_text('{"$include": "./agents.json"}\n', encoding="utf-8")
    foreign = ("AGENT_CONFIG_SYNC_", "HEALTH_", "PG", "OPENCLAW_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    environment |= {
        "AGENT_CONFIG_SYNC_DSN": dsn,
        "AGENT_CONFIG_SYNC_GATEWAY": "here",
        "AGENT_CONFIG_SYNC_CONFIG_PATH": str(folder / "openclaw.json"),
        "AGENT_CONFIG_SYNC_STATE_DIR": str(folder / "state"),
        "AGENT_CONFIG_SYNC_GATEWAY_VERSION": "2026.9.6",
        "AGENT_CONFIG_SYNC_RELOAD": "none",
        "OPENCLAW_GATEWAY_URL": gateway.url,
        "OPENCLAW_WORKSPACE_ROOT": str(folder / "workspaces"),
        "HEALTH_PORT": str(free_port()),
    }
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "-m", "agent_config_sync", "run"]
        return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


async def open_world(stack: AsyncExitStack, folder: Path) -> World:
    server = stack.enter_context(throwaway_server())
    connection = await asyncpg.connect(server.dsn)
    stack.push_async_callback(connection.close)
    await migrate(connection)
    await connection.execute(
        "INSERT INTO agents (name) SELECT 'agent' || number FROM generate_series(0, $1::int - 1) AS number", AGENTS
    )
    await connection.execute("INSERT INTO memberships (account_id, user_id, role) VALUES ('default', 'ada', 'owner')")
    made = [
        await connection.fetchval("INSERT INTO board_tasks (title) VALUES ('Mend it') RETURNING id")
        for _ in range(SESSIONS)
    ]
    tasks = [(task, f"agent{number % AGENTS}") for number, task in enumerate(made)]

    async def done(_: SeenRequest) -> Said:
        return Said("Done.")

    gateway = StandinGateway(done, remembers=False)
    await stack.enter_async_context(gateway.serving())
    daemon = start(server.dsn, folder, gateway)
    stack.callback(daemon.wait)
    stack.callback(daemon.terminate)
    world = World(connection, server.dsn, gateway, daemon, tasks)
    await connection.execute(TOLD, tasks[0][1], tasks[0][0])
    await world.settled()
    return world


async def latency(world: World, rounds: int = 200) -> tuple[list[float], list[float]]:
    """Return the milliseconds until the gateway was asked, and those until a bare listener heard."""
    asked: asyncio.Queue[float] = asyncio.Queue()
    heard: asyncio.Queue[float] = asyncio.Queue()

    async def done(_: SeenRequest) -> Said:
        asked.put_nowait(time.monotonic())
        return Said("Done.")

    world.gateway.model = done
    listening = await asyncpg.connect(world.dsn)
    await listening.add_listener("bare", lambda *_: heard.put_nowait(time.monotonic()))
    turns, bare = [], []
    for number in range(rounds):
        task, agent = world.tasks[number % SESSIONS]
        began = await committed(world.connection, TOLD, agent, task)
        turns.append(((await asked.get()) - began) * 1000)
        await world.settled()
        began = await committed(world.connection, "NOTIFY bare")
        bare.append(((await heard.get()) - began) * 1000)
        await asyncio.sleep(0.03)
    await listening.close()
    return turns, bare


async def committed(connection: asyncpg.Connection, statement: str, *arguments: object) -> float:
    """Run a statement as a transaction and return when its COMMIT was sent."""
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(statement, *arguments)
    began = time.monotonic()
    await transaction.commit()
    return began


async def schedule(world: World) -> float:
    """Return how many times the ideal it takes."""

    async def slow(_: SeenRequest) -> Said:
        return Said("Done.", delay=ANSWER)

    world.gateway.model = slow
    rows = [world.tasks[number % SESSIONS] for number in range(QUEUED)]
    began = time.monotonic()
    await world.connection.execute(
        "INSERT INTO board_notifications (account_id, type, agent, actor_type, actor_id, task_id, title, body)"
        " SELECT 'default', 'mention', agent, 'user', 'ada', task, 'ada mentioned you', 'Well?'"
        " FROM unnest($1::uuid[], $2::text[]) AS told (task, agent)",
        [task for task, _ in rows],
        [agent for _, agent in rows],
    )
    await world.settled()
    return (time.monotonic() - began) / (QUEUED * ANSWER / WORKERS)


async def memory(world: World, deliveries: int) -> tuple[list[tuple[int, float]], float]:
    """Return samples of (deliveries, MB), and the slope of their last 80 % in MB for each 1,000."""

    async def done(_: SeenRequest) -> Said:
        return Said("Done.")

    world.gateway.model = done
    samples: list[tuple[int, float]] = []
    batch = max(1, deliveries // 50)
    for number in range(0, deliveries, batch):
        for place in range(batch):
            task, agent = world.tasks[(number + place) % SESSIONS]
            await world.connection.execute(TOLD, agent, task)
        await world.settled()
        samples.append((number + batch, world.rss()))
    last = samples[len(samples) // 5 :]
    slope, _ = statistics.linear_regression([count for count, _ in last], [size for _, size in last])
    return samples, slope * 1000


def quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def verdict(figure: float, bar: float) -> str:
    return f"bar <= {bar:g}  {'PASS' if figure <= bar else 'MISS'}"


async def measure(only: str | None, deliveries: int) -> bool:
    good = True
    async with AsyncExitStack() as stack:
        world = await open_world(stack, Path(stack.enter_context(tempfile.TemporaryDirectory())))
        if only in (None, "latency"):
            turns, bare = await latency(world)
            above = statistics.median(turns) - statistics.median(bare)
            print(
                f"COMMIT to request, idle workers: p50 {statistics.median(turns):.2f} ms,"
                f" p95 {quantile(turns, 0.95):.2f} ms; bare NOTIFY p50 {statistics.median(bare):.2f} ms:"
                f" {above:.2f} ms above  {verdict(above, LATENCY_BAR)}"
            )
            good &= above <= LATENCY_BAR
        if only in (None, "schedule"):
            ratios = [await schedule(world) for _ in range(3)]
            ratio = statistics.median(ratios)
            print(
                f"{QUEUED:,} notifications, {SESSIONS} sessions, {WORKERS} workers, {ANSWER * 1000:.0f} ms a turn:"
                f" {ratio:.3f} times the ideal, the median of {', '.join(f'{each:.3f}' for each in ratios)}"
                f"  {verdict(ratio, SCHEDULE_BAR)}"
            )
            good &= ratio <= SCHEDULE_BAR
        if only in (None, "memory"):
            samples, slope = await memory(world, deliveries)
            print(
                f"memory over {deliveries:,} deliveries: {samples[0][1]:.1f} to {samples[-1][1]:.1f} MB,"
                f" slope of the last 80 % {slope:.3f} MB in 1,000  {verdict(slope, MEMORY_BAR)}"
            )
            good &= slope <= MEMORY_BAR
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", choices=["latency", "schedule", "memory"])
    parser.add_argument("--deliveries", type=int, default=10_000)
    chosen = parser.parse_args()
    sys.exit(0 if asyncio.run(measure(chosen.only, chosen.deliveries)) else 1)


if __name__ == "__main__":
    main()
