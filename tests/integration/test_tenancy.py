"""Accounts kept apart: account a works as before, and account b, whatever it tries, neither sees nor touches it."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import orjson
import pytest
from commands import command
from harness import DEADLINE, Operator, Running, Start, connected, psql

from agent_config_sync.errors import DatabaseError
from agent_config_sync.events import Published, Refused, Reported, SkillsReported, Warned
from agent_config_sync.postgres.migrate import migrate, migrations, pending, tenancy_step

GATEWAY_A, GATEWAY_B, OPERATOR_A, OPERATOR_B = "box_a", "box_b", "person_a", "person_b"
BOTH, PLAIN = "person_ab", "plain_owner"

READS = {
    "agents": "account_id, name",
    "gateways": "account_id, name",
    "people": "account_id, name",
    "boards": "account_id, name",
    "skills": "account_id, slug",
    "agent_skills": "account_id, skill",
    "accounts": "id",
    "memberships": "account_id, user_id",
    "gateway_status": "account_id, gateway",
    "agent_tokens": "account_id, token_hash",
    "installed_skills": "account_id, slug",
    "skill_credentials": "account_id, key_name",
    "activities": "account_id, target_id",
    "account_logins": "account_id, login",
    "board_tasks": "account_id, title",
    "board_assignees": "account_id, agent",
    "board_messages": "account_id, content",
    "board_documents": "account_id, title",
    "board_subscriptions": "account_id, agent",
    "board_notifications": "account_id, title",
    "agent_sessions": "account_id, session_key",
    "agent_presence": "account_id, agent",
    "session_leases": "account_id, session_key",
    "delivery_effects": "account_id, tool",
    "runtime_requests": "account_id, gateway",
    "upgrade_history": "account_id, gateway",
}
"""Every table of accounts, and what names a row of it."""

OF_GATEWAYS = sorted(READS.keys() - {"activities", "account_logins", "board_subscriptions"})
"""Those that a gateway's login may read."""

ROWS = """
INSERT INTO accounts (id, skills_poc_enabled) VALUES ('{0}', true);
INSERT INTO people (id, account_id, name, user_id) VALUES
    ('00000000-0000-4000-8000-0000000000{0}1', '{0}', 'ada_{0}', 'ada');
INSERT INTO boards (id, account_id, name, person_id) VALUES
    ('00000000-0000-4000-8000-0000000000{0}2', '{0}', 'board_{0}', '00000000-0000-4000-8000-0000000000{0}1');
INSERT INTO gateways (account_id, name) VALUES ('{0}', 'gateway_{0}');
INSERT INTO agents (account_id, name, model, is_default, board_id) VALUES
    ('{0}', 'lead_{0}', 'x/{0}', true, '00000000-0000-4000-8000-0000000000{0}2'), ('{0}', 'coder', 'x/y', false, NULL);
INSERT INTO skills (account_id, slug, content) VALUES ('{0}', 'skill_{0}', 'Do it.');
INSERT INTO agent_skills (account_id, agent, skill) VALUES ('{0}', 'lead_{0}', 'skill_{0}');
INSERT INTO memberships (account_id, user_id, role) VALUES ('{0}', 'user_{0}', 'owner');
INSERT INTO agent_tokens (account_id, agent, gateway, token_hash, issued_by)
VALUES ('{0}', 'lead_{0}', 'gateway_{0}', 'hash_{0}', '{1}');
INSERT INTO gateway_status (account_id, gateway, plugin_version, state, resync_interval, reported_by)
VALUES ('{0}', 'gateway_{0}', '1', 'offered', '1 s', '{1}');
INSERT INTO installed_skills (account_id, gateway, agent, slug, name, checksum, reported_by)
VALUES ('{0}', 'gateway_{0}', 'coder', 'git_{0}', 'git', 'x', '{1}');
INSERT INTO skill_credentials (account_id, gateway, skill, key_name, credential_ref, reported_by)
VALUES ('{0}', 'gateway_{0}', 'git', 'KEY_{2}', '{0}/gateway_{0}/git/KEY_{2}', '{1}');
INSERT INTO activities (account_id, gateway, type, actor_type, actor_id, target_type, target_id, recorded_by)
VALUES ('{0}', 'gateway_{0}', 'skill_installed', 'agent', 'coder', 'skill', 'git_{0}', '{1}');
INSERT INTO account_logins VALUES ('{1}', '{0}', 'gateway_{0}'), ('{3}', '{0}', NULL), ('{4}', '{0}', NULL);
INSERT INTO board_tasks (id, account_id, title) VALUES ('00000000-0000-4000-8000-0000000000{0}3', '{0}', 'task_{0}');
INSERT INTO board_assignees (task_id, agent) VALUES ('00000000-0000-4000-8000-0000000000{0}3', 'coder');
INSERT INTO board_messages (task_id, content) VALUES ('00000000-0000-4000-8000-0000000000{0}3', 'message_{0}');
INSERT INTO board_documents (account_id, task_id, title, type) VALUES
    ('{0}', '00000000-0000-4000-8000-0000000000{0}3', 'document_{0}', 'note');
INSERT INTO agent_sessions (account_id, agent, session_key) VALUES ('{0}', 'coder', 'agent:coder:{0}');
INSERT INTO agent_presence (account_id, agent) VALUES ('{0}', 'coder');
INSERT INTO session_leases (session_id, account_id, agent, session_key, gateway)
SELECT id, account_id, agent, session_key, 'gateway_{0}' FROM agent_sessions WHERE account_id = '{0}';
INSERT INTO delivery_effects (notification_id, account_id, fingerprint, occurrence, attempt, tool, arguments, result)
SELECT id, account_id, 'x', 1, 1, 'tool_{0}', '{{}}', '{{}}' FROM board_notifications WHERE account_id = '{0}' LIMIT 1;
INSERT INTO runtime_requests (account_id, gateway, kind, requested_by) VALUES ('{0}', 'gateway_{0}', 'restart', '{3}');
INSERT INTO upgrade_history
    (account_id, gateway, from_version, to_version, status, started_at, requested_by, reported_by)
VALUES ('{0}', 'gateway_{0}', '1', '2', 'success', now(), '{3}', '{1}');
"""

OF_A = " UNION ALL ".join(
    f"SELECT '{table}' || row_to_json(t)::text FROM {table} AS t WHERE {columns.split(', ')[0]} = 'a'"
    for table, columns in READS.items()
)


def as_login(dsn: str, login: str) -> str:
    return dsn.replace("postgres@", f"{login}@")


async def rows_of_a(operator: Operator) -> list[str]:
    return sorted(row[0] for row in await operator.fetch(OF_A))


