"""From version to version: a newer process on an older schema, and an older one on a newer."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from commands import command
from harness import Operator, Start, connected, eventually

from agent_config_sync.events import Published, Reported
from agent_config_sync.postgres.migrate import migrate, migrations

LANDED = "0001_config_sync"


@pytest.fixture
async def landed(empty_database: str) -> AsyncIterator[Operator]:
    """A person at a database that has what the first version had, and nothing later."""
    async with connected(empty_database) as connection:
        (first,) = [migration for migration in migrations() if migration.name == LANDED]
        await connection.execute(first.sql)
        await connection.execute(
            "UPDATE agent_config_migrations SET checksum = $1 WHERE name = $2", first.checksum, first.name
        )
        yield connection


@pytest.fixture
def database(empty_database: str) -> str:
    """Nothing is installed that a test has not asked for."""
    return empty_database


async def test_a_database_of_the_first_version_is_brought_up_to_date(landed: Operator) -> None:
    assert await migrate(landed) == migrations()
    assert await migrate(landed) == []


async def test_check_ends_with_3_before_the_upgrade_and_with_0_after_it(landed: Operator, database: str) -> None:
    before = await command("migrate", "--check", "--dsn", database)
    await command("migrate", "--dsn", database)
    after = await command("migrate", "--check", "--dsn", database)
    assert (before.status, after.status) == (3, 0)


async def test_a_newer_process_works_on_the_first_version(landed: Operator, start: Start) -> None:
    await landed.execute("INSERT INTO agents (name, model) VALUES ('lead', 'a/b')")
    running = await start(wait=Reported)
    await landed.execute("UPDATE agents SET model = 'a/new'")
    await running.events.until(Published, lambda event: b"a/new" in event.after)
    await eventually(landed, "SELECT state = 'offered' FROM gateway_status")


async def test_a_migration_beside_a_running_process_costs_it_nothing(landed: Operator, start: Start) -> None:
    await landed.execute("INSERT INTO agents (name, model) VALUES ('lead', 'a/b')")
    running = await start(wait=Reported)
    await migrate(landed)
    await landed.execute("UPDATE agents SET model = 'a/new'")
    await running.events.until(Published, lambda event: b"a/new" in event.after)


WHAT_A_PROCESS_SEES = """
SELECT table_name || '.' || column_name || ' ' || udt_name AS fact FROM information_schema.columns
WHERE table_schema = 'public'
UNION SELECT grantee || ' ' || privilege_type || ' ' || table_name || '.' || column_name
FROM information_schema.column_privileges WHERE table_schema = 'public' AND grantee LIKE 'agent_config_%'
UNION SELECT event_object_table || ' ' || trigger_name || ' ' || event_manipulation
FROM information_schema.triggers WHERE trigger_schema = 'public'
"""


async def test_later_migrations_only_add_so_an_older_process_goes_on_to_work(landed: Operator) -> None:
    before = {record["fact"] for record in await landed.fetch(WHAT_A_PROCESS_SEES)}
    await migrate(landed)
    after = {record["fact"] for record in await landed.fetch(WHAT_A_PROCESS_SEES)}
    assert before <= after
