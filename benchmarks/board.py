"""How far is a tool of the board from a bare endpoint, and does a large board stay quick?

Two questions, each with its floor in the same run, on a PostgreSQL of its own:

- `POST /agent/task-load` of a running daemon beside a bare FastAPI endpoint with one SELECT of the same task: both are
  asked at half the rate at which the bare one is saturated, each request over a connection of its own, as an agent's
  program asks. The latency counts from the moment at which a request was due.
- 100,000 tasks with 1,000,000 messages, analysed: the plan of every query of the tools, and `task_search` beside the
  lookup of a task by its key through the same path (the tool call).

    python benchmarks/board.py [--seconds 10] [--tasks 100000] [--messages 1000000] [--only load | --only large]
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from uuid import UUID

import asyncpg
import orjson

from agent_config_sync.board.actor import Agent
from agent_config_sync.board.queries import query
from agent_config_sync.cli.throwaway import ThrowawayServer, throwaway_server
from agent_config_sync.postgres.migrate import migrate
from agent_config_sync.postgres.pool import Pool
from agent_config_sync.postgres.server import server_of
from agent_config_sync.runtime.tools.call import call
from agent_config_sync.runtime.tools.definition import Bench
from agent_config_sync.settings import Settings

HERE = Path(__file__).parent
AGENTS = 20
P50_BAR, P99_BAR, SEARCH_BAR = 2.0, 3.0, 5.0
"""Times the floor."""
SERVER = {"shared_buffers": "2GB"}
"""A server for a large board has it in memory."""
WORKERS = 16
START_UP = 30.0
SESSION = "agent:agent0:default"
WARM_UP = 300
"""Searches until what is asked for is in memory."""
ROUNDS = 3
"""Of both endpoints by turns; the median counts."""

Ask = Callable[[], Awaitable[None]]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def verdict(figure: float, bar: float) -> str:
    return f"bar <= {bar:g}  {'PASS' if figure <= bar else 'MISS'}"


# The endpoint --------------------------------------------------------------------------------------------------------


async def fill(dsn: str) -> UUID:
    """Make a board with a task whose thread has ten messages; return it."""
    connection = await asyncpg.connect(dsn)
    await migrate(connection)
    await connection.execute((HERE / "fill.sql").read_text(encoding="utf-8"), AGENTS, 1)
    await connection.execute("INSERT INTO agents (name) VALUES ('agent0') ON CONFLICT DO NOTHING")
    task: UUID = await connection.fetchval(
        "INSERT INTO board_tasks (title, description) VALUES ('Mend the deploy script', repeat('It fails. ', 50))"
        " RETURNING id"
    )
    await connection.execute(
        "INSERT INTO board_messages (task_id, content) SELECT $1, repeat('word ', 60) FROM generate_series(1, 10)", task
    )
    await connection.execute("ANALYZE")
    await connection.close()
    return task


BARE = """
import asyncio, sys
import asyncpg, uvicorn
from uuid import UUID
from fastapi import FastAPI

app = FastAPI()
pool = None

@app.post("/task/{task}")
async def load(task: UUID) -> dict:
    global pool
    if pool is None:
        pool = await asyncpg.create_pool(sys.argv[1], min_size=8, max_size=8)
    async with pool.acquire() as connection:
        record = await connection.fetchrow(
            "SELECT id, title, description, status, priority, created_at FROM board_tasks WHERE id = $1", task)
    return dict(record)

uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="error", access_log=False)
"""


def start(server: ThrowawayServer, folder: Path, port: int) -> subprocess.Popen[bytes]:
    (folder / "openclaw.json").write_text('{"$include": "./agents.json"}\n', encoding="utf-8")
    foreign = ("AGENT_CONFIG_SYNC_", "HEALTH_", "PG", "OPENCLAW_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    environment |= {
        "AGENT_CONFIG_SYNC_DSN": server.dsn,
        "AGENT_CONFIG_SYNC_GATEWAY": "here",
        "AGENT_CONFIG_SYNC_CONFIG_PATH": str(folder / "openclaw.json"),
        "AGENT_CONFIG_SYNC_STATE_DIR": str(folder / "state"),
        "AGENT_CONFIG_SYNC_GATEWAY_VERSION": "2026.9.6",
        "OPENCLAW_WORKSPACE_ROOT": str(folder / "workspaces"),
        "HEALTH_PORT": str(port),
    }
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "-m", "agent_config_sync", "run"]
        return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def start_bare(server: ThrowawayServer, port: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", BARE, server.dsn, str(port)])


def asking(port: int, request: bytes) -> Ask:
    """Return what sends a request over a connection of its own, and reads all of the answer."""

    async def ask() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        answer = await reader.read()
        writer.close()
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(answer[:500])

    return ask


def token_in(tools: Path) -> str:
    """Return the token of an agent, as soon as its file stands."""
    end = time.monotonic() + START_UP
    while not tools.exists() and time.monotonic() < end:
        time.sleep(0.1)
    lines = tools.read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith("AUTH_TOKEN=")).removeprefix("AUTH_TOKEN=")


async def ready(ask: Ask) -> None:
    async with asyncio.timeout(START_UP):
        while True:
            try:
                await ask()
            except (OSError, RuntimeError):
                await asyncio.sleep(0.1)
            else:
                return


async def saturation(ask: Ask, seconds: float) -> float:
    """Return how many requests a second are answered when there is always one more."""
    end, done = time.monotonic() + seconds, 0

    async def work() -> None:
        nonlocal done
        while time.monotonic() < end:
            await ask()
            done += 1

    await asyncio.gather(*(work() for _ in range(WORKERS)))
    return done / seconds


async def latencies(ask: Ask, rate: float, seconds: float) -> list[float]:
    """Return the milliseconds from when each request was due until its answer; they come at random, as from many.

    One that is cut off, because too many wait already, counts as one that takes for ever.
    """
    seen: list[float] = []
    clock = random.Random(1)
    asked: set[asyncio.Task[None]] = set()

    async def one(due: float) -> None:
        try:
            await ask()
        except (OSError, RuntimeError):
            seen.append(math.inf)
        else:
            seen.append((time.monotonic() - due) * 1000)

    due = time.monotonic()
    end = due + seconds
    while (due := due + clock.expovariate(rate)) < end:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        task = asyncio.create_task(one(due))
        asked.add(task)
        task.add_done_callback(asked.discard)
    await asyncio.gather(*asked)
    return seen


def http(path: str, body: bytes, *headers: str) -> bytes:
    lines = [
        "POST " + path + " HTTP/1.1",
        "host: 127.0.0.1",
        f"content-length: {len(body)}",
        "connection: close",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def measure_load(server: ThrowawayServer, folder: Path, seconds: float) -> None:
    task = await fill(server.dsn)
    ports = free_port(), free_port()
    daemon = start(server, folder, ports[0])
    plain = start_bare(server, ports[1])
    try:
        body = orjson.dumps({"taskId": str(task)})
        token = await asyncio.to_thread(token_in, folder / "workspaces" / "agent0" / "TOOLS.md")
        ours = asking(
            ports[0],
            http("/agent/task-load", body, f"x-openclaw-session-key: {SESSION}", f"authorization: Bearer {token}"),
        )
        bare = asking(ports[1], http(f"/task/{task}", b""))
        await ready(bare)
        await ready(ours)
        limit = await saturation(bare, seconds / 2)
        own = await saturation(ours, seconds / 2)
        print(f"saturation: bare {limit:.0f} requests/s, task-load {own:.0f}; asked at {limit / 2:.0f}")
        ratios: dict[float, list[float]] = {0.5: [], 0.99: []}
        for _ in range(ROUNDS):
            floor = await latencies(bare, limit / 2, seconds)
            seen = await latencies(ours, limit / 2, seconds)
            line = []
            for share, found in ratios.items():
                one, other = quantile(floor, share), quantile(seen, share)
                found.append(other / one)
                line.append(f"p{share * 100:g} {one:6.2f} ms bare, {other:6.2f} ms task-load, {other / one:4.2f} times")
            print("  " + "; ".join(line))
        for share, bar in ((0.5, P50_BAR), (0.99, P99_BAR)):
            figure = statistics.median(ratios[share])
            print(f"task-load p{share * 100:g}: {figure:.2f} times the bare endpoint  {verdict(figure, bar)}")
    finally:
        for process in (daemon, plain):
            process.terminate()
            process.wait()


# A large board --------------------------------------------------------------------------------------------------------

LEAD = Agent("default", "agent0", is_orchestrator=True, can_create_tasks=True)

COMMON, WORDS = 100, 20_000
"""Of the vocabulary: the n-th word is said 1/n times as often as the first, as in texts of people (Zipf), without the
100 most common ones, which a search leaves out (English has 127 stop words)."""

FILL = """
    INSERT INTO board_tasks (title, description, status, blocked_reason, archived_at, created_by_type, created_by,
                             priority, created_at)
    SELECT words(6), words(60), status, CASE status WHEN 'blocked' THEN words(5) END,
           CASE status WHEN 'archived' THEN now() END, 'agent', 'agent0', 1 + number % 5,
           now() - number * interval '1 minute'
    FROM generate_series(1, $1) AS number,
         LATERAL (SELECT (ARRAY['inbox', 'assigned', 'in_progress', 'review', 'done', 'done', 'blocked', 'archived'])
                         [1 + number % 8] AS status) AS state
