"""The life of this process as the database knows it: it says how it is, and does what operators ask of it.

A request ends a process, and the next one says what came of it: by its version, once, whatever it is. So nothing is
tried twice, and a version that stays ends in a line of the history and not in a loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable
from uuid import UUID

import asyncpg

from agent_config_sync import __version__
from agent_config_sync.errors import SyncError
from agent_config_sync.events import Event, Events, GatewayAway, GatewayReady, LinkProven, Listening
from agent_config_sync.postgres.pool import Pool
from agent_config_sync.postgres.work_watch import WorkWatch
from agent_config_sync.runtime.reporting import Condition, RuntimeReport, RuntimeStatus
from agent_config_sync.runtime.requests import (
    Ending,
    RuntimeRequest,
    at_once,
    come_back,
    finish,
    leave,
    open_request,
    take,
)
from agent_config_sync.runtime.upgrade_command import is_there, run_upgrade
from agent_config_sync.settings import Settings

EXIT_STATUS = os.EX_TEMPFAIL
"""Of a process that wants to be started again: 75, in the units RestartForceExitStatus."""

MARGIN = 120.0
"""Seconds beyond its own deadline after which others give a request up: to drain, and to end a command."""

LAST_WORD = 3.0
"""Seconds to say that this runtime is offline."""

_log = logging.getLogger(__name__)

Drain = Callable[[], Awaitable[None]]


class Lifecycle:
    """Reports from the moment on when the output is ours until `stop`."""

    def __init__(
        self,
        settings: Settings,
        events: Events,
        pool: Pool,
        watch: WorkWatch,
        *,
        drain: Drain,
        version: str = __version__,
    ) -> None:
        """drain: let what is under way end, within a deadline of its own; nothing new is begun from then on."""
        self.exit_status: int | None = None
        """With which this process is to end, None while nobody has asked for it."""
        self._settings = settings
        self._pool = pool
        self._watch = watch
        self._drain = drain
        self._version = version
        self._report = RuntimeReport(settings, version)
        self._condition = Condition("provisioning")
        self._upgrading = False
        self._begun = asyncio.Event()
        self._wake = asyncio.Event()
        self._left = asyncio.Event()
        self._ceased = False
        self._running: asyncio.Task[None] | None = None
        self._listening: asyncio.Task[None] | None = None
        self._serving: asyncio.Task[None] | None = None
        self._ours: UUID | None = None
        self._said: str | None = None
        events.subscribe(self._heard)

    @property
    def condition(self) -> Condition:
        """How this runtime is."""
        return Condition("upgrading") if self._upgrading else self._condition

    def set_condition(self, status: RuntimeStatus, error: str | None = None) -> None:
        """Let the row say so now. error: the reason, where it is not simply online."""
        condition = Condition(status, error)
        if condition != self._condition:
            self._condition = condition
            self.wake()

    def wake(self) -> None:
        """Look now: something may be asked."""
        self._wake.set()

    def start(self) -> None:
        """Begin; returns at once."""
        self._running = asyncio.create_task(self._run(), name="lifecycle")
        self._listening = asyncio.create_task(self._listen(), name="lifecycle's news")

    async def left(self) -> None:
        """Return when this process is to end, with `exit_status`."""
        await self._left.wait()

    def cease(self) -> None:
        """Begin with no request any more."""
        self._ceased = True

    async def stop(self) -> None:
        """Say that this runtime is offline, if the database is there to hear it. What is under way for a request is
        ended with it, and the next process says what came of it."""
        self.cease()
        tasks = [task for task in (self._serving, self._running, self._listening) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._report.started_at is None or self._upgrading:
            return
        with contextlib.suppress(SyncError, TimeoutError):
            async with asyncio.timeout(LAST_WORD), self._pool.lent() as connection:
                await self._report.write(connection, Condition("offline"))

    def _heard(self, event: Event) -> None:
        match event:
            case Listening():
                self._begun.set()
            case LinkProven() if self._condition.status == "provisioning":
                self.set_condition("online")
            case GatewayAway(error=error):
                self.set_condition("degraded", error)
            case GatewayReady():
                self.set_condition("online")
            case _:
                pass

    async def _listen(self) -> None:
        async with self._watch.watching("runtime_requests") as news:
            while True:
                await news.wait()
                news.clear()
                self.wake()

    async def _run(self) -> None:
        await self._begun.wait()
        while True:
            try:
                await self._look()
                self._said = None
            except SyncError as error:
                if str(error) != self._said:
                    self._said = str(error)
                    _log.warning("how this runtime is could not be told: %s", error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.health_check_interval):
                    await self._wake.wait()
            self._wake.clear()

    async def _look(self) -> None:
        """Report, see what is asked, and see who is silent. Raises: SyncError."""
        settings = self._settings
        async with self._pool.lent() as connection:
            began = await self._report.write(connection, self.condition)
            asked = await open_request(connection, settings.account, settings.gateway, began)
            if asked is not None and asked.taken_before_us:
                await self._end(connection, asked, come_back(asked, self._version))
            await self._report.sweep(connection)
        if asked is None or asked.taken_before_us or self._serving is not None or self._ceased:
            return
        if not asked.taken or asked.id == self._ours:
            self._serving = asyncio.create_task(self._serve(asked), name="request")

    async def _serve(self, request: RuntimeRequest) -> None:
        """Do what is asked; unless it is done at once, this process ends for it."""
        try:
            ending = self._without_a_restart(request)
            if ending is not None:
                async with self._pool.lent() as connection:
                    await self._end(connection, request, ending)
            elif await self._take(request):
                await self._leave(request)
        except SyncError as error:
            _log.warning("%s: not begun, and tried again: %s", request, error)
        finally:
            self._serving = None

    def _without_a_restart(self, request: RuntimeRequest) -> Ending | None:
        if request.taken:  # by us, as it turned out later
            return None
        command = self._settings.upgrade_command
        if request.target_version not in (None, self._version) and command is not None and not is_there(command):
            return Ending("refused", "the program of upgrade_command is not there: check the setting")
        return at_once(request, self._version)

    async def _take(self, request: RuntimeRequest) -> bool:
        self._ours = request.id
        if not request.taken:
            seconds = self._settings.upgrade_timeout + MARGIN
            async with self._pool.lent() as connection:
                if not await take(connection, request, self._version, seconds=seconds):
                    return False
        _log.info("this process ends what it does, for the %s", request)
        self._upgrading = request.target_version is not None
        self.wake()
        return True

    async def _leave(self, request: RuntimeRequest) -> None:
        """Let what is under way end, install what is asked for, and end."""
        try:
            await self._drain()
        except Exception:  # noqa: BLE001 - whatever becomes of it, this process is to end
            _log.exception("what was under way did not end well")
        failure = None
        if request.target_version is not None and self._settings.upgrade_command is not None:
            failure = await run_upgrade(
                self._settings.upgrade_command, request.target_version, deadline=self._settings.upgrade_timeout
            )
        try:
            self._upgrading = self._upgrading and failure is None
            async with self._pool.lent() as connection:
                if failure is not None:
                    await self._end(connection, request, failure)
                else:
                    await leave(connection, request, seconds=self._settings.upgrade_timeout)
        except SyncError as error:  # the next process finds the request, and says what came of it
            _log.warning("%s: what came of it could not be told: %s", request, error)
        self.exit_status = EXIT_STATUS  # also where it failed: what was drained begins anew
        self._left.set()

    async def _end(self, connection: asyncpg.Connection, request: RuntimeRequest, ending: Ending) -> None:
        await finish(connection, request, ending)
        level = logging.INFO if ending.outcome == "success" else logging.WARNING
        _log.log(level, "%s: %s%s", request, ending.outcome, f": {ending.error}" if ending.error else "")
