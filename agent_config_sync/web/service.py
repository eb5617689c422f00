"""Health beside a sync: it begins and ends with it, and whatever becomes of it, the sync goes on.

This module is light. The server and what it stands on are imported when the service starts, in a thread, because that
takes a tenth of a second in which the event loop has better things to do.
"""

from __future__ import annotations

import asyncio
import importlib
import logging

from agent_config_sync.events import Events
from agent_config_sync.settings import Settings
from agent_config_sync.web.backstage import Backstage
from agent_config_sync.web.view import Watcher

_log = logging.getLogger(__name__)


class HealthService:
    """Watches the events of one sync and answers for it."""

    def __init__(
        self,
        address: tuple[str, int],
        events: Events,
        settings: Settings,
        *,
        backstage: Backstage | None = None,
    ) -> None:
        """backstage: what the admin pages need, where there can be some."""
        self._address = address
        self._backstage = backstage
        self._events = events
        self._settings = settings
        self._watcher = Watcher()
        self._serving: asyncio.Task[None] | None = None
        events.subscribe(self._watcher)

    def start(self) -> None:
        """Begin to serve; returns at once."""
        self._serving = asyncio.create_task(self._serve(), name="health")

    async def stop(self) -> None:
        """Return when the last answer is sent."""
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.wait([self._serving])

    async def _serve(self) -> None:
        try:
            await asyncio.to_thread(importlib.import_module, "agent_config_sync.web.server")
            from agent_config_sync.web.server import serve  # noqa: PLC0415 - imported above, off the event loop

            await serve(self._address, self._watcher, self._events, self._settings, backstage=self._backstage)
        except Exception:  # noqa: BLE001 - health is never a reason for the sync to end
            _log.exception("health is not served any more; the sync goes on")
