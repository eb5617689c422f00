"""The database is made on an empty server, again and again, by many at once."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from harness import connected

from agent_config_sync.cli.throwaway import throwaway_server
from agent_config_sync.postgres.migrate import migrate, migrations, pending


async def test_a_second_run_has_nothing_to_do(empty_database: str) -> None:
    async with connected(empty_database) as connection:
        assert await migrate(connection) == migrations()
        assert await migrate(connection) == []
        assert await pending(connection) == []


async def test_every_file_can_be_run_twice_by_plain_psql(empty_database: str) -> None:
    async with connected(empty_database) as connection:
        for migration in [*migrations(), *migrations()]:
            await connection.execute(migration.sql)
        assert await connection.fetchval("SELECT value FROM agent_system_config") == "5"


async def test_what_psql_applied_is_taken_as_applied(empty_database: str) -> None:
    async with connected(empty_database) as connection:
        for migration in migrations():
            await connection.execute(migration.sql)
        assert await migrate(connection) == []


async def test_an_earlier_migration_takes_the_later_ones_with_it(empty_database: str) -> None:
    async with connected(empty_database) as connection:
        await migrate(connection)
        await connection.execute("DELETE FROM agent_config_migrations WHERE name = '0001_config_sync'")
        later = [migration for migration in migrations() if "0001" <= migration.name < "seed"]
        assert await migrate(connection) == later


async def test_two_at_once_in_one_database_both_succeed(empty_database: str) -> None:
    async with connected(empty_database) as one, connected(empty_database) as other:
        applied = await asyncio.gather(migrate(one), migrate(other))
    assert sorted(len(names) for names in applied) == [0, len(migrations())]


async def test_eight_at_once_in_eight_databases_of_one_server_all_succeed() -> None:
    """The server is a new one: all eight want to make the roles, which belong to the whole of it."""
    names = [f"race_{number}" for number in range(8)]
    with throwaway_server({"fsync": "off"}) as server:
        async with connected(server.dsn) as operator:
            for name in names:
                await operator.execute(f"CREATE DATABASE {name}")
        await asyncio.gather(*(_migrate(server.dsn_of(name)) for name in names))


async def _migrate(dsn: str) -> None:
    async with connected(dsn) as connection:
        await migrate(connection)


async def test_the_starting_value_never_overwrites_and_never_comes_back(empty_database: str) -> None:
    async with connected(empty_database) as connection:
        await migrate(connection)
        await connection.execute("UPDATE agent_system_config SET value = '2' WHERE key = 'max_spawn_depth'")
        await connection.execute(migrations()[-1].sql)
        assert await connection.fetchval("SELECT value FROM agent_system_config") == "2"
        await connection.execute("DELETE FROM agent_system_config")
        await migrate(connection, repair=True)
        assert await connection.fetchval("SELECT count(*) FROM agent_system_config") == 0


async def test_repair_puts_a_lost_trigger_back(empty_database: str) -> None:
    async with connected(empty_database) as connection:
        await migrate(connection)
        await connection.execute("DROP TRIGGER agent_config_changed_update ON agents")
        await migrate(connection, repair=True)
        found = await connection.fetchval(
            "SELECT count(*) FROM pg_trigger WHERE tgname = 'agent_config_changed_update'"
        )
        assert found == 1


async def test_updated_at_moves_with_a_change_and_only_with_one(empty_database: str) -> None:
    async with connected(empty_database) as connection:
        await migrate(connection)
        before = await connection.fetchval("SELECT updated_at FROM agent_system_config")
        await connection.execute("UPDATE agent_system_config SET value = value")
        assert await connection.fetchval("SELECT updated_at FROM agent_system_config") == before
        await connection.execute("UPDATE agent_system_config SET value = '4'")
        assert await connection.fetchval("SELECT updated_at FROM agent_system_config") > before


@pytest.mark.parametrize("name", ["", "Upper", "-x", "a b", "../x", "a" * 65])
async def test_a_name_that_is_no_id_is_refused_by_the_database_itself(empty_database: str, name: str) -> None:
    async with connected(empty_database) as connection:
        await migrate(connection)
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute("INSERT INTO agents (name) VALUES ($1)", name)


async def test_a_login_reports_for_itself_and_for_nobody_else(empty_database: str) -> None:
    columns, values = "gateway, plugin_version, state, resync_interval", "$1, '1', 'offered', '1 s'"
    insert = f"INSERT INTO gateway_status ({columns}) VALUES ({values})"
    async with connected(empty_database) as owner:
        await migrate(owner)
        for login in ("status_one", "status_two"):
            await owner.execute(f"DROP ROLE IF EXISTS {login}")
            await owner.execute(f"CREATE ROLE {login} LOGIN IN ROLE agent_config_reader")
        try:
            async with connected(empty_database.replace("postgres@", "status_one@")) as one:
                await one.execute(insert, "first")
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await one.execute(
                        insert.replace("state,", "reported_by, state,").replace("'1',", "'1', 'x',"), "second"
                    )
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await one.execute("UPDATE gateway_status SET reported_by = 'status_two'")
            async with connected(empty_database.replace("postgres@", "status_two@")) as two:
                assert await two.execute("UPDATE gateway_status SET state = 'refused'") == "UPDATE 0"
        finally:
            for login in ("status_one", "status_two"):
                await owner.execute(f"DROP ROLE {login}")


async def test_a_foreign_agents_table_with_json_settings_still_takes_updates(empty_database: str) -> None:
    async with connected(empty_database) as connection:
        await connection.execute("CREATE TABLE agents (id serial PRIMARY KEY, name text UNIQUE, settings json)")
        await connection.execute("INSERT INTO agents (name, settings) VALUES ('lead', '{}')")
        await migrate(connection)
        assert await connection.execute("""UPDATE agents SET settings = '{"tools": {}}'""") == "UPDATE 1"


async def test_an_earlier_trigger_of_any_name_is_replaced(empty_database: str) -> None:
    async with connected(empty_database) as connection:
        await connection.execute("CREATE TABLE agents (name text UNIQUE)")
        await connection.execute(
            "CREATE FUNCTION notify_agent_config_changed() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
        )
        await connection.execute(
            "CREATE TRIGGER own_name AFTER INSERT ON agents FOR EACH ROW EXECUTE FUNCTION notify_agent_config_changed()"
        )
        await migrate(connection)
        assert await connection.execute("INSERT INTO agents (name) VALUES ('lead')") == "INSERT 0 1"


async def test_a_foreign_gateways_table_still_takes_rows(empty_database: str) -> None:
    async with connected(empty_database) as connection:
        await connection.execute("CREATE TABLE gateways (host text)")
        await migrate(connection)
        assert await connection.execute("INSERT INTO gateways (host) VALUES ('h')") == "INSERT 0 1"
