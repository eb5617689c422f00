"""docs/permissions.md lists what the roles may do, and nothing else; the reader needs each of its rights."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest
from harness import Operator, Start, connected

from agent_config_sync.board import agents, documents, requests, tasks, threads
from agent_config_sync.board.actor import Agent, Person
from agent_config_sync.errors import DatabaseError, RightsError
from agent_config_sync.events import (
    CredentialRequested,
    Event,
    PassFailed,
    Reported,
    RequestsUntaken,
    SkillsReported,
    SkillsUnreported,
    StatusUnwritable,
    Warned,
)
from agent_config_sync.postgres.migrate import pending
from agent_config_sync.postgres.pool import Pool
from agent_config_sync.postgres.server import server_of
from agent_config_sync.runtime import leases, presence
from agent_config_sync.runtime.fleet import read_runtimes
from agent_config_sync.runtime.heartbeat_context import read_heartbeat
from agent_config_sync.runtime.leases import Place
from agent_config_sync.runtime.queries import query
from agent_config_sync.runtime.reporting import Condition, RuntimeReport
from agent_config_sync.runtime.requests import come_back, finish, leave, open_request, take
from agent_config_sync.secret_store import SecretStore
from agent_config_sync.settings import Settings
from agent_config_sync.skills.entering import Entering
from agent_config_sync.skills.request_queue import FOLDER

PAGE = Path(__file__).parents[2] / "docs" / "permissions.md"

TABLES = (
    *("agents", "agent_system_config", "gateways", "agent_config_migrations", "gateway_status", "people", "boards"),
    *("skills", "agent_skills", "model_aliases", "agent_tokens", "accounts", "installed_skills", "activities"),
    *("skill_credentials", "memberships", "account_logins", "board_tasks", "board_assignees", "board_messages"),
    *("board_documents", "board_subscriptions", "board_notifications", "agent_sessions", "agent_presence"),
    *("session_leases", "delivery_effects"),
    *("runtime_requests", "upgrade_history"),
)

GRANTED = """
SELECT relname AS "table", privilege_type || CASE WHEN is_grantable THEN ' TO OTHERS' ELSE '' END AS privilege,
       string_agg(attname, ', ' ORDER BY attname) AS columns
