"""One pass by a command, beside a `run` or without one: it takes the pass lock, never the lifetime lock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from agent_config_sync.errors import DatabaseError, SettingsError
from agent_config_sync.events import Events, StatusUnwritable
from agent_config_sync.postgres.reached import wake
from agent_config_sync.render.defaults import DEFAULTS
from agent_config_sync.sync.passes import Passes
from agent_config_sync.sync.payment import Payment
from agent_config_sync.sync.pipeline import Pipeline
from agent_config_sync.sync.prepared import Prepared
from agent_config_sync.sync.session import Session
from agent_config_sync.sync.standing import Standing
from agent_config_sync.sync.tokens import AgentTokens
from agent_config_sync.worker import in_worker


class Visit:
    """What the commands do with one output; the events tell what became of it."""

    def __init__(
        self,
        session: Session,
        passes: Passes,
        pipeline: Pipeline,
        *,
        payment: Payment,
        standing: Standing,
        events: Events,
        tokens: AgentTokens | None = None,
    ) -> None:
        self._session = session
        self._passes = passes
        self._pipeline = pipeline
        self._payment = payment
        self._standing = standing
        self._events = events
        self._tokens = tokens

    @property
    def holds(self) -> bool:
        """Whether a set is held in place."""
        return self._standing.hold is not None

    async def once(self) -> None:
        """Do one pass.

        Raises: SyncError, but not for what was refused.
        """
        self._payment.visiting = True
        try:
            await self._pass("sync")
        finally:
            await self._session.close()

    async def restore(self, number: int) -> None:
        """Publish a set of the history again and hold it in place; a database that fails is no hindrance.

        Raises: SyncError; RefusedError when the set is not there or not for this gateway.
        """
        why = f"restore of set {number}"
        prepared = await self._passes.restore(number)
        try:
            await self._pass(why)
            await self._wake(why)
        except (DatabaseError, SettingsError) as error:
            await self._payment.tell(prepared)  # nobody else would while the database fails
            self._events.emit(StatusUnwritable(f"the status was not reported: {error}"))
        finally:
            await self._session.close()

    async def resume(self) -> None:
        """End the hold and do one pass.

        Raises: SyncError, but not for what was refused.
        """
        try:
            await self._pass("resume", self._pipeline.end_hold)
            await self._wake("resume")
        finally:
            await self._session.close()

    async def preview(self, statements: str | None = None) -> Prepared:
        """Return what a pass would write, without writing anything; a hold is a warning.

        statements: SQL that is run before, and rolled back.

        Raises: SyncError.
        """
        try:
            reader = (await self._session.connect()).reader
            if statements is None:
                snapshot = await reader.read(DEFAULTS)
            else:
                snapshot = await reader.read_as_if(statements, DEFAULTS)
            tokens = await in_worker(self._tokens.known) if self._tokens is not None else {}
            prepared = await in_worker(self._pipeline.prepare, snapshot, tokens)
        finally:
            await self._session.close()
        hold = self._standing.hold
        return prepared if hold is None else replace(prepared, warnings=(hold, *prepared.warnings))

    async def _pass(self, why: str, first: Callable[[], None] | None = None) -> None:
        """Do one pass; first: what to remember for all passes from this one on."""
        self._payment.single = True
        contact = await self._session.connect()
        await self._passes.make(contact, why, ask=True, first=first)
        await self._payment.pause()

    async def _wake(self, why: str) -> None:
        """Let a `run` beside us follow."""
        contact = await self._session.connect()
        async with contact.link.reading() as connection:
            await wake(connection, why)
