"""The board beside tables that other systems made, and installed again."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
from board_ground import ADA, CODER, SYSTEM, Board
from foreign import AGENTS, MINIMAL
from harness import Operator, connected, psql

from agent_config_sync.board import agents, threads
from agent_config_sync.postgres.migrate import migrate, migrations

MEMBER = "INSERT INTO memberships (account_id, user_id, role) VALUES ('default', 'ada', 'owner')"


@pytest.fixture
async def foreign(empty_database: str) -> AsyncIterator[Operator]:
    """A person at a database that is not ours."""
    async with connected(empty_database) as connection:
        yield connection


OTHERS = {
    "with a key of its own": (AGENTS, "SELECT 1"),
    "with a name alone": (f"{MINIMAL})", "INSERT INTO agents (name) VALUES ('lead'), ('coder')"),
    "without a key": ("CREATE TABLE agents (name text)", "INSERT INTO agents (name) VALUES ('lead'), ('coder')"),
    "with names of another type": (
        "CREATE DOMAIN label AS varchar(40); CREATE TABLE agents (name label UNIQUE)",
        "INSERT INTO agents (name) VALUES ('lead'), ('coder')",
    ),
    "in partitions": (
        (
            "CREATE TABLE agents (name text, kind int DEFAULT 0) PARTITION BY LIST (kind);"
            "CREATE TABLE some_agents PARTITION OF agents DEFAULT"
        ),
        "INSERT INTO agents (name) VALUES ('lead'), ('coder')",
    ),
}
"""Tables of agents: how they are made, and how two agents get into them."""


@pytest.mark.parametrize("kind", OTHERS)
async def test_agents_of_another_system_work_on_the_board(foreign: Operator, kind: str) -> None:
    made, filled = OTHERS[kind]
    await foreign.execute(made)
    await migrate(foreign)
    await foreign.execute(f"{filled}; {MEMBER}; UPDATE agents SET is_orchestrator = true WHERE name::text = 'lead'")
    board = Board(foreign)
    task = await board.task()
    await board.assign(ADA, task, "coder")
    await board.move(CODER, task, "review")
    await board.say(ADA, task, "@coder, see @lead")
    assert await board.told(task) == [
        ("coder", "assignment"),
        ("coder", "mention"),
        ("lead", "mention"),
        ("lead", "status_change"),
    ]


@pytest.mark.parametrize("kind", OTHERS)
async def test_an_agent_of_another_system_can_be_renamed_and_deleted(foreign: Operator, kind: str) -> None:
    made, filled = OTHERS[kind]
    await foreign.execute(made)
    await migrate(foreign)
    await foreign.execute(filled)
    board = Board(foreign)
    task = await board.task("in_progress", agents=["coder"])
    await foreign.execute("UPDATE agents SET name = 'engineer' WHERE name::text = 'coder'")
    await foreign.execute("DELETE FROM agents WHERE name::text = 'engineer'")
    await board.say(SYSTEM, task, "x")
    assert await board.status(task) in ("blocked", "in_progress")  # the latter: its owner keeps these in step


async def test_an_agent_whose_key_is_another_is_assigned_though_nobody_knows_it(foreign: Operator) -> None:
    await foreign.execute("CREATE TABLE agents (name text)")
    await migrate(foreign)
    board = Board(foreign)
    task = await board.task()
    await board.assign(SYSTEM, task, "stranger")
    assert await board.told(task) == [("stranger", "assignment")]


async def test_two_orchestrators_of_another_system_are_warned_of(foreign: Operator) -> None:
    await foreign.execute("CREATE TABLE agents (name text UNIQUE, is_orchestrator boolean NOT NULL DEFAULT true)")
    await foreign.execute("INSERT INTO agents (name) VALUES ('lead'), ('coder')")
    warned: list[str] = []
    foreign.add_log_listener(lambda _, message: warned.append(str(message.message)))
    await migrate(foreign)
    assert any("nothing keeps agents to one orchestrator an account" in line for line in warned)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("CREATE TABLE board_tasks (id uuid)", "table public.board_tasks is not the one we know: it has no column"),
        ("CREATE VIEW board_messages AS SELECT 1", "public.board_messages is no table that takes columns"),
    ],
)
async def test_a_table_of_our_name_that_is_another_is_named(foreign: Operator, made: str, said: str) -> None:
    await foreign.execute(made)
    with pytest.raises(Exception, match=said):
        await migrate(foreign)


async def test_a_function_whose_name_begins_like_ours_stays_as_it_is(foreign: Operator) -> None:
    await foreign.execute(
        "CREATE FUNCTION board_report() RETURNS int LANGUAGE sql AS 'SELECT 1';"
        "CREATE AGGREGATE board_sum(int) (SFUNC = int4pl, STYPE = int)"
    )
    await migrate(foreign)
    kept = "SELECT proconfig IS NULL AND proacl IS NULL FROM pg_proc WHERE proname = 'board_report'"
    assert await foreign.fetchval(kept)


async def test_none_of_our_functions_is_open_to_everybody(foreign: Operator) -> None:
    await migrate(foreign)
    opened = (
        "SELECT array_agg(proname) FROM pg_proc WHERE proname LIKE 'board%'"
        " AND has_function_privilege('public', oid, 'EXECUTE')"
    )
    assert await foreign.fetchval(opened) is None


async def test_the_board_is_installed_twice_and_is_the_same(empty_database: str, foreign: Operator) -> None:
    await migrate(foreign)
    board = Board(foreign)
    await foreign.execute(f"INSERT INTO agents (name) VALUES ('lead'), ('coder'); {MEMBER}")
    task = await board.task("assigned", agents=["coder"])
    before = await _made(foreign)
    for migration in migrations():  # a later one replaces what an earlier one has made
        if "0009_board" <= migration.name < "1":
            ended = psql(empty_database, "-v", "ON_ERROR_STOP=1", "-f", str(migration.path))
            assert (ended.returncode, ended.stderr) == (0, "")
    assert await _made(foreign) == before
    await board.move(CODER, task, "in_progress")
    assert [kind for kind, _, _ in await board.history(task)].count("task_status_changed") == 1


async def _made(owner: Operator) -> list[str]:
    """Return all triggers, functions, constraints, indexes and rights that there are."""
    rows: list[asyncpg.Record] = await owner.fetch(
        "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal"
        " UNION ALL SELECT prosrc || proconfig::text || proacl::text FROM pg_proc WHERE proname LIKE 'board%'"
        " UNION ALL SELECT conrelid::regclass || pg_get_constraintdef(oid) FROM pg_constraint"
        " UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'"
        " UNION ALL SELECT relname || relacl::text FROM pg_class WHERE relname LIKE 'board%' ORDER BY 1"
    )
    return [row[0] for row in rows]


async def test_an_account_of_another_type_is_named_by_its_text(foreign: Operator) -> None:
    await foreign.execute(f"{MINIMAL}, account_id integer DEFAULT 7)")
    await migrate(foreign)
    await foreign.execute("INSERT INTO agents (name) VALUES ('lead'), ('coder')")
    board = Board(foreign)
    task = await board.task("assigned", agents=["coder"], account="7")
    await board.move(CODER, task, "in_progress")
    await board.say(CODER, task, "@lead")
    assert await board.told(task) == [("lead", "mention")]
    await agents.open_sessions(foreign, "7", ["coder"])
    coder = await agents.who_acts(foreign, "7", "here", "agent:coder:7", token_hash=None)
    assert coder is not None
    _, [message] = await threads.load(foreign, coder, task)
    assert message.author_name == "coder"
