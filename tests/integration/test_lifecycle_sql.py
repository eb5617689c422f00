"""What the database holds to of runtimes: who says how one is, who asks it for what, and what becomes of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import asyncpg
import pytest
from harness import DEADLINE, Operator, connected, psql

from agent_config_sync.postgres.migrate import migrate, migrations

BOX, OTHER, PERSON = (f"{name}_{os.getpid()}" for name in ("box", "otherbox", "person"))

REPORT = """
    INSERT INTO gateway_status (gateway, plugin_version, state, resync_interval, runtime_status, runtime_version,
                                runtime_seen_at)
    VALUES ($1, '1', 'offered', '60 s', 'online', '1.0', now())
    ON CONFLICT (account_id, gateway) DO UPDATE SET runtime_status = excluded.runtime_status
"""

TAKE = "UPDATE runtime_requests SET taken_at = now(), from_version = '1.0', expires_at = now() + interval '1 h'"
FINISH = "UPDATE runtime_requests SET finished_at = now(), outcome = 'success'"

RECORD = """
    INSERT INTO upgrade_history (gateway, from_version, to_version, status, started_at, requested_by)
    VALUES ($1, $2, $3, $4, now(), 'ada')
"""


def as_login(dsn: str, login: str) -> str:
    return dsn.replace("postgres@", f"{login}@")


@pytest.fixture
async def logins(operator: Operator) -> AsyncIterator[None]:
    """The logins of two gateways and of a person."""
    for login, role in ((BOX, "runtime"), (OTHER, "runtime"), (PERSON, "operator")):
        await operator.execute(f"CREATE ROLE {login} LOGIN IN ROLE agent_config_{role}")
    yield
    for login in (BOX, OTHER, PERSON):
        await operator.execute(f"DROP ROLE {login}")


@pytest.fixture
async def box(database: str, logins: None) -> AsyncIterator[Operator]:
    """A gateway's login that has said that its runtime is online."""
    async with connected(as_login(database, BOX)) as connection:
        await connection.execute(REPORT, "box")
        yield connection


@pytest.fixture
async def other(database: str, logins: None) -> AsyncIterator[Operator]:
    async with connected(as_login(database, OTHER)) as connection:
        await connection.execute(REPORT, "other")
        yield connection


@pytest.fixture
async def person(database: str, logins: None) -> AsyncIterator[Operator]:
    async with connected(as_login(database, PERSON)) as connection:
        yield connection


# How it is ------------------------------------------------------------------------------------------------------------


async def test_no_login_says_how_the_runtime_of_another_is(box: Operator, other: Operator) -> None:
    assert await other.execute("UPDATE gateway_status SET runtime_status = 'error' WHERE gateway = 'box'") == "UPDATE 0"
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await other.execute(REPORT, "box")


async def test_a_change_of_status_is_recorded_and_a_repetition_is_not(operator: Operator, box: Operator) -> None:
    await box.execute(REPORT, "box")
    await box.execute("UPDATE gateway_status SET runtime_status = 'degraded', runtime_error = 'no gateway'")
    told = await operator.fetch("SELECT gateway, actor_type, target_id, meta FROM activities ORDER BY id")
    assert [tuple(row) for row in told] == [
        ("box", "system", "box", '{"newStatus": "online"}'),
        ("box", "system", "box", '{"reason": "no gateway", "newStatus": "degraded", "oldStatus": "online"}'),
    ]


SILENT = "UPDATE gateway_status SET runtime_seen_at = now() - interval '91 s' WHERE gateway = $1"


@pytest.mark.parametrize("status", ["provisioning", "online", "degraded", "upgrading"])
async def test_whoever_looks_marks_a_runtime_offline_that_is_silent_for_90_seconds(
    operator: Operator, box: Operator, other: Operator, status: str
) -> None:
    await operator.execute("UPDATE gateway_status SET runtime_status = $1", status)
    await operator.execute(SILENT, "box")
    assert await other.fetchval("SELECT sweep_runtimes()") == 1
    found = await operator.fetch("SELECT gateway, runtime_status, state, reported_by FROM gateway_status ORDER BY 1")
    assert [tuple(row) for row in found] == [("box", "offline", "offered", BOX), ("other", status, "offered", OTHER)]


