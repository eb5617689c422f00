"""Apply the numbered SQL files of migrations/, each in its own transaction, and record them with a checksum.

The files hold their own BEGIN, COMMIT and lock, so that plain psql can run them too; they only add, and what is there
stays.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from agent_config_sync.errors import DatabaseError
from agent_config_sync.postgres.failures import QUERY_FAILURES, query_failure
from agent_config_sync.postgres.link import Timing
from agent_config_sync.postgres.queries import query
from agent_config_sync.postgres.schema import TRIGGERS
from agent_config_sync.resources import resource

LOCK = 7135003215812907
"""Advisory lock of a whole `migrate`; the files take the next lower number for themselves."""

PATIENCE = Timing(statement=900.0, lock=60.0)
"""A large table takes its time, and another migration is waited for; an idle transaction on it is not."""

_TRIES = 10


@dataclass(frozen=True, slots=True)
class Migration:
    """One SQL file. name: as recorded, without `.sql`."""

    name: str
    path: Path

    @property
    def sql(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


def migrations() -> list[Migration]:
    """Return all migrations in their order, and the starting values last."""
    numbered = [Migration(path.stem, path) for path in sorted(resource("migrations").glob("[0-9]*.sql"))]
    return [*numbered, Migration("seed", resource("sql") / "seed.sql")]


def tenancy_step() -> Migration:
    """Return the step that keeps accounts apart: nobody takes it who does not ask for it."""
    return Migration("tenancy", resource("migrations") / "tenancy.sql")


async def pending(connection: asyncpg.Connection, *, tenancy: bool = False) -> list[Migration]:
    """Return what `migrate` would apply: what is not recorded, or was changed since (never the starting values), and
    every later migration with it, because an earlier one puts its own functions in their place.

    tenancy: keep accounts apart too. Where they are, that step comes again after every other: it closes what those have
    made.

    Raises: DatabaseError.
    """
    return _wanted(await _recorded(connection), repair=False, tenancy=tenancy)


async def keeps_accounts_apart(connection: asyncpg.Connection) -> bool:
    """Return whether that step was taken. Raises: DatabaseError."""
    return tenancy_step().name in await _recorded(connection)


async def _recorded(connection: asyncpg.Connection) -> dict[str, str | None]:
    """Return the checksums of what was applied, by name. Raises: DatabaseError."""
    try:
        tables = await connection.fetchrow(query("installed_tables"))
        if tables is None or tables["agent_config_migrations"] is None:
            return {}
        return {record["name"]: record["checksum"] for record in await connection.fetch(query("recorded_migrations"))}
    except asyncpg.UndefinedColumnError:
        raise DatabaseError(
            "table agent_config_migrations of this database is not ours: rename it, "
            "or give us a schema of our own with search_path"
        ) from None
    except QUERY_FAILURES as error:
        raise query_failure(error, "the database") from None


def _wanted(recorded: Mapping[str, str | None], *, repair: bool, tenancy: bool) -> list[Migration]:
    """Return what is to be applied, in its order."""
    *numbered, seed = migrations()
    first = next((place for place, migration in enumerate(numbered) if _is_pending(migration, recorded)), len(numbered))
    wanted = [*numbered[0 if repair else first :], *([seed] if _is_pending(seed, recorded) else [])]
    step = tenancy_step()
    if (tenancy or step.name in recorded) and (wanted or _is_pending(step, recorded)):
        wanted.append(step)
    return wanted


def _is_pending(migration: Migration, recorded: Mapping[str, str | None]) -> bool:
    """A migration that psql applied has no checksum and is taken as it is; starting values are given once."""
    if migration.name not in recorded:
        return True
    return migration.name != "seed" and recorded[migration.name] not in (None, migration.checksum)


async def migrate(connection: asyncpg.Connection, *, repair: bool = False, tenancy: bool = False) -> list[Migration]:
    """Apply what is pending, one process at a time; repair: apply every migration again; tenancy: keep accounts apart.

    Returns: what was applied. Raises: DatabaseError.
    """
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
        try:
            wanted = _wanted(await _recorded(connection), repair=repair, tenancy=tenancy)
            if wanted:
                await _look_for_room(connection)
            for migration in wanted:
                try:
                    await _apply(connection, migration)
                except asyncpg.PostgresError as error:
                    raise _failure(error, migration) from None
                await connection.execute(query("record_checksum"), migration.name, migration.checksum)
        finally:
            if not connection.is_closed():
                if connection.is_in_transaction():
                    await connection.execute("ROLLBACK")  # of a file that failed in its middle
                await connection.execute("SELECT pg_advisory_unlock($1)", LOCK)
    except QUERY_FAILURES as error:
        raise query_failure(error, "the database") from None
    return wanted


async def _look_for_room(connection: asyncpg.Connection) -> None:
    """See to it that nothing has a name of ours that is none of ours.

    Raises: DatabaseError that says what makes room.
    """
    found = await connection.fetch(query("in_the_way"), TRIGGERS["agents"])
    if found:
        said = "; ".join(f"{record['what']}: rename it ({record['room']})" for record in found)
        raise DatabaseError(f"{said}, or give us a schema of our own with search_path")


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    for attempt in range(_TRIES):
        try:
            await connection.execute(migration.sql)
        except asyncpg.InternalServerError as error:
            # Roles belong to the whole server: another database's migration was granting at the same instant.
            await connection.execute("ROLLBACK")
            if "concurrently updated" not in str(error) or attempt == _TRIES - 1:
                raise
            await asyncio.sleep(0.02 * 2**attempt)
        else:
            return


def _failure(error: asyncpg.PostgresError, migration: Migration) -> DatabaseError:
    """Tell why the database did not take a migration; what our own files raise carries its way out as the hint."""
    if isinstance(error, asyncpg.LockNotAvailableError | asyncpg.QueryCanceledError | asyncpg.PostgresConnectionError):
        return query_failure(error, "the database")
    words = error.message.splitlines()
    said = f"migration {migration.name} failed: {words[0] if words else error.sqlstate}"
    way_out = error.hint
    if way_out is None and isinstance(error, asyncpg.InsufficientPrivilegeError):
        way_out = "run it as the owner of the database, or hand `agent-config-sync migrate --print` to your DBA"
    return DatabaseError(f"{said}; {way_out}" if way_out else said)
