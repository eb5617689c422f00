"""The little of HTTP/1.1 that the stand-in gateway needs: connections that are kept, and bodies of a known length."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal, TypeAlias

import orjson

LARGEST_HEAD = 64 * 1024
LARGEST_BODY = 20 * 1024 * 1024
"""Bytes of a request, as the gateway has it."""

_REASONS = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class Reply:
    """Bytes that go out. then: what becomes of the connection; `stall` leaves it open and says no more."""

    content: bytes
    then: Literal["keep", "close", "stall"] = "keep"


Answerer: TypeAlias = Callable[[str, str, Mapping[str, str], bytes], Awaitable[Reply]]
"""Takes method, path, headers (names in lower case) and body."""


def of_json(status: int, value: Mapping[str, Any], headers: str = "") -> Reply:
    """Return an answer of JSON. headers: more lines of its head, each with its end."""
    return _whole(status, orjson.dumps(value), "application/json; charset=utf-8", headers)


def of_text(status: int, text: str) -> Reply:
    return _whole(status, text.encode(), "text/plain; charset=utf-8")


def _whole(status: int, body: bytes, kind: str, headers: str = "") -> Reply:
    first = f"HTTP/1.1 {status} {_REASONS[status]}\r\ncontent-type: {kind}\r\n"
    return Reply(f"{first}content-length: {len(body)}\r\n{headers}\r\n".encode() + body)


class Connection(asyncio.Protocol):
    """One connection: a request after the other, each answered before the next is read."""

    def __init__(self, answer: Answerer, among: set[Connection]) -> None:
        """among: where it is as long as it is open."""
        self._answer = answer
        self._among = among
        self._buffer = bytearray()
        self.ended = asyncio.Event()
        """Set when it is closed and nothing is at work for it any more."""
        self._running: asyncio.Task[None] | None = None
        self._stalled = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._among.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        self._among.discard(self)
        if self._running is None:
            self.ended.set()
        else:
            self._running.add_done_callback(lambda _: self.ended.set())
            self._running.cancel()

    def abort(self) -> None:
        """Break it."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._running is None and not self._stalled:
            self._next()

    def _next(self) -> None:
        """Answer the next request, once it is whole."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > LARGEST_HEAD:
                self._give_up(431)
            return
        first, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        length = headers.get("content-length", "0")
        words = first.split(" ")
        if len(words) != 3 or not length.isdecimal() or "transfer-encoding" in headers:  # noqa: PLR2004 - RFC 9112, 3
            self._give_up(400)
            return
        if int(length) > LARGEST_BODY:
            self._give_up(413)
            return
        begin, beyond = end + 4, end + 4 + int(length)
        if len(self._buffer) < beyond:
            return
        body = bytes(self._buffer[begin:beyond])
        del self._buffer[:beyond]
        self._running = asyncio.get_running_loop().create_task(self._serve(words[0], words[1], headers, body))

    async def _serve(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> None:
        try:
            reply = await self._answer(method, path.partition("?")[0], headers, body)
        except Exception:
            self._transport.abort()  # who asks need not wait for a script that fell
            raise
        self._running = None
        self._transport.write(reply.content)
        match reply.then:
            case "close":
                self._transport.close()
            case "stall":
                self._stalled = True
            case "keep" if self._buffer:
                self._next()

    def _give_up(self, status: int) -> None:
        self._transport.write(of_text(status, _REASONS[status]).content)
        self._transport.close()
