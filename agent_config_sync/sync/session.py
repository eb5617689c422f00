"""In touch with the database: the link of the moment, and what it heard."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass

from agent_config_sync.events import Events, LinkProven, Listening, Notified
from agent_config_sync.postgres.link import Link, Timing, open_link
from agent_config_sync.postgres.server import Server
from agent_config_sync.postgres.snapshot import SnapshotReader
from agent_config_sync.settings import Settings
from agent_config_sync.state import State
from agent_config_sync.sync.wake import Wake


@dataclass(frozen=True, slots=True)
class Contact:
    """A link and the reader whose rows are good for this link only."""

    link: Link
    reader: SnapshotReader


class Session:
    """One link after another; `wake` outlives them all, so that what one heard is not lost with it."""

    def __init__(
        self, settings: Settings, server: Server, state: State, *, events: Events, timing: Timing | None = None
    ) -> None:
        self.wake = Wake()
        self._settings = settings
        self._server = server
        self._state = state
        self._events = events
        self._timing = timing or Timing()
        self._links = contextlib.AsyncExitStack()
        self._contact: Contact | None = None
        self._attention = asyncio.Event()

    @property
    def opened(self) -> bool:
        """Whether there ever was a link."""
        return self._contact is not None

    @property
    def stands(self) -> bool:
        """Whether there is a link that is not lost."""
        return self._contact is not None and not self._contact.link.lost.done()

    @property
    def link(self) -> Link | None:
        """The link that stands, if there is one."""
        return self._contact.link if self._contact is not None and self.stands else None

    async def connect(self) -> Contact:
        """Return a link that stands, with LISTEN committed before anything is read.

        Raises: SyncError that says why there is none.
        """
        if self._contact is not None and self.stands:
            return self._contact
        await self.close()
        link = await self._links.enter_async_context(
            open_link(self._server, gateway=self._settings.gateway, on_change=self._notified, timing=self._timing)
        )
        link.lost.add_done_callback(lambda _: self._attention.set())
        link.proof.add_done_callback(lambda _: self._events.emit(LinkProven()))
        reader = SnapshotReader(
            link,
            account=self._settings.account,
            gateway=self._settings.gateway,
            seen_tables=self._state.remembered.tables,
            workspaces=self._settings.workspaces is not None,
        )
        self._contact = Contact(link, reader)
        self._events.emit(Listening(self._server.name))
        return self._contact

    async def pause(self, seconds: float, *, for_notification: bool) -> bool:
        """Wait for `seconds`, or until the link is lost or (if asked for) a notification has come; return whether."""
        end = time.monotonic() + seconds
        while True:
            self._attention.clear()
            if (for_notification and self.wake.dirty) or (self.opened and not self.stands):
                return True
            rest = end - time.monotonic()
            if rest <= 0:
                return False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(rest):
                    await self._attention.wait()

    async def close(self) -> None:
        """End the link, if there is one."""
        await self._links.aclose()

    def _notified(self, payload: str) -> None:
        self.wake.mark(payload)
        self._attention.set()
        self._events.emit(Notified(payload))
