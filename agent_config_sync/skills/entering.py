"""A person enters a key for which an agent has asked, or takes it back. The key goes to the file of this host alone.

The pass lock is held until the database has it, so no pass sees one without the other; the pass that the commit wakes
gives the key to the gateway.
"""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import asyncpg

from agent_config_sync.errors import (
    KeyRefusedError,
    RevokedCredentialError,
    RightsError,
    UnknownCredentialError,
)
from agent_config_sync.model.credentials import FoundCredential
from agent_config_sync.postgres.reached import wake
from agent_config_sync.postgres.skill_credentials import decide, find_credential, renew_credential
from agent_config_sync.publish.lock import pass_lock
from agent_config_sync.secret_store import SecretStore
from agent_config_sync.settings import Settings
from agent_config_sync.worker import in_worker, to_the_end

LONGEST_KEY = 8192
"""Characters; a token of an OpenID provider may have some thousands."""

LOCK_DEADLINE = 30.0
"""Seconds to wait for the pass under way, at a command line."""


class Entering:
    """What people decide about the keys of this gateway."""

    def __init__(
        self,
        settings: Settings,
        store: SecretStore,
        lend: Callable[[], AbstractAsyncContextManager[asyncpg.Connection]],
        *,
        deadline: float = LOCK_DEADLINE,
    ) -> None:
        """lend: a connection to the database, for one decision; it makes DatabaseErrors of the driver's. deadline:
        seconds to wait for the pass under way."""
        self._deadline = deadline
        self._settings = settings
        self._store = store
        self._lend = lend

    async def enter(self, ref: str, key: str, *, person: str) -> None:
        """Keep a key, and say that it was entered; one that was entered before is replaced.

        Raises: CredentialError, RightsError, DatabaseError, PublishError.
        """
        value = checked_key(key)
        await to_the_end(self._enter(ref, value, person))

    async def revoke(self, ref: str, *, person: str) -> None:
        """Take a key back, or refuse a request for one.

        Raises: CredentialError, RightsError, DatabaseError, PublishError.
        """
        await to_the_end(self._revoke(ref, person))

    async def _enter(self, ref: str, value: str, person: str) -> None:
        async with self._deciding(ref) as (connection, found):
            key = found.id
            if found.status == "active":
                await decide(connection, key, "revoked", person=person)
                key = await renew_credential(connection, key)
            await in_worker(self._store.put, key, value)
            if not await decide(connection, key, "active", person=person):
                raise RevokedCredentialError("this key was taken back just now")
            await wake(connection, "skill_credentials")

    async def _revoke(self, ref: str, person: str) -> None:
        async with self._deciding(ref) as (connection, found):
            await decide(connection, found.id, "revoked", person=person)

    @asynccontextmanager
    async def _deciding(self, ref: str) -> AsyncIterator[tuple[asyncpg.Connection, FoundCredential]]:
        """Lend a transaction, and the key of this reference; no pass is under way meanwhile."""
        account, gateway = self._settings.account, self._settings.gateway
        async with pass_lock(self._settings.output).held(self._deadline), self._lend() as connection:
            try:
                async with connection.transaction():
                    known = "\0" not in ref  # which PostgreSQL would not take
                    found = known and await find_credential(connection, account=account, gateway=gateway, ref=ref)
                    if not found:
                        raise UnknownCredentialError(f"no agent of gateway {gateway} has asked for this key")
                    if found.status == "revoked":
                        raise RevokedCredentialError("this key was taken back: an agent has to ask for it anew")
                    if not found.ours:
                        raise RightsError(
                            f"the row of this key is of login {found.reported_by}, and no other one may change it: "
                            "log in as that one"
                        )
                    yield connection, found
            except (asyncpg.InsufficientPrivilegeError, asyncpg.UndefinedTableError) as error:
                raise RightsError(
                    f"keys cannot be entered ({error.sqlstate}): agent-config-sync migrate, and GRANT "
                    "agent_config_runtime TO this login"
                ) from None


def checked_key(text: str) -> str:
    """Return a key as it is kept: blanks around it come from copying.

    Raises: KeyRefusedError, without a word of what it held.
    """
    key = text.strip()
    if not key:
        raise KeyRefusedError("the key is empty")
    if len(key) > LONGEST_KEY:
        raise KeyRefusedError(f"a key has {LONGEST_KEY:,} characters at most")
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in key):
        raise KeyRefusedError("a key has no line break and no control character")
    if "${" in key:
        raise KeyRefusedError("a key must not hold ${, where the gateway would put another variable")
    return key
