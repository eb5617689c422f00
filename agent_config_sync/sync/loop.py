"""The loop: woken by notifications, one pass at a time, in step again after every failure.

One worker, one dirty mark, cleared before the snapshot begins: whatever is committed later sets it again, so nothing
is missed and nothing is done twice. A failure keeps the last good files and is retried; a link that still stands is
kept, so that the notification of the cure (a GRANT, a migration) ends the waiting.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

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
from agent_config_sync.postgres.snapshot import SnapshotReader
from agent_config_sync.publish.gate import Gate
from agent_config_sync.publish.lock import lifetime_lock, pass_lock
from agent_config_sync.render.defaults import DEFAULTS
from agent_config_sync.settings import Settings
from agent_config_sync.sync.informant import PATIENCE, Informant
from agent_config_sync.sync.payment import Payment
from agent_config_sync.sync.pipeline import Pipeline, Prepared
from agent_config_sync.sync.standing import Standing
from agent_config_sync.sync.worker import in_worker

LOCK_DEADLINE = 30.0
"""Seconds that a pass waits for another process's pass on the same output."""

TAKE_OVER_POLL = 0.25
"""Seconds between two looks whether the process that holds the output has ended."""

BACKOFF = wait_chain(
    wait_fixed(0.5),
    wait_fixed(1),
    wait_fixed(2),
    wait_exponential(multiplier=5 / 2**3, min=5, max=60) + wait_random(0, 1),
)
"""After the first retry, which is at once: 0.5, 1 and 2 s, then the seed's 5 to 60 s with jitter."""