@pytest.fixture
async def logins(operator: Operator) -> AsyncIterator[None]:
    """Two gateways' logins and two operators', one of each account, and an operator of both; others may not connect."""
    name = await operator.fetchval("SELECT current_database()")
    await operator.execute(f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC")
    roles = {
        GATEWAY_A: "runtime",
        GATEWAY_B: "runtime",
        OPERATOR_A: "operator",
        OPERATOR_B: "operator",
        BOTH: "operator",
    }
    for login in (*roles, PLAIN):
        await operator.execute(f"DROP ROLE IF EXISTS {login}")
    await operator.execute(f"CREATE ROLE {PLAIN} LOGIN")
    for login, role in roles.items():
        await operator.execute(
            f"CREATE ROLE {login} LOGIN IN ROLE agent_config_{role}; GRANT CONNECT ON DATABASE {name} TO {login}"
        )
    yield
    for login in (*roles, PLAIN):
        await operator.execute(f"REASSIGN OWNED BY {login} TO postgres; DROP OWNED BY {login}; DROP ROLE {login}")


@pytest.fixture
async def bound(operator: Operator, logins: None) -> None:
    """Both accounts have a row in every table, and their logins are bound."""
    for account, gateway, person in (("a", GATEWAY_A, OPERATOR_A), ("b", GATEWAY_B, OPERATOR_B)):
        await operator.execute(ROWS.format(account, gateway, account.upper(), person, BOTH))


@pytest.fixture
async def apart(operator: Operator, bound: None) -> None:
    """The two accounts are kept apart."""
    await migrate(operator, tenancy=True)


@pytest.fixture
async def gateway_b(database: str, apart: None) -> AsyncIterator[Operator]:
    async with connected(as_login(database, GATEWAY_B)) as connection:
        yield connection


@pytest.fixture
async def operator_b(database: str, apart: None) -> AsyncIterator[Operator]:
    async with connected(as_login(database, OPERATOR_B)) as connection:
        yield connection


# What works -----------------------------------------------------------------------------------------------------------


def files_of(running: Running, root: Path) -> dict[str, bytes]:
    """Return what was made, but for the tokens in it and the folder that it is in."""
    files = {"agents.json": running.output, **{str(path.relative_to(root)): path for path in root.rglob("*.md")}}
    return {
        name: re.sub(rb"(AUTH_TOKEN)=.*", rb"\1", path.read_bytes().replace(str(root).encode(), b""))
        for name, path in files.items()
    }


async def test_a_gateway_of_one_account_makes_the_same_files_as_before(
    operator: Operator, bound: None, database: str, start: Start, tmp_path: Path
) -> None:
    login = {"dsn": as_login(database, GATEWAY_A), "account": "a", "gateway": "gateway_a"}
    made: list[dict[str, bytes]] = []
    for step in ("before", "after"):
        root = tmp_path / step
        running = await start(wait=Reported, workspace_root=root, output_path=tmp_path / f"{step}.json", **login)
        assert [line for warned in running.events.of(Warned) for line in warned.warnings] == []
        made.append(files_of(running, root))
        await running.plugin.stop()
        await migrate(operator, tenancy=True)
    assert made[0] == made[1]
    assert b"lead_a" in made[0]["agents.json"]
    assert b"lead_b" not in made[0]["agents.json"]


@pytest.mark.usefixtures("quick_looks")
async def test_a_gateway_hears_its_operator_and_reports_what_it_did(
    operator: Operator, apart: None, database: str, start: Start, tmp_path: Path
) -> None:
    running = await start(
        wait=SkillsReported,
        dsn=as_login(database, GATEWAY_A),
        account="a",
        gateway="gateway_a",
        workspace_root=tmp_path / "workspaces",
    )
    async with connected(as_login(database, OPERATOR_A)) as person:
        assert await person.execute("UPDATE agents SET model = 'x/new' WHERE name = 'coder'") == "UPDATE 1"
    await running.events.until(Published, lambda event: b"x/new" in event.after)
    await running.events.until(Reported)
    reported = "SELECT content_hash IS NOT NULL FROM gateway_status WHERE account_id = 'a' AND reported_by = $1"
    assert await operator.fetchval(reported, GATEWAY_A)
    issued = (
        "SELECT count(*) FROM agent_tokens WHERE account_id = 'a' AND issued_by = $1 AND token_hash NOT LIKE 'hash%'"
    )
    assert await operator.fetchval(issued, GATEWAY_A) == 2


async def test_a_gateway_with_a_login_of_another_account_keeps_its_last_good_file(
    apart: None, database: str, start: Start
) -> None:
    running = await start(wait=Reported, dsn=as_login(database, GATEWAY_A), account="a", gateway="gateway_a")
    good = running.output.read_bytes()
    await running.plugin.stop()
    other = await start(wait=Refused, dsn=as_login(database, GATEWAY_B), account="a", gateway="gateway_a")
    assert other.output.read_bytes() == good


async def test_an_operator_of_two_accounts_sees_and_writes_both(apart: None, database: str) -> None:
    async with connected(as_login(database, BOTH)) as person:
        for table, columns in READS.items():
            account = columns.split(", ")[0]
            found = {row[0] for row in await person.fetch(f"SELECT {account} FROM {table}")}
            assert found == {"a", "b"}, table
        assert await person.execute("UPDATE boards SET account_id = 'b' WHERE account_id = 'a'") == "UPDATE 1"


async def test_a_login_that_is_bound_to_nothing_sees_nothing_and_writes_nothing(
    operator: Operator, apart: None, database: str
) -> None:
    await operator.execute(f"DELETE FROM account_logins WHERE login = '{BOTH}'")
    async with connected(as_login(database, BOTH)) as person:
        for table in READS:
            assert await person.fetchval(f"SELECT count(*) FROM {table}") == 0, table
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await person.execute("INSERT INTO agents (name) VALUES ('mine')")


async def test_settings_of_the_whole_system_are_seen_by_all(operator_b: Operator) -> None:
    for table in ("agent_system_config", "model_aliases", "agent_config_migrations"):
        assert await operator_b.fetchval(f"SELECT count(*) > 0 FROM {table}"), table


async def test_rows_are_found_by_their_index_and_the_binding_is_asked_once(
    gateway_b: Operator, operator: Operator
) -> None:
    await operator.execute(
        "INSERT INTO agents (account_id, name) SELECT 'b', 'agent' || number FROM generate_series(1, 5000) AS number;"
        "ANALYZE agents"
    )
    asked = "EXPLAIN SELECT model FROM agents WHERE account_id::text = 'b' AND name = 'agent7'"
    plan = "\n".join(row[0] for row in await gateway_b.fetch(asked))
    assert "Index Scan using agents_pkey" in plan
    assert ("InitPlan" in plan, "SubPlan" in plan) == (True, False)
    placed = """EXPLAIN SELECT model FROM agents WHERE ctid = ANY ('{"(0,1)"}'::text[]::tid[])"""
    assert "Tid Scan" in "\n".join(row[0] for row in await gateway_b.fetch(placed))


async def _decide(dsn: str, status: str) -> None:
    async with connected(dsn) as gateway:
        change = "UPDATE skill_credentials SET status = $1, decided_by = 'ada' WHERE account_id = 'a'"
        assert await gateway.execute(change, status) == "UPDATE 1"


RECORDED = """
    SELECT actor_id FROM activities WHERE account_id = 'a' AND actor_type = 'user' AND target_type = 'credential'
    ORDER BY id
"""


async def test_what_people_decide_about_keys_is_recorded(operator: Operator, apart: None, database: str) -> None:
    await _decide(as_login(database, GATEWAY_A), "active")
    await _decide(as_login(database, OPERATOR_A), "revoked")
    assert [row[0] for row in await operator.fetch(RECORDED)] == ["ada", OPERATOR_A]


# An owner without any privilege ---------------------------------------------------------------------------------------


@pytest.fixture
async def plain(operator: Operator, bound: None, database: str) -> AsyncIterator[Operator]:
    """The owner of the tables, no superuser, who has kept the accounts apart."""
    name = await operator.fetchval("SELECT current_database()")
    await operator.execute(f"ALTER DATABASE {name} OWNER TO {PLAIN}; GRANT ALL ON SCHEMA public TO {PLAIN}")
    hand_over = f"""
        SELECT format('ALTER FUNCTION %s OWNER TO {PLAIN}', oid::regprocedure)
        FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL
        SELECT format('ALTER TABLE %s OWNER TO {PLAIN}', oid::regclass)
        FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
    """
    for row in await operator.fetch(hand_over):
        await operator.execute(row[0])
    async with connected(as_login(database, PLAIN)) as owner:
        await migrate(owner, repair=True, tenancy=True)
        yield owner


async def test_the_owner_is_bound_as_others_are_and_binds_them(plain: Operator) -> None:
    for table in READS.keys() - {"account_logins"}:
        assert await plain.fetchval(f"SELECT count(*) FROM {table}") == 0, table
    await plain.execute(f"INSERT INTO account_logins VALUES ('{PLAIN}', 'a', NULL)")
    assert {row[0] for row in await plain.fetch("SELECT account_id FROM agents")} == {"a"}
    assert (await migrate(plain, repair=True))[-1] == tenancy_step()


async def test_what_people_decide_is_recorded_where_the_owner_is_bound_too(
    plain: Operator, operator: Operator, database: str
) -> None:
    await _decide(as_login(database, GATEWAY_A), "active")
    await _decide(database, "revoked")
    assert [row[0] for row in await operator.fetch(RECORDED)] == ["ada", "postgres"]


async def test_nobody_but_the_owner_records_an_act_of_a_person(plain: Operator, database: str) -> None:
    forged = """
        INSERT INTO activities (account_id, gateway, type, actor_type, actor_id, target_type, target_id)
        VALUES ('b', 'gateway_b', 'credential_entered', 'user', 'ada', 'credential', 'x')
    """
    async with connected(as_login(database, GATEWAY_B)) as gateway:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await gateway.execute(forged)


DEAD_OF_A = """
    UPDATE board_notifications SET dead_at = now(), outcome = 'dead' WHERE account_id = 'a' AND agent = 'coder'
    RETURNING id
"""


async def test_what_was_given_up_in_an_account_is_queued_again_by_its_logins_alone(
    plain: Operator, operator: Operator, database: str
) -> None:
    notification = await operator.fetchval(DEAD_OF_A)
    queued = {}
    for login in (GATEWAY_B, OPERATOR_B, OPERATOR_A):
        async with connected(as_login(database, login)) as person:
            queued[login] = await person.fetchval("SELECT requeue_notification($1)", notification)
    assert queued == {GATEWAY_B: False, OPERATOR_B: False, OPERATOR_A: True}
    recorded = "SELECT account_id, actor_id FROM activities WHERE type = 'notification_requeued'"
    assert [tuple(row) for row in await operator.fetch(recorded)] == [("a", OPERATOR_A)]


# Attacks: reading -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", OF_GATEWAYS)
async def test_a_gateway_sees_no_row_of_another_account(gateway_b: Operator, table: str) -> None:
    assert {row[0] for row in await gateway_b.fetch(f"SELECT {READS[table]} FROM {table}")} == {"b"}


@pytest.mark.parametrize("table", READS)
async def test_an_operator_sees_no_row_of_another_account(operator_b: Operator, table: str) -> None:
    assert {row[0] for row in await operator_b.fetch(f"SELECT {READS[table]} FROM {table}")} == {"b"}


WAYS_TO_READ = [
    "SELECT account_id FROM agents TABLESAMPLE SYSTEM (100)",
    "SELECT account_id FROM ONLY agents",
    "SELECT coalesce(max(account_id), 'b') FROM agents WHERE account_id <> 'b'",
    "SELECT account_id FROM agents, LATERAL (SELECT pg_sleep(0)) AS s WHERE name <> ''",
    "SELECT a.account_id FROM agents AS a FULL JOIN agent_skills AS s ON true",
    'SELECT account_id FROM agents WHERE ctid = ANY (\'{"(0,1)","(0,2)","(0,3)","(0,4)"}\')',
    "WITH RECURSIVE r AS (SELECT account_id FROM agents UNION SELECT account_id FROM agents) SELECT * FROM r",
    "SELECT account_id FROM agents WHERE row_security_active('agents')",
]


@pytest.mark.parametrize("statement", WAYS_TO_READ)
async def test_no_way_of_asking_shows_a_row_of_another_account(gateway_b: Operator, statement: str) -> None:
    assert {row[0] for row in await gateway_b.fetch(statement)} <= {"b"}


async def test_what_is_copied_out_has_no_row_of_another_account(gateway_b: Operator) -> None:
    pieces: list[bytes] = []

    async def take(piece: bytes) -> None:
        pieces.append(piece)

    await gateway_b.copy_from_table("agents", columns=["account_id", "name"], output=take)
    assert set(b"".join(pieces).split()) == {b"b", b"lead_b", b"coder"}


SETTINGS = [
    "SET ROLE agent_config_reader",
    "SET ROLE agent_config_runtime",
    "SELECT set_config('agent_config_sync.account', 'a', false)",
    "SELECT set_config('app.account_id', 'a', false), set_config('request.jwt.claims', '{\"sub\": \"a\"}', false)",
    f"SELECT set_config('application_name', '{GATEWAY_A}', false)",
    "SET plan_cache_mode = force_generic_plan",
    "SET search_path = pg_temp, pg_catalog, public",
    "SET enable_seqscan = off",
    "SET debug_parallel_query = on",
    "SET force_parallel_mode = on",
    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "SET row_security = on",
]


@pytest.mark.parametrize("setting", SETTINGS)
async def test_no_setting_shows_a_row_of_another_account(gateway_b: Operator, setting: str) -> None:
    with contextlib.suppress(asyncpg.UndefinedObjectError):  # of another version of the server
        await gateway_b.execute(setting)
    assert {row[0] for row in await gateway_b.fetch("SELECT account_id FROM agents")} == {"b"}


REFUSED = [
    f"SET SESSION AUTHORIZATION {GATEWAY_A}",
    f"SELECT set_config('session_authorization', '{GATEWAY_A}', false)",
    f"SET ROLE {GATEWAY_A}",
    f"SELECT set_config('role', '{OPERATOR_A}', false)",
    "SET ROLE agent_config_operator",
    "SET row_security = off; SELECT count(*) FROM public.agents",
    "SELECT * FROM account_logins",
    "ALTER TABLE agents DISABLE ROW LEVEL SECURITY",
    "DROP POLICY agent_config_tenancy ON agents",
    "CREATE POLICY mine ON agents USING (true)",
    "ALTER FUNCTION agent_config_bindings() RENAME TO other",
    "SET session_replication_role = replica",
    "CREATE TRIGGER mine AFTER INSERT ON agents EXECUTE FUNCTION record_skill_credential()",
]


@pytest.mark.parametrize("statement", REFUSED)
async def test_what_would_lift_the_policies_is_refused(gateway_b: Operator, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await gateway_b.execute(statement)


async def test_an_operator_in_the_role_of_the_group_sees_no_other_account(operator_b: Operator) -> None:
    await operator_b.execute("SET ROLE agent_config_operator")
    assert {row[0] for row in await operator_b.fetch("SELECT account_id FROM memberships")} == {"b"}


PLANTED = """
    CREATE FUNCTION evil.agent_config_bindings() RETURNS TABLE (account_id text, gateway text) LANGUAGE sql
    AS $$ SELECT 'a', NULL::text $$;
    CREATE FUNCTION evil.yes(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
    CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.yes);
    CREATE TABLE evil.account_logins AS SELECT session_user::text AS login, 'a' AS account_id, NULL::text AS gateway;
    CREATE TABLE evil.pg_roles AS SELECT session_user AS rolname, true AS rolsuper, true AS rolbypassrls;
    SET search_path = evil, pg_catalog, public;
"""


@pytest.mark.parametrize("schema", ["evil", "pg_temp"])
async def test_what_is_planted_before_the_real_names_is_not_believed(
    gateway_b: Operator, operator: Operator, schema: str
) -> None:
    await operator.execute(f"CREATE SCHEMA evil AUTHORIZATION {GATEWAY_B}")
    await gateway_b.execute(PLANTED.replace("evil", schema))
    assert {row[0] for row in await gateway_b.fetch("SELECT account_id FROM public.agents")} == {"b"}
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await gateway_b.execute(FORGED["activities"])
    await operator.execute("DROP SCHEMA evil CASCADE")


async def test_temporary_tables_with_our_names_change_nothing_for_others(
    gateway_b: Operator, operator: Operator
) -> None:
    before = await rows_of_a(operator)
    for table in READS:
        await gateway_b.execute(f"CREATE TEMP TABLE {table} (account_id text, login text, gateway text)")
        await gateway_b.execute(f"INSERT INTO pg_temp.{table} VALUES ('a', session_user, NULL)")
    assert {row[0] for row in await gateway_b.fetch("SELECT account_id FROM public.agents")} == {"b"}
    assert await rows_of_a(operator) == before


async def test_a_function_that_tells_what_it_sees_is_given_no_row_of_another_account(
    gateway_b: Operator, operator: Operator
) -> None:
    await operator.execute(f"CREATE SCHEMA evil AUTHORIZATION {GATEWAY_B}")
    told: list[str] = []
    gateway_b.add_log_listener(lambda _, message: told.append(str(message.message)))
    await gateway_b.execute("""
        CREATE FUNCTION evil.tell(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$
        BEGIN RAISE NOTICE '%', $1; RETURN true; END $$;
        SELECT FROM agents WHERE evil.tell(name);
        SELECT FROM agents JOIN boards ON evil.tell(boards.name);
        SELECT max(name) FROM agents GROUP BY evil.tell(name) HAVING bool_and(evil.tell(model));
    """)
    assert {"lead_b", "coder", "board_b"} <= set(told) <= {"lead_b", "coder", "board_b", "x/b", "x/y"}
    with pytest.raises(asyncpg.InvalidTextRepresentationError) as raised:
        await gateway_b.fetch("SELECT FROM agents WHERE name::integer = 1")
    assert "lead_a" not in str(raised.value)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await gateway_b.execute("ALTER FUNCTION evil.tell LEAKPROOF")
    await operator.execute("DROP SCHEMA evil CASCADE")


async def test_statistics_about_values_are_closed(gateway_b: Operator, operator: Operator) -> None:
    await operator.execute("ANALYZE agents")
    assert await gateway_b.fetchval("SELECT count(*) FROM pg_stats WHERE tablename = 'agents'") == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await gateway_b.fetch("SELECT stanullfrac FROM pg_statistic")


# Attacks: writing -----------------------------------------------------------------------------------------------------

FORGED = {
    "gateway_status": (
        "INSERT INTO public.gateway_status (account_id, gateway, plugin_version, state, resync_interval)"
        " VALUES ('a', 'gateway_a', '9', 'refused', '1 s')"
        " ON CONFLICT (account_id, gateway) DO UPDATE SET state = 'refused'"
    ),
    "activities": (
        "INSERT INTO public.activities (account_id, gateway, type, actor_type, actor_id, target_type, target_id)"
        " VALUES ('a', 'gateway_a', 'skill_installed', 'agent', 'coder', 'skill', 'x')"
    ),
    "skill_credentials": (
        "INSERT INTO public.skill_credentials (account_id, gateway, skill, key_name, credential_ref)"
        " VALUES ('a', 'gateway_a', 'git', 'FORGED', 'a/gateway_a/git/FORGED')"
    ),
    "installed_skills": (
        "INSERT INTO public.installed_skills (account_id, gateway, agent, slug, name, checksum)"
        " VALUES ('a', 'gateway_a', 'coder', 'forged', 'forged', 'x')"
    ),
    "upgrade_history": (
        "INSERT INTO public.upgrade_history"
        " (account_id, gateway, from_version, to_version, status, started_at, requested_by)"
        " VALUES ('a', 'gateway_a', '2', '1', 'failed', now(), 'x')"
    ),
    "agent_tokens": (
        "INSERT INTO public.agent_tokens (account_id, agent, gateway, token_hash)"
        " VALUES ('a', 'lead_a', 'gateway_a', 'forged')"
    ),
}


@pytest.mark.parametrize("login", [GATEWAY_B, OPERATOR_B])
@pytest.mark.parametrize("table", FORGED)
async def test_a_row_for_a_gateway_of_another_account_is_refused(
    apart: None, operator: Operator, database: str, table: str, login: str
) -> None:
    before = await rows_of_a(operator)
    await operator.execute(f"GRANT INSERT ON {table} TO {OPERATOR_B}")
    async with connected(as_login(database, login)) as attacker:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match=r"row-level security|permission denied"):
            await attacker.execute(FORGED[table])
    assert await rows_of_a(operator) == before


@pytest.mark.parametrize("table", sorted(FORGED.keys() - {"upgrade_history"}))  # which is of who reports, bound or not
async def test_a_row_for_another_gateway_of_the_own_account_is_refused(
    gateway_b: Operator, operator: Operator, table: str
) -> None:
    own = FORGED[table].replace("'a', '", "'b', '").replace("'a/gateway_a", "'b/gateway_a").replace("lead_a", "lead_b")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await gateway_b.execute(own)
    await operator.execute(f"UPDATE account_logins SET gateway = NULL WHERE login = '{GATEWAY_B}'")
    assert (await gateway_b.execute(own)).startswith("INSERT 0 1")


UNNAMED = """
    INSERT INTO activities (account_id, type, actor_type, actor_id, target_type, target_id)
    VALUES ('b', 'skill_installed', 'agent', 'coder', 'skill', 'x')
"""


async def test_a_row_without_a_gateway_is_refused_to_a_login_that_has_one(gateway_b: Operator) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await gateway_b.execute(UNNAMED)


INTO_A = {
    table: f"UPDATE {table} SET {columns.split(', ')[0]} = 'a'"
    for table, columns in READS.items()
    if table in ("agents", "gateways", "people", "boards", "skills", "agent_skills", "accounts", "memberships")
}


@pytest.mark.parametrize("table", INTO_A)
async def test_an_own_row_cannot_be_moved_into_another_account(
    operator_b: Operator, operator: Operator, table: str
) -> None:
    before = await rows_of_a(operator)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await operator_b.execute(INTO_A[table])
    assert await rows_of_a(operator) == before


@pytest.mark.parametrize("table", ["gateway_status", "installed_skills"])
@pytest.mark.parametrize("change", ["account_id = 'a'", "gateway = 'gateway_a'"])
async def test_a_gateways_own_row_cannot_be_moved_to_another_gateway(
    gateway_b: Operator, table: str, change: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await gateway_b.execute(f"UPDATE {table} SET {change}")


ADDED = {
    "agents": "INSERT INTO agents (account_id, name) VALUES ('a', '{}')",
    "gateways": "INSERT INTO gateways (account_id, name) VALUES ('a', '{}')",
    "skills": "INSERT INTO skills (account_id, slug) VALUES ('a', '{}')",
    "agent_skills": "INSERT INTO agent_skills (account_id, agent, skill) VALUES ('a', 'lead_a', '{}')",
    "accounts": "INSERT INTO accounts (id) VALUES ('{}')",
    "memberships": "INSERT INTO memberships (account_id, user_id, role) VALUES ('a', '{}', 'owner')",
}
THERE = {"agents": "lead_a", "gateways": "gateway_a", "skills": "skill_a", "agent_skills": "skill_a", "accounts": "a"}


@pytest.mark.parametrize("words", ["", " ON CONFLICT DO NOTHING"])
@pytest.mark.parametrize("table", ADDED)
async def test_an_error_does_not_tell_whether_another_account_has_such_a_row(
    operator_b: Operator, table: str, words: str
) -> None:
    said = []
    for name in (THERE.get(table, "user_a"), "nothing"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError) as raised:
            await operator_b.execute(ADDED[table].format(name) + words)
        said.append((str(raised.value), raised.value.detail))
    assert said[0] == said[1]


async def test_an_id_that_another_account_has_is_told_without_its_row(operator_b: Operator) -> None:
    """What leaks, and docs/permissions.md says so: that an id of 122 random bits is taken."""
    taken = "00000000-0000-4000-8000-0000000000a1"
    with pytest.raises(asyncpg.UniqueViolationError) as raised:
        await operator_b.execute("INSERT INTO people (id, account_id) VALUES ($1, 'b')", taken)
    assert raised.value.detail is None
    assert await operator_b.execute(f"UPDATE boards SET person_id = '{taken}'") == "UPDATE 1"
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await operator_b.execute("UPDATE boards SET person_id = gen_random_uuid()")
    assert await operator_b.fetch("SELECT FROM boards JOIN people ON people.id = person_id") == []


@pytest.mark.parametrize("verb", ["DELETE FROM {}", "TRUNCATE {} CASCADE"])
@pytest.mark.parametrize("login", [GATEWAY_B, OPERATOR_B])
async def test_who_deletes_everything_deletes_nothing_of_another_account(
    apart: None, operator: Operator, database: str, login: str, verb: str
) -> None:
    before = await rows_of_a(operator)
    async with connected(as_login(database, login)) as attacker:
        for table in READS:
            with contextlib.suppress(asyncpg.InsufficientPrivilegeError):
                await attacker.execute(verb.format(table))
    assert await rows_of_a(operator) == before


# The board ------------------------------------------------------------------------------------------------------------

TASK_A, TASK_B, NO_TASK = (f"00000000-0000-4000-8000-0000000000{end}" for end in ("a3", "b3", "03"))

STORY = f"""
    BEGIN;
    SELECT set_config('agent_config_sync.actor', 'agent/coder', true);
    UPDATE board_tasks SET status = 'review' WHERE id = '{TASK_A}';
    INSERT INTO board_messages (task_id, content) VALUES ('{TASK_A}', 'Done, @lead_a.');
    UPDATE board_documents SET content = 'x' WHERE account_id = 'a';
    COMMIT
"""


@pytest.mark.parametrize("login", [GATEWAY_A, OPERATOR_A])
async def test_the_board_of_an_account_works_as_before(
    apart: None, operator: Operator, database: str, login: str
) -> None:
    async with connected(as_login(database, login)) as person:
        await person.execute(STORY)
    told = await operator.fetch("SELECT type, agent FROM board_notifications WHERE actor_id = 'coder' ORDER BY 1")
    assert [tuple(row) for row in told] == [("mention", "lead_a")]


@pytest.mark.parametrize("login", [GATEWAY_A, "postgres"])
async def test_the_board_works_where_its_owner_is_bound_too(
    plain: Operator, operator: Operator, database: str, login: str
) -> None:
    await operator.execute("UPDATE agents SET is_orchestrator = true WHERE name = 'lead_a'")
    async with connected(as_login(database, login)) as person:
        await person.execute(STORY)
    told = await operator.fetch("SELECT type, agent FROM board_notifications WHERE actor_id = 'coder' ORDER BY 1")
    assert [tuple(row) for row in told] == [("mention", "lead_a"), ("status_change", "lead_a")]
    done = await operator.fetch("SELECT type FROM activities WHERE account_id = 'a' AND actor_id = 'coder' ORDER BY id")
    assert [row[0] for row in done][-3:] == ["task_status_changed", "message_created", "document_updated"]


INTO_THE_BOARD = {
    "assignee": "INSERT INTO board_assignees (task_id, agent) VALUES ('{}', 'coder')",
    "assignee of an account": "INSERT INTO board_assignees (account_id, task_id, agent) VALUES ('a', '{}', 'coder')",
    "message": "INSERT INTO board_messages (task_id, content) VALUES ('{}', '@all: hello')",
    "document": "INSERT INTO board_documents (account_id, task_id, title, type) VALUES ('b', '{}', 'x', 'note')",
    "moved document": "UPDATE board_documents SET task_id = '{}'",
    "notification": (
        "INSERT INTO board_notifications (account_id, type, agent, actor_type, actor_id, task_id, title, body)"
        " VALUES ('b', 'response_request', 'coder', 'agent', 'lead_b', '{}', 'x', 'x')"
    ),
    "session": "INSERT INTO agent_sessions (account_id, agent, task_id, session_key) VALUES ('b', 'coder', '{}', 'k')",
}


@pytest.mark.parametrize("login", [GATEWAY_B, OPERATOR_B])
@pytest.mark.parametrize("what", INTO_THE_BOARD)
async def test_nothing_reaches_a_task_of_another_account_nor_tells_that_it_is_there(
    apart: None, operator: Operator, database: str, login: str, what: str
) -> None:
    before = await rows_of_a(operator)
    said = []
    for task in (TASK_A, NO_TASK):
        async with connected(as_login(database, login)) as attacker:
            with pytest.raises(asyncpg.PostgresError) as raised:
                await attacker.execute(INTO_THE_BOARD[what].format(task))
            said.append((raised.value.sqlstate, str(raised.value).replace(task, "it")))
    assert said[0] == said[1]
    assert await rows_of_a(operator) == before


@pytest.mark.parametrize("login", [GATEWAY_B, OPERATOR_B])
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE board_tasks SET status = 'archived'",
        "UPDATE board_tasks SET title = 'x'",
        "UPDATE board_documents SET content = 'x'",
        "DELETE FROM board_assignees",
        "INSERT INTO board_tasks (account_id, title) VALUES ('a', 'x')",
        "INSERT INTO agent_sessions (account_id, agent, session_key) VALUES ('a', 'lead_a', 'agent:lead_a:a')",
        "SELECT set_config('agent_config_sync.actor', 'agent/lead_a', false); UPDATE board_tasks SET priority = 1",
    ],
)
async def test_no_task_of_another_account_is_changed(
    apart: None, operator: Operator, database: str, login: str, change: str
) -> None:
    before = await rows_of_a(operator)
    async with connected(as_login(database, login)) as attacker:
        with contextlib.suppress(asyncpg.InsufficientPrivilegeError):
            await attacker.execute(change)
    assert await rows_of_a(operator) == before


