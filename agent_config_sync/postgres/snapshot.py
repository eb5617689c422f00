"""Read all tables as of one instant, and only the rows that are not in memory yet."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence

import asyncpg

from agent_config_sync.errors import DatabaseError, SchemaError
from agent_config_sync.model.rows import SystemConfigRow
from agent_config_sync.model.snapshot import Snapshot
from agent_config_sync.model.workspace import WorkspaceRows
from agent_config_sync.postgres import trial
from agent_config_sync.postgres.agent_row import agent_row
from agent_config_sync.postgres.link import Link
from agent_config_sync.postgres.queries import query
from agent_config_sync.postgres.row_memory import RowMemory
from agent_config_sync.postgres.schema import Elsewhere, tables_elsewhere
from agent_config_sync.postgres.workspace_rows import (
    MIGRATION,
    SKILL_MIGRATION,
    SKILL_TABLES,
    TABLES,
    WorkspaceReader,
)

ATTEMPTS = 10
"""Snapshots until one sees no table rewritten under it; the second most often does, because it was waited for."""

BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class SnapshotReader:
    """Takes snapshots over one link. The rows in memory are good for that link only: another server could give the
    same row version to another row."""

    def __init__(
        self, link: Link, *, account: str, gateway: str, seen_tables: frozenset[str], workspaces: bool = False
    ) -> None:
        """workspaces: read what they are made of too, where the database has it."""
        self._link = link
        self._account = account
        self._gateway = gateway
        self._seen_tables = seen_tables
        self._agents = RowMemory("agents_by_version", agent_row)
        self._workspaces = WorkspaceReader(account, gateway) if workspaces else None
        self._files: str | None = None
        self._has_system_config = False
        self._has_workspaces = False
        self._has_skills = False

    @property
    def seen_tables(self) -> frozenset[str]:
        """Tables that this reader or an earlier pass saw; one that is gone later is an error, not a default."""
        return self._seen_tables

    @property
    def fetched(self) -> int:
        """Rows of agents that the last snapshot did not find in memory."""
        return self._agents.fetched

    async def read(self, keys: Iterable[str]) -> Snapshot:
        """Take a snapshot; `keys` are the system settings that we know.

        Raises: DatabaseError.
        """
        async with self._link.reading() as connection:
            if not self._has_all:
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
            self._files = found["files"]
            self._agents.forget()
            if self._workspaces is not None:
                self._workspaces.profiles.forget()
        rows = await self._agents.take(connection, found["versions"])
        workspaces: WorkspaceRows | None = None
        if self._workspaces is not None and self._has_workspaces:
            workspaces = await self._workspaces.read(connection, found["versions"], with_skills=self._has_skills)
            if workspaces is None:
                return None
        aliases: Mapping[str, str] | None = None
        if self._has_workspaces and (any(row.names_alias for row in rows) or _wakes_by_alias(workspaces)):
            records = await connection.fetch(query("model_aliases"))
            aliases = {record["alias"]: record["model"] for record in records}
        excluded = not rows and bool(await connection.fetchval(query("agents_visible"), self._account))
        return Snapshot(
            at=found["at"],
            agents=rows,
            system_config=config,
            excluded=excluded,
            aliases=aliases,
            workspaces=workspaces,
        )

    @property
    def _has_all(self) -> bool:
        skills = self._has_skills or self._workspaces is None
        return self._has_system_config and self._has_workspaces and skills

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
        self._has_workspaces = await self._has(connection, found, TABLES, MIGRATION)
        if self._workspaces is not None:
            self._has_skills = await self._has(connection, found, SKILL_TABLES, SKILL_MIGRATION)

    async def _has(
        self, connection: asyncpg.Connection, found: asyncpg.Record, tables: Sequence[str], migration: str
    ) -> bool:
        """Return whether a capability is on: its tables come with a migration of their own."""
        there = frozenset(found["further"])
        if there.issuperset(tables):
            self._seen_tables |= frozenset(tables)
            return True
        recorded: set[str] = set()
        if found["agent_config_migrations"] is not None:
            with contextlib.suppress(asyncpg.InsufficientPrivilegeError):  # who may not look has not seen it
                recorded = {record["name"] for record in await connection.fetch(query("recorded_migrations"))}
        if migration in recorded or not self._seen_tables.isdisjoint(tables):
            lost = next(table for table in tables if table not in there)
            raise SchemaError(
                f"table {lost} was there and is missing now in {self._link.server.name}: "
                "restore it, or run agent-config-sync migrate --repair"
            )
        return False


def _wakes_by_alias(workspaces: WorkspaceRows | None) -> bool:
    """Return whether the model of a heartbeat is named without its provider."""
    profiles = workspaces.profiles if workspaces is not None else ()
    return any("/" not in profile.heartbeat_model for profile in profiles if profile.heartbeat_model)


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