"""


async def fill_large(dsn: str, tasks: int, messages: int) -> None:
    connection = await asyncpg.connect(dsn)
    await migrate(connection)
    await connection.execute((HERE / "fill.sql").read_text(encoding="utf-8"), AGENTS, 1)
    await connection.execute("INSERT INTO agents (name) VALUES ('agent0') ON CONFLICT DO NOTHING")
    await connection.execute(f"""
        CREATE FUNCTION words(number integer) RETURNS text LANGUAGE sql VOLATILE AS $$
            SELECT string_agg('word' || floor({COMMON} * exp(random() * ln({WORDS / COMMON})))::int, ' ')
            FROM generate_series(1, number)
        $$
    """)
    # What follows from each row is not the question.
    await connection.execute("SET session_replication_role = replica")
    await connection.execute(FILL, tasks)
    await connection.execute("""
        INSERT INTO board_assignees (account_id, task_id, agent)
        SELECT account_id, id, 'agent' || (row_number() OVER () % 20) FROM board_tasks
        WHERE status IN ('assigned', 'in_progress', 'review', 'blocked')
    """)
    await connection.execute(
        """
        INSERT INTO board_messages (account_id, task_id, author_type, author_id, content)
        SELECT account_id, id, 'agent', 'agent' || number % 20, words(20)
        FROM board_tasks, generate_series(1, $1 / (SELECT count(*) FROM board_tasks)) AS number
    """,
        messages,
    )
    await connection.execute("""
        INSERT INTO board_notifications (account_id, type, agent, actor_type, actor_id, task_id, title, body, read_at,
                                         delivered_at)
        SELECT account_id, CASE WHEN number = 1 THEN 'response_request' ELSE 'thread_update' END, 'agent' || number,
               'agent', 'agent0', id, 'agent0 replied', words(6), now(), now()
        FROM board_tasks, generate_series(1, 3) AS number
    """)
    await connection.execute("RESET session_replication_role")
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


def reads_whole(plan: dict[str, object]) -> list[str]:
    """Return the tables that a plan reads from one end to the other."""
    found = [str(plan["Relation Name"])] if plan["Node Type"] == "Seq Scan" else []
    for below in plan.get("Plans", []):  # type: ignore[attr-defined]
        found += reads_whole(below)
    return [table for table in found if table.startswith("board_")]


def written(value: object) -> str:
    """Return a value as SQL has it."""
    match value:
        case None:
            return "NULL"
        case list():
            return f"ARRAY[{', '.join(map(written, value))}]"
        case int():
            return str(value)
        case _:
            return f"'{value}'"


async def plans(dsn: str) -> bool:
    """Print the queries that read a whole table of the board; return whether there is none."""
    connection = await asyncpg.connect(dsn)
    await connection.execute("SET plan_cache_mode = force_generic_plan")  # as postgres/pool.py has it
    task = await connection.fetchval("SELECT id FROM board_tasks WHERE status = 'in_progress' LIMIT 1")
    said = await connection.fetchval("SELECT split_part(title, ' ', 1) FROM board_tasks WHERE id = $1", task)
    asked: dict[str, tuple[object, ...]] = {
        "task": ("default", task),
        "task_with_thread": ("default", task, 10),
        "task_locked": ("default", task),
        "thread": ("default", task, 50),
        "tasks_by_time": ("default", 50),
        "tasks_of_status": ("default", 50, "review"),
        "tasks_of_agent": ("default", 50, "agent3", None),
        "tasks_in_order": ("default", 50, ["inbox", "assigned", "in_progress"], None),
        "task_search": ("default", said, 20, 5000),
        "requests_open": ("default", task, ["agent3"], "4 hours"),
        "task_move": ("default", task, "review", None),
        "task_change": ("default", task, None, None, 2, None, None, None),
        "assign_agents": ("default", task, ["agent5"]),
        "unassign_agents": ("default", task, ["agent5"]),
        "agent_acting": ("default", "here", SESSION, "x"),
        "skills_of_agents": ("default", None),
    }
    clean = True
    for name, arguments in asked.items():
        values = [written(value) for value in arguments]
        await connection.execute(f"PREPARE asked AS {query(name)}")
        [[text]] = await connection.fetch(f"EXPLAIN (FORMAT JSON) EXECUTE asked ({', '.join(values)})")
        await connection.execute("DEALLOCATE asked")
        whole = reads_whole(orjson.loads(text)[0]["Plan"])
        clean = clean and not whole
        print(f"  {name:<24} {'reads all of ' + ', '.join(whole) if whole else 'by index'}")
    await connection.close()
    return clean


async def measure_large(server: ThrowawayServer, tasks: int, messages: int) -> None:
    await fill_large(server.dsn, tasks, messages)
    print(f"{tasks:,} tasks, {messages:,} messages")
    clean = await plans(server.dsn)
    print(f"every query uses an index: {'PASS' if clean else 'MISS'}")
    pool = Pool(server_of(Settings(dsn=server.dsn)), application_name="benchmark", size=2)
    bench = Bench(pool.lent)
    async with pool.lent() as connection:
        rows = await connection.fetch("SELECT id, title FROM board_tasks TABLESAMPLE BERNOULLI (1) LIMIT 800")
    chosen = random.Random(1)
    lookups: list[float] = []
    searches: list[float] = []
    for place, row in enumerate(rows):
        words = " ".join(chosen.sample(row["title"].split(), 2))
        for name, arguments, into in (
            ("task_get", {"taskId": str(row["id"])}, lookups),
            ("task_search", {"query": words}, searches),
        ):
            began = time.perf_counter()
            answer = await call(bench, LEAD, name, orjson.dumps(arguments).decode())
            if place >= WARM_UP:
                into.append((time.perf_counter() - began) * 1000)
            assert answer["success"], answer
    await pool.close()
    for share in (0.5, 0.95, 0.99):
        one, other = quantile(lookups, share), quantile(searches, share)
        print(f"  p{share * 100:g}: by key {one:6.2f} ms, by two words {other:6.2f} ms, {other / one:5.2f} times")
    figure = quantile(searches, 0.95) / quantile(lookups, 0.95)
    print(f"task_search p95: {figure:.2f} times a lookup by key  {verdict(figure, SEARCH_BAR)}")


def main() -> None:
    parser = argparse.ArgumentParser(description="The board beside its floors.")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--only", choices=["load", "large"])
    options = parser.parse_args()
    place = Path("build", "bench").absolute()
    place.mkdir(parents=True, exist_ok=True)
    if options.only != "large":
        with tempfile.TemporaryDirectory(dir=place) as folder, throwaway_server() as server:
            asyncio.run(measure_load(server, Path(folder), options.seconds))
    if options.only != "load":
        with throwaway_server(settings=SERVER) as server:
            asyncio.run(measure_large(server, options.tasks, options.messages))


if __name__ == "__main__":
    main()