async def test_a_mention_means_nobody_of_another_account(gateway_b: Operator, operator: Operator) -> None:
    before = await rows_of_a(operator)
    await gateway_b.execute(
        "INSERT INTO board_messages (task_id, content) VALUES ($1, '@all @lead_a @user_a @coder: hello')", TASK_B
    )
    meant = await operator.fetchval("SELECT mentions FROM board_messages WHERE content LIKE '@all%'")
    assert sorted(each["id"] for each in orjson.loads(meant)) == ["coder", "lead_b", "user_b"]
    assert await rows_of_a(operator) == before


# The life of runtimes -------------------------------------------------------------------------------------------------

SILENT = """
    UPDATE gateway_status SET runtime_status = 'online', runtime_seen_at = now() - interval '2 min';
    DELETE FROM runtime_requests
"""

ASKING = (
    "SELECT request_restart('gateway_a', 'a')",
    "SELECT request_upgrade('gateway_a', '3', 'a')",
    "SELECT rollback_upgrade('gateway_a', 'a')",
)


@pytest.mark.parametrize("statement", ASKING)
async def test_nobody_asks_a_runtime_of_another_account_for_anything(
    operator_b: Operator, operator: Operator, statement: str
) -> None:
    await operator.execute(SILENT)
    said = []
    for asked in (statement, statement.replace("'gateway_a'", "'nothing'")):
        with pytest.raises(asyncpg.InsufficientPrivilegeError) as raised:
            await operator_b.execute(asked)
        said.append(str(raised.value).replace("nothing", "gateway_a"))
    assert said[0] == said[1]
    assert await operator.fetchval("SELECT count(*) FROM runtime_requests") == 0


