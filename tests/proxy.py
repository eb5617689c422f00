"""A TCP proxy before a server, in which a network can be broken."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path

CHUNK = 65536


class Wire:
    """One connection through the proxy."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter | None) -> None:
        self.ends = [end for end in (client, server) if end is not None]

    def reset(self) -> None:
        """End both ways with an RST, which throws away what is under way."""
        for end in self.ends:
            connection = end.get_extra_info("socket")
            if connection.family != socket.AF_UNIX and connection.fileno() >= 0:  # one that has ended has no socket
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.transport.abort()

    def close(self) -> None:
        for end in self.ends:
            end.close()


class Proxy:
    """Passes bytes between a loopback port and a server's socket until told otherwise.

    delay: seconds that each piece waits, each way. swallowing: both ways lose every byte while the sockets stay open.
    deaf: a new connection is accepted and never reaches the server. cut_after: bytes of the server that still get
    through, over all connections, before every connection is closed inside a message; None: all.
    """

    def __init__(self, socket_path: Path) -> None:
        self.port = 0
        self.delay = 0.0
        self.swallowing = False
        self.deaf = False
        self.cut_after: int | None = None
        self._socket_path = socket_path
        self._wires: set[Wire] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def dsn(self, database: str = "postgres", user: str = "postgres") -> str:
        return f"postgresql://{user}@{self.address}/{database}?sslmode=disable"

    def reset(self) -> None:
        """End every connection with an RST."""
        for wire in list(self._wires):
            wire.reset()

    def heal(self) -> None:
        """Pass again what comes from now on; what was swallowed is gone, so its connections are closed."""
        self.delay, self.swallowing, self.deaf, self.cut_after = 0.0, False, False, None
        for wire in list(self._wires):
            wire.close()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Proxy]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.reset()
            await asyncio.gather(*self._tasks)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self.deaf:
            await self._held_open(reader, writer)
            return
        try:
            upstream_reader, upstream = await asyncio.open_unix_connection(str(self._socket_path))
        except OSError:  # the server is down, and says so as a server does
            Wire(writer, None).reset()
            return
        wire = Wire(writer, upstream)
        self._wires.add(wire)
        try:
            ways = (self._pass(reader, upstream), self._pass(upstream_reader, writer, from_server=True))
            await asyncio.gather(*ways)
        finally:
            self._wires.discard(wire)
            wire.close()

    async def _held_open(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = Wire(writer, None)
        self._wires.add(wire)
        try:
            with contextlib.suppress(OSError):
                while await reader.read(CHUNK):
                    pass
        finally:
            self._wires.discard(wire)
            wire.close()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, from_server: bool = False
    ) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(CHUNK):
                if self.delay:
                    await asyncio.sleep(self.delay)
                if self.swallowing:
                    continue
                if from_server and self.cut_after is not None:
                    piece = piece[: self.cut_after]
                    self.cut_after -= len(piece)
                writer.write(piece)
                await writer.drain()
                if self.cut_after == 0:
                    self.heal()
                    return
            writer.close()
