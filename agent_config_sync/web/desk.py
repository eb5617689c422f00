"""What the admin pages and endpoints ask for: all about skills and keys that a person may see and decide here."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

import asyncpg

from agent_config_sync.errors import RightsError, SyncError
from agent_config_sync.events import Assessed, Event, Events, KeysGiven, PersonRefused
from agent_config_sync.gateway.reload import Deferred, Told
from agent_config_sync.gateway.rules import takes_keys_at_start
from agent_config_sync.model.credentials import Credential
from agent_config_sync.model.site import GatewayVersion
from agent_config_sync.model.skills import ListedSkill
from agent_config_sync.postgres.installed_skills import list_skills
from agent_config_sync.postgres.link import Link
from agent_config_sync.postgres.queries import query
from agent_config_sync.postgres.skill_credentials import list_credentials, record_refusals
from agent_config_sync.postgres.status import FleetRow, read_fleet
from agent_config_sync.render.skills_json import named
from agent_config_sync.settings import Settings
from agent_config_sync.skills.entering import Entering
from agent_config_sync.skills.ration import Ration
from agent_config_sync.web.lending import lent
from agent_config_sync.web.view import View

PATIENCE = 4.0
"""Seconds in which a gateway takes a key; it takes about one. A connection lives for ten."""

LOCK_DEADLINE = 3.0
"""Seconds that a request may wait for the pass under way: with all else it must end before its connection does."""

FREE, EACH = 50, 10.0
"""Refusals that are recorded at once, and seconds that each costs after that."""

Reload: TypeAlias = Literal["applied", "pending", "restart_required"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Effect:
    """Whether the gateway runs with what was decided; why: what a person should know if it does not."""

    reload: Reload
    why: str | None = None


class Desk:
    """Answers for one gateway, while its sync runs."""

    def __init__(
        self,
        settings: Settings,
        events: Events,
        *,
        link: Callable[[], Link | None],
        entering: Entering,
        reload: Callable[[float], Awaitable[Told | Deferred]],
        view: Callable[[], View],
    ) -> None:
        """link: the one that stands, if there is one; reload: lets the gateway read its configuration anew,
        waiting so many seconds for the pass under way; view: where the sync stands now."""
        self._view = view
        self.account = settings.account
        self.gateway = settings.gateway
        self._link = link
        self._entering = entering
        self._reload = reload
        self._events = events
        self._ration = Ration(FREE, EACH)
        self._news = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._numbers = itertools.count(1)
        self._given: tuple[int, KeysGiven] = (0, KeysGiven(0, plain=False))
        self._assessed: tuple[int, Assessed] = (0, Assessed("pending", None, None))
        events.subscribe(self._heard)

    @property
    def version(self) -> GatewayVersion | None:
        """Of the gateway, None while it is not known."""
        return GatewayVersion.parse(self._view().gateway_version)

    async def skills(self) -> tuple[ListedSkill, ...]:
        """Return what agents have installed, at all gateways of the account. Raises: DatabaseError."""
        return await self._asked(lambda connection: list_skills(connection, self.account))

    async def credentials(self) -> tuple[Credential, ...]:
        """Return the keys of all gateways of the account, pending ones first. Raises: DatabaseError."""
        return await self._asked(lambda connection: list_credentials(connection, self.account))

    async def fleet(self) -> tuple[FleetRow, ...]:
        """Return what each gateway of the account last reported. Raises: DatabaseError."""
        return tuple(await self._asked(lambda connection: read_fleet(connection, self.account)))

    async def urls(self) -> dict[str, str]:
        """Return where each gateway of the account answers, as far as operators say. Raises: DatabaseError."""
        records = await self._asked(lambda connection: connection.fetch(query("gateway_urls"), self.account))
        return {record["gateway"]: record["url"] for record in records}

    @property
    def withheld(self) -> tuple[str, ...]:
        """What keeps keys from skills of this gateway now."""
        return self._view().keys.withheld

    async def role_of(self, subject: str) -> str | None:
        """Return the role of a person in the account, None for a stranger. Raises: DatabaseError."""
        return await self._asked(lambda connection: connection.fetchval(query("member_role"), self.account, subject))

    async def enter(self, ref: str, key: str, *, person: str) -> Effect:
        """Keep a key, and return what the gateway makes of it. Raises: as Entering."""
        since = next(self._numbers)
        await self._entering.enter(ref, key, person=person)
        return await self._effect(since, given=ref)

    async def revoke(self, ref: str, *, person: str) -> None:
        """Take a key back, or refuse a request for one. Raises: as Entering."""
        await self._entering.revoke(ref, person=person)

    async def reload(self) -> Effect:
        """Let the gateway read its configuration anew, by a restart where it must. Raises: PublishError."""
        since = next(self._numbers)
        told = await self._reload(LOCK_DEADLINE)
        if isinstance(told, Deferred):
            return Effect("restart_required" if takes_keys_at_start(self.version) else "pending", told.reason)
        if told.method == "signal":
            return Effect("pending", "the gateway restarts")
        return await self._effect(since)

    async def refuse(self, person: str, reason: str) -> None:
        """Keep it that somebody was turned away, unless that happens all the time."""
        if not self._ration.left:
            return
        self._ration.spend(1)
        self._events.emit(PersonRefused(person, reason))
        link = self._link()
        if link is None:
            return
        try:
            refusal = (person, reason, 1)
            await record_refusals(link, [refusal], account=self.account, gateway=self.gateway, of="system")
        except SyncError:
            return  # it is in the log

    async def _asked(self, ask: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        try:
            async with lent(self._link) as connection:
                return await ask(connection)
        except asyncpg.InsufficientPrivilegeError as error:
            raise RightsError(f"{error}: GRANT agent_config_runtime TO the login of this gateway") from None

    async def _effect(self, since: int, *, given: str | None = None) -> Effect:
        """Return what became of a decision. since: the number before it; given: the reference of a key that has to be
        written first."""
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    self._news.clear()
                    number, keys = self._given
                    after = number if given is not None else since
                    if number > since and (why := _withheld(keys, given)):
                        return Effect("pending", why)
                    if after >= since and self._assessed[0] > after:
                        effect = self._settled(self._assessed[1])
                        if effect is not None:
                            return effect
                    await self._news.wait()
        except TimeoutError:
            return self._untold()

    def _settled(self, assessed: Assessed) -> Effect | None:
        if assessed.state == "applied":
            return Effect("applied")
        return self._untold() if assessed.state == "offered" else None

    def _untold(self) -> Effect:
        """Return what a person should know while the gateway does not say that it runs with it."""
        if takes_keys_at_start(self.version):
            return Effect("restart_required", f"OpenClaw {self.version} takes keys of skills only when it starts")
        return Effect("pending", "the gateway has not said yet that it runs with it")

    def _heard(self, event: Event) -> None:
        match event:
            case KeysGiven():
                self._given = (next(self._numbers), event)
            case Assessed():
                self._assessed = (next(self._numbers), event)
            case _:
                return
        self._loop.call_soon_threadsafe(self._news.set)


def _withheld(keys: KeysGiven, ref: str | None) -> str:
    """Return what keeps a key from its skill: what is said of this one, or of all."""
    skill, _, key_name = (ref or "").rpartition("/")
    wanted = (named(key_name, skill.rpartition("/")[2]), "keys of skills: ")
    return "; ".join(each for each in keys.withheld if each.startswith(wanted))