async def test_who_is_bound_to_one_gateway_asks_no_other(operator: Operator, apart: None, database: str) -> None:
    await operator.execute(SILENT)
    await operator.execute(f"UPDATE account_logins SET gateway = 'other' WHERE login = '{OPERATOR_A}'")
    async with connected(as_login(database, OPERATOR_A)) as person:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="not bound to gateway gateway_a"):
            await person.execute(ASKING[0])


async def test_a_runtime_of_another_account_is_marked_by_nobody(gateway_b: Operator, operator: Operator) -> None:
    await operator.execute(SILENT)
    assert await gateway_b.fetchval("SELECT sweep_runtimes('a')") == 0
    assert await operator.fetchval("SELECT runtime_status FROM gateway_status WHERE account_id = 'a'") == "online"


@pytest.mark.parametrize("login", [OPERATOR_A, "postgres"])
@pytest.mark.parametrize("statement", ASKING)
async def test_runtimes_are_asked_where_their_owner_is_bound_too(
    plain: Operator, operator: Operator, database: str, login: str, statement: str
) -> None:
    await operator.execute(SILENT)
    async with connected(as_login(database, login)) as person:
        await person.execute(statement)
    assert await operator.fetchval("SELECT requested_by FROM runtime_requests WHERE account_id = 'a'") == login


