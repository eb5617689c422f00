"""Apply the numbered SQL files of migrations/, each in its own transaction, and record them with a checksum.

The files hold their own BEGIN, COMMIT and lock, so that plain psql can run them too; they only add, and what is there
stays.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from agent_config_sync.errors import DatabaseError
from agent_config_sync.postgres.failures import QUERY_FAILURES, query_failure
from agent_config_sync.postgres.link import Timing
from agent_config_sync.postgres.queries import query
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


async def pending(connection: asyncpg.Connection) -> list[Migration]:
    """Return what `migrate` would apply: what is not recorded, or was changed since (never the starting values).

    Raises: DatabaseError.
    """
    try:
        tables = await connection.fetchrow(query("installed_tables"))
        recorded: dict[str, str | None] = {}
        if tables is not None and tables["agent_config_migrations"] is not None:
            recorded = {
                record["name"]: record["checksum"] for record in await connection.fetch(query("recorded_migrations"))
            }
    except QUERY_FAILURES as error:
        raise query_failure(error, "the database") from None
    return [migration for migration in migrations() if _is_pending(migration, recorded)]


def _is_pending(migration: Migration, recorded: dict[str, str | None]) -> bool:
    """A migration that psql applied has no checksum and is taken as it is; starting values are given once."""
    if migration.name not in recorded:
        return True
    return migration.name != "seed" and recorded[migration.name] not in (None, migration.checksum)


async def migrate(connection: asyncpg.Connection, *, repair: bool = False) -> list[Migration]:
    """Apply what is pending, one process at a time; repair: apply every migration again.

    Returns: what was applied. Raises: DatabaseError.
    """
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
        try:
            wanted = await pending(connection)
            if repair:
                wanted = [migration for migration in migrations() if migration in wanted or migration.name != "seed"]
            for migration in wanted:
                await _apply(connection, migration)
                await connection.execute(query("record_checksum"), migration.name, migration.checksum)
        finally:
            if not connection.is_closed():
                if connection.is_in_transaction():
                    await connection.execute("ROLLBACK")  # of a file that failed in its middle
                await connection.execute("SELECT pg_advisory_unlock($1)", LOCK)
    except QUERY_FAILURES as error:
        raise _failure(error) from None
    return wanted


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


def _failure(error: BaseException) -> DatabaseError:
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return DatabaseError(
            f"the migration needs more rights ({str(error).splitlines()[0]}): run it as the owner of the database, "
            "or hand `agent-config-sync migrate --print` to your DBA"
        )
    return query_failure(error, "the database")
