"""What the gateway that we start prints, as lines of our log: bounded in length and in number."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable

LONGEST = 4000
"""Bytes of a line; what follows is counted."""

MOST = 500
"""Lines of a second; further ones are dropped and counted. A gateway prints about thirty when it starts."""

CHUNK = 65_536
"""Bytes that are read at once."""

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")

_log = logging.getLogger("agent_config_sync.gateway")


class LogRelay:
    """Turns bytes into lines of the log."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: in seconds."""
        self._clock = clock
        self._line = bytearray()
        self._cut = 0
        self._since = clock()
        self._said = 0
        self._dropped = 0

    async def follow(self, reader: asyncio.StreamReader) -> None:
        """Relay what comes until nobody can print any more."""
        while chunk := await reader.read(CHUNK):
            self.take(chunk)
        self.finish()

    def take(self, chunk: bytes) -> None:
        first, *others = chunk.split(b"\n")
        self._add(first)
        for part in others:
            self._end_line()
            self._add(part)

    def finish(self) -> None:
        """Relay a last line without an end, and say what was dropped."""
        self._end_line()
        self._tell_dropped()

    def _add(self, part: bytes) -> None:
        room = LONGEST - len(self._line)
        self._line += part[:room]
        self._cut += max(0, len(part) - room)

    def _end_line(self) -> None:
        text = _COLOURS.sub("", self._line.decode(errors="replace")).rstrip()
        more = f" … and {self._cut:,} bytes more" if self._cut else ""
        self._line.clear()
        self._cut = 0
        if not text:
            return
        if self._clock() - self._since >= 1.0:
            self._tell_dropped()
            self._since = self._clock()
            self._said = 0
        if self._said < MOST:
            self._said += 1
            _log.info("gateway: %s%s", text, more)
        else:
            self._dropped += 1

    def _tell_dropped(self) -> None:
        if self._dropped:
            _log.warning("%s lines of the gateway were dropped: it prints too many", f"{self._dropped:,}")
            self._dropped = 0
