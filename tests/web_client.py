"""A client of health over HTTP that sends just the bytes it is told to."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import orjson
from harness import DEADLINE

PAGES = ["live", "ready", "health", "version", "metrics"]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


async def exchange(port: int, request: bytes, host: str = "127.0.0.1") -> Answer:
    """Send bytes; return what came until the other side closed the connection."""
    reader, writer = await asyncio.open_connection(host, port)
    async with asyncio.timeout(DEADLINE):
        writer.write(request)
        received = await reader.read()
        writer.close()
        await writer.wait_closed()
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return Answer(int(first.split()[1]), headers, body)