async def test_another_runtime_is_marked_and_given_up_where_the_owner_is_bound_too(
    plain: Operator, operator: Operator, database: str
) -> None:
    await operator.execute(f"""
        {SILENT};
        UPDATE gateway_status SET gateway = 'other', reported_by = 'somebody' WHERE account_id = 'a';
        INSERT INTO runtime_requests (account_id, gateway, kind, target_version, from_version, taken_at, expires_at)
        VALUES ('a', 'other', 'upgrade', '2', '1', now() - interval '1 hour', now() - interval '1 min')
    """)
    async with connected(as_login(database, GATEWAY_A)) as gateway:
        assert await gateway.fetchval("SELECT sweep_runtimes('a')") == 1
    assert await operator.fetchval("SELECT runtime_status FROM gateway_status WHERE account_id = 'a'") == "offline"
    assert await operator.fetchval("SELECT status FROM upgrade_history WHERE gateway = 'other'") == "timeout"
    told = "SELECT meta ->> 'newStatus' FROM activities WHERE type = 'runtime_status_changed' ORDER BY id DESC LIMIT 1"
    assert await operator.fetchval(told) == "offline"


async def test_a_taken_request_is_ended_by_its_gateway_alone(
    apart: None, operator: Operator, database: str, gateway_b: Operator
) -> None:
    ending = "UPDATE runtime_requests SET finished_at = now(), outcome = 'success' WHERE account_id = 'a'"
    assert await gateway_b.execute(ending) == "UPDATE 0"
    async with connected(as_login(database, GATEWAY_A)) as gateway:
        assert await gateway.execute(ending) == "UPDATE 1"


