"""Deliver notifications while everything breaks, and say what came of it: `make chaos-delivery`,
`make chaos-delivery NOTIFICATIONS=200 PROCESSES=2 SEED=7`.

The same seed draws the same faults and acts; what the machine and the scheduler make of them differs from run to run.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import random
import secrets
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
from chaos.delivery_oracle import Findings, judge
from chaos.delivery_people import MADE, WAITING, People
from chaos.delivery_process import LEASE, Life, forking
from chaos.delivery_script import Script, come_and_go
from harness import connected

from agent_config_sync.cli.standin_gateway import StandinGateway
from agent_config_sync.cli.throwaway import ThrowawayServer, throwaway_server
from agent_config_sync.postgres.migrate import migrate

SERVER_SETTINGS = {"fsync": "off", "max_connections": "250", "deadlock_timeout": "200ms"}

LOGIN = "delivering"

CALM = 120.0
"""Seconds that what is left may take once nothing breaks any more."""

GROUND = """
    INSERT INTO agents (name, role, is_orchestrator, can_review_tasks, can_create_tasks)
    SELECT name, 'Squad lead', name = 'lead', name = 'reviewer', true
    FROM unnest($1::text[]) AS name
"""
PEOPLE = """
    INSERT INTO memberships (account_id, user_id, role, name, email) VALUES
        ('default', 'ada', 'owner', 'Ada', 'ada@example.org'), ('default', 'bob', 'member', 'Bob', NULL)
