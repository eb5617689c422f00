"""The gateway that `run` has started: however `run` ends, nothing of it is left."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from daemon import Daemon, StartDaemon
from harness import DEADLINE, make_settings

from agent_config_sync.gateway.process import GatewayProcess
from agent_config_sync.settings import Settings

PARENT = """
import os, signal, subprocess, sys
words = [sys.executable, "-c", "import os, signal; print(os.getpid(), flush=True); signal.pause()"]
started = [subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=apart) for apart in (False, True)]
pids = [each.stdout.readline().decode().strip() for each in started]
signal.signal(signal.SIGTERM, lambda *_: (print("told to end", flush=True), sys.exit()))
print("pids", os.getpid(), *pids, flush=True)
while True: signal.pause()
"""
"""Starts two more, one of them in a session of its own, and says who they are."""


@pytest.fixture
def settings(database: str, tmp_path: Path) -> Settings:
    """A gateway that has children."""
    return make_settings(database, tmp_path, gateway_command=(sys.executable, "-c", PARENT))


@pytest.fixture
async def daemon(daemons: StartDaemon, lead: None) -> Daemon:
    return await daemons()


async def family(daemon: Daemon) -> list[int]:
    """Return the gateway and its children, once they run."""
    line = await daemon.says("gateway: pids ")
    pids = [int(word) for word in line.partition("gateway: pids ")[2].split('"')[0].split()]
    assert len(pids) == 3
    return pids


async def until_gone(pids: list[int]) -> None:
    async with asyncio.timeout(DEADLINE):
        while any(GatewayProcess.find(pid) for pid in pids):  # noqa: ASYNC110 - a stranger's end sends no event
            await asyncio.sleep(0.01)


async def test_a_kill_of_the_daemon_leaves_nothing_of_the_gateway(daemon: Daemon) -> None:
    pids = await family(daemon)
    daemon.process.kill()
    await until_gone(pids)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_daemon_that_is_told_to_end_has_ended_the_gateway_before(
    daemon: Daemon, number: signal.Signals
) -> None:
    pids = await family(daemon)
    os.kill(daemon.pid, number)
    await daemon.says("told to end")
    await daemon.says("the gateway was stopped")
    assert await daemon.ended() == 0
    assert [pid for pid in pids if GatewayProcess.find(pid)] == []


async def test_a_kill_of_the_gateway_leaves_nothing_of_it_and_another_one_starts(daemon: Daemon) -> None:
    pids = await family(daemon)
    os.kill(pids[0], signal.SIGKILL)
    await daemon.says("the gateway was ended by SIGKILL; it is started again in 1 s")
    assert [pid for pid in pids if GatewayProcess.find(pid)] == []
    assert set(await family(daemon)).isdisjoint(pids)


async def test_a_kill_of_the_daemon_lets_the_gateway_end_in_its_own_way(
    daemons: StartDaemon, lead: None, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    program = (
        f"import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(open({str(told)!r}, 'w').close()))"
    )
    daemon = await daemons(
        gateway_command=(sys.executable, "-c", f"{program}\nprint('ready', flush=True); signal.pause()")
    )
    await daemon.says("gateway: ready")
    daemon.process.kill()
    async with asyncio.timeout(DEADLINE):
        while not told.exists():  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.01)
