"""What agents ask for, brought to the database: a sound request is a row, one that is refused a line of history."""

from __future__ import annotations

import time
from collections.abc import Sequence

from agent_config_sync.errors import PublishError
from agent_config_sync.events import CredentialRefused, CredentialRequested, Events
from agent_config_sync.postgres.link import Link
from agent_config_sync.postgres.skill_credentials import MOST_PENDING, record_refusals, request_credential
from agent_config_sync.settings import Settings
from agent_config_sync.skills.request_queue import Refusal, RequestQueue, Waiting
from agent_config_sync.worker import in_worker

TOO_MANY = f"{MOST_PENDING} keys are asked for already; wait until a person has entered some"

MANY = 20
"""Refusals after which nothing is taken for `REST` seconds, so that no agent fills the database with its ado."""

REST = 30.0

RETRY = 15.0
"""Seconds after a failure until it is tried again."""


class Intake:
    """Takes the requests in the workspaces. A request stays in its file until the database has it."""

    def __init__(self, settings: Settings, events: Events, queue: RequestQueue) -> None:
        self._settings = settings
        self._events = events
        self._queue = queue
        self._refused: list[Refusal] = []
        """Those of which the database does not know yet."""
        self._not_before = 0.0

    def forget(self) -> None:
        """Try again at once: this may be another database."""
        self._not_before = 0.0

    async def step(self, link: Link | None, agents: Sequence[str]) -> bool:
        """Take what waits, if there is a link to the database; return whether nothing waits any more.

        Raises: DatabaseError, PublishError, StoppedError.
        """
        now = time.monotonic()
        if link is None or now < self._not_before:
            return False
        found = await in_worker(self._queue.look, agents)
        for refusal in found.refused:
            self._events.emit(CredentialRefused(refusal.agent, refusal.reason, refusal.files))
        self._refused += found.refused
        self._not_before = now + RETRY
        for waiting in found.waiting:
            await self._take(link, waiting)
        if self._refused:
            told = [(refusal.agent, refusal.reason, refusal.files) for refusal in self._refused]
            await record_refusals(link, told, account=self._settings.account, gateway=self._settings.gateway)
            self._refused.clear()
        self._not_before = now + REST if len(found.refused) > MANY else 0.0
        if found.errors:
            raise PublishError(f"requests of agents cannot be read: {found.errors[0]}")
        return True

    async def _take(self, link: Link, waiting: Waiting) -> None:
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
                self._refused.append(Refusal(agent, TOO_MANY))
                self._events.emit(CredentialRefused(agent, TOO_MANY, 1))
                return
            await in_worker(self._queue.take, waiting)
        except FileNotFoundError:
            pass  # the agent has taken it away; it asked all the same
        except OSError as error:
            raise PublishError(f"a request of agent {agent} cannot be moved: {error.strerror}") from None
        if answer == "asked":
            self._events.emit(CredentialRequested(agent, request.skill_slug, request.key_name))