"""


@dataclass(frozen=True, slots=True)
class Size:
    """How much of it. every: seconds between two kills; still: of how many kills one is a process that stands still for
    longer than its lease; agents: beside the lead and a reviewer; tasks: that people work with."""

    notifications: int = 2000
    processes: int = 4
    every: float = 1.0
    still: int = 12
    agents: int = 10
    tasks: int = 40
    limit: float = 1800.0


@dataclass
class Outcome:
    """What came of it."""

    findings: Findings
    script: Script
    people: People
    kills: int = 0
    stops: int = 0
    statuses: list[int | None] = field(default_factory=list)
    deadlocks: int = 0
    begun: int = 0
    seconds: float = 0.0
    calm: float = 0.0
    tracebacks: int = 0
    requests: int = 0

    def lines(self) -> list[str]:
        faults = ", ".join(f"{count:,} {name}" for name, count in sorted(self.script.faults.items()))
        did = ", ".join(f"{count:,} {name}" for name, count in sorted(self.people.did.items()))
        return [
            *self.findings.lines(),
            f"{self.begun:,} turns begun, {self.requests:,} requests; faults of the gateway: {faults}",
            f"{self.kills:,} processes killed, {self.stops:,} stood still; people: {did}",
            f"{len(self.script.overlaps):,} overlaps at the gateway, {self.unexplained:,} of them without a kill"
            + "".join(f"; {each.earlier} and {each.later}" for each in self.script.overlaps if not each.excused),
            f"{self.deadlocks:,} deadlocks, {len(self.people.hurt):,} failures of people {self.people.hurt[:3]}",
            f"exit statuses {self.statuses}, {self.tracebacks} tracebacks in logs",
            f"{self.seconds:.0f} s, {self.calm:.0f} s of them after the last fault",
        ]

    @property
    def unexplained(self) -> int:
        """Overlaps at the gateway of a process that neither fell nor stood still."""
        return sum(not overlap.excused for overlap in self.script.overlaps)

    @property
    def sound(self) -> bool:
        return (
            not self.findings.broken
            and not self.unexplained
            and not self.people.hurt
            and not self.tracebacks
            and self.statuses == [0] * len(self.statuses)
        )


async def deliver(
    server: ThrowawayServer, size: Size, seed: int, folder: Path, say: Callable[[str], None] = lambda _: None
) -> Outcome:
    """Let it all happen in a database of its own, and judge it."""
    drawn = random.Random(seed)
    names = ("lead", "reviewer", *(f"agent{number}" for number in range(size.agents)))
    dsn = await _furnished(server, names)
    began = time.monotonic()
    async with asyncpg.create_pool(dsn, min_size=1, max_size=12) as pool:
        script = Script(pool, random.Random(drawn.random()), names)
        people = People(pool, random.Random(drawn.random()), names)
        gateway = StandinGateway(script, remembers=False, fault=script.fault)
        async with gateway.serving(), _lives(dsn, gateway, size, folder) as lives:
            outcome = Outcome(Findings(), script, people)
            script.is_excused = lambda name: any(life.is_excused for life in lives if life.name == name)
            breaking = [
                asyncio.create_task(come_and_go(gateway, random.Random(drawn.random()), script.faults, every=20.0)),
                asyncio.create_task(_kill(lives, size, random.Random(drawn.random()), outcome)),
                asyncio.create_task(_tell(pool, outcome, say)),
            ]
            at_work = asyncio.gather(*(people.work(size.notifications, tasks=size.tasks) for _ in range(3)))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(size.limit):
                    await _until(at_work, breaking)
                    await _until(asyncio.ensure_future(_settled(pool)), breaking)
            at_work.cancel()
            await asyncio.wait([at_work])
            await _calmed(breaking)
            script.rate = 0.0
            calm = time.monotonic()
            for life in lives:
                life.go_on()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CALM):
                    await _settled(pool)
            outcome.calm = time.monotonic() - calm
            outcome.statuses = list(await asyncio.gather(*(life.end(40.0) for life in lives)))
        outcome.requests = gateway.requests
        async with pool.acquire() as connection:
            outcome.findings = await judge(connection, requeued=people.requeued)  # type: ignore[arg-type]
            outcome.begun = await connection.fetchval("SELECT sum(attempts) FROM board_notifications")
            outcome.deadlocks = await connection.fetchval(
                "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
            )
    outcome.seconds = time.monotonic() - began
    outcome.kills = sum(life.kills for life in lives)
    outcome.tracebacks = sum(life.log.read_text(encoding="utf-8").count("Traceback") for life in lives)
    return outcome


async def _furnished(server: ThrowawayServer, names: tuple[str, ...]) -> str:
    database = f"delivery_{secrets.token_hex(4)}"
    async with connected(server.dsn) as connection:
        await connection.execute(f"CREATE DATABASE {database}")
    dsn = server.dsn_of(database)
    async with connected(dsn) as connection:
        await migrate(connection)
        await connection.execute(GROUND, list(names))
        await connection.execute(PEOPLE)
        if not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", LOGIN):
            await connection.execute(f"CREATE ROLE {LOGIN} LOGIN IN ROLE agent_config_reader, agent_config_runtime")
    return dsn


@contextlib.asynccontextmanager
async def _lives(dsn: str, gateway: StandinGateway, size: Size, folder: Path) -> AsyncIterator[list[Life]]:
    context = forking()
    lives = [
        Life(f"gateway{number}", _settings(dsn, gateway, f"gateway{number}", folder), folder / f"{number}.log", context)
        for number in range(size.processes)
    ]
    try:
        for life in lives:
            life.start()
        yield lives
    finally:
        for life in lives:
            if life.process is not None and life.process.exitcode is None:
                life.process.kill()
                life.process.join()


def _settings(dsn: str, gateway: StandinGateway, name: str, folder: Path) -> dict[str, Any]:
    own = folder / name
    (own / "gateway").mkdir(parents=True)
    (own / "gateway" / "openclaw.json").write_text('{"agents": {"$include": ["./agents.json"]}}', encoding="utf-8")
    return {
        "dsn": dsn.replace("//postgres@", f"//{LOGIN}@"),
        "gateway": name,
        "config_path": own / "gateway" / "openclaw.json",
        "state_dir": own / "state",
        "workspace_root": own / "workspaces",
        "health_port": _free_port(),
        "gateway_version": "2026.9.6",
        "gateway_url": gateway.url,
        "gateway_token": name,
        "resync_interval": 3.0,
        "settle": 0.0,
        "reload": "touch",
        "delivery": True,
        "delivery_interval": 1.0,
        "delivery_backoff_base": 1.0,
        "delivery_backoff_max": 2.0,
    }


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


async def _kill(lives: list[Life], size: Size, drawn: random.Random, outcome: Outcome) -> None:
    """End one after the other and start it again at once; now and then one stands still for longer than its lease."""
    paused: dict[str, float] = {}
    while True:
        await asyncio.sleep(size.every)
        now = time.monotonic()
        for life in lives:
            if life.stands_still and now >= paused[life.name]:
                life.go_on()
        life = drawn.choice(lives)
        if size.still and drawn.randrange(size.still) == 0 and not any(each.stands_still for each in lives):
            life.stand_still()
            paused[life.name] = now + 1.5 * LEASE.total_seconds()
            outcome.stops += 1
        elif not life.stands_still:
            await asyncio.to_thread(life.kill)
            life.start()


async def _settled(pool: asyncpg.Pool) -> None:
    while await pool.fetchval(WAITING):  # noqa: ASYNC110 - nothing to wait on but the server
        await asyncio.sleep(0.1)


async def _until(work: asyncio.Future[Any], breaking: list[asyncio.Task[None]]) -> None:
    """Wait for work, and fail where one that breaks things fails itself."""
    await asyncio.wait([work, *breaking], return_when=asyncio.FIRST_COMPLETED)
    for task in breaking:
        if task.done():
            task.result()
    await work


async def _calmed(breaking: list[asyncio.Task[None]]) -> None:
    for task in breaking:
        task.cancel()
    await asyncio.wait(breaking)


async def _tell(pool: asyncpg.Pool, outcome: Outcome, say: Callable[[str], None]) -> None:
    began = time.monotonic()
    while True:
        await asyncio.sleep(10)
        made, waiting = await pool.fetchval(MADE), await pool.fetchval(WAITING)
        faults = outcome.script.faults.total()
        say(f"{time.monotonic() - began:5.0f} s  {made:,} made, {waiting:,} wait; {faults:,} faults")


def main() -> int:
    parser = argparse.ArgumentParser(description="Delivery, while processes and gateways fall.")
    parser.add_argument("--notifications", type=int, default=2000)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--limit", type=float, default=1800.0, help="Seconds after which nothing breaks any more.")
    parser.add_argument("--keep", type=Path, help="Folder for the processes' files, which stay.")
    options = parser.parse_args()
    for name in list(os.environ):
        if name.startswith(("AGENT_CONFIG_SYNC_", "HEALTH_", "PG", "OPENCLAW_")):
            del os.environ[name]
    logging.getLogger("agent_config_sync").setLevel(logging.CRITICAL)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # and nothing is left behind
    size = Size(notifications=options.notifications, processes=options.processes, limit=options.limit)
    print(f"SEED={options.seed} NOTIFICATIONS={size.notifications} PROCESSES={size.processes}", flush=True)
    with throwaway_server(SERVER_SETTINGS) as server, tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        outcome = asyncio.run(deliver(server, size, options.seed, folder, say=lambda line: print(line, flush=True)))
    print("\n".join(outcome.lines()))
    return 0 if outcome.sound else 1


if __name__ == "__main__":
    sys.exit(main())
