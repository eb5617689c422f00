"""What agents have installed, told to the database."""

from __future__ import annotations

import time
from collections.abc import Sequence

from agent_config_sync.events import Events, SkillChanged, SkillsReported
from agent_config_sync.postgres.installed_skills import report_skills
from agent_config_sync.postgres.link import Link
from agent_config_sync.settings import Settings
from agent_config_sync.skills.folders import SkillFolders
from agent_config_sync.worker import in_worker

MANY = 50
"""Changes after which nothing is reported for `REST` seconds, so that no agent fills the database with its ado."""

REST = 30.0

RETRY = 15.0
"""Seconds after a failure until the database is told again; a GRANT wakes nobody."""


class Inventory:
    """Tells the database whenever something has changed, and every `skill_sync_interval`."""

    def __init__(self, settings: Settings, events: Events, folders: SkillFolders) -> None:
        self._settings = settings
        self._events = events
        self._folders = folders
        self._owed = True
        """Whether the database may not know what was seen last."""
        self._next = 0.0
        """When everything is read again, by the monotonic clock."""
        self._not_before = 0.0
        """Until when the database is not told."""
        self._seen = False
        """Whether everything was read again since the database was told."""

    def forget(self) -> None:
        """Tell it all again: this may be another database."""
        self._owed, self._not_before = True, 0.0

    async def step(self, link: Link | None, agents: Sequence[str]) -> bool:
        """Look once, and tell the database if there is something to tell and a link to it; return whether it knows all.

        Raises: DatabaseError.
        """
        now = time.monotonic()
        again = now >= self._next
        if again:
            self._next = now + self._settings.skill_sync_interval
        self._seen = again or self._seen
        self._owed = await in_worker(self._folders.look, agents, again=again) or again or self._owed
        if not self._owed or link is None or now < self._not_before:
            return not self._owed
        self._not_before = now + RETRY
        skills, settings = self._folders.skills, self._settings
        changes = await report_skills(link, skills, account=settings.account, gateway=settings.gateway, seen=self._seen)
        self._owed = self._seen = False
        self._not_before = now + REST if len(changes) > MANY else 0.0
        for change in changes:
            self._events.emit(SkillChanged(change.change, change.agent, change.slug, change.problem))
        broken = sum(skill.problem is not None for skill in skills)
        self._events.emit(SkillsReported(len(skills), broken, self._folders.left_out))
        return True
