"""The loop: woken by notifications, one pass at a time, in step again after every failure.

One worker, one dirty mark, cleared before the snapshot begins: whatever is committed later sets it again, so nothing
is missed and nothing is done twice. A failure keeps the last good files and is retried; a link that still stands is
kept, so that the notification of the cure (a GRANT, a migration) ends the waiting.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    wait_chain,
    wait_exponential,
    wait_fixed,
    wait_random,
)

from agent_config_sync.errors import PublishError, SettingsError, StoppedError, SyncError
from agent_config_sync.events import Events, LinkLost, PassFailed, Stopped, WaitingForOther
from agent_config_sync.publish.gate import Gate
from agent_config_sync.publish.lock import lifetime_lock
from agent_config_sync.settings import Settings
from agent_config_sync.sync.passes import Passes
from agent_config_sync.sync.payment import Payment
from agent_config_sync.sync.session import Contact, Session
from agent_config_sync.worker import in_worker

CURE_PAUSE = 1.0
"""Seconds before a notification may end a backoff: a failing pass must not follow the pace of an operator's commits."""

TAKE_OVER_POLL = 0.25
"""Seconds between two looks whether the process that holds the output has ended."""

BACKOFF = wait_chain(
    *[wait_fixed(0.25)] * 8,
    wait_fixed(1),
    wait_fixed(2),
    wait_exponential(multiplier=5 / 2**10, min=5, max=60) + wait_random(0, 1),
)
"""Seconds between retries: 0.25 for two seconds, in which most restarts are over, 1, 2, then the seed's 5 to 60 with
jitter; the first after a success is at once."""

_log = logging.getLogger(__name__)


class ConfigSync:
    """Keeps one output in step with the database from `run` until `stop`."""

    def __init__(
        self, settings: Settings, session: Session, passes: Passes, *, payment: Payment, events: Events, gate: Gate
    ) -> None:
        self._settings = settings
        self._session = session
        self._passes = passes
        self._payment = payment
        self._events = events
        self._gate = gate
        self._unasked = "start"
        """Why a pass is made that no notification has asked for."""
        self._lock = lifetime_lock(settings.output)
        self._running: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Stay in step until `stop` is called.

        Raises: SettingsError, for what no retry can cure.
        """
        self._running = asyncio.current_task()
        try:
            async with self._lifetime():
                while True:
                    await self._follow(await self._recover())
        except StoppedError:
            pass
        except asyncio.CancelledError:
            if not self._gate.closed:
                raise
        finally:
            await self._payment.pause()
            self._events.emit(Stopped())

    async def stop(self) -> None:
        """Write and signal nothing any more; return when the writer has finished."""
        await asyncio.to_thread(self._gate.close)
        if self._running is not None and not self._running.done():
            self._running.cancel()
            await asyncio.wait([self._running])

    async def _recover(self) -> Contact:
        """Return when a link stands, is proven, and a whole pass has succeeded; only then the backoff starts anew."""
        attempts = AsyncRetrying(
            wait=BACKOFF,
            retry=retry_if_exception(self._worth_a_retry),
            sleep=self._back_off,
            before_sleep=self._say_why,
            reraise=True,
        )
        return await attempts(self._step_in)

    async def _step_in(self) -> Contact:
        try:
            await self._take_output()
        except PublishError as error:
            await self._passes.report_failure(await self._session.connect(), error)
            raise
        try:
            contact = await self._session.connect()
        except SyncError:
            await self._passes.pay_alone()
            raise
        await self._pass(contact, ask=True)
        await contact.link.proven()
        return contact

    async def _follow(self, contact: Contact) -> None:
        """Do a pass for every wake; return when one fails, or the link or the output is lost."""
        lost = contact.link.lost
        next_resync = time.monotonic() + self._settings.resync_interval
        while not lost.done():
            await self._session.pause(self._settings.settle, for_notification=False)
            due = min(next_resync, self._payment.retry_at)
            notified = await self._session.pause(due - time.monotonic(), for_notification=True)
            if lost.done():
                break
            if not self._lock.stands:
                return
            resync = not notified or time.monotonic() >= next_resync  # notifications may never pause
            if resync:
                next_resync = time.monotonic() + self._settings.resync_interval
            try:
                await self._pass(contact, ask=resync)
            except StoppedError:
                raise
            except Exception as error:  # noqa: BLE001 - the loop outlives whatever one pass runs into
                self._failed(error, retry_in=0.0)
                return
        self._failed(lost.result(), retry_in=0.0)

    async def _pass(self, contact: Contact, *, ask: bool) -> None:
        await self._passes.make(contact, self._unasked, ask=ask)
        self._unasked = "resync"

    async def _back_off(self, seconds: float) -> None:
        """Wait before a retry. Over a link that stands a new notification may be the cure, but not of every failure."""
        first = min(seconds, CURE_PAUSE)
        await asyncio.sleep(first)
        if self._session.stands:
            await self._session.pause(seconds - first, for_notification=True)
        else:
            await asyncio.sleep(seconds - first)

    def _worth_a_retry(self, error: BaseException) -> bool:
        """Settings that never gave a connection are the person's to mend; everything else may heal."""
        if isinstance(error, SettingsError):
            return self._session.opened
        return isinstance(error, Exception) and not isinstance(error, StoppedError)

    def _say_why(self, attempt: RetryCallState) -> None:
        error = attempt.outcome.exception() if attempt.outcome is not None else None
        if error is not None:
            self._failed(error, retry_in=attempt.next_action.sleep if attempt.next_action is not None else None)

    def _failed(self, error: BaseException, *, retry_in: float | None) -> None:
        if not isinstance(error, SyncError):
            _log.error("a pass ran into something unforeseen", exc_info=error)
            error = SyncError(f"a pass ran into something unforeseen ({type(error).__name__}); please report the log")
        if self._session.opened and not self._session.stands:
            self._events.emit(LinkLost(error))
        else:
            self._events.emit(PassFailed(error, retry_in))

    async def _take_output(self) -> None:
        """Hold the output from now on; wait for another `run` to end.

        Raises: PublishError when the lock file cannot be used.
        """
        if self._lock.stands:
            return
        self._lock.release()
        said = False
        while not await in_worker(self._lock.try_acquire):
            if not said:
                self._events.emit(WaitingForOther(self._lock.holder()))
                said = True
            await asyncio.sleep(TAKE_OVER_POLL)

    @contextlib.asynccontextmanager
    async def _lifetime(self) -> AsyncIterator[None]:
        """Let go of the output when we end, and leave no link."""
        try:
            try:
                yield
            finally:
                await self._session.close()
        finally:
            self._lock.release()