@dataclass(slots=True)
class _Wake:
    """The dirty mark, and when it was set."""

    dirty: bool = False
    since: float | None = None

    def mark(self) -> None:
        if not self.dirty:
            self.dirty, self.since = True, time.monotonic()

    def clear(self) -> float | None:
        """Clear the mark and return when it was set, None if it was not."""
        since, self.dirty, self.since = self.since, False, None
        return since


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
        self._standing = Standing(settings, events)
        self._payment = Payment(pipeline, self._standing, events, informant=informant, patience=patience)
        self._wake = _Wake()
        self._attention = asyncio.Event()
        self._links = contextlib.AsyncExitStack()
        self._link: Link | None = None
        self._reader: SnapshotReader | None = None
        self._running: asyncio.Task[None] | None = None
        self._warnings: tuple[str, ...] = ()
        self.latest: Prepared | None = None

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

    async def once(self) -> Prepared:
        """Do one pass, without the lifetime lock, and return what it found.

        Raises: SyncError.
        """
        async with self._links:
            await self._connect()
            await self._pass(ask=True)
        await self._payment.pause()
        assert self.latest is not None  # the pass would have raised
        return self.latest

    async def preview(self) -> Prepared:
        """Return what a pass would write, without writing anything.

        Raises: SyncError.
        """
        async with self._links:
            await self._connect()
            assert self._reader is not None  # set with the link
            snapshot = await self._reader.read(DEFAULTS)
            return await in_worker(self._pipeline.prepare, snapshot)

    # The loop ------------------------------------------------------------------------------------------------------

    async def _recover(self) -> None:
        """Return when a link stands and a whole pass has succeeded; only then the backoff starts anew."""
        attempts = AsyncRetrying(
            wait=BACKOFF,
            retry=retry_if_exception(_worth_a_retry),
            sleep=self._back_off,
            before_sleep=self._say_why,
            reraise=True,
        )
        async for attempt in attempts:
            with attempt:
                await self._connect()
                await self._pass(ask=True)

    async def _follow(self) -> None:
        """Do a pass for every wake; return when one fails or the link is lost."""
        next_resync = time.monotonic() + self._settings.resync_interval
        while self._link is not None and not self._link.lost.done():
            due = min(next_resync, self._payment.retry_at)
            if not await self._pause(due - time.monotonic(), for_notification=True):
                next_resync = time.monotonic() + self._settings.resync_interval
            if self._link.lost.done():
                break
            try:
                await self._pass(ask=not self._wake.dirty)
            except StoppedError:
                raise
            except SyncError as error:
                self._failed(error, retry_in=0.0)
                return
            await self._pause(self._settings.settle, for_notification=False)
        if self._link is not None:
            self._failed(self._link.lost.result(), retry_in=0.0)

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
                await asyncio.wait_for(self._attention.wait(), rest)

    async def _back_off(self, seconds: float) -> None:
        """Wait before a retry; a notification over a link that stands may be the cure."""
        alive = self._link is not None and not self._link.lost.done()
        await self._pause(seconds, for_notification=alive)

    def _say_why(self, attempt: RetryCallState) -> None:
        error = attempt.outcome.exception() if attempt.outcome is not None else None
        if error is not None:
            self._failed(error, retry_in=attempt.next_action.sleep if attempt.next_action is not None else None)

    def _failed(self, error: BaseException, *, retry_in: float | None) -> None:
        failure = error if isinstance(error, Exception) else RuntimeError(type(error).__name__)
        if self._link is not None and self._link.lost.done():
            self._events.emit(LinkLost(failure))
        else:
            self._events.emit(PassFailed(failure, retry_in))

    @contextlib.asynccontextmanager
    async def _lifetime(self) -> AsyncIterator[None]:
        """Hold the output for as long as we live; wait for another `run` to end."""
        lock = lifetime_lock(self._settings.output)
        said = False
        while not await in_worker(lock.try_acquire):
            if not said:
                self._events.emit(WaitingForOther(lock.holder()))
                said = True
            await asyncio.sleep(TAKE_OVER_POLL)
        try:
            yield
        finally:
            lock.release()

    async def _connect(self) -> None:
        """Make sure that a link stands, with LISTEN committed before anything is read."""
        if self._link is not None and not self._link.lost.done():
            return
        await self._links.aclose()
        self._link = None
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

    def _notified(self, payload: str) -> None:
        self._wake.mark()
        self._attention.set()
        self._events.emit(Notified(payload))

    # One pass ------------------------------------------------------------------------------------------------------

    async def _pass(self, *, ask: bool) -> None:
        """Snapshot, render, check, publish, tell, report. ask: also make sure that what is in force still is.

        Raises: SyncError.
        """
        assert self._reader is not None
        assert self._link is not None
        await self._payment.pause()
        async with pass_lock(self._settings.output).held(LOCK_DEADLINE):
            began = time.monotonic()
            woken_at = self._wake.clear()
            snapshot = await self._reader.read(DEFAULTS)
            self._events.emit(SnapshotTaken(snapshot.at, len(snapshot.agents), self._reader.fetched))
            try:
                prepared, latency = await in_worker(self._publish, snapshot, woken_at or began)
            except RefusedError as error:
                self._events.emit(Refused(str(error)))
                await self._standing.say(self._link, state="refused", error=str(error))
                return
            except PublishError as error:
                await self._standing.say(self._link, state="pending", error=str(error))
                raise
        self._announce(prepared, latency)
        self.latest = prepared
        await self._payment.pay(self._link, prepared, fresh=latency is not None, ask=ask, woken_at=woken_at)

    def _publish(self, snapshot: Snapshot, since: float) -> tuple[Prepared, float | None]:
        """Prepare and publish, in the worker; return the seconds since `since`, None if nothing was written."""
        pipeline = self._pipeline
        assert self._reader is not None
        pipeline.state.refresh()
        pipeline.output.sweep()
        prepared = pipeline.prepare(snapshot)
        latency = None
        if prepared.changed:
            pipeline.publish(prepared)
            latency = time.monotonic() - since
        pipeline.remember(prepared, self._reader.seen_tables)
        return prepared, latency

    def _announce(self, prepared: Prepared, latency: float | None) -> None:
        path, snapshot = str(self._settings.output), prepared.snapshot.at
        if prepared.warnings != self._warnings:
            self._warnings = prepared.warnings
            self._events.emit(Warned(prepared.warnings))
        if latency is None:
            self._events.emit(Unchanged(path, prepared.content_hash, snapshot))
            return
        before = prepared.before.content if prepared.before is not None else None
        self._events.emit(Published(path, prepared.content_hash, before, prepared.content, latency, snapshot))


def _worth_a_retry(error: BaseException) -> bool:
    return isinstance(error, SyncError) and not isinstance(error, StoppedError | SettingsError)
