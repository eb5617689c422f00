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
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    wait_chain,
    wait_exponential,
    wait_fixed,
    wait_random,
)

from agent_config_sync.errors import PublishError, RefusedError, SettingsError, StoppedError, SyncError
from agent_config_sync.events import (
    Events,
    Held,
    LinkLost,
    Listening,
    Notified,
    PassFailed,
    Published,
    Refused,
    SnapshotTaken,
    Stopped,
    Unchanged,
    WaitingForOther,
    Warned,
)
from agent_config_sync.model.snapshot import Snapshot
from agent_config_sync.postgres.link import Link, Server, Timing, open_link
from agent_config_sync.postgres.reached import wake
from agent_config_sync.postgres.snapshot import SnapshotReader
from agent_config_sync.publish.gate import Gate
from agent_config_sync.publish.lock import lifetime_lock, pass_lock
from agent_config_sync.render.defaults import DEFAULTS
from agent_config_sync.settings import Settings
from agent_config_sync.sync.informant import PATIENCE, Informant
from agent_config_sync.sync.payment import Payment
from agent_config_sync.sync.pipeline import Pipeline, Prepared
from agent_config_sync.sync.standing import Standing
from agent_config_sync.sync.wake import Wake
from agent_config_sync.sync.worker import in_worker

LOCK_DEADLINE = 30.0
"""Seconds that a pass waits for another process's pass on the same output."""

CURE_PAUSE = 1.0
"""Seconds before a notification may end a backoff: a failing pass must not follow the pace of an operator's commits."""

TAKE_OVER_POLL = 0.25
"""Seconds between two looks whether the process that holds the output has ended."""

BACKOFF = wait_chain(
    wait_fixed(0.5),
    wait_fixed(1),
    wait_fixed(2),
    wait_exponential(multiplier=5 / 2**3, min=5, max=60) + wait_random(0, 1),
)
"""Seconds between retries: 0.5, 1, 2, then the seed's 5 to 60 with jitter; the first after a success is at once."""

_log = logging.getLogger(__name__)


