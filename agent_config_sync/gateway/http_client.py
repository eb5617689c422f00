"""HTTP/1.1 to one server, by h11 over asyncio: a request leaves in one piece, and whoever asks knows whether it has.

A client that does more, such as pools of many hosts, takes three times as long until it leaves, and a notification
waits for that.
"""

from __future__ import annotations

import asyncio
import select
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

import h11
import httpx2

CONNECT_DEADLINE = 5.0
"""Seconds for a connection; a gateway is on the same machine or next door."""

IDLE = 4.0
"""Seconds for which a connection is kept; the gateway closes one after five, and a request that meets it is lost."""

LARGEST_HEAD = 64 * 1024
"""Bytes of the head of an answer."""

_AT_ONCE = 64 * 1024
"""Bytes that are read at once."""

BROKEN = (OSError, h11.ProtocolError)
"""What an exchange raises that does not come to its end."""


class TooLargeError(Exception):
    """The body of an answer has more bytes than somebody wants."""


@dataclass(slots=True)
class Sending:
    """Whether a request has begun to leave: from then on it may have run, whatever comes back. left: hears once it
    has."""

    left: Callable[[], None] = lambda: None
    begun: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. headers: by their names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    state: h11.Connection = field(
        default_factory=lambda: h11.Connection(h11.CLIENT, max_incomplete_event_size=LARGEST_HEAD)
    )
    closing: asyncio.TimerHandle | None = None

    @property
    def transport(self) -> asyncio.Transport:
        return cast("asyncio.Transport", self.writer.transport)  # of a socket: it reads too

    def quiet(self) -> bool:
        """Return whether nothing has come since it was kept, if only the end: what has, answers no request of ours."""
        if self.writer.is_closing():  # TLS reads all the same, and may have lost it
            return False
        arrived = select.poll()
        arrived.register(self.writer.get_extra_info("socket").fileno(), select.POLLIN)
        return not arrived.poll(0)

    async def next_event(self) -> object:
        while True:
            event = self.state.next_event()
            if event is not h11.NEED_DATA:
                return event
            self.state.receive_data(await self.reader.read(_AT_ONCE))

    def abort(self) -> None:
        """End it; what could not be sent yet is nobody's any more."""
        if self.closing is not None:
            self.closing.cancel()
        self.transport.abort()


class HttpClient:
    """Asks one server; connections are kept for a while, and any number of requests may be under way."""

    def __init__(self, url: httpx2.URL) -> None:
        """url: scheme, host and port, and what stands before each path."""
        self._authority = url.netloc.decode("ascii")
        self._host = url.raw_host.decode("ascii")
        self._prefix = url.raw_path.rstrip(b"/")
        self._tls: ssl.SSLContext | None = None
        self._port = url.port or 80
        if url.scheme == "https":
            self._tls = httpx2.create_ssl_context(trust_env=False)
            self._port = url.port or 443
        self._idle: list[_Connection] = []

    async def exchange(
        self,
        method: str,
        path: str,
        headers: Iterable[tuple[str, str]],
        content: bytes = b"",
        *,
        deadline: float,
        largest: int,
        sending: Sending | None = None,
    ) -> Reply:
        """Send a request and return what is answered, within `deadline` seconds in all. Cancelled, it closes the
        connection. largest: bytes of the body of an answer.

        Raises: TimeoutError; TooLargeError; what BROKEN names.
        """
        head = [("host", self._authority), *headers]
        if content:
            head.append(("content-length", str(len(content))))
        request = h11.Request(method=method, target=self._prefix + path.encode("ascii"), headers=head)
        async with asyncio.timeout(deadline):
            connection = self._kept() or await self._connected()
            try:
                _send(connection, request, content, sending or Sending())
                reply = await _receive(connection, largest)
            except BaseException:
                connection.abort()
                raise
        self._keep(connection)
        return reply

    def close(self) -> None:
        """End the connections that nobody uses now."""
        while self._idle:
            self._idle.pop().abort()

    def _kept(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.quiet():
                assert connection.closing is not None  # as of each that is kept
                connection.closing.cancel()
                connection.transport.resume_reading()
                return connection
            connection.abort()
        return None

    async def _connected(self) -> _Connection:
        try:
            async with asyncio.timeout(CONNECT_DEADLINE):
                return _Connection(*await asyncio.open_connection(self._host, self._port, ssl=self._tls))
        except TimeoutError:
            raise ConnectionError(f"no connection within {CONNECT_DEADLINE:g} s") from None

    def _keep(self, connection: _Connection) -> None:
        state = connection.state
        over = state.our_state is h11.DONE and state.their_state is h11.DONE
        if not over or state.trailing_data[0] or connection.writer.is_closing():
            connection.abort()  # the server wants it so, or says what it was not asked
            return
        state.start_next_cycle()
        connection.transport.pause_reading()  # for a look at the socket to see all that comes
        connection.closing = asyncio.get_running_loop().call_later(IDLE, self._expire, connection)
        self._idle.append(connection)

    def _expire(self, connection: _Connection) -> None:
        self._idle.remove(connection)
        connection.abort()


def _send(connection: _Connection, request: h11.Request, content: bytes, sending: Sending) -> None:
    """Send all, without a wait until it has left: a server may have answered before it has all."""
    events = (request, h11.Data(data=content), h11.EndOfMessage())
    parts = [connection.state.send(event) for event in events]
    sending.begun = True
    connection.writer.write(b"".join(part for part in parts if part))
    sending.left()


async def _receive(connection: _Connection, largest: int) -> Reply:
    head = await connection.next_event()
    while isinstance(head, h11.InformationalResponse):
        head = await connection.next_event()
    assert isinstance(head, h11.Response)  # else h11 has raised
    body = bytearray()
    while isinstance(event := await connection.next_event(), h11.Data):
        body += event.data
        if len(body) > largest:
            raise TooLargeError
    told = {name.decode("ascii"): value.decode("latin-1") for name, value in head.headers}
    return Reply(head.status_code, told, bytes(body))
