"""Plain TCP for httpcore2, by asyncio alone, in which a request leaves in one piece: the library's own streams send its
head and its body apart, and let everybody else go first before each."""

from __future__ import annotations

import asyncio
import contextlib
import select
from collections.abc import Iterable, Iterator
from typing import Any

import httpcore2


class TcpBackend(httpcore2.AsyncNetworkBackend):
    """Makes connections without TLS."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002 - we give none
    ) -> TcpStream:
        with _as_the_library_says(httpcore2.ConnectTimeout, httpcore2.ConnectError):
            async with asyncio.timeout(timeout):
                local = (local_address, 0) if local_address is not None else None
                return TcpStream(*await asyncio.open_connection(host, port, local_addr=local))


class TcpStream(httpcore2.AsyncNetworkStream):
    """One connection. What is written leaves when an answer is waited for."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._written: list[bytes] = []

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - as above
        with _as_the_library_says(httpcore2.ReadTimeout, httpcore2.ReadError):
            async with asyncio.timeout(timeout):
                if self._written:
                    self._writer.write(b"".join(self._written))
                    self._written.clear()
                    await self._writer.drain()
                return await self._reader.read(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109 - as above
        self._written.append(buffer)

    async def aclose(self) -> None:
        """End it; what could not be sent yet is nobody's any more."""
        self._writer.transport.abort()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    def get_extra_info(self, info: str) -> Any:
        """Return whether there is something to read, if only its end: then the library sends nothing there any more."""
        if info != "is_readable":
            return None
        if self._reader.at_eof() or self._reader.exception() is not None or self._writer.is_closing():
            return True
        arrived = select.poll()
        arrived.register(self._writer.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(arrived.poll(0))


@contextlib.contextmanager
def _as_the_library_says(timeout: type[Exception], error: type[Exception]) -> Iterator[None]:
    try:
        yield
    except TimeoutError as raised:
        raise timeout(str(raised)) from raised
    except OSError as raised:
        raise error(str(raised)) from raised