FROM (
    SELECT relname::text, NULL::text AS attname, (aclexplode(relacl)).*
    FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
    UNION ALL
    SELECT relname::text, attname::text, (aclexplode(attacl)).*
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relnamespace = 'public'::regnamespace
) AS granted
WHERE grantee = $1::regrole
GROUP BY relname, privilege_type, is_grantable
"""


def listed(role: str) -> set[tuple[str, str, str | None]]:
    """Return the table, the privilege and the columns of each line of the page, None for all columns."""
    section = PAGE.read_text(encoding="utf-8").split(f"## {role}\n")[1].split("\n## ")[0]
    return {
        (table, privilege, None if columns == "all" else columns)
        for table, privileges, columns in re.findall(r"^\| `(\w+)` \| ([A-Z, ]+) \| (.+) \|$", section, re.MULTILINE)
        for privilege in privileges.split(", ")
    }


def rights_of(role: str) -> list[str]:
    """Return each right of a role, as REVOKE takes it."""
    return sorted(
        f"{privilege} ({column}) ON {table}" if column else f"{privilege} ON {table}"
        for table, privilege, columns in listed(role)
        for column in (columns.split(", ") if columns else [""])
    )


@pytest.fixture
async def reader(database: str, operator: Operator) -> AsyncIterator[str]:
    """The DSN of a login that has the rights of the reader and no others."""
    login = f"reader_{os.getpid()}"
    await operator.execute(f"CREATE ROLE {login} LOGIN IN ROLE agent_config_reader")
    await operator.execute("""
        INSERT INTO people (id) VALUES ('00000000-0000-4000-8000-00000000000a');
        INSERT INTO boards (id, person_id)
        VALUES ('00000000-0000-4000-8000-00000000000b', '00000000-0000-4000-8000-00000000000a');
        INSERT INTO gateways (name, person_id) VALUES ('here', '00000000-0000-4000-8000-00000000000a');
        INSERT INTO agents (name, model, board_id) VALUES ('lead', 'gpt-4o', '00000000-0000-4000-8000-00000000000b');
        INSERT INTO skills (slug, content) VALUES ('labels', 'x');
        INSERT INTO agent_skills (agent, skill) VALUES ('lead', 'labels');
    """)
    superseded = "INSERT INTO agent_tokens (agent, gateway, token_hash, issued_by) VALUES ('lead', 'here', 'old', $1)"
    await operator.execute(superseded, login)
    yield database.replace("postgres@", f"{login}@")
    await operator.execute("DELETE FROM gateway_status; DELETE FROM agent_tokens")
    await operator.execute(f"DROP ROLE {login}")


@pytest.mark.parametrize("role", ["agent_config_reader", "agent_config_runtime", "agent_config_operator"])
async def test_the_page_lists_the_rights_of_each_role(operator: Operator, role: str) -> None:
    granted = {(row["table"], row["privilege"], row["columns"]) for row in await operator.fetch(GRANTED, role)}
    assert listed(role) == granted


async def failure_of(start: Start, dsn: str, root: Path) -> object:
    """Return why a gateway with this login cannot do all that it does, None if it can. root: of the workspaces."""
    running = await start(wait=None, dsn=dsn, workspace_root=root)
    await running.events.until(Event, lambda event: isinstance(event, (Reported, PassFailed, StatusUnwritable)))
    await running.plugin.stop()
    for failed in running.events.of(PassFailed):
        return failed.error
    for unwritable in running.events.of(StatusUnwritable):
        return unwritable
    for warning in [
        warning for warned in running.events.of(Warned) for warning in warned.warnings if "token" in warning
    ]:
        return warning
    async with connected(dsn) as login:
        try:
            await pending(login)
        except DatabaseError as error:
            return error
    return None


async def test_the_reader_can_do_all_that_a_gateway_does(start: Start, reader: str, tmp_path: Path) -> None:
    assert await failure_of(start, reader, tmp_path / "workspaces") is None


@pytest.mark.parametrize("right", rights_of("agent_config_reader"))
async def test_the_reader_needs_each_of_its_rights(
    start: Start, operator: Operator, reader: str, right: str, tmp_path: Path
) -> None:
    await operator.execute(f"REVOKE {right} FROM agent_config_reader")
    assert await failure_of(start, reader, tmp_path / "workspaces") is not None


UNTOLD = (SkillsUnreported, RequestsUntaken)


async def failure_to_report_skills(start: Start, dsn: str, root: Path) -> object:
    """Return why a gateway with this login cannot tell of skills, None if it can."""
    folder = root / "lead" / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "one.json").write_text('{"skillSlug": "git", "keyName": "GIT_TOKEN"}')
    (folder / "two.json").write_text('{"skillSlug": "git", "keyName": "no name"}')
    running = await start(wait=None, dsn=dsn, workspace_root=root)
    told: Event = await running.events.until(Event, lambda event: isinstance(event, (CredentialRequested, *UNTOLD)))
    if not isinstance(told, UNTOLD):
        running.events.rewind()
        told = await running.events.until(Event, lambda event: isinstance(event, (SkillsReported, *UNTOLD)))
    await running.plugin.stop()
    return told.error if isinstance(told, UNTOLD) else await failure_to_enter_a_key(running.plugin.settings)


async def failure_to_enter_a_key(settings: Settings) -> object:
    """Return why a person cannot enter the key that is asked for, None if he can."""
    assert settings.dsn is not None
    dsn = settings.dsn.get_secret_value()
    entering = Entering(settings, SecretStore(settings.secrets), lambda: connected(dsn))
    try:
        await entering.enter("default/here/git/GIT_TOKEN", "a-key", person="ada")
    except RightsError as error:
        return error
    return None


@pytest.fixture
async def runtime(operator: Operator, reader: str) -> AsyncIterator[str]:
    """The DSN of a login that has the rights of a gateway whose agents may install skills."""
    login = f"reader_{os.getpid()}"
    await operator.execute(f"GRANT agent_config_runtime TO {login}; REVOKE agent_config_reader FROM {login}")
    await operator.execute("UPDATE accounts SET skills_poc_enabled = true")
    yield reader
    await operator.execute("DELETE FROM installed_skills; DELETE FROM skill_credentials")


async def test_the_runtime_can_do_all_that_a_gateway_does(start: Start, runtime: str, tmp_path: Path) -> None:
    assert await failure_of(start, runtime, tmp_path / "workspaces") is None
    assert await failure_to_report_skills(start, runtime, tmp_path / "workspaces") is None


OF_PEOPLE = "ON memberships"
"""Who may enter keys is asked by what people log in to, and not by what a gateway does by itself."""


OF_THE_BOARD = (
    *(" ON board_", " ON agent_sessions", " ON agent_presence", " ON agents", " ON accounts"),
    *(" ON session_leases", " ON delivery_effects"),
    "SELECT (account_id) ON memberships",
    "SELECT (user_id) ON memberships",
    "SELECT (name) ON memberships",
    "SELECT (email) ON memberships",
)


def of_the_board(right: str) -> bool:
    return any(each in right for each in OF_THE_BOARD)


def of_the_lifecycle(right: str) -> bool:
    return right.endswith((" ON runtime_requests", " ON upgrade_history"))


@pytest.mark.parametrize(
    "right",
    [
        right
        for right in rights_of("agent_config_runtime")
        if not of_the_board(right) and not of_the_lifecycle(right) and OF_PEOPLE not in right
    ],
)
async def test_the_runtime_needs_each_of_its_rights(
    start: Start, operator: Operator, runtime: str, right: str, tmp_path: Path
) -> None:
    await operator.execute(f"REVOKE {right} FROM agent_config_runtime")
    assert await failure_to_report_skills(start, runtime, tmp_path / "workspaces") is not None


async def deliver(connection: asyncpg.Connection, task: UUID) -> None:
    """Give agents turns about a task, as a gateway does: one that fails, one in which a tool is used twice."""
    place = Place("default", "here", uuid4())
    await leases.free(connection, place)
    [failed] = await leases.begin(connection, place, ["helper"], 1)
    await connection.fetchval(query("notification_failed"), failed.notification, "x", True, False, 5)
    await leases.end(connection, failed, failed=True)
    [lease] = await leases.begin(connection, place, ["helper"], 1)
    await leases.renew(connection, place, [lease])
    assert lease.notification is not None
    async with connection.transaction():
        await leases.hold(connection, lease)
        await connection.fetchval(query("effect_taken"), lease.notification, b"x", 1)
        await connection.execute(query("effect_done"), lease.notification, "default", b"x", 1, "tool", "{}", "{}")
    await leases.settle(connection, lease, Agent("default", "helper"), "replied", posted="Done")
    await connection.fetch(query("heartbeats_last"), "default", ["lead"])
    [beat] = await leases.begin_heartbeats(connection, place, [("lead", None)], 1)
    await read_heartbeat(connection, "default", "here", "lead")
    await connection.fetch(query("follow_ups"), "default", "lead", 1)
    await connection.fetchval(query("heartbeat_target"), "default", task, "lead")
    async with connection.transaction():
        await leases.hold(connection, beat)
        await leases.end(connection, beat)
        await connection.execute(query("heartbeat_ended"), "default", "lead", task)
    await leases.sweep(connection, "default")
    for _ in range(2):
        await presence.report(connection, "default", ["helper"])
    await presence.mark_offline(connection, "default", ["helper"])


async def failure_of_the_board(dsn: str) -> object:
    """Return why this login cannot do for agents and people all that they do on the board, None if it can."""
    pool = Pool(server_of(Settings(dsn=dsn, gateway="here")), application_name="test", size=1)
    lead = Agent("default", "lead", is_orchestrator=True, can_create_tasks=True, can_review_tasks=True)
    ada = Person("default", "ada")
    try:
        async with pool.lent() as connection:
            await agents.open_sessions(connection, "default", ["lead"])
            await agents.who_acts(connection, "default", "here", "agent:lead:default", token_hash="old")
            await agents.skills_of(connection, lead, None)
            task = (await tasks.create(connection, lead, tasks.NewTask("Do it", agents=("helper",)))).id
            await threads.post(connection, lead, task, "Soon, @helper and @ada?")
            await threads.load(connection, lead, task)
            await requests.request_responses(connection, lead, task, ["helper"], "Well?")
            document = await documents.upsert(connection, lead, title="It", content="x", kind="note", task=task)
            await documents.upsert(connection, lead, title="It", content="y", kind="note", document=document)
            await deliver(connection, task)
            await tasks.set_status(connection, ada, task, "in_progress")
            await tasks.update(connection, ada, task, tasks.TaskChanges(people=("ada",), agents=()))
    except DatabaseError as error:
        return error
    finally:
        await pool.close()
    return None


@pytest.fixture
async def board(operator: Operator, runtime: str) -> str:
    """The DSN of that login, where there are agents and a person for a board."""
    await operator.execute("""
        INSERT INTO agents (name) VALUES ('helper');
        UPDATE agents SET is_orchestrator = true WHERE name = 'lead';
        INSERT INTO memberships (account_id, user_id, role) VALUES ('default', 'ada', 'member')
    """)
    return runtime


async def test_the_runtime_can_do_all_of_the_board(board: str) -> None:
    assert await failure_of_the_board(board) is None


@pytest.mark.parametrize("right", [right for right in rights_of("agent_config_runtime") if of_the_board(right)])
async def test_the_runtime_needs_each_of_its_rights_for_the_board(operator: Operator, board: str, right: str) -> None:
    await operator.execute(f"REVOKE {right} FROM agent_config_runtime")
    assert isinstance(await failure_of_the_board(board), RightsError)


async def failure_of_the_lifecycle(dsn: str, operator: Operator) -> object:
    """Return why this login cannot do what is asked of a runtime, None if it can."""
    settings = Settings(dsn=dsn, gateway="here")
    pool = Pool(server_of(settings), application_name="test", size=1)
    report = RuntimeReport(settings, "1.0")
    try:
        async with pool.lent() as connection:
            began = await report.write(connection, Condition("online"))
            await report.sweep(connection)
            await operator.execute("SELECT request_upgrade('here', '1.1')")
            asked = await open_request(connection, "default", "here", began)
            assert asked is not None
            assert await take(connection, asked, "1.0", seconds=60)
            await leave(connection, asked, seconds=60)
            await finish(connection, asked, come_back(asked, "1.0"))
            if "here" not in await read_runtimes(connection, "default"):
                return "the fleet cannot be seen"
    except DatabaseError as error:
        return error
    finally:
        await pool.close()
    ended = await operator.fetchval("SELECT count(*) FROM upgrade_history WHERE status = 'failed'")
    return None if ended == 1 else "nothing stands in the history"


async def test_the_runtime_can_do_all_that_is_asked_of_it(operator: Operator, runtime: str) -> None:
    assert await failure_of_the_lifecycle(runtime, operator) is None


@pytest.mark.parametrize("right", [right for right in rights_of("agent_config_runtime") if of_the_lifecycle(right)])
async def test_the_runtime_needs_each_of_its_rights_for_what_is_asked(
    operator: Operator, runtime: str, right: str
) -> None:
    await operator.execute(f"REVOKE {right} FROM agent_config_runtime")
    assert await failure_of_the_lifecycle(runtime, operator) is not None


async def test_a_reader_sees_the_status_of_gateways_without_their_runtimes(reader: str) -> None:
    async with connected(reader) as login:
        assert await read_runtimes(login, "default") == {}


WRITES = [
    *(f"DELETE FROM {table}" for table in TABLES),
    *(f"TRUNCATE {table}" for table in TABLES),
    "UPDATE agents SET model = 'a/b'",
    "UPDATE agent_system_config SET value = '1'",
    "UPDATE gateways SET base_url = 'x'",
    "UPDATE agent_config_migrations SET checksum = 'x'",
    "UPDATE agents SET soul_template = 'x'",
    "UPDATE people SET notes = 'x'",
    "UPDATE boards SET objective = 'x'",
    "UPDATE skills SET content = 'x'",
    "UPDATE agent_skills SET position = 1",
    "UPDATE model_aliases SET model = 'x/y'",
    "UPDATE agent_tokens SET token_hash = 'x'",
    "UPDATE accounts SET skills_poc_enabled = true",
    "UPDATE installed_skills SET name = 'x'",
    "UPDATE activities SET type = 'x'",
    "INSERT INTO activities (type, actor_type, actor_id, target_type, target_id) VALUES ('x', 'user', 'x', 'x', 'x')",
    "UPDATE agent_tokens SET agent = 'x'",
    "UPDATE runtime_requests SET taken_at = now()",
    "SELECT FROM runtime_requests",
    "SELECT sweep_runtimes()",
    "SELECT request_restart('here')",
    "SELECT FROM memberships",
    "SELECT FROM account_logins",
    "UPDATE memberships SET role = 'owner'",
    "INSERT INTO memberships (user_id, role) VALUES ('x', 'owner')",
    "INSERT INTO account_logins (login, account_id) VALUES (session_user, 'x')",
    "INSERT INTO skills (slug) VALUES ('mine')",
    "INSERT INTO agent_skills (agent, skill) VALUES ('lead', 'labels')",
    "INSERT INTO model_aliases (alias, model) VALUES ('mine', 'x/y')",
    "INSERT INTO agent_tokens (agent, gateway, token_hash, issued_by) VALUES ('lead', 'here', 'x', 'postgres')",
    "INSERT INTO agents (name) VALUES ('mine')",
    "INSERT INTO agent_system_config (key, value, value_type) VALUES ('mine', '1', 'integer')",
    "INSERT INTO gateways (name) VALUES ('mine')",
    "INSERT INTO agent_config_migrations (name) VALUES ('mine')",
    "CREATE TABLE mine ()",
    "CREATE FUNCTION mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "DROP TABLE agents",
    "ALTER TABLE agents DISABLE TRIGGER ALL",
]


@pytest.mark.parametrize("statement", WRITES)
async def test_the_reader_writes_nothing_but_its_status(reader: str, statement: str) -> None:
    async with connected(reader) as login:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await login.execute(statement)


async def test_a_gateways_login_records_no_act_of_a_person(operator: Operator, runtime: str) -> None:
    statement = """
        INSERT INTO activities (account_id, gateway, type, actor_type, actor_id, target_type, target_id, meta)
        VALUES ('default', 'here', 'credential_entered', $1, 'ada', 'credential', 'x', '{}')
    """
    async with connected(runtime) as login:
        await login.execute(statement, "agent")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await login.execute(statement, "user")