@pytest.mark.parametrize("status", ["offline", "error", None])
async def test_a_runtime_that_said_that_it_ends_is_left_alone(
    operator: Operator, box: Operator, status: str | None
) -> None:
    await operator.execute("UPDATE gateway_status SET runtime_status = $1", status)
    await operator.execute(SILENT, "box")
    assert await box.fetchval("SELECT sweep_runtimes()") == 0
    assert await operator.fetchval("SELECT runtime_status FROM gateway_status") == status


async def test_a_runtime_of_another_account_is_left_alone(operator: Operator, box: Operator) -> None:
    await operator.execute(SILENT, "box")
    assert await box.fetchval("SELECT sweep_runtimes('elsewhere')") == 0


# What is asked --------------------------------------------------------------------------------------------------------


async def test_a_person_asks_and_it_says_who(box: Operator, person: Operator) -> None:
    await person.execute("SELECT request_upgrade('box', 'v1.1')")
    asked = await person.fetchrow("SELECT kind, target_version, requested_by, taken_at FROM runtime_requests")
    assert asked is not None
    assert tuple(asked) == ("upgrade", "1.1", PERSON, None)


async def test_whoever_listens_is_woken(box: Operator, person: Operator) -> None:
    arrived: asyncio.Queue[str] = asyncio.Queue()
    await box.add_listener("agent_work_changed", lambda *event: arrived.put_nowait(str(event[3])))
    await person.execute("SELECT request_restart('box')")
    async with asyncio.timeout(DEADLINE):
        assert await arrived.get() == '{"source" : "runtime_requests"}'


async def test_a_newer_request_takes_the_place_of_one_that_nobody_has_taken(box: Operator, person: Operator) -> None:
    await person.execute("SELECT request_upgrade('box', '1.1')")
    await person.execute("SELECT request_upgrade('box', '1.2')")
    asked = await person.fetch("SELECT target_version, outcome FROM runtime_requests ORDER BY requested_at")
    assert [tuple(row) for row in asked] == [("1.1", "superseded"), ("1.2", None)]


async def test_while_one_is_taken_another_is_refused(box: Operator, person: Operator) -> None:
    await person.execute("SELECT request_upgrade('box', '1.1')")
    await box.execute(TAKE)
    with pytest.raises(asyncpg.PostgresError, match="in the middle of another request") as raised:
        await person.execute("SELECT request_restart('box')")
    assert raised.value.sqlstate == "TB409"
    await box.execute(FINISH)
    await person.execute("SELECT request_restart('box')")


async def test_of_many_who_ask_at_once_one_request_is_open(box: Operator, database: str) -> None:
    together = asyncio.Barrier(8)

    async def ask(number: int) -> None:
        async with connected(as_login(database, PERSON)) as someone:
            await together.wait()
            await someone.execute("SELECT request_upgrade('box', $1)", f"1.{number}")

    ended = await asyncio.gather(*map(ask, range(8)), return_exceptions=True)
    refused = [error for error in ended if error is not None]
    assert {error.sqlstate for error in refused if isinstance(error, asyncpg.PostgresError)} <= {"TB409"}
    assert len(refused) < len(ended)
    assert await box.fetchval("SELECT count(*) FROM runtime_requests WHERE finished_at IS NULL") == 1


@pytest.mark.parametrize("version", ["", "  ", "-1", "1.0; rm -rf /", "$(id)", "1" * 65, "1\n2", "../1"])
async def test_what_is_no_version_is_refused(box: Operator, person: Operator, version: str) -> None:
    with pytest.raises(asyncpg.PostgresError, match="Invalid version") as raised:
        await person.execute("SELECT request_upgrade('box', $1)", version)
    assert raised.value.sqlstate == "TB422"


