"""One process that delivers: started at once, ended at any instant, and started again with the folders of before."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from agent_config_sync.plugin import Plugin
from agent_config_sync.postgres.link import Timing
from agent_config_sync.runtime import delivery, leases
from agent_config_sync.settings import Settings

IMPATIENT = Timing(connect=5.0, silence=2.0, answer=5.0, diagnosis=1.0, statement=10.0, lock=5.0)

PR_SET_PDEATHSIG = 1
"""Linux: by what signal a process ends when its parent does."""

REQUEST_TIMEOUT = 1.5
"""Seconds; less than a person may choose, so that stalled answers are many."""

AFTER_A_KILL, AFTER_STANDING_STILL = 2.0, 4.0
"""Seconds until a gateway must have seen that its connections are gone, and until it must have given its turns up."""

LEASE = timedelta(seconds=6)
RENEWAL = 1.0
ALIVE = timedelta(seconds=10)
"""Shrunk, so that leases run out and sessions move to other gateways within a run."""


LOADED = (
    "chaos.delivery_process",
    "agent_config_sync.gateway.responses",
    "agent_config_sync.postgres.pool",
    "agent_config_sync.runtime.delivery",
    "agent_config_sync.runtime.sessions",
    "agent_config_sync.skills.service",
    "agent_config_sync.sync.furnishing",
    "agent_config_sync.sync.keyring",
    "agent_config_sync.sync.on_demand",
    "agent_config_sync.web.app",
    "agent_config_sync.web.backstage",
    "agent_config_sync.web.health",
    "agent_config_sync.web.metrics",
    "agent_config_sync.web.runtime_health",
    "agent_config_sync.web.runtime_metrics",
    "agent_config_sync.web.server",
    "agent_config_sync.web.service",
    "anyio._backends._asyncio",
    "h11",
    "uvicorn.protocols.http.h11_impl",
)
"""Modules that a process has from its parent, for it lives hardly longer than it takes to load them."""


def forking() -> ForkServerContext:
    """Return what starts processes in a few milliseconds, with all modules loaded, and those of the wheel."""
    os.environ["PYTHONSAFEPATH"] = "1"
    os.environ["PYTHONPATH"] = str(Path(__file__).parent.parent)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(LOADED))
    return context


@dataclass
class Life:
    """A gateway's process, of which there is one at a time. kills: how often it was ended by signal 9."""

    name: str
    settings: Mapping[str, Any]
    log: Path
    context: ForkServerContext
    process: ForkServerProcess | None = None
    heeds: Event | None = None
    """Set once it heeds SIGTERM; before, it would end as anybody else."""
    kills: int = 0
    stands_still: bool = False
    excused_until: float = 0.0
    """Until then (monotonic seconds) a request of it may still be open at the gateway: it fell, or stood still."""

    @property
    def is_excused(self) -> bool:
        return self.stands_still or time.monotonic() < self.excused_until

    def stand_still(self) -> None:
        self.signal(signal.SIGSTOP)
        self.stands_still = True

    def go_on(self) -> None:
        self.signal(signal.SIGCONT)
        self.stands_still = False
        self.excused_until = time.monotonic() + AFTER_STANDING_STILL

    def start(self) -> None:
        self.heeds = self.context.Event()
        arguments = (dict(self.settings), str(self.log), self.heeds)
        self.process = self.context.Process(target=live, args=arguments, daemon=True)
        self.process.start()

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.join()
        self.kills += 1
        self.stands_still = False
        self.excused_until = time.monotonic() + AFTER_A_KILL

    async def end(self, deadline: float) -> int | None:
        """Ask it to end; return its exit status, None where it did not end and had to be killed."""
        assert self.process is not None
        assert self.heeds is not None
        await asyncio.to_thread(self.heeds.wait, deadline)
        self.process.terminate()
        await asyncio.to_thread(self.process.join, deadline)
        status = self.process.exitcode
        if status is None:
            self.process.kill()
            self.process.join()
        return status


def live(settings: dict[str, Any], log: str, heeds: Event) -> None:
    """Deliver until SIGTERM, or until who has started it is gone."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    with open(log, "a", buffering=1, encoding="utf-8") as written:  # noqa: PTH123
        sys.stderr = written
        logging.basicConfig(stream=written, level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
        for module, name, value in (
            (leases, "LEASE", LEASE),
            (delivery, "LEASE", LEASE),
            (leases, "ALIVE", ALIVE),
            (delivery, "RENEWAL", RENEWAL),
        ):
            setattr(module, name, value)
        chosen = Settings.model_validate(settings).model_copy(update={"request_timeout": REQUEST_TIMEOUT})
        asyncio.run(_live(chosen, heeds))


async def _live(settings: Settings, heeds: Event) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    heeds.set()
    plugin = Plugin(settings, timing=IMPATIENT, patience=0.2)
    await plugin.start()
    await stop.wait()
    await plugin.stop()
