"""What agents have installed, told to the database."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from agent_config_sync.events import Events, SkillChanged, SkillsReported
from agent_config_sync.model.skills import InstalledSkill
from agent_config_sync.postgres.installed_skills import report_skills
from agent_config_sync.postgres.link import Link
from agent_config_sync.settings import Settings
from agent_config_sync.skills.folders import SkillFolders
from agent_config_sync.skills.ration import Ration

FREE, EACH = 300, 2.0
"""Changes that are reported at once, as many as a folder of skills may hold, and seconds that each costs after that."""

RETRY = 15.0
"""Seconds after a failure until the database is told again; a GRANT wakes nobody."""


class Inventory:
    """Tells the database whenever something has changed, and every `skill_sync_interval`."""

    def __init__(
        self, settings: Settings, events: Events, folders: SkillFolders, *, link: Callable[[], Link | None]
    ) -> None:
        """link: the one that stands, if there is one."""
        self._settings = settings
        self._events = events
        self._folders = folders
        self._link = link
        self._told: tuple[tuple[InstalledSkill, ...], tuple[str, ...]] | None = None
        """What the database and those who listen know, None if that is not known."""
        self._next = 0.0
        """When everything is read again, by the monotonic clock."""
        self._not_before = 0.0
        """Until when the database is not told, after a failure."""
        self._seen = False
        """Whether everything was read again since the database was told."""
        self._ration = Ration(FREE, EACH)

    def forget(self) -> None:
        """Tell it all again: this may be another database."""
        self._told, self._not_before = None, 0.0

    def look(self, agents: Sequence[str]) -> None:
        """Look at the folders of these agents, blocking, whether there is a link to the database or not."""
        now = time.monotonic()
        again = now >= self._next
        if again:
            self._next = now + self._settings.skill_sync_interval
            self._seen = True
        self._folders.look(agents, again=again)

    async def settle(self) -> bool:
        """Tell the database what was seen, if that is news and there is a link to it; return whether it knows all.

        Raises: DatabaseError.
        """
        link, now = self._link(), time.monotonic()
        found = (self._folders.skills, self._folders.left_out)
        owed = found != self._told or self._seen
        if not owed or link is None or now < self._not_before or not self._ration.left:
            return not owed
        self._not_before = now + RETRY
        skills, left_out = found
        settings = self._settings
        changes = await report_skills(link, skills, account=settings.account, gateway=settings.gateway, seen=self._seen)
        self._told, self._seen, self._not_before = found, False, 0.0
        self._ration.spend(len(changes))
        for change in changes:
            self._events.emit(SkillChanged(change.change, change.agent, change.slug, change.problem))
        broken = sum(skill.problem is not None for skill in skills)
        self._events.emit(SkillsReported(len(skills), broken, left_out))
        return True
