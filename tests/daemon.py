"""`agent-config-sync run` as a process of its own, and strace at its side."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import pytest
from harness import DEADLINE, Operator, eventually
from pydantic import SecretStr

from agent_config_sync.publish.lock import pass_lock
from agent_config_sync.settings import Settings

OFFERED = "SELECT count(*) > 0 FROM gateway_status WHERE state = 'offered' AND error IS NULL"

StartDaemon: TypeAlias = Callable[..., Awaitable["Daemon"]]


def environment(settings: Settings) -> dict[str, str]:
    """Return the settings as a process reads them."""
    return {
        f"AGENT_CONFIG_SYNC_{name.upper()}": _as_text(value)
        for name in settings.model_fields_set
        if (value := getattr(settings, name)) is not None
    }


def _as_text(value: object) -> str:
    match value:
        case SecretStr():
            return value.get_secret_value()
        case tuple():
            return shlex.join(value)
        case _:
            return str(value)


@dataclass
class Daemon:
    """A running process and what it has logged."""

    process: asyncio.subprocess.Process
    settings: Settings
    log: list[str] = field(default_factory=list)

    @classmethod
    async def start(cls, settings: Settings) -> Daemon:
        words = (sys.executable, "-P", "-m", "agent_config_sync", "run")
        process = await asyncio.create_subprocess_exec(
            *words,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **environment(settings)},
            start_new_session=True,  # so that a child of its own could be found
        )
        return cls(process, settings)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def workers(self) -> list[int]:
        """Its threads but the first, in which the event loop runs."""
        return [int(task.name) for task in Path(f"/proc/{self.pid}/task").iterdir() if task.name != str(self.pid)]

    async def says(self, text: str) -> str:
        """Return the next line of its log that holds this."""
        begin = len(self.log)
        assert self.process.stderr is not None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DEADLINE):
                while line := (await self.process.stderr.readline()).decode():
                    self.log.append(line)
                    if text in line:
                        return line
        pytest.fail(f"{text!r} was not said; instead: {self.log[begin:]}")

    async def ended(self) -> int:
        """Return its exit status."""
        async with asyncio.timeout(DEADLINE):
            return await self.process.wait()

    async def offers(self, operator: Operator) -> bool:
        """Return when its row says that all is well and the pass is over; False if it ended before."""
        ended = asyncio.create_task(self.process.wait())
        offered = asyncio.create_task(eventually(operator, OFFERED))
        await asyncio.wait([ended, offered], return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if not offered.done():
            offered.cancel()
            await asyncio.wait([offered])
            return False
        await offered
        async with pass_lock(self.settings.output).held(DEADLINE):
            return True


async def forget_status(operator: Operator) -> None:
    """Let the next row of the status be new."""
    await operator.execute("DELETE FROM gateway_status")


@contextlib.asynccontextmanager
async def strace(
    threads: Iterable[int], *faults: str, log: str | Path = os.devnull, all_of_them: bool = False
) -> AsyncIterator[None]:
    """Do these faults, each as in strace's `inject`, to calls of these threads; what was done stands in `log`.

    all_of_them: also to every other thread of their process, and to those that it starts from now on.
    """
    program = shutil.which("strace")
    if program is None:
        pytest.fail("these tests need strace: apt install strace")
    words = ["-o", str(log), "-e", "trace=" + ",".join(_known(fault.partition(":")[0]) for fault in faults)]
    for fault in faults:
        calls, _, what = fault.partition(":")
        words += ["-e", f"inject={_known(calls)}:{what}"]
    if all_of_them:
        words.append("-f")
    for thread in threads:
        words += ["-p", str(thread)]
    tracing = await asyncio.create_subprocess_exec(program, *words, stderr=asyncio.subprocess.PIPE)
    assert tracing.stderr is not None
    try:
        async with asyncio.timeout(DEADLINE):
            for _ in range(words.count("-p")):
                said = (await tracing.stderr.readline()).decode()
                assert "attached" in said, said
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            tracing.send_signal(signal.SIGINT)
        await tracing.communicate()


def _known(calls: str) -> str:
    """Let strace pass over a call that this machine does not have."""
    return ",".join(f"?{call}" for call in calls.split(","))