# Notifications --------------------------------------------------------------------------------------------------------


async def heard_after(dsn: str, listener: Operator, *statements: str) -> list[tuple[str, str | None]]:
    """Return source and key of what a login hears after these statements of another."""
    arrived: asyncio.Queue[str] = asyncio.Queue()
    await listener.add_listener("agent_config_changed", lambda *event: arrived.put_nowait(str(event[3])))
    async with connected(dsn) as person:
        for statement in (*statements, "NOTIFY agent_config_changed, 'end'"):
            await person.execute(statement)
    payloads = []
    async with asyncio.timeout(DEADLINE):
        while (payload := await arrived.get()) != "end":
            payloads.append(orjson.loads(payload))
    return [(payload["source"], payload["key"]) for payload in payloads]


async def test_notifications_name_nothing_of_an_account(gateway_b: Operator, database: str) -> None:
    changes = {
        "agents": "UPDATE agents SET model = 'x/new' WHERE name = 'lead_a'",
        "gateways": "UPDATE gateways SET base_url = 'http://a'",
        "people": "UPDATE people SET name = 'Ada'",
        "boards": "UPDATE boards SET name = 'new'",
        "skills": "UPDATE skills SET name = 'new'",
        "agent_skills": "UPDATE agent_skills SET position = 2",
        "accounts": "UPDATE accounts SET skills_poc_enabled = false",
    }
    heard = await heard_after(as_login(database, OPERATOR_A), gateway_b, *changes.values())
    assert heard == [(table, None) for table in changes]


