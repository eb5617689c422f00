"""`agent-config-sync diff --sql`: what some SQL would change, without running it for good."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from commands import Ended, command
from harness import Operator, connected

from agent_config_sync.errors import DatabaseError
from agent_config_sync.plugin import Plugin
from agent_config_sync.postgres import trial
from agent_config_sync.postgres.link import Timing
from agent_config_sync.settings import Settings

Try: TypeAlias = Callable[[str], Awaitable[Ended]]


@pytest.fixture
async def lead(operator: Operator) -> None:
    await operator.execute("INSERT INTO agents (name, model, is_default) VALUES ('lead', 'a/old', true)")


@pytest.fixture
async def tried(database: str, tmp_path: Path, lead: None) -> Try:
    """Try some SQL on a file that is up to date."""
    output = str(tmp_path / "agents.json")
    await command("sync", "--dsn", database, "--output", output)

    async def diff(statements: str) -> Ended:
        return await command("diff", "--dsn", database, "--output", output, "--sql", "-", said=statements)

    return diff


async def model(operator: Operator) -> str:
    found: str = await operator.fetchval("SELECT model FROM agents WHERE name = 'lead'")
    return found


async def test_the_diff_shows_what_the_sql_would_change_and_ends_with_3(tried: Try) -> None:
    ended = await tried("UPDATE agents SET model = 'a/new'")
    assert (ended.status, ended.err) == (3, "")
    assert '-        "model": "a/old"' in ended.out
    assert '+        "model": "a/new"' in ended.out


async def test_nothing_is_committed_and_nobody_is_notified(tried: Try, operator: Operator, database: str) -> None:
    heard: list[object] = []
    async with connected(database) as listener:
        await listener.add_listener("agent_config_changed", lambda *event: heard.append(event[3]))
        await tried("UPDATE agents SET model = 'a/new'; INSERT INTO agents (name) VALUES ('b')")
        await listener.execute("NOTIFY agent_config_changed, 'end'")
    assert await operator.fetchval("SELECT array_agg(name || model) FROM agents") == ["leada/old"]
    assert heard == ["end"]


async def test_several_statements_with_what_they_make_are_seen(tried: Try) -> None:
    ended = await tried(
        "CREATE TABLE more (name text); INSERT INTO more VALUES ('b'), ('c');\n"
        "INSERT INTO agents (name) SELECT name FROM more;"
    )
    assert ended.status == 3
    assert '"id": "b"' in ended.out
    assert '"id": "c"' in ended.out


async def test_sql_that_changes_nothing_of_ours_ends_with_0(tried: Try) -> None:
    assert await tried("-- nothing\nSELECT 1; UPDATE agents SET model = model;") == Ended(0, "", "")


async def test_a_file_is_read(tried: Try, database: str, tmp_path: Path) -> None:
    (tmp_path / "change.sql").write_text("DELETE FROM agent_system_config")
    ended = await command(
        "diff", "--dsn", database, "--output", str(tmp_path / "agents.json"), "--sql", str(tmp_path / "change.sql")
    )
    assert (ended.status, "maxSpawnDepth" in ended.out) == (3, True)


OWN_TRANSACTIONS = [
    "UPDATE agents SET model = 'a/new'; COMMIT",
    "BEGIN; UPDATE agents SET model = 'a/new'; COMMIT; SELECT 1",
    "UPDATE agents SET model = 'a/new'; END",
    "UPDATE agents SET model = 'a/new'; COMMIT AND CHAIN",
    "UPDATE agents SET model = 'a/new'; PREPARE TRANSACTION 'kept'",
    "UPDATE agents SET model = 'a/new'; DO $$ BEGIN COMMIT; END $$",
    "UPDATE agents SET model = 'a/new'; DO $$ BEGIN EXECUTE 'COMMIT'; END $$",
    "CREATE PROCEDURE done() LANGUAGE plpgsql AS 'BEGIN COMMIT; END'; UPDATE agents SET model = 'a/new'; CALL done()",
    "ROLLBACK; UPDATE agents SET model = 'a/new'",
    "ABORT; UPDATE agents SET model = 'a/new'",
    "SAVEPOINT s; UPDATE agents SET model = 'a/new'; RELEASE s",
    "UPDATE agents SET model = 'a/new'; $$; COMMIT; DO $$",
    "SET agent_config_sync.trial = 'COMMIT'; UPDATE agents SET model = 'a/new'; COMMIT",
]


@pytest.mark.parametrize("statements", OWN_TRANSACTIONS)
async def test_sql_cannot_commit_itself(tried: Try, operator: Operator, statements: str) -> None:
    ended = await tried(statements)
    assert (ended.status, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert await model(operator) == "a/old"
    assert await operator.fetchval("SELECT count(*) FROM pg_prepared_xacts") == 0


async def test_begin_and_commit_are_named_as_what_to_leave_out(tried: Try) -> None:
    ended = await tried("BEGIN;\nUPDATE agents SET model = 'a/new';\nCOMMIT;\n")
    assert "leave out BEGIN, COMMIT, ROLLBACK and SAVEPOINT" in ended.err


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        ("UPDATE agents\nSET modl = 'x'", 'at line 2, column 5: column "modl" of relation "agents" does not exist'),
        ("UPDATE agents SET model = 'x';\n  \\i more.sql", 'at line 2, column 3: syntax error at or near "\\"'),
        ("INSERT INTO agents (name) VALUES ('Not An Id')", "violates check constraint"),
        ("DO $$ BEGIN RAISE EXCEPTION E'two\\nlines'; END $$", "two (P0001)"),
        ("COPY agents TO STDOUT", "the SQL failed"),
    ],
)
async def test_an_error_is_one_line_with_its_place(tried: Try, statements: str, said: str) -> None:
    ended = await tried(statements)
    assert (ended.status, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert said in ended.err


async def test_a_constraint_that_waits_for_the_commit_is_asked(tried: Try, operator: Operator) -> None:
    await operator.execute(
        "CREATE TABLE known (model text PRIMARY KEY); INSERT INTO known VALUES ('a/old'); ALTER TABLE agents "
        "ADD FOREIGN KEY (model) REFERENCES known DEFERRABLE INITIALLY DEFERRED"
    )
    ended = await tried("UPDATE agents SET model = 'a/unknown'")
    assert ended.status == 1
    assert "violates foreign key constraint" in ended.err


async def test_a_login_that_may_not_write_is_told_which_may(
    tried: Try, operator: Operator, database: str, tmp_path: Path
) -> None:
    await operator.execute("DROP ROLE IF EXISTS trying_reader; DROP ROLE IF EXISTS trying_operator")
    await operator.execute("CREATE ROLE trying_reader LOGIN IN ROLE agent_config_reader")
    await operator.execute("CREATE ROLE trying_operator LOGIN IN ROLE agent_config_operator")
    words = ("--output", str(tmp_path / "agents.json"), "--sql", "-")
    try:
        statuses = []
        for login in ("trying_reader", "trying_operator"):
            dsn = database.replace("postgres@", f"{login}@")
            ended = await command("diff", "--dsn", dsn, *words, said="UPDATE agents SET model = 'a/new'")
            statuses.append((ended.status, "agent_config_operator" in ended.err))
    finally:
        await operator.execute("DROP ROLE trying_reader; DROP ROLE trying_operator")
    assert statuses == [(1, True), (3, False)]


async def test_a_table_that_is_altered_on_the_way_is_read_as_it_would_be(tried: Try) -> None:
    ended = await tried(
        "ALTER TABLE agents ALTER is_default DROP DEFAULT, ALTER is_default TYPE text; TRUNCATE agents CASCADE;"
        "INSERT INTO agents (name, is_default) VALUES ('b', 'yes')"
    )
    assert ended.status == 3
    assert '+        "id": "b",\n+        "default": true' in ended.out


@pytest.mark.parametrize(
    ("words", "hint"),
    [(["--sql", "/nowhere.sql"], "/nowhere.sql"), (["--sql", "-", "--config", "-"], "standard input")],
)
async def test_sql_that_cannot_be_read_is_wrong_usage(database: str, words: list[str], hint: str) -> None:
    ended = await command("diff", "--dsn", database, *words)
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert hint in ended.err


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
async def test_sql_that_is_no_text_is_wrong_usage_whatever_the_locale(database: str, locale: str) -> None:
    ended = await command("diff", "--dsn", database, "--sql", "-", said=b"SELECT '\xff'", LC_ALL=locale)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err == "agent-config-sync: the SQL of standard input is not UTF-8 text\n"


async def test_an_error_of_the_driver_itself_is_one_line(operator: Operator) -> None:
    with pytest.raises(DatabaseError, match=r"the SQL failed: .*surrogates not allowed"):
        await trial.run_trial(operator, "SELECT '\udcff'")


CHANGE = "UPDATE public.agents SET model = 'a/new'"
LEAVING_SETTINGS = {
    "search_path, as pg_dump sets it": f"SELECT pg_catalog.set_config('search_path', '', false); {CHANGE}",
    "search_path of a transaction": f"SET LOCAL search_path = pg_catalog; {CHANGE}",
    "a temporary table": f"CREATE TEMP TABLE agents (LIKE agents); {CHANGE}",
    "role": f"{CHANGE}; CREATE ROLE trying_nobody; SET ROLE trying_nobody",
    "session authorization": f"{CHANGE}; CREATE ROLE trying_nobody; SET SESSION AUTHORIZATION trying_nobody",
    "statement_timeout": f"{CHANGE}; SET statement_timeout = 1; SELECT pg_sleep(0.01)",
    "client_encoding": "UPDATE agents SET model = 'a/new', settings = '{\"name\": \"\u00e9\"}'; "
    "SET client_encoding = 'SQL_ASCII'",
}


@pytest.mark.parametrize("left", LEAVING_SETTINGS)
async def test_what_the_sql_sets_does_not_change_what_we_read(tried: Try, left: str) -> None:
    ended = await tried(LEAVING_SETTINGS[left])
    assert (ended.status, ended.err) == (3, "")
    assert '+        "model": "a/new"' in ended.out


async def test_row_security_that_the_sql_switches_off_is_on_for_us(
    tried: Try, operator: Operator, database: str, tmp_path: Path
) -> None:
    await operator.execute("DROP ROLE IF EXISTS trying_operator")
    await operator.execute("CREATE ROLE trying_operator LOGIN IN ROLE agent_config_operator")
    await operator.execute(
        "ALTER TABLE agents ENABLE ROW LEVEL SECURITY; CREATE POLICY all_of_them ON agents USING (true)"
    )
    words = ("--output", str(tmp_path / "agents.json"), "--sql", "-")
    try:
        ended = await command(
            "diff", "--dsn", database.replace("postgres@", "trying_operator@"), *words,
            said=f"{CHANGE}; SET row_security = off",
        )  # fmt: skip
    finally:
        await operator.execute("DROP ROLE trying_operator")
    assert (ended.status, ended.err) == (3, "")


async def test_sql_may_take_longer_than_a_pass_waits_for_a_statement(settings: Settings, operator: Operator) -> None:
    await operator.execute("INSERT INTO agents (name, model, is_default) VALUES ('lead', 'a/first', true)")
    hasty = Plugin(settings, timing=Timing(statement=1.0))
    prepared = await hasty.visit.preview("SELECT pg_sleep(2.2); UPDATE agents SET model = 'a/late'")
    assert b"a/late" in prepared.content


async def test_sql_that_takes_too_long_is_told_how_long_it_has(operator: Operator) -> None:
    async with operator.transaction():
        with pytest.raises(DatabaseError, match=r"it took longer than 0\.1 s, which is all that a trial has: try"):
            await trial.run_trial(operator, "SELECT pg_sleep(20)", deadline=0.1)


async def test_sql_that_waits_for_a_lock_is_told_so(tried: Try, operator: Operator) -> None:
    async with operator.transaction():
        await operator.execute("LOCK TABLE agents IN SHARE MODE")
        ended = await tried(CHANGE)
    assert "the SQL failed at line 1, column 8: canceling statement due to lock timeout (55P03)" in ended.err
    assert "end the transaction of the session that holds the lock" in ended.err
