"""A stop in the middle of a publish."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest
from harness import DEADLINE, Operator, Start

from agent_config_sync.events import Reported


async def test_a_stop_between_rename_and_report_leaves_no_file_open(
    start: Start, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    await operator.execute("INSERT INTO agents (name, is_default) VALUES ('lead', true)")
    running = await start(wait=Reported)
    task = running.plugin.sync._running
    assert task is not None
    renamed, stopping = threading.Event(), threading.Event()
    fsync = os.fsync

    def lingering_fsync(descriptor: int) -> None:
        fsync(descriptor)
        if Path(f"/proc/self/fd/{descriptor}").readlink() == running.output.parent:
            renamed.set()
            stopping.wait(DEADLINE)

    monkeypatch.setattr(os, "fsync", lingering_fsync)
    await operator.execute("UPDATE agents SET model = 'a/new'")
    await asyncio.to_thread(renamed.wait, DEADLINE)
    stop = asyncio.create_task(running.plugin.stop())
    while not task.cancelling():  # noqa: ASYNC110 - a cancellation sends no event
        await asyncio.sleep(0)
    stopping.set()
    await stop
    open_files = [os.path.realpath(link) for link in Path("/proc/self/fd").iterdir()]
    assert [file for file in open_files if file.startswith(str(running.output))] == []