async def test_a_key_that_is_taken_back_is_not_named_either(gateway_b: Operator, database: str) -> None:
    await _decide(as_login(database, GATEWAY_A), "active")
    revoke = "UPDATE skill_credentials SET status = 'revoked'"
    heard = await heard_after(as_login(database, OPERATOR_A), gateway_b, revoke)
    assert heard == [("skill_credentials", None)]


async def test_notifications_name_what_belongs_to_the_whole_system(gateway_b: Operator, database: str) -> None:
    changes = (
        "UPDATE agent_system_config SET value = '3' WHERE key = 'max_spawn_depth'",
        "UPDATE model_aliases SET model = 'x/y' WHERE alias = 'gpt-4o'",
    )
    heard = await heard_after(as_login(database, OPERATOR_A), gateway_b, *changes)
    assert heard == [("agent_system_config", "max_spawn_depth"), ("model_aliases", "gpt-4o")]


async def test_a_trigger_of_an_earlier_system_works_for_a_login_without_rights_of_ours(
    operator: Operator, apart: None, database: str, gateway_b: Operator
) -> None:
    await operator.execute(f"""
        CREATE SCHEMA theirs; CREATE TABLE theirs.agents (name text);
        CREATE TRIGGER changed AFTER INSERT ON theirs.agents
            FOR EACH ROW EXECUTE FUNCTION notify_agent_config_changed();
        GRANT USAGE ON SCHEMA theirs TO {OPERATOR_A}; GRANT INSERT ON theirs.agents TO {OPERATOR_A};
        REVOKE agent_config_operator FROM {OPERATOR_A}; REVOKE USAGE ON SCHEMA public FROM PUBLIC
    """)
    heard = await heard_after(as_login(database, OPERATOR_A), gateway_b, "INSERT INTO theirs.agents VALUES ('x')")
    assert heard == [("agents", None)]


# The step itself ------------------------------------------------------------------------------------------------------

CLOSED = """
    SELECT relname::text FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attname = 'account_id' AND relrowsecurity
      AND (relforcerowsecurity OR relname = 'account_logins')
      AND EXISTS (SELECT FROM pg_policy WHERE polrelid = pg_class.oid AND polname = 'agent_config_tenancy'
                  AND NOT polpermissive)
"""


async def test_every_table_that_names_an_account_is_closed(operator: Operator, apart: None) -> None:
    naming = """
        SELECT relname::text FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attname = 'account_id'
    """
    named = {row[0] for row in await operator.fetch(naming)}
    assert {row[0] for row in await operator.fetch(CLOSED)} == named == READS.keys() - {"accounts"}


