"""Beside a sync: watches what agents install and ask for, and tells the database.

This module is light. What reads files is imported when agents may first install skills.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from agent_config_sync.errors import StoppedError, SyncError
from agent_config_sync.events import (
    Event,
    Events,
    Housed,
    LinkProven,
    RequestsTaken,
    RequestsUntaken,
    SkillsUnreported,
    SkillsUnwatched,
)
from agent_config_sync.postgres.link import Link
from agent_config_sync.publish.gate import Gate
from agent_config_sync.publish.manifest import Manifests
from agent_config_sync.settings import Settings
from agent_config_sync.worker import in_worker

LOOK = 2.0
"""Seconds between two looks whether a folder has changed."""

_Told: TypeAlias = type[SkillsUnreported] | type[RequestsUntaken]

_log = logging.getLogger(__name__)


class _Half(Protocol):
    """Inventory or intake."""

    def forget(self) -> None: ...

    def look(self, agents: Sequence[str]) -> None: ...

    async def settle(self) -> bool: ...


_Watched: TypeAlias = tuple[tuple[_Half, _Told], ...]


class SkillService:
    """Idle until an account lets its agents install skills."""

    def __init__(
        self,
        settings: Settings,
        events: Events,
        gate: Gate,
        *,
        manifests: Manifests,
        link: Callable[[], Link | None],
    ) -> None:
        """manifests: what we have written into the workspaces; link: the one that stands, if there is one."""
        self._settings = settings
        self._events = events
        self._gate = gate
        self._manifests = manifests
        self._link = link
        self._housed = Housed((), skills_enabled=False)
        self._watched: _Watched | None = None
        self._complaints: dict[_Told, str] = {}
        """What was said last, by how it was."""
        self._wake = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        events.subscribe(self._heard)

    def start(self) -> None:
        """Begin to watch; returns at once."""
        self._running = asyncio.create_task(self._run(), name="skills")

    async def stop(self) -> None:
        """Return when no folder is read any more."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    def _heard(self, event: Event) -> None:
        match event:
            case Housed():
                self._housed = event
            case LinkProven():
                for each, _ in self._watched or ():
                    each.forget()
            case _:
                return
        self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._until_enabled()
            try:
                if self._watched is None:
                    self._watched = await in_worker(self._open)
            except Exception as error:  # noqa: BLE001 - it may be there again at the next look
                self._failed(SkillsUnreported, error)
            try:
                await self._once(self._watched or ())
            except StoppedError:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await self._wake.wait()
            self._wake.clear()

    async def _once(self, watched: _Watched) -> None:
        """Raises: StoppedError."""
        # Both in one thread: to hand work over takes longer than to look.
        seen = await in_worker(_look, watched, self._housed.agents)
        for (each, told), error in zip(watched, seen, strict=True):
            if error is not None:
                self._failed(told, error)
                continue
            try:
                if await each.settle():
                    self._mended(told)
            except StoppedError:
                raise
            except Exception as failure:  # noqa: BLE001 - watching goes on, whatever one half runs into
                self._failed(told, failure)

    async def _until_enabled(self) -> None:
        if self._watched is not None and not self._housed.skills_enabled:
            self._watched = None
            self._events.emit(SkillsUnwatched())
        while not self._housed.skills_enabled:
            await self._wake.wait()
            self._wake.clear()

    def _open(self) -> _Watched:
        # What is off is not imported.
        from agent_config_sync.skills.folders import SkillFolders  # noqa: PLC0415
        from agent_config_sync.skills.intake import Intake  # noqa: PLC0415
        from agent_config_sync.skills.inventory import Inventory  # noqa: PLC0415
        from agent_config_sync.skills.request_queue import RequestQueue  # noqa: PLC0415

        folders, queue = SkillFolders(self._settings, self._manifests), RequestQueue(self._settings, self._gate)
        inventory, intake = (
            Inventory(self._settings, self._events, folders, link=self._link),
            Intake(self._settings, self._events, queue, link=self._link),
        )
        return (inventory, SkillsUnreported), (intake, RequestsUntaken)

    def _failed(self, told: _Told, error: Exception) -> None:
        """Say it once, until it is another error or is over."""
        if not isinstance(error, SyncError):
            _log.error("a look at skills ran into something unforeseen", exc_info=error)
            error = SyncError(f"a look at skills ran into something unforeseen ({type(error).__name__})")
        if self._complaints.get(told) != str(error):
            self._complaints[told] = str(error)
            self._events.emit(told(error))

    def _mended(self, told: _Told) -> None:
        if self._complaints.pop(told, None) is not None and told is RequestsUntaken:
            self._events.emit(RequestsTaken())


def _look(watched: _Watched, agents: Sequence[str]) -> list[Exception | None]:
    """Look with each half, blocking; return what each ran into.

    Raises: StoppedError.
    """
    return [_failure_of(each, agents) for each, _ in watched]


def _failure_of(half: _Half, agents: Sequence[str]) -> Exception | None:
    try:
        half.look(agents)
    except StoppedError:
        raise
    except Exception as error:  # noqa: BLE001 - one half is not the other's trouble
        return error
    return None
