"""What does the daemon cost while nothing happens?

Starts `agent-config-sync run` on a database of 20 agents, as an operator would, and once it has reported in
gateway_status lets it be. Measured: the processor time of the process over the period, user and system
(`/proc/PID/stat`, the same clock as getrusage), in percent of one core, and its resident memory at the end (VmRSS).
The period holds the probes of the link (every 4 s) and the resyncs (every 60 s).

    python benchmarks/idle.py [--minutes 10] [--health | --all]

--health also serves health, and reads its metrics every 15 s as Prometheus would; the bars are those of a sync without.
--all has everything on: workspaces, agents with skills and a key, health scraped, the pages opened and a token refused
once, so that all that is imported late is there. It has bars of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import asyncpg

from agent_config_sync.cli.throwaway import ThrowawayServer, throwaway_server
from agent_config_sync.postgres.migrate import migrate

HERE = Path(__file__).parent
AGENTS = 20
REPORTED = "SELECT EXISTS (SELECT FROM gateway_status WHERE state = 'offered')"
CPU_BAR = 0.1
"""Percent of one core."""
MEMORY_BAR = 60.0
"""MB (10^6 bytes)."""
CPU_BAR_OF_ALL = 0.2
MEMORY_BAR_OF_ALL = 110.0
SKILLS = 3
"""Of each agent, with everything on."""
START_UP = 30.0
SETTLED = 5.0
"""Seconds after the first report until the period begins."""
SCRAPE = 15.0
"""Seconds between two scrapes."""


async def fill(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await migrate(connection)
    await connection.execute((HERE / "fill.sql").read_text(encoding="utf-8"), AGENTS, 1)
    await connection.close()


async def reported(dsn: str) -> None:
    """Return when the daemon has written its row."""
    connection = await asyncpg.connect(dsn)
    async with asyncio.timeout(START_UP):
        while not await connection.fetchval(REPORTED):  # noqa: ASYNC110 - a row: it sends no event
            await asyncio.sleep(0.1)
    await connection.close()


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def megabytes(pid: int, name: str) -> float:
    """Return a line of /proc/PID/status, which the kernel gives in KiB, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise ValueError(name)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def let_be(seconds: float, health_port: int | None) -> None:
    """Return after `seconds`, in which health is scraped if it is served."""
    end = time.monotonic() + seconds
    while (rest := end - time.monotonic()) > 0:
        if health_port is not None:
            with urllib.request.urlopen(f"http://127.0.0.1:{health_port}/metrics") as answer:
                answer.read()
        time.sleep(min(SCRAPE, rest))


def start(
    server: ThrowawayServer, folder: Path, health_port: int | None, **more: str
) -> tuple[subprocess.Popen[bytes], dict[str, str]]:
    """Return the daemon and its environment. more: of that."""
    include = '"skills": {"$include": "./skills.json"}, ' if more else ""
    (folder / "openclaw.json").write_text(f'{{{include}"$include": "./agents.json"}}\n', encoding="utf-8")
    foreign = ("AGENT_CONFIG_SYNC_", "HEALTH_", "PG", "OPENCLAW_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    environment |= {
        "AGENT_CONFIG_SYNC_DSN": server.dsn,
        "AGENT_CONFIG_SYNC_CONFIG_PATH": str(folder / "openclaw.json"),
        "AGENT_CONFIG_SYNC_STATE_DIR": str(folder / "state"),
        "AGENT_CONFIG_SYNC_GATEWAY_VERSION": "2026.9.6",
    }
    if health_port is not None:
        environment["HEALTH_PORT"] = str(health_port)
    command = [sys.executable, "-m", "agent_config_sync", "run"]
    environment |= more
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    return daemon, environment


def all_on(folder: Path) -> dict[str, str]:
    """Return the environment of a daemon with everything on."""
    return {
        "AGENT_CONFIG_SYNC_GATEWAY": "here",
        "OPENCLAW_WORKSPACE_ROOT": str(folder / "workspaces"),
        "RUNTIME_SECRETS_FILE": str(folder / "data" / "secrets.json"),
        "CLERK_JWKS_URL": "http://127.0.0.1:1/jwks",
        "CLERK_ISSUER": "https://login.example",
        "CLERK_PARTIES": "https://app.example",
    }


