"""Read all tables as of one instant, and only the rows that are not in memory yet."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterable, Sequence

import asyncpg

from agent_config_sync.errors import DatabaseError, SchemaError
from agent_config_sync.model.rows import AgentRow, SystemConfigRow
from agent_config_sync.model.snapshot import Snapshot
from agent_config_sync.postgres import trial
from agent_config_sync.postgres.agent_row import agent_row
from agent_config_sync.postgres.link import Link
from agent_config_sync.postgres.queries import query
from agent_config_sync.postgres.schema import Elsewhere, tables_elsewhere

BATCH = 500
"""Rows a fetch: about 5 ms of decoding, so that the event loop stays free."""

PLANNED_AT_ONCE = 10_000
"""Rows that are looked up in the event loop, in some milliseconds; more are in a thread."""

VERSION = 14
"""Bytes of a row version: tableoid (4), ctid (a block of 4 and an offset of 2), xmin (4)."""

_PLACE = struct.Struct(">IH")
_PLACE_AT = 4

ATTEMPTS = 10
"""Snapshots until one sees no table rewritten under it; the second most often does, because it was waited for."""

BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class SnapshotReader:
    """Takes snapshots over one link. The rows in memory are good for that link only: another server could give the
    same row version to another row."""

    def __init__(self, link: Link, *, account: str, gateway: str, seen_tables: frozenset[str]) -> None:
        self._link = link
        self._account = account
        self._gateway = gateway
        self._seen_tables = seen_tables
        self._rows: dict[bytes, AgentRow] = {}
        self._files: str | None = None
        self._has_system_config: bool = False
        self.fetched = 0

    @property
    def seen_tables(self) -> frozenset[str]:
        """Tables that this reader or an earlier pass saw; one that is gone later is an error, not a default."""
        return self._seen_tables

    async def read(self, keys: Iterable[str]) -> Snapshot:
        """Take a snapshot; `keys` are the system settings that we know.

        Raises: DatabaseError.
        """
        async with self._link.reading() as connection:
            if not self._has_system_config:
                await self._look_at_tables(connection)
            for _ in range(ATTEMPTS):
                snapshot = await self._read_once(connection, list(keys))
                if snapshot is not None:
                    return snapshot
        raise DatabaseError(f"tables of {self._link.server.name} are rewritten faster than they can be read")

    async def read_as_if(self, statements: str, keys: Iterable[str]) -> Snapshot:
        """Take the snapshot that there would be after these statements, and roll them back.

        Raises: DatabaseError.
        """
        async with self._link.reading() as connection:
            await self._look_at_tables(connection)
            await connection.execute(trial.BEGIN)
            try:
                await trial.run_trial(connection, statements)
                snapshot = await self._read_in_transaction(connection, list(keys))
            finally:
                if not connection.is_closed():
                    await connection.execute("ROLLBACK")
        if snapshot is None:
            raise DatabaseError("somebody has rewritten a table since the trial began: try again")
        return snapshot

    async def _read_once(self, connection: asyncpg.Connection, keys: list[str]) -> Snapshot | None:
        await connection.execute(BEGIN)
        try:
            snapshot = await self._read_in_transaction(connection, keys)
        except Exception:
            if not connection.is_closed():
                await connection.execute("ROLLBACK")
            raise
        await connection.execute("COMMIT")
        return snapshot

    async def _read_in_transaction(self, connection: asyncpg.Connection, keys: list[str]) -> Snapshot | None:
        """Return None where a table was truncated or rewritten after the instant of the snapshot."""
        config: tuple[SystemConfigRow, ...] = ()
        if self._has_system_config:
            records = await connection.fetch(query("system_config"), keys)
            config = tuple(SystemConfigRow.model_validate(dict(record)) for record in records)
        found = await connection.fetchrow(query("agents_versions"), self._account, self._gateway)
        assert found is not None  # an aggregate always gives a row
        if found["rewritten"]:
            return None
        if found["files"] != self._files:
            self._files, self._rows = found["files"], {}
        packed: bytes = found["versions"] or b""
        if len(packed) <= PLANNED_AT_ONCE * VERSION:
            versions, missing = self._plan(packed)
        else:
            versions, missing = await asyncio.to_thread(self._plan, packed)
        for start in range(0, len(missing), BATCH):
            batch = missing[start : start + BATCH]
            places = [f"({','.join(map(str, _PLACE.unpack_from(version, _PLACE_AT)))})" for version in batch]
            for record in await connection.fetch(query("agents_by_version"), places):
                row = agent_row(record)
                self._rows[row.version] = row
        self.fetched = len(missing)
        rows = tuple([self._rows[version] for version in versions])
        if len(self._rows) > 2 * len(rows) + BATCH:
            self._rows = {row.version: row for row in rows}
        excluded = not rows and bool(await connection.fetchval(query("agents_visible"), self._account))
        return Snapshot(at=found["at"], agents=rows, system_config=config, excluded=excluded)

    def _plan(self, packed: bytes) -> tuple[list[bytes], list[bytes]]:
        """Return all row versions, and those that are not in memory."""
        versions = [packed[start : start + VERSION] for start in range(0, len(packed), VERSION)]
        return versions, [version for version in versions if version not in self._rows]

    async def _look_at_tables(self, connection: asyncpg.Connection) -> None:
        """Decide what a missing table means: not installed (its capability is off), or lost (an error)."""
        where = self._link.server.name
        found = await connection.fetchrow(query("installed_tables"))
        assert found is not None  # a row of constants
        if found["agents"] is None:
            elsewhere = await tables_elsewhere(connection)
            error = _not_found(elsewhere, where)
            if elsewhere:  # what cures that is for new sessions
                self._link.fail(error)
            raise error
        self._seen_tables |= {"agents"}
        if found["agent_system_config"] is not None:
            self._has_system_config = True
            self._seen_tables |= {"agent_system_config"}
        elif found["agent_config_migrations"] is not None or "agent_system_config" in self._seen_tables:
            raise SchemaError(
                f"table agent_system_config was there and is missing now in {where}: "
                "restore it, or run agent-config-sync migrate --repair"
            )


def _not_found(elsewhere: Sequence[Elsewhere], where: str) -> SchemaError:
    """Tell why there is no table agents for this login: it stands elsewhere, or nowhere."""
    if not elsewhere:
        return SchemaError(f"table agents is missing in {where}: run agent-config-sync migrate")
    said = [
        f"in schema {found.schema}, "
        + (
            f"which the search_path of login {found.login} lacks: "
            f"ALTER ROLE {found.login} SET search_path = {found.search_path}"
            if found.open
            else f"which is closed to login {found.login}: GRANT agent_config_reader TO {found.login}"
        )
        for found in elsewhere
    ]
    return SchemaError(f"the tables of {where} are {'; or '.join(said)}")