@pytest.mark.parametrize("gateway", ["nothing", None])
async def test_a_runtime_that_never_reported_cannot_be_asked(
    box: Operator, person: Operator, gateway: str | None
) -> None:
    with pytest.raises(asyncpg.PostgresError, match="no runtime of gateway") as raised:
        await person.execute("SELECT request_restart($1)", gateway)
    assert raised.value.sqlstate == "TB404"


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT request_restart('box')",
        "SELECT request_upgrade('box', '2')",
        "SELECT rollback_upgrade('box')",
        "SELECT runtime_ask('box', 'default', 'restart', NULL)",
        "INSERT INTO runtime_requests (gateway, kind) VALUES ('box', 'restart')",
        "UPDATE runtime_requests SET kind = 'restart', target_version = NULL",
        "UPDATE runtime_requests SET requested_by = 'ada'",
        "DELETE FROM runtime_requests",
        "DELETE FROM upgrade_history",
        "UPDATE upgrade_history SET status = 'success'",
    ],
)
async def test_a_gateways_login_asks_for_nothing_and_rewrites_nothing(box: Operator, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await box.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO runtime_requests (gateway, kind) VALUES ('box', 'restart')",
        "UPDATE runtime_requests SET taken_at = now()",
        "SELECT runtime_ask('box', 'default', 'restart', NULL)",
        "INSERT INTO upgrade_history DEFAULT VALUES",
    ],
)
async def test_a_person_asks_by_the_functions_alone(box: Operator, person: Operator, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await person.execute(statement)


async def test_a_person_takes_back_what_nobody_has_taken_and_nothing_else(box: Operator, person: Operator) -> None:
    await person.execute("SELECT request_restart('box')")
    await box.execute(TAKE)
    assert await person.execute("DELETE FROM runtime_requests") == "DELETE 0"
    await box.execute(FINISH)
    await person.execute("SELECT request_restart('box')")
    assert await person.execute("DELETE FROM runtime_requests") == "DELETE 2"


async def test_no_gateway_takes_what_is_asked_of_another(box: Operator, other: Operator, person: Operator) -> None:
    await person.execute("SELECT request_restart('box')")
    assert await other.execute(TAKE) == "UPDATE 0"
    assert await box.execute(TAKE) == "UPDATE 1"


async def test_what_has_ended_stays_as_it_is(box: Operator, person: Operator) -> None:
    await person.execute("SELECT request_restart('box')")
    await box.execute(FINISH)
    assert await box.execute("UPDATE runtime_requests SET outcome = 'failed'") == "UPDATE 0"


# What becomes of it ---------------------------------------------------------------------------------------------------


async def test_no_gateway_writes_the_history_of_another(box: Operator, other: Operator) -> None:
    await box.execute(RECORD, "box", "1.0", "1.1", "success")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await other.execute(RECORD, "box", "1.0", "1.1", "success")


@pytest.mark.parametrize(
    ("history", "target"),
    [
        ([("1.0", "1.1", "success")], "1.0"),
        ([("1.0", "1.1", "success"), ("1.1", "1.2", "failed")], "1.0"),
        ([("1.0", "1.1", "success"), ("1.1", "1.2", "success")], "1.1"),
        ([("1.0", "1.1", "success"), ("1.1", "1.2", "success"), ("1.2", "1.1", "rolled_back")], "1.0"),
        ([("1.0", "1.1", "success"), ("1.1", "1.0", "rolled_back"), ("1.0", "1.1", "success")], "1.0"),
    ],
)
async def test_a_rollback_is_to_the_version_before_the_last_upgrade_that_stands(
    box: Operator, person: Operator, history: list[tuple[str, str, str]], target: str
) -> None:
    for row in history:
        await box.execute(RECORD, "box", *row)
    await person.execute("SELECT rollback_upgrade('box')")
    asked = await person.fetchrow("SELECT kind, target_version FROM runtime_requests")
    assert asked is not None
    assert tuple(asked) == ("rollback", target)


@pytest.mark.parametrize(
    "history",
    [[], [("1.0", "1.1", "timeout")], [("1.0", "1.1", "success"), ("1.1", "1.0", "rolled_back")]],
)
async def test_where_there_is_nothing_to_roll_back_it_says_so(
    box: Operator, person: Operator, history: list[tuple[str, str, str]]
) -> None:
    for row in history:
        await box.execute(RECORD, "box", *row)
    with pytest.raises(asyncpg.PostgresError, match="could be rolled back") as raised:
        await person.execute("SELECT rollback_upgrade('box')")
    assert raised.value.sqlstate == "TB409"


async def test_whoever_looks_gives_up_what_no_process_came_back_from(
    operator: Operator, box: Operator, other: Operator, person: Operator
) -> None:
    await person.execute("SELECT request_upgrade('box', '1.1')")
    await box.execute(TAKE)
    await other.fetchval("SELECT sweep_runtimes()")
    assert await person.fetchval("SELECT outcome FROM runtime_requests") is None
    await operator.execute("UPDATE runtime_requests SET expires_at = now() - interval '1 s'")
    await other.fetchval("SELECT sweep_runtimes()")
    await other.fetchval("SELECT sweep_runtimes()")
    assert await person.fetchval("SELECT outcome FROM runtime_requests") == "timeout"
    told = await person.fetch("SELECT from_version, to_version, status, requested_by FROM upgrade_history")
    assert [tuple(row) for row in told] == [("1.0", "1.1", "timeout", PERSON)]


async def test_a_restart_that_is_given_up_is_no_upgrade(operator: Operator, box: Operator, person: Operator) -> None:
    await person.execute("SELECT request_restart('box')")
    await box.execute(TAKE)
    await operator.execute("UPDATE runtime_requests SET expires_at = now() - interval '1 s'")
    await box.fetchval("SELECT sweep_runtimes()")
    assert await person.fetchval("SELECT outcome FROM runtime_requests") == "timeout"
    assert await person.fetchval("SELECT count(*) FROM upgrade_history") == 0


# The migration --------------------------------------------------------------------------------------------------------

MADE = """
    SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT proname || prosrc || coalesce(proconfig::text, '') || coalesce(proacl::text, '') FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT conrelid::regclass || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid <> 0
    UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL SELECT tablename || policyname || cmd || coalesce(qual, '') || coalesce(with_check, '') FROM pg_policies
    UNION ALL SELECT relname || relacl::text FROM pg_class WHERE relacl IS NOT NULL
    ORDER BY 1
"""


async def test_applied_twice_it_is_the_same(operator: Operator, database: str) -> None:
    before = await operator.fetch(MADE)
    path = next(migration.path for migration in migrations() if migration.name == "0011_lifecycle")
    ended = await asyncio.to_thread(psql, database, "-v", "ON_ERROR_STOP=1", "-f", str(path))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert await operator.fetch(MADE) == before


async def test_none_of_its_functions_is_open_to_everybody(operator: Operator) -> None:
    opened = await operator.fetch("""
        SELECT proname FROM pg_proc
        WHERE proname ~ '^(request_|rollback_upgrade|runtime_|sweep_)' AND pronamespace = 'public'::regnamespace
          AND has_function_privilege('public', oid, 'EXECUTE')
    """)
    assert opened == []


async def test_each_of_its_functions_looks_in_our_schema_alone(operator: Operator) -> None:
    paths = await operator.fetch("""
        SELECT proname::text, proconfig FROM pg_proc
        WHERE proname ~ '^(request_|rollback_upgrade|runtime_|sweep_)' AND pronamespace = 'public'::regnamespace
    """)
    assert len(paths) == 7
    assert {tuple(row["proconfig"] or ()) for row in paths} == {("search_path=pg_catalog, public, pg_temp",)}


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("CREATE TABLE runtime_requests (id uuid)", "table public.runtime_requests is not the one we know"),
        ("CREATE VIEW upgrade_history AS SELECT 1", "public.upgrade_history is no table that takes columns"),
    ],
)
async def test_a_table_of_our_name_that_is_another_is_named(empty_database: str, made: str, said: str) -> None:
    async with connected(empty_database) as owner:
        await owner.execute(made)
        with pytest.raises(Exception, match=said):
            await migrate(owner)
