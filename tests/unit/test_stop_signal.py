"""The first signal lets what is under way end, a second one does not wait for it."""

from __future__ import annotations

import asyncio
import signal
import sys

import pytest
from harness import DEADLINE

STUCK = """
import asyncio
from agent_config_sync.cli.run import _stop_signal, _until_stopped
from agent_config_sync.events import Events

class Stuck:
    events = Events()
    exit_status = None
    async def start(self): print("started", flush=True)
    async def wait(self): await asyncio.Event().wait()
    async def stop(self):
        print("stopping", flush=True)
        await asyncio.Event().wait()

async def main():
    await _until_stopped(Stuck(), _stop_signal())

asyncio.run(main())
"""


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_a_process_at_once_that_is_still_at_its_work(
    first: signal.Signals, second: signal.Signals
) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-P", "-c", STUCK, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(DEADLINE):
            assert await process.stdout.readline() == b"started\n"
            process.send_signal(first)
            assert await process.stdout.readline() == b"stopping\n"
            process.send_signal(second)
            assert await process.wait() == -second
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