async def live(dsn: str, folder: Path) -> None:
    """Let agents install skills, and one of them ask for a key."""
    for workspace in (folder / "workspaces").iterdir():
        for number in range(SKILLS):
            skill = workspace / "skills" / f"skill-{number}"
            skill.mkdir(parents=True)
            (skill / "SKILL.md").write_text(f"---\nname: skill-{number}\ndescription: Helps.\n---\n", encoding="utf-8")
    requests = next((folder / "workspaces").iterdir()) / "requests" / "skill-credentials"
    requests.mkdir(parents=True)
    (requests / "one.json").write_text('{"skillSlug": "skill-0", "keyName": "THE_KEY"}', encoding="utf-8")
    connection = await asyncpg.connect(dsn)
    await connection.execute("UPDATE accounts SET skills_poc_enabled = true")
    async with asyncio.timeout(START_UP):
        while not await connection.fetchval("SELECT EXISTS (SELECT FROM skill_credentials)"):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    await connection.close()


def use(environment: dict[str, str], port: int) -> None:
    """Enter a key, open the pages, and be turned away with a token: whatever is imported late is there then."""
    program = [sys.executable, "-m", "agent_config_sync"]
    ref = "default/here/skill-0/THE_KEY"
    subprocess.run([*program, "skills", "enter", ref], env=environment, input=b"a-key", check=True)
    said = subprocess.run([*program, "admin"], env=environment, capture_output=True, text=True, check=True)
    code = said.stdout.strip().partition("code=")[2]
    host = f"http://127.0.0.1:{port}"
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    opener.open(urllib.request.Request(f"{host}/admin/login", f"code={code}".encode(), {"origin": host})).read()
    opener.open(f"{host}/admin/fleet").read()
    with contextlib.suppress(urllib.error.HTTPError):
        header = {"authorization": "Bearer eyJhbGciOiJSUzI1NiJ9.e30.AA"}
        urllib.request.urlopen(urllib.request.Request(f"{host}/admin/skills/credentials", headers=header))


def main() -> None:
    parser = argparse.ArgumentParser(description="Processor time and memory of an idle daemon.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--health", action="store_true")
    parser.add_argument("--all", action="store_true")
    options = parser.parse_args()
    seconds = options.minutes * 60
    health_port = free_port() if options.health or options.all else None
    place = Path("build", "bench").absolute()
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place) as name, throwaway_server() as server:
        asyncio.run(fill(server.dsn))
        folder = Path(name)
        daemon, environment = start(server, folder, health_port, **(all_on(folder) if options.all else {}))
        try:
            asyncio.run(reported(server.dsn))
            if options.all and health_port is not None:
                asyncio.run(live(server.dsn, folder))
                use(environment, health_port)
            time.sleep(SETTLED)
            began, before = time.monotonic(), processor_seconds(daemon.pid)
            let_be(seconds, health_port)
            share = (processor_seconds(daemon.pid) - before) / (time.monotonic() - began) * 100
            memory, peak = megabytes(daemon.pid, "VmRSS"), megabytes(daemon.pid, "VmHWM")
        finally:
            daemon.terminate()
            daemon.wait()
    served = ", everything on" if options.all else ", health served and scraped" if options.health else ""
    print(f"idle for {seconds / 60:g} minutes, {AGENTS} agents{served}; {before:.2f} s of processor time to start")
    for what, figure, bar, unit in (
        ("processor", share, CPU_BAR_OF_ALL if options.all else CPU_BAR, "% of a core"),
        ("resident", memory, MEMORY_BAR_OF_ALL if options.all else MEMORY_BAR, "MB"),
    ):
        print(f"{what:<10} {figure:7.3f} {unit:<12} bar < {bar:g}  {'PASS' if figure < bar else 'MISS'}")
    print(f"           {peak:7.3f} MB at its highest")


if __name__ == "__main__":
    main()
