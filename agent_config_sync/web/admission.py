"""Who asks, and whether they may: in an order that tells a stranger nothing.

A token of the OpenID provider proves a person, whose membership says what they may. A session was begun with a link
that this machine printed. Of the two only the session comes with a browser's every request, so only it has to be
guarded against pages of others.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from agent_config_sync.errors import SettingsError, UnauthorizedError
from agent_config_sync.settings import Settings
from agent_config_sync.web.sessions import COOKIE, Session, Sessions

if TYPE_CHECKING:
    from agent_config_sync.web.auth import Verifier

ADMINS = frozenset({"owner", "admin"})
"""Roles that decide about keys and workspaces."""


class ForbiddenError(Exception):
    """They are who they are, and may not. person: who; its text says why."""

    def __init__(self, person: str, why: str) -> None:
        super().__init__(why)
        self.person = person


class Admission:
    """Lets people in. role_of: the role of a token's subject in this account."""

    def __init__(self, settings: Settings, sessions: Sessions, role_of: Callable[[str], Awaitable[str | None]]) -> None:
        self._settings = settings
        self._sessions = sessions
        self._role_of = role_of
        self._verifier: Verifier | None = None
        self._opening = asyncio.Lock()

    @property
    def takes_tokens(self) -> bool:
        """Whether a provider is configured whole; without an issuer a token could be anybody's."""
        settings = self._settings
        return bool(settings.jwks_url and settings.token_issuer and settings.parties)

    @property
    def origins(self) -> list[str]:
        """Pages of others that may ask from a browser, with a token."""
        return [party for party in self._settings.parties if party.startswith(("https://", "http://"))]

    def session_of(self, cookies: Mapping[str, str]) -> Session | None:
        """Return the session that a request belongs to, None if there is none any more."""
        return self._sessions.find(cookies.get(COOKIE))

    async def by_token(self, authorization: str | None) -> str:
        """Return who asks with a bearer token: its subject.

        Raises: UnauthorizedError, KeysUnavailableError, ForbiddenError, DatabaseError.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise UnauthorizedError("a bearer token is missing: Authorization: Bearer ...")
        person = await (await self._opened()).person(token.strip())
        role = await self._role_of(person.subject)
        if role not in ADMINS:
            said = f"is {role} of this account" if role is not None else "is no member of this account"
            why = f"{person.subject} {said}: only its owners and admins decide here"
            raise ForbiddenError(person.subject, why)
        return person.subject

    async def close(self) -> None:
        if self._verifier is not None:
            await self._verifier.close()

    async def _opened(self) -> Verifier:
        """Return the verifier, imported when the first token comes: that takes 0.3 s."""
        async with self._opening:
            if self._verifier is None:
                if not self.takes_tokens:
                    raise UnauthorizedError("no tokens are taken here")
                await asyncio.to_thread(importlib.import_module, "agent_config_sync.web.auth")
                from agent_config_sync.web.auth import Provider, Verifier  # noqa: PLC0415 - imported just now

                settings = self._settings
                try:
                    provider = Provider(settings.jwks_url or "", settings.token_issuer or "", settings.parties)
                except SettingsError as error:
                    raise UnauthorizedError(f"no tokens are taken here: {error}") from None
                self._verifier = Verifier(provider)
        return self._verifier


def is_of_own_page(headers: Mapping[str, str]) -> bool:
    """Return whether a browser sent a form from a page of ours: it says so itself, and no page can make it lie
    (Fetch Metadata, Sec-Fetch-Site; RFC 6454, Origin)."""
    origin, site, host = headers.get("origin"), headers.get("sec-fetch-site"), headers.get("host", "")
    if site not in (None, "same-origin"):
        return False
    if origin is None:  # a browser without it has the other
        return site is not None
    return urlsplit(origin).netloc == host != ""
