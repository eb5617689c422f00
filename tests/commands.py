"""The commands as a person types them."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass

from harness import DEADLINE


@dataclass(frozen=True)
class Ended:
    status: int
    out: str
    err: str


async def command(*words: str, said: str | bytes = b"", **environment: str) -> Ended:
    """Run a command to its end. said: what it reads from standard input."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # what is installed, not what lies in the current folder
        "-m",
        "agent_config_sync",
        *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    async with asyncio.timeout(DEADLINE):
        out, err = await process.communicate(said.encode() if isinstance(said, str) else said)
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())
