"""The gateway as a child of ours: started when its files are there, started again when it ends, stopped with us.

Between it and us stands its keeper (`keeper.py`), which ends all of it when we are gone, however that came. What it
prints becomes lines of our log.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent_config_sync.errors import SettingsError
from agent_config_sync.events import (
    Event,
    Events,
    GatewayEnded,
    GatewayNotStarted,
    GatewayStarted,
    GatewayStopped,
    PassFailed,
    Published,
    Refused,
    Unchanged,
)
from agent_config_sync.gateway.ancestry import gateway_above
from agent_config_sync.gateway.log_relay import LogRelay
from agent_config_sync.gateway.process import GatewayProcess
from agent_config_sync.logs import printable

KEEPER = Path(__file__).with_name("keeper.py")

MARGIN = 5.0
"""Seconds that the keeper has beyond the gateway's own to clear up."""

LAST_WORDS = 1.0
"""Seconds to read what the gateway printed before it ended."""

NOT_FOR_IT = frozenset(
    {
        *("CREDENTIALS_DIRECTORY", "PGPASSWORD"),
        *("INVOCATION_ID", "JOURNAL_STREAM", "NOTIFY_SOCKET", "SYSTEMD_EXEC_PID", "WATCHDOG_PID", "WATCHDOG_USEC"),
    }
)
"""Variables of our environment beside our own settings that mean us: secrets, and what systemd tells its services. By
those a gateway takes itself for the service and asks systemd to restart it (read in OpenClaw 2026.9.6)."""


@dataclass(frozen=True, slots=True)
class Pace:
    """In seconds. delays: before one start after another; steady: after so long a life they begin anew; grace: from
    SIGTERM to SIGKILL."""

    delays: tuple[float, ...] = (1.0, 2.0, 5.0, 10.0, 30.0)
    steady: float = 60.0
    grace: float = 20.0


class SupervisedGateway:
    """Starts a gateway with the first pass, and keeps it running from then on. `process` is the one of now."""

    def __init__(
        self, command: tuple[str, ...], events: Events, *, has_files: Callable[[], bool], pace: Pace | None = None
    ) -> None:
        """has_files: whether the files of an earlier pass are there, which will do where a pass fails."""
        self.process: GatewayProcess | None = None
        self._command = command
        self._events = events
        self._has_files = has_files
        self._pace = pace or Pace()
        self._wanted = asyncio.Event()
        self._stopping = asyncio.Event()
        self._keeper: Process | None = None
        self._running: asyncio.Task[None] | None = None
        events.subscribe(self._heard)

    def start(self) -> None:
        """Begin to wait for the first pass; returns at once.

        Raises: SettingsError where starting a gateway is not ours to do.
        """
        if sys.platform != "linux":
            raise SettingsError("gateway_command needs Linux (prctl and /proc): start the gateway another way")
        if (above := gateway_above()) is not None:
            raise SettingsError(
                f"the setting gateway_command is for a process that runs alone, and this one was started by an "
                f"OpenClaw (pid {above}): take it out, or start this one from somewhere else"
            )
        self._running = asyncio.create_task(self._run(), name="gateway")

    async def stop(self) -> None:
        """Return when the gateway has ended, with all that it started."""
        self._stopping.set()
        self._wanted.set()
        self._tell_keeper()
        if self._running is None:
            return
        await asyncio.wait([self._running], timeout=self._pace.grace + MARGIN)
        self._running.cancel()
        await asyncio.wait([self._running])

    def _heard(self, event: Event) -> None:
        match event:
            case Published() | Unchanged():
                self._wanted.set()
            case Refused() | PassFailed() if self._has_files():
                self._wanted.set()
            case _:
                pass

    async def _run(self) -> None:
        await self._wanted.wait()
        if self._stopping.is_set():
            return
        said: str | None = None
        failures = 0
        while True:
            began = time.monotonic()
            end = await self._live()
            if self._stopping.is_set():
                break
            if time.monotonic() - began >= self._pace.steady:
                failures = 0
            retry_in = self._pace.delays[min(failures, len(self._pace.delays) - 1)]
            failures += 1
            if isinstance(end, int):
                self._events.emit(GatewayEnded(end, retry_in))
            elif end != said:
                self._events.emit(GatewayNotStarted(end, retry_in))
            said = None if isinstance(end, int) else end
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(retry_in):
                    await self._stopping.wait()
                break
        self._events.emit(GatewayStopped())

    async def _live(self) -> int | str:
        """Let a gateway live and return its exit status, or why it could not be started."""
        output, printed = os.pipe()
        relay = asyncio.create_task(_relay(output), name="gateway's log")
        try:
            self._keeper = keeper = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(KEEPER), str(self._pace.grace), *self._command),
                stdin=PIPE,
                stdout=PIPE,
                stderr=printed,
                env=_environment(),
                start_new_session=True,
            )
        except OSError as error:
            return self._not_started(os.strerror(error.errno or 0))
        else:
            if self._stopping.is_set():
                self._tell_keeper()
            return await self._until_ended(keeper)
        finally:
            self._keeper = None
            os.close(printed)
            await asyncio.wait([relay], timeout=LAST_WORDS)
            relay.cancel()

    async def _until_ended(self, keeper: Process) -> int | str:
        end: int | str | None = None
        assert keeper.stdout is not None
        try:
            while line := await keeper.stdout.readline():
                fact, _, value = line.decode().partition(" ")
                match fact:
                    case "started":
                        self.process = GatewayProcess.find(int(value))
                        self._events.emit(GatewayStarted(int(value)))
                    case "failed":
                        end = self._not_started(os.strerror(int(value)))
                    case "ended":
                        end = int(value)
            status = await keeper.wait()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                keeper.kill()  # which the gateway does not survive
            raise
        finally:
            self.process = None
        return status if end is None else end  # somebody has killed the keeper, and the gateway with it

    def _not_started(self, reason: str) -> str:
        program = printable(self._command[0])[:200]
        return f"{program} of gateway_command cannot be started ({reason}): install it, or set gateway_command"

    def _tell_keeper(self) -> None:
        """Let it end the gateway: it hears so by the end of its input."""
        if self._keeper is not None and self._keeper.stdin is not None:
            self._keeper.stdin.close()


async def _relay(output: int) -> None:
    """Log what the gateway prints until nobody holds the other end of the pipe."""
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(output, "rb", buffering=0)
    )
    try:
        await LogRelay().follow(reader)
    finally:
        transport.close()


def _environment() -> dict[str, str]:
    """Return our environment without what is meant for us alone. A gateway that wants to restart does so within its
    own process, for one that it starts beside itself would be nobody's child."""
    ours = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("AGENT_CONFIG_SYNC_") and name not in NOT_FOR_IT
    }
    return {"OPENCLAW_NO_RESPAWN": "1", **ours}
