"""The rows of one table that are in memory, by their version: only those that are not are fetched."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Generic, TypeVar

import asyncpg

from agent_config_sync.postgres.queries import query

BATCH = 500
"""Rows a fetch: about 5 ms of decoding, so that the event loop stays free."""

PLANNED_AT_ONCE = 10_000
"""Rows that are looked up in the event loop, in some milliseconds; more are in a thread."""

VERSION = 14
"""Bytes of a row version: tableoid (4), ctid (a block of 4 and an offset of 2), xmin (4)."""

_PLACE = struct.Struct(">IH")
_PLACE_AT = 4

R = TypeVar("R")


class RowMemory(Generic[R]):
    """Good for one link only: another server could give the same row version to another row."""

    def __init__(self, by_version: str, decode: Callable[[asyncpg.Record], R]) -> None:
        """by_version: the query that reads rows at given places, the column `version` first."""
        self._query = query(by_version)
        self._decode = decode
        self._rows: dict[bytes, R] = {}
        self._packed = b""
        self._taken: tuple[R, ...] = ()
        self.fetched = 0
        """Rows that the last `take` did not have."""

    def forget(self) -> None:
        """Drop everything: a table got another file, or its columns another meaning."""
        self._rows, self._packed, self._taken = {}, b"", ()

    async def take(self, connection: asyncpg.Connection, packed: bytes | None) -> tuple[R, ...]:
        """Return the rows of these versions, joined as the versions are; the very same tuple where they are the same.

        Raises: what the driver raises.
        """
        packed = packed or b""
        self.fetched = 0
        if packed == self._packed:
            return self._taken
        if len(packed) <= PLANNED_AT_ONCE * VERSION:
            versions, missing = self._plan(packed)
        else:
            versions, missing = await asyncio.to_thread(self._plan, packed)
        for start in range(0, len(missing), BATCH):
            batch = missing[start : start + BATCH]
            places = [f"({','.join(map(str, _PLACE.unpack_from(version, _PLACE_AT)))})" for version in batch]
            for record in await connection.fetch(self._query, places):
                self._rows[record["version"]] = self._decode(record)
        self.fetched = len(missing)
        rows = tuple([self._rows[version] for version in versions])
        if len(self._rows) > 2 * len(rows) + BATCH:
            self._rows = dict(zip(versions, rows, strict=True))
        self._packed, self._taken = packed, rows
        return rows

    def _plan(self, packed: bytes) -> tuple[list[bytes], list[bytes]]:
        """Return all row versions, and those that are not in memory."""
        versions = [packed[start : start + VERSION] for start in range(0, len(packed), VERSION)]
        return versions, [version for version in versions if version not in self._rows]
