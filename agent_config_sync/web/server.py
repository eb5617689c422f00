"""The HTTP server: one socket, uvicorn without its clock, and clients that can hold nothing.

Health must never take the sync down: a port that is in use is said once and tried again, a client that is slow is cut
off, and there are never more of them than descriptors can be spared for.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import ipaddress
import logging
import os
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from agent_config_sync.events import Events, HealthServed, HealthUnserved
from agent_config_sync.settings import Settings
from agent_config_sync.web.app import make_app
from agent_config_sync.web.backstage import Backstage
from agent_config_sync.web.view import Watcher

if TYPE_CHECKING:
    from agent_config_sync.web.admin import Admin

RETRY = 5.0
"""Seconds until an address that could not be had is tried again: the process that holds it may be our predecessor."""

LIFETIME = 10.0
"""Seconds that a connection may take for its one request and answer; who has been let in may be given more
(`request.state.lifetime`)."""

CONNECTIONS = 256
"""As many at a time, for every agent may ask something at once; those above are cut off."""

HEAD = 16 * 1024
"""Bytes that the head of a request may have."""


_log = logging.getLogger(__name__)
_log.setLevel(logging.ERROR)  # a request that is no HTTP is the client's business


async def serve(
    address: tuple[str, int],
    watcher: Watcher,
    events: Events,
    settings: Settings,
    *,
    backstage: Backstage | None = None,
) -> None:
    """Serve until cancelled: health, and where workspaces are made, what people and agents ask for."""
    host, port = address
    local = ipaddress.ip_address(host).is_loopback
    async with contextlib.AsyncExitStack() as stack:
        admin: Admin | None = None
        if backstage is not None:
            await asyncio.to_thread(importlib.import_module, "agent_config_sync.web.admin")
            from agent_config_sync.web.admin import open_admin  # noqa: PLC0415 - imported above, off the event loop

            admin = await stack.enter_async_context(open_admin(backstage, watcher, events))
        app = make_app(lambda: watcher.view, settings, local=local, admin=admin)
        listener = stack.enter_context(contextlib.closing(await _bound(host, port, events)))
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        events.emit(HealthServed(url, exposed=not local))
        await _Server(app).serve([listener])


async def _bound(host: str, port: int, events: Events) -> socket.socket:
    """Return a socket that listens on the address, as soon as it can be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    said = False
    while True:
        try:
            return socket.create_server((host, port), family=family, backlog=CONNECTIONS)
        except OSError as error:
            if not said:
                why = os.strerror(error.errno or 0).lower()
                events.emit(HealthUnserved(f"health cannot be served on {host} port {port} ({why})", RETRY))
                said = True
        await asyncio.sleep(RETRY)


class _Server(uvicorn.Server):
    """Waits to be cancelled instead of looking ten times a second, and leaves the signals to the command line."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            _Config(
                app,
                http=_Connection,
                ws="none",
                lifespan="off",
                interface="asgi3",
                proxy_headers=False,  # the other end of the connection is who asks: `peers` lets agents in by it
                server_header=False,
                date_header=False,
                backlog=CONNECTIONS,
                h11_max_incomplete_event_size=HEAD,
                timeout_graceful_shutdown=1,
            )
        )

    async def main_loop(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Config(uvicorn.Config):
    def configure_logging(self) -> None:
        """Leave uvicorn's loggers alone: a Python host may serve with them itself."""


class _Connection(H11Protocol):
    """A connection with a deadline: a client that sends, or reads, too slowly is cut off."""

    _end: asyncio.TimerHandle | None = None

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.logger = _log
        self.access_log = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS:
            transport.abort()
        else:
            self._end = self.loop.call_later(LIFETIME, self._overdue)

    def _overdue(self) -> None:
        """Cut it off, but give a request the time that the application has set for it."""
        more = self.scope["state"].pop("lifetime", 0.0) - LIFETIME if self.scope is not None else 0.0
        if more > 0:
            self._end = self.loop.call_later(more, self.transport.abort)
        else:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._end is not None:
            self._end.cancel()
