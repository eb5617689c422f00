"""`gateway_command`: the gateway begins after the first pass and ends before the link does."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from harness import DEADLINE, Operator, Start
from web_client import exchange

from agent_config_sync.events import (
    GatewayEnded,
    GatewayNotStarted,
    GatewayStarted,
    GatewayStopped,
    PassFailed,
    Published,
    ReloadDeferred,
    Reloaded,
    Reported,
    Stopped,
)
from agent_config_sync.gateway.process import GatewayProcess

LIVES = (sys.executable, "-c", "import signal; signal.pause()")
COUNTS = """
import signal, sys
def heard(number, frame): open(sys.argv[1], "a").write("heard\\n")
signal.signal(signal.SIGUSR1, heard)
open(sys.argv[1], "a").write("ready\\n")
while True: signal.pause()
"""
"""Writes down that it is ready, and each SIGUSR1."""

HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
async def lead(operator: Operator) -> None:
    """The only agent."""
    await operator.execute("INSERT INTO agents (name, model, is_default) VALUES ('lead', 'p/m', true)")


async def until_written(path: Path, text: str) -> None:
    async with asyncio.timeout(DEADLINE):
        while not path.exists() or path.read_text() != text:  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.01)


async def test_the_gateway_starts_after_the_first_pass_and_finds_its_files(
    start: Start, lead: None, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    program = "import shutil, signal, sys; shutil.copy(*sys.argv[1:]); signal.pause()"
    output = tmp_path / "gateway" / "agents.json"
    running = await start(gateway_command=(sys.executable, "-c", program, str(output), str(seen)))
    await running.events.until(GatewayStarted)
    assert running.events.count(Published) == 1
    await until_written(seen, output.read_text())


async def test_it_starts_with_the_files_of_an_earlier_pass_while_the_database_is_away(
    start: Start, lead: None, tmp_path: Path
) -> None:
    first = await start(wait=Reported)
    await first.plugin.stop()
    running = await start(dsn="postgresql://nobody@127.0.0.1:1/none", gateway_command=LIVES)
    await running.events.until(PassFailed)
    await running.events.until(GatewayStarted)


async def test_without_any_file_it_waits_for_the_database(start: Start) -> None:
    running = await start(dsn="postgresql://nobody@127.0.0.1:1/none", gateway_command=LIVES)
    for _ in range(3):
        await running.events.until(PassFailed)
    assert running.events.count(GatewayStarted) == 0


async def test_it_is_stopped_before_the_sync_is(start: Start, lead: None) -> None:
    running = await start(gateway_command=LIVES)
    pid = (await running.events.until(GatewayStarted)).pid
    await running.plugin.stop()
    assert GatewayProcess.find(pid) is None
    await running.events.until(GatewayStopped)
    await running.events.until(Stopped)


async def test_a_signal_goes_to_the_gateway_that_was_started_here(
    start: Start, operator: Operator, lead: None, tmp_path: Path
) -> None:
    heard = tmp_path / "heard"
    running = await start(
        wait=GatewayStarted,
        gateway_command=(sys.executable, "-c", COUNTS, str(heard)),
        reload="signal",
        gateway_version="2026.7.1",
    )
    await until_written(heard, "ready\n")
    await operator.execute("UPDATE agents SET model = 'p/new'")
    await running.events.until(Reloaded)
    await until_written(heard, "ready\nheard\n")


async def test_before_it_has_started_there_is_nobody_to_signal(start: Start, lead: None, tmp_path: Path) -> None:
    running = await start(
        wait=None, gateway_command=(str(tmp_path / "none"),), reload="signal", gateway_version="2026.7.1"
    )
    assert "gateway_command starts does not run" in (await running.events.until(ReloadDeferred)).reason


async def test_health_says_whether_it_runs_and_why_not(start: Start, lead: None, port: int, tmp_path: Path) -> None:
    program = tmp_path / "openclaw"
    running = await start(wait=GatewayNotStarted, gateway_command=(str(program),), health_port=port)
    answer = await health_once(port, runs=False)
    assert answer["status"] == "degraded"
    assert any("of gateway_command cannot be started" in reason for reason in answer["reasons"])
    program.write_text(f"#!{sys.executable}\n{LIVES[-1]}\n")
    program.chmod(0o755)
    started = await running.events.until(GatewayStarted)
    answer = await health_once(port, runs=True)
    assert (answer["status"], answer["reasons"]) == ("healthy", [])
    os.kill(started.pid, signal.SIGKILL)
    await running.events.until(GatewayEnded)
    answer = await health_once(port, runs=False)
    assert answer["reasons"] == ["the gateway was ended by SIGKILL"]


async def health_once(port: int, *, runs: bool) -> dict[str, Any]:
    """Return what health says once it says that the gateway runs, or does not."""
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                answer: dict[str, Any] = (await exchange(port, HEALTH)).json
            except OSError:  # not served yet
                answer = {"gateway": {}}
            if answer["gateway"].get("running") is runs:
                return answer
            await asyncio.sleep(0.01)


async def test_without_a_command_nothing_of_it_is_imported(database: str, lead: None, tmp_path: Path) -> None:
    program = (
        "import sys; from agent_config_sync.plugin import Plugin; "
        "from agent_config_sync.setting_sources import load_settings; Plugin(load_settings(command_line={})); "
        "print('agent_config_sync.gateway.supervision' in sys.modules)"
    )
    imported = []
    for command in ("", "openclaw gateway run"):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "AGENT_CONFIG_SYNC_GATEWAY_COMMAND": command, "AGENT_CONFIG_SYNC_DSN": database},
        )
        async with asyncio.timeout(DEADLINE):
            imported.append((await process.communicate())[0].decode().strip())
    assert imported == ["False", "True"]


@pytest.mark.parametrize("source", ["plugin", "environment"])
async def test_behind_the_door_a_command_is_refused_with_the_way_out(
    database: str, tmp_path: Path, source: str
) -> None:
    config = {"dsn": database, "outputPath": f"{tmp_path}/agents.json"}
    environment = dict(os.environ)
    if source == "plugin":
        config["gatewayCommand"] = "openclaw gateway run"
    else:
        environment["AGENT_CONFIG_SYNC_GATEWAY_COMMAND"] = "openclaw gateway run"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agent_config_sync", "run", "--door"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    greeting = orjson.dumps({"config": config, "stateDir": f"{tmp_path}/state", "pid": os.getpid()}) + b"\n"
    async with asyncio.timeout(DEADLINE):
        _, said = await process.communicate(greeting)
    assert process.returncode == 2
    assert b"gateway_command is for a process that runs alone, and the gateway has started this one: take it" in said


async def test_below_a_gateway_a_command_is_refused_with_the_way_out(database: str, tmp_path: Path) -> None:
    starter = (
        "import subprocess, sys; open('/proc/self/comm', 'w').write('openclaw-gatewa'); "
        "sys.exit(subprocess.run([sys.executable, '-m', 'agent_config_sync', 'run'], check=False).returncode)"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", starter),
        stderr=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "AGENT_CONFIG_SYNC_DSN": database,
            "AGENT_CONFIG_SYNC_GATEWAY_COMMAND": "openclaw gateway run",
            "AGENT_CONFIG_SYNC_OUTPUT_PATH": f"{tmp_path}/agents.json",
        },
    )
    async with asyncio.timeout(DEADLINE):
        _, said = await process.communicate()
    assert process.returncode == 2
    assert f"this one was started by an OpenClaw (pid {process.pid}): take it out".encode() in said