class ConfigSync:
    """Keeps one output in step with the database from `run` until `stop`."""

    def __init__(
        self,
        settings: Settings,
        server: Server,
        pipeline: Pipeline,
        *,
        events: Events,
        gate: Gate,
        informant: Informant | None = None,
        timing: Timing | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self._settings = settings
        self._server = server
        self._pipeline = pipeline
        self._events = events
        self._gate = gate
        self._timing = timing or Timing()
        self._standing = Standing(settings, events, pipeline.state)
        self._payment = Payment(pipeline, self._standing, events, informant=informant, patience=patience)
        self._wake = Wake()
        self._unasked = "start"
        """Why a pass is made that no notification has asked for."""
        self._attention = asyncio.Event()
        self._links = contextlib.AsyncExitStack()
        self._link: Link | None = None
        self._reader: SnapshotReader | None = None
        self._running: asyncio.Task[None] | None = None
        self._warnings: tuple[str, ...] = ()
        self._hold: str | None = None
        self._swept = False

    # Start and stop ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Stay in step until `stop` is called.

        Raises: SettingsError, for what no retry can cure.
        """
        self._running = asyncio.current_task()
        try:
            async with self._lifetime(), self._links:
                while True:
                    await self._recover()
                    await self._follow()
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

    async def once(self) -> None:
        """Do one pass, without the lifetime lock; the events tell what became of it.

        Raises: SyncError, but not for what was refused.
        """
        async with self._links:
            self._payment.visiting = True
            await self._visit("sync")

    async def restore(self, number: int) -> None:
        """Publish a set of the history again and hold it in place; the events tell what became of it.

        Raises: SyncError; RefusedError when the set is not there or not for this gateway.
        """
        async with self._links:
            await self._visit(f"restore of set {number}", lambda: self._pipeline.hold(number))

    @property
    def holds(self) -> bool:
        """Whether a set is held in place."""
        return self._standing.hold is not None

    async def resume(self) -> None:
        """End the hold and do one pass; the events tell what became of it.

        Raises: SyncError, but not for what was refused.
        """
        async with self._links:
            await self._visit("resume", self._pipeline.end_hold)

    async def preview(self, statements: str | None = None) -> Prepared:
        """Return what a pass would write, without writing anything; a hold is a warning.

        statements: SQL that is run before, and rolled back.

        Raises: SyncError.
        """
        async with self._links:
            await self._connect()
            assert self._reader is not None  # made with the link
            if statements is None:
                snapshot = await self._reader.read(DEFAULTS)
            else:
                snapshot = await self._reader.read_as_if(statements, DEFAULTS)
            prepared = await in_worker(self._pipeline.prepare, snapshot)
        hold = self._standing.hold
        return prepared if hold is None else replace(prepared, warnings=(hold, *prepared.warnings))

    async def _visit(self, why: str, first: Callable[[], None] | None = None) -> None:
        """Do one pass beside a `run`; first: what to remember for all passes from this one on, which the others see."""
        link = await self._connect()
        self._unasked = why
        self._payment.single = True
        await self._pass(ask=True, first=first)
        await self._payment.pause()
        if first is not None:
            async with link.reading() as connection:
                await wake(connection, why)

    # The loop ------------------------------------------------------------------------------------------------------

    async def _recover(self) -> None:
        """Return when a link stands, is proven, and a whole pass has succeeded; only then the backoff starts anew."""
        attempts = AsyncRetrying(
            wait=BACKOFF,
            retry=retry_if_exception(self._worth_a_retry),
            sleep=self._back_off,
            before_sleep=self._say_why,
            reraise=True,
        )
        async for attempt in attempts:
            with attempt:
                link = await self._connect()
                await self._pass(ask=True)
                await link.proven()

    async def _follow(self) -> None:
        """Do a pass for every wake; return when one fails or the link is lost."""
        assert self._link is not None  # `_recover` has made it
        link = self._link
        next_resync = time.monotonic() + self._settings.resync_interval
        while not link.lost.done():
            await self._pause(self._settings.settle, for_notification=False)
            due = min(next_resync, self._payment.retry_at)
            notified = await self._pause(due - time.monotonic(), for_notification=True)
            if link.lost.done():
                break
            if not notified:
                next_resync = time.monotonic() + self._settings.resync_interval
            try:
                await self._pass(ask=not notified)
            except StoppedError:
                raise
            except Exception as error:  # noqa: BLE001 - the loop outlives whatever one pass runs into
                self._failed(error, retry_in=0.0)
                return
        self._failed(link.lost.result(), retry_in=0.0)

    async def _pause(self, seconds: float, *, for_notification: bool) -> bool:
        """Wait for `seconds`, or until the link is lost or (if asked for) a notification has come; return whether."""
        end = time.monotonic() + seconds
        while True:
            self._attention.clear()
            if (for_notification and self._wake.dirty) or (self._link is not None and self._link.lost.done()):
                return True
            rest = end - time.monotonic()
            if rest <= 0:
                return False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(rest):
                    await self._attention.wait()

    async def _back_off(self, seconds: float) -> None:
        """Wait before a retry. Over a link that stands a new notification may be the cure, but not of every failure."""
        first = min(seconds, CURE_PAUSE)
        await asyncio.sleep(first)
        if self._link is not None and not self._link.lost.done():
            await self._pause(seconds - first, for_notification=True)
        else:
            await asyncio.sleep(seconds - first)

    def _worth_a_retry(self, error: BaseException) -> bool:
        """Settings that never gave a connection are the person's to mend; everything else may heal."""
        if isinstance(error, SettingsError):
            return self._link is not None
        return isinstance(error, Exception) and not isinstance(error, StoppedError)

    def _say_why(self, attempt: RetryCallState) -> None:
        error = attempt.outcome.exception() if attempt.outcome is not None else None
        if error is not None:
            self._failed(error, retry_in=attempt.next_action.sleep if attempt.next_action is not None else None)

    def _failed(self, error: BaseException, *, retry_in: float | None) -> None:
        if not isinstance(error, SyncError):
            _log.error("a pass ran into something unforeseen", exc_info=error)
            error = SyncError(f"a pass ran into something unforeseen ({type(error).__name__}); please report the log")
        if self._link is not None and self._link.lost.done():
            self._events.emit(LinkLost(error))
        else:
            self._events.emit(PassFailed(error, retry_in))

    @contextlib.asynccontextmanager
    async def _lifetime(self) -> AsyncIterator[None]:
        """Hold the output for as long as we live; wait for another `run` to end."""
        lock = lifetime_lock(self._settings.output)
        said = False
        try:
            while not await in_worker(lock.try_acquire):
                if not said:
                    self._events.emit(WaitingForOther(lock.holder()))
                    said = True
                await asyncio.sleep(TAKE_OVER_POLL)
            yield
        finally:
            lock.release()

    async def _connect(self) -> Link:
        """Return a link that stands, with LISTEN committed before anything is read."""
        if self._link is not None and not self._link.lost.done():
            return self._link
        await self._links.aclose()
        link = await self._links.enter_async_context(
            open_link(self._server, gateway=self._settings.gateway, on_change=self._notified, timing=self._timing)
        )
        link.lost.add_done_callback(lambda _: self._attention.set())
        self._link = link
        self._reader = SnapshotReader(
            link,
            account=self._settings.account,
            gateway=self._settings.gateway,
            seen_tables=self._pipeline.state.remembered.tables,
        )
        self._events.emit(Listening(self._server.name))
        return link

    def _notified(self, payload: str) -> None:
        self._wake.mark(payload)
        self._attention.set()
        self._events.emit(Notified(payload))

    # One pass ------------------------------------------------------------------------------------------------------

    async def _pass(self, *, ask: bool, first: Callable[[], None] | None = None) -> None:
        """Snapshot, render, check, publish, tell, report.

        ask: also make sure that what is in force still is. first: done before all else, with the pass lock held.

        Raises: SyncError.
        """
        assert self._reader is not None
        assert self._link is not None
        link = self._link
        await self._payment.pause()
        async with pass_lock(self._settings.output).held(LOCK_DEADLINE):
            if first is not None:
                await in_worker(first)
            began = time.monotonic()
            woken = self._wake.clear()
            woken_at = woken.since if woken is not None else None
            try:
                snapshot = await self._reader.read(DEFAULTS)
                self._events.emit(SnapshotTaken(snapshot.at, len(snapshot.agents), self._reader.fetched))
                prepared, latency = await in_worker(self._publish, snapshot, woken_at or began)
            except RefusedError as error:
                unpaid = await self._refused(link, snapshot, str(error))
            except BaseException as error:
                self._wake.put_back(woken)
                if isinstance(error, PublishError):
                    await self._standing.say(link, state="pending", error=str(error))
                raise
            else:
                self._standing.refusal = None
                self._announce(prepared, latency)
                fresh = latency is not None
                try:
                    unpaid = await self._payment.pay(link, prepared, fresh=fresh, ask=ask, woken_at=woken_at)
                finally:
                    # Nobody waits any more.
                    await in_worker(self._tidy_up, prepared, woken.reason if woken is not None else self._unasked)
                self._unasked = "resync"
        if unpaid is not None:
            self._payment.confirm(link, unpaid)

    async def _refused(self, link: Link, snapshot: Snapshot, reason: str) -> Prepared | None:
        """Say why, and pay for what stands on disk: it may still be owed."""
        self._events.emit(Refused(reason))
        self._standing.refusal = reason
        standing = await in_worker(self._pipeline.on_disk, snapshot)
        if standing is None:
            await self._standing.say(link)
            return None
        return await self._payment.pay(link, standing, fresh=False, ask=False, woken_at=None)

    def _publish(self, snapshot: Snapshot, since: float) -> tuple[Prepared, float | None]:
        """Prepare and publish, in the worker; return the seconds since `since`, None if nothing was written."""
        pipeline = self._pipeline
        assert self._reader is not None
        pipeline.state.refresh()
        if not self._swept:
            pipeline.sweep()
            self._swept = True
        held = pipeline.state.remembered.held
        prepared = pipeline.prepare(snapshot) if held is None else pipeline.held(snapshot, held)
        pipeline.remember(prepared, self._reader.seen_tables)
        if not prepared.changed:
            return prepared, None
        pipeline.publish(prepared)
        return prepared, time.monotonic() - since

    def _tidy_up(self, prepared: Prepared, reason: str) -> None:
        """Let go of the file that was replaced, and keep the new one for `restore`."""
        self._pipeline.output.let_go()
        held = self._pipeline.state.remembered.held
        self._pipeline.keep(prepared, reason if held is None else f"restore of set {held.number}")

    def _announce(self, prepared: Prepared, latency: float | None) -> None:
        path, snapshot = str(self._settings.output), prepared.snapshot.at
        if self._standing.hold != self._hold:
            self._hold = self._standing.hold
            if self._hold is not None:
                self._events.emit(Held(self._hold))
        if prepared.warnings != self._warnings:
            self._warnings = prepared.warnings
            self._events.emit(Warned(prepared.warnings))
        if latency is None:
            self._events.emit(Unchanged(path, prepared.content_hash, snapshot))
            return
        before = prepared.before.content if prepared.before is not None else None
        self._events.emit(Published(path, prepared.content_hash, before, prepared.content, latency, snapshot))
