"""Beside a sync: watches what agents install, and tells the database.

This module is light. What reads files is imported when agents may first install skills.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from agent_config_sync.errors import SyncError
from agent_config_sync.events import (
    Event,
    Events,
    Housed,
    LinkProven,
    SkillChanged,
    SkillsReported,
    SkillsUnreported,
    SkillsUnwatched,
)
from agent_config_sync.postgres.installed_skills import report_skills
from agent_config_sync.postgres.link import Link
from agent_config_sync.publish.manifest import Manifests
from agent_config_sync.settings import Settings
from agent_config_sync.worker import in_worker

if TYPE_CHECKING:
    from agent_config_sync.skills.folders import SkillFolders

LOOK = 2.0
"""Seconds between two looks whether a folder has changed."""

MANY = 50
"""Changes after which nothing is reported for `REST` seconds, so that no agent fills the database with its ado."""

REST = 30.0

RETRY = 15.0
"""Seconds after a failure until the database is told again; a GRANT wakes nobody."""

_log = logging.getLogger(__name__)


class SkillService:
    """Idle until an account lets its agents install skills."""

    def __init__(
        self,
        settings: Settings,
        events: Events,
        manifests: Manifests,
        link: Callable[[], Link | None],
        *,
        look: float = LOOK,
    ) -> None:
        """manifests: what we have written into the workspaces; link: the one that stands, if there is one."""
        self._settings = settings
        self._events = events
        self._manifests = manifests
        self._link = link
        self._look = look
        self._housed = Housed((), skills_enabled=False)
        self._folders: SkillFolders | None = None
        self._owed = True
        """Whether the database may not know what was seen last."""
        self._next = 0.0
        """When everything is read again, by the monotonic clock."""
        self._not_before = 0.0
        """Until when the database is not told."""
        self._seen = False
        """Whether everything was read again since the database was told."""
        self._complaint: str | None = None
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
                self._owed, self._not_before = True, 0.0  # this may be another database
            case _:
                return
        self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._until_enabled()
            try:
                await self._step()
            except Exception as error:  # noqa: BLE001 - watching goes on, whatever one look runs into
                self._failed(error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._look):
                    await self._wake.wait()
            self._wake.clear()

    async def _until_enabled(self) -> None:
        if self._folders is not None and not self._housed.skills_enabled:
            self._folders, self._next = None, 0.0
            self._events.emit(SkillsUnwatched())
        while not self._housed.skills_enabled:
            await self._wake.wait()
            self._wake.clear()

    async def _step(self) -> None:
        """Look once, and tell the database if there is something to tell.

        Raises: DatabaseError.
        """
        if self._folders is None:
            self._folders = await in_worker(self._open)
        folders = self._folders
        now = time.monotonic()
        again = now >= self._next
        if again:
            self._next = now + self._settings.skill_sync_interval
        self._seen = again or self._seen
        self._owed = await in_worker(folders.look, self._housed.agents, again=again) or again or self._owed
        link = self._link()
        if not self._owed or link is None or now < self._not_before:
            return
        self._not_before = now + RETRY
        skills = folders.skills
        settings = self._settings
        changes = await report_skills(link, skills, account=settings.account, gateway=settings.gateway, seen=self._seen)
        self._owed, self._seen, self._complaint = False, False, None
        self._not_before = now + REST if len(changes) > MANY else 0.0
        for change in changes:
            self._events.emit(SkillChanged(change.change, change.agent, change.slug, change.problem))
        broken = sum(skill.problem is not None for skill in skills)
        self._events.emit(SkillsReported(len(skills), broken, folders.left_out))

    def _open(self) -> SkillFolders:
        from agent_config_sync.skills.folders import SkillFolders  # noqa: PLC0415 - what is off is not imported

        return SkillFolders(self._settings, self._manifests)

    def _failed(self, error: Exception) -> None:
        """Say it once, until it is another error or is over."""
        if not isinstance(error, SyncError):
            _log.error("a look at skills ran into something unforeseen", exc_info=error)
            error = SyncError(f"a look at skills ran into something unforeseen ({type(error).__name__})")
        if self._complaint != str(error):
            self._complaint = str(error)
            self._events.emit(SkillsUnreported(error))