async def test_logins_that_would_see_nothing_are_named_with_the_statement_that_binds_them(
    operator: Operator, bound: None, database: str
) -> None:
    await operator.execute(f"DELETE FROM account_logins WHERE login IN ('{GATEWAY_A}', '{OPERATOR_B}')")
    with pytest.raises(DatabaseError) as raised:
        await migrate(operator, tenancy=True)
    said = str(raised.value)
    assert f"{GATEWAY_A}, {OPERATOR_B}" in said
    assert GATEWAY_B not in said
    bind = said[said.index("INSERT INTO") :]
    assert f"('{GATEWAY_A}', 'a', 'gateway_a'), ('{OPERATOR_B}', 'default', NULL)" in bind
    ended = await asyncio.to_thread(psql, database, "-v", "ON_ERROR_STOP=1", "-f", str(tenancy_step().path))
    assert bind in ended.stderr
    assert await operator.fetchval("SELECT count(*) FROM agent_config_migrations WHERE name = 'tenancy'") == 0
    await operator.execute(bind)
    assert await migrate(operator, tenancy=True) == [tenancy_step()]


async def test_a_second_time_changes_nothing(operator: Operator, apart: None) -> None:
    policies = "SELECT * FROM pg_policies ORDER BY tablename, policyname"
    before = await operator.fetch(policies)
    assert await migrate(operator, tenancy=True) == []
    await operator.execute(tenancy_step().sql)
    assert await operator.fetch(policies) == before


async def test_psql_applies_it_and_migrate_takes_it_as_applied(operator: Operator, bound: None, database: str) -> None:
    ended = await asyncio.to_thread(psql, database, "-v", "ON_ERROR_STOP=1", "-f", str(tenancy_step().path))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert await pending(operator, tenancy=True) == []
    async with connected(as_login(database, OPERATOR_B)) as person:
        assert {row[0] for row in await person.fetch("SELECT account_id FROM agents")} == {"b"}


async def test_nobody_gets_it_without_asking(operator: Operator, bound: None) -> None:
    assert await migrate(operator, repair=True) == migrations()[:-1]
    assert await operator.fetch(CLOSED) == []


async def test_repair_keeps_accounts_apart(operator: Operator, apart: None, database: str) -> None:
    assert (await migrate(operator, repair=True))[-1] == tenancy_step()
    async with connected(as_login(database, OPERATOR_B)) as person:
        for table, columns in READS.items():
            assert {row[0] for row in await person.fetch(f"SELECT {columns} FROM {table}")} == {"b"}, table


async def test_a_later_migration_is_followed_by_the_step_that_closes_its_tables(
    operator: Operator, apart: None
) -> None:
    await operator.execute("""
        DELETE FROM agent_config_migrations WHERE name = '0008_memberships';
        DROP TABLE memberships CASCADE; ALTER TABLE agents DISABLE ROW LEVEL SECURITY
    """)
    later = [
        "0008_memberships",
        "0009_board",
        "0010_delivery",
        "0011_lifecycle",
        "0012_heartbeats",
        "0013_turns",
        "tenancy",
    ]
    assert [each.name for each in await pending(operator)] == later
    await migrate(operator)
    assert {row[0] for row in await operator.fetch(CLOSED)} == READS.keys() - {"accounts"}


async def test_files_that_psql_applies_again_open_nothing(operator: Operator, apart: None, database: str) -> None:
    for migration in migrations():
        await operator.execute(migration.sql)
    async with connected(as_login(database, OPERATOR_B)) as person:
        for table, columns in READS.items():
            assert {row[0] for row in await person.fetch(f"SELECT {columns} FROM {table}")} == {"b"}, table
        heard = await heard_after(as_login(database, OPERATOR_A), person, "UPDATE gateways SET base_url = 'x'")
    assert heard == [("gateways", None)]


async def test_a_policy_of_an_operator_stays_and_is_not_widened(operator: Operator, bound: None, database: str) -> None:
    await operator.execute("""
        ALTER TABLE agents ENABLE ROW LEVEL SECURITY;
        CREATE POLICY of_coders ON agents USING (name = 'coder')
    """)
    await migrate(operator, tenancy=True)
    async with connected(as_login(database, OPERATOR_B)) as person:
        assert [tuple(row) for row in await person.fetch("SELECT account_id, name FROM agents")] == [("b", "coder")]


async def test_a_right_to_create_functions_beside_our_tables_is_warned_of(operator: Operator, bound: None) -> None:
    said: list[str] = []
    operator.add_log_listener(lambda _, message: said.append(f"{message.message}: {message.hint}"))
    await operator.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
    await migrate(operator, tenancy=True)
    assert "REVOKE CREATE ON SCHEMA public FROM public" in "\n".join(said)


async def test_the_command_says_whether_accounts_are_kept_apart(bound: None, database: str) -> None:
    printed = await command("migrate", "--print", "--tenancy")
    assert printed.out.rstrip().endswith(tenancy_step().sql.rstrip())
    assert tenancy_step().sql not in (await command("migrate", "--print")).out
    before = await command("migrate", "--tenancy", "--check", "--dsn", database)
    assert (before.status, before.out) == (3, "tenancy is off\npending: tenancy\n")
    assert (await command("migrate", "--tenancy", "--dsn", database)).out == "applied: tenancy\n"
    after = await command("migrate", "--tenancy", "--check", "--dsn", database)
    assert (after.status, after.out) == (0, "tenancy is on\nnothing is pending\n")


FOREIGN = {
    "agents": "CREATE TABLE agents (id serial PRIMARY KEY, name text, account_id text NOT NULL DEFAULT 'default')",
    "accounts": "CREATE TABLE accounts (id text PRIMARY KEY, email text)",
    "people": "CREATE TABLE people (id uuid PRIMARY KEY, full_name text, account_id text NOT NULL)",
    "boards": "CREATE TABLE boards (id bigserial PRIMARY KEY, account_id bigint)",
    "gateways": "CREATE TABLE gateways (host text)",
    "skills": "CREATE TABLE skills (id serial, slug text)",
}


@pytest.mark.parametrize("table", FOREIGN)
async def test_a_table_of_another_system_stays_open_with_a_warning_and_all_others_are_closed(
    empty_database: str, table: str
) -> None:
    said: list[str] = []
    async with connected(empty_database) as owner:
        await owner.execute(FOREIGN[table])
        await owner.execute(
            "DO $$ BEGIN EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC', current_database()); END $$"
        )
        await migrate(owner)
        owner.add_log_listener(lambda _, message: said.append(f"{message.message}: {message.hint}"))
        await migrate(owner, tenancy=True)
        closed = {row[0] for row in await owner.fetch(CLOSED)}
        open_ones = await owner.fetch("SELECT FROM pg_policy WHERE polrelid = to_regclass($1)", table)
    (warning,) = said
    assert f"table {table} is not ours" in warning
    assert f"CREATE POLICY agent_config_tenancy ON {table} AS RESTRICTIVE" in warning
    assert open_ones == []
    assert closed == READS.keys() - {table, "accounts"}
