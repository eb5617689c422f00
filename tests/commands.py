"""The commands as a person types them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from harness import DEADLINE


@dataclass(frozen=True)
class Ended:
    status: int
    out: str
    err: str


@contextlib.asynccontextmanager
async def started(*words: str, **streams: Any) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a command; it does not outlive the block, whatever becomes of the test."""
    installed = (sys.executable, "-P", "-m", "agent_config_sync")  # and not what lies in the current folder
    process = await asyncio.create_subprocess_exec(*installed, *words, **streams)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def command(*words: str, said: str | bytes = b"", **environment: str) -> Ended:
    """Run a command to its end. said: what it reads from standard input."""
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), asyncio.subprocess.PIPE)
    async with started(*words, env={**os.environ, **environment}, **pipes) as process, asyncio.timeout(DEADLINE):
        out, err = await process.communicate(said.encode() if isinstance(said, str) else said)
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())
