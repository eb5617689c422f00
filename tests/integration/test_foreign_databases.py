"""Installed onto databases that earlier systems made, by `migrate` and by plain psql alike."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
import orjson
import pytest
from commands import command
from foreign import AGENTS, FLAGS, MINIMAL, OTHER_TYPES, SETTINGS
from harness import Operator, Running, Start, connected, psql

from agent_config_sync.cli.throwaway import throwaway_server
from agent_config_sync.errors import DatabaseError
from agent_config_sync.events import Housed, LinkLost, Published, Reported, Warned
from agent_config_sync.postgres.migrate import migrate, migrations

Install: TypeAlias = Callable[[str], Awaitable[str]]


async def _by_migrate(dsn: str) -> str:
    """Return what it warned of."""
    said: list[str] = []
    async with connected(dsn) as connection:
        connection.add_log_listener(lambda _, message: said.append(f"{message.message} {message.hint}"))
        await migrate(connection)
    return "\n".join(said)


async def _by_psql(dsn: str) -> str:
    """Return what it warned of."""
    files = [word for migration in migrations() for word in ("-f", str(migration.path))]
    ended = await asyncio.to_thread(psql, dsn, "-v", "ON_ERROR_STOP=1", *files)
    if ended.returncode:
        raise DatabaseError(ended.stderr)
    return ended.stderr


@pytest.fixture(params=[_by_migrate, _by_psql], ids=["migrate", "psql"])
def install(request: pytest.FixtureRequest) -> Install:
    chosen: Install = request.param
    return chosen


@pytest.fixture
async def foreign(empty_database: str) -> AsyncIterator[Operator]:
    """A person at a database that is not ours."""
    async with connected(empty_database) as connection:
        yield connection


@pytest.fixture
def database(empty_database: str) -> str:
    """Nothing is installed before a test does it."""
    return empty_database


@contextlib.asynccontextmanager
async def logins(server: Operator, *names: str, words: str = "") -> AsyncIterator[None]:
    """Roles that can log in, for as long as a test lasts."""
    for name in names:
        await server.execute(f"DROP ROLE IF EXISTS {name}")
        await server.execute(f"CREATE ROLE {name} LOGIN {words}")
    try:
        yield
    finally:
        for name in names:
            await server.execute(f"REASSIGN OWNED BY {name} TO postgres; DROP OWNED BY {name}; DROP ROLE {name}")


async def hand_over(foreign: Operator, login: str) -> None:
    """Make a login the owner of the database."""
    name = await foreign.fetchval("SELECT current_database()")
    await foreign.execute(f"ALTER DATABASE {name} OWNER TO {login}")


def as_login(dsn: str, login: str) -> str:
    return dsn.replace("postgres@", f"{login}@")


def agents_of(running: Running) -> dict[str, Any]:
    section = orjson.loads(running.output.read_bytes())["agents"]
    found: dict[str, Any] = section.get("entries", {})
    return found


def warnings_of(running: Running) -> str:
    return "\n".join(warning for event in running.events.of(Warned) for warning in event.warnings)


async def heard_after(foreign: Operator, dsn: str, statement: str) -> list[str]:
    """Return the payloads of one statement; a notification of our own marks the end."""
    arrived: asyncio.Queue[str] = asyncio.Queue()
    async with connected(dsn) as listener:
        await listener.add_listener("agent_config_changed", lambda *event: arrived.put_nowait(str(event[3])))
        await foreign.execute(statement)
        await foreign.execute("NOTIFY agent_config_changed, 'end'")
        payloads: list[str] = []
        while (payload := await arrived.get()) != "end":
            payloads.append(payload)
    return payloads


# Tables of an earlier system -----------------------------------------------------------------------------------------


async def test_a_row_of_an_earlier_agents_table_becomes_the_file(
    foreign: Operator, database: str, install: Install, start: Start
) -> None:
    await foreign.execute(AGENTS)
    await install(database)
    running = await start(wait=Reported)
    await foreign.execute("UPDATE agents SET model = 'a/new' WHERE name = 'lead'")
    await running.events.until(Published, lambda event: b"a/new" in event.after)
    assert sorted(agents_of(running)) == ["coder", "lead"]


async def test_earlier_triggers_are_replaced_and_one_change_is_one_notification(
    foreign: Operator, database: str, install: Install
) -> None:
    await foreign.execute(AGENTS)
    await install(database)
    heard = await heard_after(foreign, database, "UPDATE agents SET model = 'a/new' WHERE name = 'lead'")
    assert [orjson.loads(payload) for payload in heard] == [{"source": "agents", "key": "lead", "operation": "UPDATE"}]


async def test_a_change_of_a_column_that_is_not_ours_is_silent(
    foreign: Operator, database: str, install: Install
) -> None:
    await foreign.execute(AGENTS)
    await install(database)
    assert await heard_after(foreign, database, "UPDATE agents SET description = 'x'") == []


async def test_the_columns_keys_and_rules_of_an_earlier_table_stay(
    foreign: Operator, database: str, install: Install
) -> None:
    await foreign.execute(AGENTS)
    before = await foreign.fetch("SELECT id, name, access_method FROM agents ORDER BY id")
    await install(database)
    assert await foreign.fetch("SELECT id, name, access_method FROM agents ORDER BY id") == before
    with pytest.raises(asyncpg.UniqueViolationError):
        await foreign.execute("INSERT INTO agents (name, access_method) VALUES ('lead', 'api')")
    with pytest.raises(asyncpg.NotNullViolationError):
        await foreign.execute("INSERT INTO agents (name) VALUES ('new')")


async def test_rows_that_break_our_rules_stay_and_cost_themselves(
    foreign: Operator, database: str, install: Install, start: Start
) -> None:
    await foreign.execute(f"{MINIMAL}, instance_type text, is_default boolean)")
    await foreign.execute(
        "INSERT INTO agents VALUES ('Nova Main', 'primary', true), ('a', 'odd', true), ('b', NULL, true)"
    )
    await install(database)
    running = await start(wait=Reported)
    assert sorted(agents_of(running)) == ["a", "b"]
    assert "'Nova Main'" in warnings_of(running)
    assert "2 rows have is_default (a, b)" in warnings_of(running)


async def test_settings_without_created_at_are_read(
    foreign: Operator, database: str, install: Install, start: Start
) -> None:
    await foreign.execute(SETTINGS)
    await foreign.execute("INSERT INTO agent_system_config VALUES ('max_spawn_depth', '3', 'integer')")
    await install(database)
    running = await start(wait=Reported)
    await foreign.execute("UPDATE agent_system_config SET value = '2'")
    published = await running.events.until(Published, lambda event: b'"maxSpawnDepth": 2' in event.after)
    assert published.after == running.output.read_bytes()


async def test_a_setting_of_type_number_is_skipped_with_a_warning(
    foreign: Operator, database: str, install: Install, start: Start
) -> None:
    await foreign.execute(SETTINGS)
    await foreign.execute("INSERT INTO agent_system_config VALUES ('max_spawn_depth', '3', 'number')")
    await install(database)
    running = await start(wait=Reported)
    assert "value_type must be 'integer' and is 'number'" in warnings_of(running)


async def test_earlier_triggers_on_settings_are_replaced(foreign: Operator, database: str, install: Install) -> None:
    await foreign.execute(SETTINGS)
    await install(database)
    heard = await heard_after(foreign, database, "UPDATE agent_system_config SET value = '2'")
    assert [orjson.loads(payload)["key"] for payload in heard] == ["max_spawn_depth"]
    triggers = await foreign.fetchval(
        "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'agent_system_config'::regclass AND NOT tgisinternal"
    )
    assert triggers == 3  # changed, truncated, touched


@pytest.mark.parametrize(
    "columns",
    [
        "key text, value text",
        "key text UNIQUE, value text, owner text NOT NULL",
        "key text UNIQUE, value text, value_type text CHECK (value_type IN ('text', 'number'))",
        "key text UNIQUE, value boolean",
    ],
)
async def test_settings_that_do_not_take_our_starting_value_take_everything_else(
    foreign: Operator, database: str, install: Install, start: Start, columns: str
) -> None:
    await foreign.execute(f"CREATE TABLE agent_system_config ({columns})")
    await install(database)
    await foreign.execute("INSERT INTO agents (name) VALUES ('lead')")
    running = await start(wait=Reported)
    assert list(agents_of(running)) == ["lead"]


@pytest.mark.parametrize("kind", ["json", "jsonb"])
async def test_a_json_value_of_a_setting_can_still_be_changed(
    foreign: Operator, database: str, install: Install, kind: str
) -> None:
    await foreign.execute(f"CREATE TABLE agent_system_config (key text PRIMARY KEY, value {kind}, updated_at bigint)")
    await install(database)
    heard = await heard_after(foreign, database, "UPDATE agent_system_config SET value = '2'")
    assert len(heard) == 1


async def test_a_gateways_table_of_another_form_still_takes_changes(
    foreign: Operator, database: str, install: Install
) -> None:
    await foreign.execute(
        "CREATE TABLE gateways (id serial, name varchar(9) NOT NULL, url text NOT NULL, base_url json)"
    )
    await foreign.execute("INSERT INTO gateways (name, url) VALUES ('a', 'u'), ('a', 'u')")
    await install(database)
    assert await foreign.execute("UPDATE gateways SET base_url = '{}'") == "UPDATE 2"


# Columns of other types ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", OTHER_TYPES)
async def test_a_column_of_another_type_is_read_by_its_text(
    foreign: Operator, database: str, install: Install, start: Start, case: str
) -> None:
    made, value, expected = OTHER_TYPES[case]
    await foreign.execute(made)
    await install(database)
    await foreign.execute("INSERT INTO agents (name, model) VALUES ('lead', 'a/b')")
    running = await start(wait=Reported)
    await foreign.execute(f"UPDATE agents SET {value}, thinking = 'low'")
    await running.events.until(Published, lambda event: b'"thinkingDefault": "low"' in event.after)
    assert agents_of(running) == {"lead": {"model": "a/b", "thinkingDefault": "low", **expected}}


@pytest.mark.parametrize("kind", FLAGS)
async def test_a_default_agent_of_another_type_is_the_default(
    foreign: Operator, database: str, install: Install, start: Start, kind: str
) -> None:
    column, true = FLAGS[kind]
    await foreign.execute(f"{MINIMAL}, is_default {column})")
    await install(database)
    await foreign.execute("INSERT INTO agents (name) VALUES ('a')")
    await foreign.execute(f"INSERT INTO agents (name, is_default) VALUES ('b', {true})")
    running = await start(wait=Reported)
    assert orjson.loads(running.output.read_bytes())["agents"]["defaults"]["systemAgent"] == {"agentId": "b"}


async def test_an_account_of_another_type_is_named_by_its_text(
    foreign: Operator, database: str, install: Install, start: Start
) -> None:
    await foreign.execute(f"{MINIMAL}, account_id integer)")
    await install(database)
    await foreign.execute("INSERT INTO agents (name, account_id) VALUES ('lead', 7), ('other', 8)")
    running = await start(wait=Reported, account="7")
    assert list(agents_of(running)) == ["lead"]


@pytest.mark.parametrize(
    ("column", "said"),
    [("status boolean DEFAULT true", "status, gateways or instance_type"), ("account_id integer", "has no row")],
)
async def test_a_roster_that_is_empty_for_another_meaning_of_a_column_is_warned_of(
    foreign: Operator, database: str, install: Install, start: Start, column: str, said: str
) -> None:
    await foreign.execute(f"{MINIMAL}, {column})")
    await foreign.execute("INSERT INTO agents (name) VALUES ('lead')")
    await install(database)
    running = await start(wait=Reported)
    assert said in warnings_of(running)


# Functions and triggers ----------------------------------------------------------------------------------------------

OLDER_ROUTINES = [
    "CREATE FUNCTION {} RETURNS void LANGUAGE sql AS 'SELECT 1'",
    "CREATE PROCEDURE {} LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION {} RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN NEW; END'",
]


@pytest.mark.parametrize("routine", OLDER_ROUTINES)
async def test_an_older_routine_of_the_same_name_is_replaced_and_one_with_arguments_stays(
    foreign: Operator, database: str, install: Install, routine: str
) -> None:
    for name in ("notify_agent_config_changed()", "notify_system_config_changed()", "notify_gateway_changed()"):
        await foreign.execute(routine.format(name))
    await foreign.execute("CREATE FUNCTION notify_agent_config_changed(x int) RETURNS int LANGUAGE sql AS 'SELECT 7'")
    await install(database)
    await foreign.execute("INSERT INTO agents (name) VALUES ('lead')")
    assert len(await heard_after(foreign, database, "UPDATE agents SET model = 'a/new'")) == 1
    assert await foreign.fetchval("SELECT notify_agent_config_changed(1)") == 7
    assert not await foreign.fetchval("SELECT bool_or(prosecdef) FROM pg_proc WHERE proname LIKE 'notify_%_changed'")


@pytest.mark.parametrize("function", ["notify_agent_config_changed", "notify_system_config_changed"])
@pytest.mark.parametrize("when", ["BEFORE", "AFTER"])
async def test_an_older_trigger_on_a_table_that_is_not_ours_goes_on_to_work(
    foreign: Operator, database: str, install: Install, function: str, when: str
) -> None:
    await foreign.execute(
        f"CREATE TABLE models (id int); CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS "
        f"'BEGIN RETURN NEW; END'; CREATE TRIGGER changed {when} INSERT OR UPDATE OR DELETE ON models "
        f"FOR EACH ROW EXECUTE FUNCTION {function}()"
    )
    await install(database)
    await foreign.execute("INSERT INTO models VALUES (1)")
    heard = await heard_after(foreign, database, "UPDATE models SET id = 2")
    assert [orjson.loads(payload)["source"] for payload in heard] == ["models"]
    assert await foreign.execute("DELETE FROM models") == "DELETE 1"


OLDER_FUNCTIONS = {
    "agents": "notify_agent_config_changed",
    "agent_system_config": "notify_system_config_changed",
    "gateways": "notify_gateway_changed",
}


@pytest.mark.parametrize(("when", "level"), [("BEFORE", "ROW"), ("AFTER", "ROW"), ("AFTER", "STATEMENT")])
@pytest.mark.parametrize("table", OLDER_FUNCTIONS)
async def test_an_older_trigger_on_a_table_of_our_name_in_another_schema_goes_on_to_work(
    foreign: Operator, database: str, install: Install, table: str, when: str, level: str
) -> None:
    function = OLDER_FUNCTIONS[table]
    await foreign.execute(
        f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        f"CREATE SCHEMA tenant1; CREATE TABLE tenant1.{table} (id int); CREATE TRIGGER changed "
        f"{when} INSERT OR UPDATE OR DELETE ON tenant1.{table} FOR EACH {level} EXECUTE FUNCTION {function}()"
    )
    await install(database)
    for statement in ("INSERT INTO tenant1.{} VALUES (1)", "UPDATE tenant1.{} SET id = 2", "DELETE FROM tenant1.{}"):
        heard = await heard_after(foreign, database, statement.format(table))
        assert [orjson.loads(payload)["source"] for payload in heard] == [table]
    assert await foreign.fetchval(f"SELECT count(*) FROM tenant1.{table}") == 0


async def test_an_older_trigger_before_a_change_lets_one_through_that_changes_nothing(
    foreign: Operator, database: str, install: Install
) -> None:
    await foreign.execute(
        f"CREATE SCHEMA tenant1; SET search_path = tenant1; {SETTINGS}"
        "DROP TRIGGER system_config_changed ON agent_system_config; DROP TRIGGER config_changed_again "
        "ON agent_system_config; ALTER FUNCTION notify_system_config_changed SET SCHEMA public; CREATE TRIGGER changed "
        "BEFORE UPDATE ON agent_system_config FOR EACH ROW EXECUTE FUNCTION public.notify_system_config_changed();"
        "INSERT INTO agent_system_config VALUES ('max_spawn_depth', '3', 'integer')"
    )
    await install(database)
    assert await foreign.execute("UPDATE agent_system_config SET description = 'x'") == "UPDATE 1"


async def test_an_older_trigger_that_touches_a_table_of_its_own_lets_changes_through(
    foreign: Operator, database: str, install: Install
) -> None:
    await foreign.execute(
        "CREATE FUNCTION touch_system_config() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE TABLE models (id int, updated_at bigint); CREATE TRIGGER touched BEFORE INSERT OR UPDATE OR DELETE "
        "ON models FOR EACH ROW EXECUTE FUNCTION touch_system_config()"
    )
    await install(database)
    assert await foreign.execute("INSERT INTO models VALUES (1, 7)") == "INSERT 0 1"
    assert await foreign.execute("UPDATE models SET id = 2") == "UPDATE 1"
    assert await foreign.execute("DELETE FROM models") == "DELETE 1"


# Roles, owners and schemas -------------------------------------------------------------------------------------------


ROLES = ("agent_config_reader", "agent_config_operator")


async def test_an_owner_of_the_database_without_createrole_installs_where_the_roles_are(
    foreign: Operator, database: str, install: Install, start: Start
) -> None:
    for role in ROLES:
        with contextlib.suppress(asyncpg.DuplicateObjectError):
            await foreign.execute(f"CREATE ROLE {role}")
    async with logins(foreign, "plain_owner"):
        await hand_over(foreign, "plain_owner")
        await install(as_login(database, "plain_owner"))
        await foreign.execute("INSERT INTO agents (name) VALUES ('lead')")
        async with logins(foreign, "plain_reader", words="IN ROLE agent_config_reader"):
            running = await start(wait=Reported, dsn=as_login(database, "plain_reader"))
            assert list(agents_of(running)) == ["lead"]
            await running.plugin.stop()


async def test_without_createrole_and_without_the_roles_the_way_out_is_said(install: Install) -> None:
    """The server is a new one: roles belong to the whole of it."""
    with throwaway_server({"fsync": "off"}) as server:
        async with connected(server.dsn) as foreign, logins(foreign, "plain_owner"):
            await hand_over(foreign, "plain_owner")
            said = await install(as_login(server.dsn, "plain_owner"))
            assert "plain_owner lacks CREATEROLE" in said
            assert await foreign.fetchval("SELECT to_regclass('agents') IS NOT NULL")


async def test_without_the_right_to_create_in_the_schema_the_way_out_is_said(
    foreign: Operator, database: str, install: Install
) -> None:
    async with logins(foreign, "plain_visitor"):
        with pytest.raises(DatabaseError, match="permission denied for schema public"):
            await install(as_login(database, "plain_visitor"))


async def test_agents_of_another_owner_are_named_with_the_owner_and_the_grant(
    foreign: Operator, database: str, install: Install
) -> None:
    async with logins(foreign, "newhart", "plain_owner"):
        await foreign.execute(f"{AGENTS}; ALTER TABLE agents OWNER TO newhart")
        await hand_over(foreign, "plain_owner")
        with pytest.raises(DatabaseError, match="belongs to newhart") as raised:
            await install(as_login(database, "plain_owner"))
        assert "GRANT newhart TO plain_owner" in str(raised.value)
        await foreign.execute(
            "GRANT newhart TO plain_owner; ALTER FUNCTION notify_agent_config_changed OWNER TO newhart"
        )
        await install(as_login(database, "plain_owner"))


async def test_a_login_that_may_create_in_a_schema_of_another_owner_installs_there(
    foreign: Operator, database: str, install: Install
) -> None:
    async with logins(foreign, "plain_guest"):
        name = await foreign.fetchval("SELECT current_database()")
        await foreign.execute(f"CREATE SCHEMA cognition; ALTER DATABASE {name} SET search_path = cognition")
        await foreign.execute("GRANT USAGE, CREATE ON SCHEMA cognition TO plain_guest")
        await install(as_login(database, "plain_guest"))
        assert await foreign.fetchval("SELECT to_regclass('cognition.agents') IS NOT NULL")
        await foreign.execute("DROP SCHEMA cognition CASCADE")


async def test_an_operator_may_insert_where_the_id_is_a_serial(
    foreign: Operator, database: str, install: Install
) -> None:
    await foreign.execute("CREATE TABLE agents (id serial PRIMARY KEY, name text UNIQUE)")
    await install(database)
    async with (
        logins(foreign, "plain_operator", words="IN ROLE agent_config_operator"),
        connected(as_login(database, "plain_operator")) as person,
    ):
        assert await person.execute("INSERT INTO agents (name) VALUES ('lead')") == "INSERT 0 1"


async def test_a_function_of_another_owner_is_named_with_the_owner(
    foreign: Operator, database: str, install: Install
) -> None:
    async with logins(foreign, "plain_owner"):
        await foreign.execute(OLDER_ROUTINES[0].format("notify_gateway_changed()"))
        await hand_over(foreign, "plain_owner")
        with pytest.raises(DatabaseError, match=r"notify_gateway_changed\(\) belongs to postgres"):
            await install(as_login(database, "plain_owner"))


NOT_TABLES = {
    "a view": "CREATE VIEW {} AS SELECT 'lead'::text AS name",
    "a materialized view": "CREATE MATERIALIZED VIEW {} AS SELECT 'lead'::text AS name",
    "a table of a type": "CREATE TYPE row_type AS (name text); CREATE TABLE {} OF row_type",
}


@pytest.mark.parametrize("table", ["agents", "gateways"])
@pytest.mark.parametrize("kind", NOT_TABLES)
async def test_what_takes_no_columns_of_ours_is_named_and_nothing_is_installed(
    foreign: Operator, database: str, install: Install, table: str, kind: str
) -> None:
    await foreign.execute(NOT_TABLES[kind].format(table))
    with pytest.raises(DatabaseError, match=f"public.{table} is {kind}") as raised:
        await install(database)
    assert "rename it" in str(raised.value)
    assert not await foreign.fetchval("SELECT to_regclass('agent_config_migrations') IS NOT NULL")


@pytest.mark.parametrize(
    ("table", "lacking"),
    [
        ("agents (slug text)", "name"),
        ("agent_system_config (name text)", "key, value"),
        ("gateway_status (id int, gateway text)", "account_id, state, snapshot, reported_by"),
        ("agent_config_migrations (version int)", "not ours|name, checksum"),
    ],
)
async def test_a_table_that_only_shares_our_name_is_told_apart(
    foreign: Operator, database: str, install: Install, table: str, lacking: str
) -> None:
    await foreign.execute(f"CREATE TABLE {table}")
    with pytest.raises(DatabaseError, match=lacking) as raised:
        await install(database)
    assert "search_path" in str(raised.value)


async def test_partitioned_agents_notify_and_are_read(
    foreign: Operator, database: str, install: Install, start: Start
) -> None:
    await foreign.execute(
        "CREATE TABLE agents (id int, name text, instance_type text) PARTITION BY LIST (instance_type);"
        "CREATE TABLE primaries PARTITION OF agents FOR VALUES IN ('primary');"
        "CREATE TABLE others PARTITION OF agents DEFAULT"
    )
    await install(database)
    await foreign.execute("INSERT INTO agents (name, instance_type) VALUES ('lead', 'primary'), ('coder', 'subagent')")
    running = await start(wait=Reported)
    await foreign.execute("UPDATE agents SET instance_type = 'primary', model = 'a/new' WHERE name = 'coder'")
    await running.events.until(Published, lambda event: b"a/new" in event.after)
    assert sorted(agents_of(running)) == ["coder", "lead"]


async def test_row_level_security_that_was_there_is_left_alone_and_the_policy_we_need_is_said(
    foreign: Operator, database: str, install: Install, start: Start
) -> None:
    await foreign.execute(f"{MINIMAL}, tenant text); ALTER TABLE agents ENABLE ROW LEVEL SECURITY")
    await foreign.execute("INSERT INTO agents VALUES ('lead', 'a')")
    said = await install(database)
    assert await foreign.fetchval("SELECT count(*) FROM pg_policy WHERE polrelid = 'agents'::regclass") == 0
    policy = said[said.index("CREATE POLICY") :].splitlines()[0]
    async with logins(foreign, "scoped_reader", words="IN ROLE agent_config_reader"):
        running = await start(wait=Reported, dsn=as_login(database, "scoped_reader"))
        assert agents_of(running) == {}
        await foreign.execute(policy)
        await foreign.execute("NOTIFY agent_config_changed")
        await running.events.until(Published, lambda event: b'"lead"' in event.after)
        await running.plugin.stop()


async def test_tables_in_another_schema_are_found_by_search_path(
    foreign: Operator, database: str, install: Install, start: Start
) -> None:
    name = await foreign.fetchval("SELECT current_database()")
    await foreign.execute(f"CREATE SCHEMA cognition; ALTER DATABASE {name} SET search_path = cognition, public")
    await foreign.execute("SET search_path = cognition, public")
    await foreign.execute(AGENTS)
    await install(database)
    assert await foreign.fetchval("SELECT to_regclass('public.agents')") is None
    async with logins(foreign, "schema_reader", words="IN ROLE agent_config_reader"):
        running = await start(wait=Reported, dsn=as_login(database, "schema_reader"))
        await foreign.execute("UPDATE agents SET model = 'a/new' WHERE name = 'lead'")
        await running.events.until(Published, lambda event: b"a/new" in event.after)
        await running.plugin.stop()


@pytest.mark.parametrize("schema", ["Cognition", "cog nition", 'say "x"'])
async def test_a_schema_of_any_name_takes_our_tables(
    foreign: Operator, database: str, install: Install, start: Start, schema: str
) -> None:
    name = await foreign.fetchval("SELECT current_database()")
    quoted = await foreign.fetchval("SELECT quote_ident($1)", schema)
    await foreign.execute(f"CREATE SCHEMA {quoted}; ALTER DATABASE {name} SET search_path = {quoted}")
    await foreign.execute(f"SET search_path = {quoted}")
    await foreign.execute(AGENTS)
    await install(database)
    async with logins(foreign, "schema_reader", words="IN ROLE agent_config_reader"):
        running = await start(wait=Reported, dsn=as_login(database, "schema_reader"))
        assert sorted(agents_of(running)) == ["coder", "lead"]
        await running.plugin.stop()


async def test_tables_that_a_login_does_not_find_are_named_with_their_schema_and_what_opens_it(
    foreign: Operator, database: str
) -> None:
    name = await foreign.fetchval("SELECT current_database()")
    await foreign.execute(f'CREATE SCHEMA "Cognition"; ALTER DATABASE {name} SET search_path = "Cognition"')
    await _by_migrate(database)
    await foreign.execute("""INSERT INTO "Cognition".agents (name, is_default) VALUES ('lead', true)""")
    await foreign.execute(f"ALTER DATABASE {name} RESET search_path")
    async with logins(foreign, "lost_reader"):
        found = []
        for said in ('in schema "Cognition", which is closed to', 'in schema "Cognition", which the search_path of'):
            ended = await command("diff", "--dsn", as_login(database, "lost_reader"))
            assert (ended.status, ended.err.count("\n")) == (1, 1)
            assert said in ended.err
            found.append(ended.err.rpartition(": ")[2].strip())
            await foreign.execute(found[-1])
        assert found == [
            "GRANT agent_config_reader TO lost_reader",
            'ALTER ROLE lost_reader SET search_path = "Cognition", "$user", public',
        ]
        ended = await command("diff", "--dsn", as_login(database, "lost_reader"))
        assert (ended.status, ended.err) == (3, "")


async def test_a_sync_that_runs_finds_the_tables_once_its_login_may_see_them(
    foreign: Operator, database: str, start: Start
) -> None:
    name = await foreign.fetchval("SELECT current_database()")
    await foreign.execute(f"CREATE SCHEMA oc; ALTER DATABASE {name} SET search_path = oc")
    await _by_migrate(database)
    await foreign.execute(
        f"INSERT INTO oc.agents (name, is_default) VALUES ('lead', true); ALTER DATABASE {name} RESET search_path"
    )
    async with logins(foreign, "lost_reader"):
        running = await start(wait=None, dsn=as_login(database, "lost_reader"))
        for said in ("GRANT agent_config_reader", "ALTER ROLE lost_reader SET search_path"):
            error = ""
            while said not in error:
                error = str((await running.events.until(LinkLost)).error)
            await foreign.execute(error.rpartition(": ")[2])
        await running.events.until(Reported)
        assert list(agents_of(running)) == ["lead"]
        await running.plugin.stop()


async def test_tables_in_several_schemas_are_all_named(foreign: Operator, database: str) -> None:
    name = await foreign.fetchval("SELECT current_database()")
    for schema in ("one", "two"):
        await foreign.execute(f"CREATE SCHEMA {schema}; ALTER DATABASE {name} SET search_path = {schema}")
        await _by_migrate(database)
    await foreign.execute(f"ALTER DATABASE {name} RESET search_path")
    async with logins(foreign, "lost_reader", words="IN ROLE agent_config_reader"):
        ended = await command("diff", "--dsn", as_login(database, "lost_reader"))
    assert "in schema one, which the search_path of login lost_reader lacks" in ended.err
    assert "in schema two, which the search_path of login lost_reader lacks" in ended.err


IN_THE_WAY = {
    "a trigger of another function": (
        """
        CREATE TABLE agents (name text);
        CREATE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER agent_config_changed_insert AFTER INSERT ON agents FOR EACH ROW EXECUTE FUNCTION own();
        """,
        "trigger agent_config_changed_insert of table agents calls own()",
        "ALTER TRIGGER agent_config_changed_insert ON agents RENAME TO own_agent_config_changed_insert",
    ),
    "a constraint of another meaning": (
        "CREATE TABLE agents (name text, kind text CONSTRAINT agents_instance_type CHECK (kind <> ''))",
        "constraint agents_instance_type of table agents is not about a column instance_type",
        "ALTER TABLE agents RENAME CONSTRAINT agents_instance_type TO own_agents_instance_type",
    ),
    "a partition": (
        "CREATE TABLE everyone (name text) PARTITION BY LIST (name); CREATE TABLE agents PARTITION OF everyone DEFAULT",
        "table agents is a partition of everyone",
        "ALTER TABLE agents RENAME TO own_agents",
    ),
    "a partition that settings are in": (
        """
        CREATE TABLE everything (key text, value text) PARTITION BY LIST (key);
        CREATE TABLE agent_system_config PARTITION OF everything DEFAULT;
        """,
        "table agent_system_config is a partition of everything",
        "ALTER TABLE agent_system_config RENAME TO own_agent_system_config",
    ),
}
"""What a migration cannot be applied beside: how it is made, what it is called, and what makes room."""


@pytest.mark.parametrize("case", IN_THE_WAY)
async def test_what_is_in_the_way_is_named_with_what_makes_room(foreign: Operator, database: str, case: str) -> None:
    made, said, cure = IN_THE_WAY[case]
    await foreign.execute(made)
    with pytest.raises(DatabaseError) as raised:
        await _by_migrate(database)
    assert said in str(raised.value)
    assert cure in str(raised.value)
    assert not await foreign.fetchval("SELECT to_regclass('agent_config_migrations') IS NOT NULL")
    await foreign.execute(cure)
    await _by_migrate(database)
    assert await foreign.execute("INSERT INTO agents (name) VALUES ('lead')") == "INSERT 0 1"


async def test_a_table_further_down_the_search_path_is_never_hidden_by_one_of_ours(
    foreign: Operator, database: str, install: Install
) -> None:
    name = await foreign.fetchval("SELECT current_database()")
    await foreign.execute(f"CREATE SCHEMA cognition; ALTER DATABASE {name} SET search_path = public, cognition")
    await foreign.execute("CREATE TABLE cognition.agents (name text)")
    with pytest.raises(DatabaseError, match="put cognition first in search_path"):
        await install(database)
    assert await foreign.fetchval("SELECT to_regclass('public.agents')") is None


# Tables of workspaces ------------------------------------------------------------------------------------------------


async def test_boards_and_people_of_another_system_keep_their_keys_and_agents_point_to_them(
    foreign: Operator, install: Install, empty_database: str
) -> None:
    await foreign.execute("""
        CREATE TABLE people (id serial PRIMARY KEY, full_name text);
        CREATE TABLE boards (id bigserial PRIMARY KEY, name varchar(40) NOT NULL, colour text);
        INSERT INTO boards (name, colour) VALUES ('Theirs', 'red');
    """)
    await install(empty_database)
    await foreign.execute("INSERT INTO agents (name, board_id) VALUES ('lead', 1)")
    assert await foreign.fetchval("SELECT colour FROM boards JOIN agents ON board_id = boards.id") == "red"
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await foreign.execute("UPDATE agents SET board_id = 99")


async def test_workspaces_are_made_of_such_tables(
    foreign: Operator, empty_database: str, start: Start, tmp_path: Path
) -> None:
    await foreign.execute("""
        CREATE TABLE boards (id bigserial PRIMARY KEY, name varchar(40), target_date date, goal_confirmed text);
        INSERT INTO boards (name, target_date, goal_confirmed) VALUES ('Theirs', '2027-03-01', 'yes');
        CREATE TABLE skills (id serial PRIMARY KEY, slug varchar(40), enabled integer DEFAULT 1, content varchar);
        INSERT INTO skills (slug, content) VALUES ('labels', 'Print them.'), ('../up', 'x');
    """)
    await _by_migrate(empty_database)
    await foreign.execute("""
        INSERT INTO agents (name, board_id) VALUES ('lead', 1);
        ALTER TABLE agent_skills DROP CONSTRAINT IF EXISTS agent_skills_skill_is_there;
        INSERT INTO agent_skills (agent, skill) VALUES ('lead', 'labels'), ('lead', '../up');
    """)
    running = await start(wait=Reported, workspace_root=tmp_path / "workspaces")
    folder = tmp_path / "workspaces" / "lead"
    assert "Theirs" in (folder / "AGENTS.md").read_text()
    assert [path.name for path in (folder / "skills").iterdir()] == ["labels"]
    assert not (tmp_path / "up").exists()
    assert any("a slug has 1 to 64" in line for line in running.events.of(Warned)[-1].warnings)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("CREATE TABLE skills (id serial, title text)", "skills is not the one we know: it has no column slug"),
        ("CREATE VIEW people AS SELECT 1 AS id", "people is no table that takes columns and triggers of ours"),
        ("CREATE TABLE agent_skills (agent_id int, skill_id int)", "it has no column agent, skill"),
        ("CREATE TABLE activities (id serial, title text)", "activities is not the one we know: it has no column"),
        ("CREATE TABLE memberships (id serial, person int)", "memberships is not the one we know: it has no column"),
        ("CREATE TABLE account_logins (id serial)", "it has no column login, account_id, gateway"),
        ("CREATE VIEW accounts AS SELECT 1 AS id", "accounts is no table that takes columns and triggers of ours"),
    ],
)
async def test_a_name_that_is_taken_by_something_else_is_told_with_a_way_out(
    foreign: Operator, install: Install, empty_database: str, made: str, said: str
) -> None:
    await foreign.execute(made)
    with pytest.raises(DatabaseError, match=said):
        await install(empty_database)


async def test_accounts_of_another_system_stay_empty_and_closed_but_for_what_is_ours(
    foreign: Operator, install: Install, empty_database: str
) -> None:
    await foreign.execute("CREATE TABLE accounts (id text PRIMARY KEY, email text NOT NULL, password_hash text)")
    await install(empty_database)
    assert await foreign.fetchval("SELECT count(*) FROM accounts") == 0
    may = "SELECT has_column_privilege('agent_config_operator', 'accounts', $1, $2)"
    for column, privilege in (("password_hash", "SELECT"), ("email", "UPDATE"), ("id", "INSERT"), ("id", "UPDATE")):
        assert not await foreign.fetchval(may, column, privilege)
    assert await foreign.fetchval(may, "skills_poc_enabled", "UPDATE")
    assert not await foreign.fetchval("SELECT has_table_privilege('agent_config_operator', 'accounts', 'DELETE')")


async def test_an_account_that_stands_twice_ends_no_pass(
    foreign: Operator, install: Install, empty_database: str, start: Start, tmp_path: Path
) -> None:
    await foreign.execute("CREATE TABLE accounts (id text); INSERT INTO accounts VALUES ('default'), ('default')")
    await install(empty_database)
    await foreign.execute("INSERT INTO agents (name) VALUES ('lead')")
    running = await start(wait=None, workspace_root=tmp_path / "workspaces")
    assert not (await running.events.until(Housed)).skills_enabled


@pytest.mark.parametrize("kind", ["uuid", "bigint", "text"])
async def test_accounts_of_another_system_decide_about_skills(
    foreign: Operator, install: Install, empty_database: str, start: Start, tmp_path: Path, kind: str
) -> None:
    account = {"uuid": "00000000-0000-4000-8000-00000000000c", "bigint": "7", "text": "acme"}[kind]
    await foreign.execute(f"CREATE TABLE accounts (id {kind} PRIMARY KEY, title text NOT NULL)")
    await foreign.execute(f"INSERT INTO accounts VALUES ('{account}', 'Theirs')")
    await install(empty_database)
    await foreign.execute("INSERT INTO agents (account_id, name) VALUES ($1, 'lead')", account)
    await foreign.execute("UPDATE accounts SET skills_poc_enabled = true")
    running = await start(wait=None, account=account, workspace_root=tmp_path / "workspaces")
    assert (await running.events.until(Housed)).skills_enabled
    assert await foreign.fetchval("SELECT count(*) FROM accounts") == 1
