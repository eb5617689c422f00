"""What agents ask for, brought to the database: a sound request is a row, one that is refused a line of history."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence

from agent_config_sync.errors import PublishError, SettingsError
from agent_config_sync.events import CredentialRefused, CredentialRequested, Events
from agent_config_sync.postgres.link import Link
from agent_config_sync.postgres.skill_credentials import MOST_PENDING, record_refusals, request_credential
from agent_config_sync.settings import Settings
from agent_config_sync.skills.ration import Ration
from agent_config_sync.skills.request_queue import Refusal, RequestQueue, Sorted, Waiting
from agent_config_sync.worker import in_worker

TOO_MANY = f"{MOST_PENDING} keys are asked for already; wait until a person has entered some"

FREE, EACH = 200, 5.0
"""Requests of an agent that are looked at at once, and seconds that each costs it after that."""

RETRY = 15.0
"""Seconds after a failure until it is tried again."""


class Intake:
    """Takes the requests in the workspaces. A request stays in its file until the database has it."""

    def __init__(
        self, settings: Settings, events: Events, queue: RequestQueue, *, link: Callable[[], Link | None]
    ) -> None:
        """link: the one that stands, if there is one."""
        self._settings = settings
        self._events = events
        self._queue = queue
        self._link = link
        self._refused: list[Refusal] = []
        """Those of which the database does not know yet."""
        self._found: Sorted | None = None
        """What the last look saw, None if there was none."""
        self._not_before = 0.0
        self._rations: defaultdict[str, Ration] = defaultdict(lambda: Ration(FREE, EACH))
        """By agent, so that none uses up another's."""

    def forget(self) -> None:
        """Try again at once: this may be another database."""
        self._not_before = 0.0

    def look(self, agents: Sequence[str]) -> None:
        """See what waits, blocking, and refuse what is not sound; while there is no link to the database, nothing is.

        Raises: SettingsError, StoppedError.
        """
        self._found = None
        now = time.monotonic()
        if self._link() is None or now < self._not_before:
            return
        if "/" in self._settings.account + self._settings.gateway:
            raise SettingsError(
                "agents cannot ask for keys while account or gateway has a / in its name: set another one"
            )
        self._not_before = now + RETRY
        self._found = self._queue.look([agent for agent in agents if self._rations[agent].left])

    async def settle(self) -> bool:
        """Bring to the database what was seen; return whether nothing waits any more.

        Raises: DatabaseError, PublishError, StoppedError.
        """
        link, found = self._link(), self._found
        if found is None:
            return False
        errors = list(found.errors)
        for refusal in found.refused:
            self._refuse(refusal)
        if link is None:  # it was lost meanwhile; the refusals are told over the next one
            return False
        for waiting in found.waiting:
            try:
                await self._take(link, waiting)
            except OSError as error:  # one agent's folder is nobody else's trouble
                errors.append(f"a request of agent {waiting.agent} cannot be moved: {error.strerror}")
        for agent in [waiting.agent for waiting in found.waiting] + [refusal.agent for refusal in found.refused]:
            self._rations[agent].spend(1)
        if self._refused:
            told = [(refusal.agent, refusal.reason, refusal.files) for refusal in self._refused]
            await record_refusals(link, told, account=self._settings.account, gateway=self._settings.gateway)
            self._refused.clear()
        if errors:
            raise PublishError(errors[0])
        self._not_before = 0.0
        return True

    async def _take(self, link: Link, waiting: Waiting) -> None:
        """Bring a request to the database, and then out of the way.

        Raises: OSError, DatabaseError, StoppedError.
        """
        agent, request, settings = waiting.agent, waiting.request, self._settings
        answer = await request_credential(
            link,
            account=settings.account,
            gateway=settings.gateway,
            agent=agent,
            skill=request.skill_slug,
            key_name=request.key_name,
        )
        try:
            if answer == "too_many":
                await in_worker(self._queue.refuse, waiting, TOO_MANY)
            else:
                await in_worker(self._queue.take, waiting)
        finally:
            if answer == "too_many":
                self._refuse(Refusal(agent, TOO_MANY))
            elif answer == "asked":
                self._events.emit(CredentialRequested(agent, request.skill_slug, request.key_name))

    def _refuse(self, refusal: Refusal) -> None:
        self._events.emit(CredentialRefused(refusal.agent, refusal.reason, refusal.files))
        self._refused.append(refusal)
