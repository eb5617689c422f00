"""An agent asks for a key: a row that a person sees, and never a key in it."""

from __future__ import annotations

import os
from pathlib import Path

import asyncpg
import orjson
import pytest
from commands import command
from harness import Operator, Running, Start, connected, eventually

from agent_config_sync.events import (
    CredentialRefused,
    CredentialRequested,
    RequestsTaken,
    RequestsUntaken,
    SkillsReported,
)
from agent_config_sync.postgres.skill_credentials import MOST_PENDING
from agent_config_sync.skills.request_queue import FOLDER

SECRET = "sk-live-a1b2c3d4e5f6a7b8c9d0"


pytestmark = pytest.mark.usefixtures("quick_looks")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "workspaces"


@pytest.fixture
def folder(root: Path) -> Path:
    return root / "coder" / FOLDER


@pytest.fixture
async def running(start: Start, operator: Operator, root: Path) -> Running:
    await operator.execute("""
        INSERT INTO agents (name, is_default) VALUES ('front', true), ('coder', false);
        UPDATE accounts SET skills_poc_enabled = true
    """)
    running = await start(wait=SkillsReported, workspace_root=root)
    (root / "coder" / FOLDER).mkdir(parents=True)
    return running


def ask(folder: Path, name: str = "one", skill: str = "git", key: str = "GIT_TOKEN", **more: str) -> None:
    """Ask as an agent does: whole, under its name."""
    made = folder / f".{name}"
    made.write_bytes(orjson.dumps({"skillSlug": skill, "keyName": key, **more}))
    made.rename(folder / f"{name}.json")


async def rows(operator: Operator) -> list[tuple[object, ...]]:
    asked = "SELECT credential_ref, status, requested_by FROM skill_credentials ORDER BY requested_at, credential_ref"
    return [tuple(row) for row in await operator.fetch(asked)]


async def activities(operator: Operator) -> list[tuple[object, ...]]:
    asked = "SELECT type, actor_id, target_id FROM activities WHERE type LIKE 'credential%' ORDER BY id"
    return [tuple(row) for row in await operator.fetch(asked)]


async def test_a_request_file_becomes_a_pending_row(running: Running, operator: Operator, folder: Path) -> None:
    ask(folder)
    await running.events.until(CredentialRequested)
    assert await rows(operator) == [("default/here/git/GIT_TOKEN", "pending", "coder")]
    assert await activities(operator) == [("credential_requested", "coder", "default/here/git/GIT_TOKEN")]
    assert [path.relative_to(folder).as_posix() for path in folder.rglob("*.json")] == ["done/one.json"]


async def test_what_was_asked_for_is_not_asked_for_again(running: Running, operator: Operator, folder: Path) -> None:
    ask(folder)
    await running.events.until(CredentialRequested)
    ask(folder, "again")
    ask(folder, "other", key="OTHER")
    await running.events.until(CredentialRequested, lambda event: event.key_name == "OTHER")
    assert len(await rows(operator)) == 2
    assert sorted(path.name for path in (folder / "done").iterdir()) == ["again.json", "one.json", "other.json"]


async def test_a_key_that_was_revoked_may_be_asked_for_anew(running: Running, operator: Operator, folder: Path) -> None:
    ask(folder)
    await running.events.until(CredentialRequested)
    await operator.execute("UPDATE skill_credentials SET status = 'revoked'")
    ask(folder, "again")
    await running.events.until(CredentialRequested)
    assert [row[1] for row in await rows(operator)] == ["revoked", "pending"]


async def test_a_request_with_a_value_is_refused_and_the_value_is_nowhere(
    running: Running, operator: Operator, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ask(folder, secret=SECRET)
    refused = await running.events.until(CredentialRefused)
    assert (refused.agent, refused.requests) == ("coder", 1)
    await eventually(operator, "SELECT EXISTS (SELECT FROM activities WHERE type = 'credential_refused')")
    assert await rows(operator) == []
    assert SECRET not in str(await operator.fetch("SELECT activities::text FROM activities"))
    assert SECRET not in caplog.text
    assert [path for path in tmp_path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()] == []


async def test_an_agent_waits_for_no_more_keys_than_people_can_enter(
    running: Running, operator: Operator, folder: Path
) -> None:
    for number in range(MOST_PENDING + 1):
        ask(folder, f"{number:03}", key=f"KEY_{number:03}")
    refused = await running.events.until(CredentialRefused)
    assert refused.reason == f"{MOST_PENDING} keys are asked for already; wait until a person has entered some"
    assert len(await rows(operator)) == MOST_PENDING
    assert (folder / "refused" / f"{MOST_PENDING:03}.json.reason.txt").read_text() == f"{refused.reason}\n"


async def test_an_agent_whose_folders_are_odd_keeps_no_other_one_waiting(
    running: Running, operator: Operator, root: Path, folder: Path
) -> None:
    odd = root / "front" / FOLDER
    for each in (odd, odd / "done.txt", odd / "refused"):
        each.mkdir(parents=True)
    (odd / "done").write_text("mine")
    ask(odd, skill="odd")
    untaken = await running.events.until(RequestsUntaken)
    assert str(untaken.error) == "a request of agent front cannot be moved: Not a directory"
    ask(folder)
    await running.events.until(CredentialRequested, lambda event: event.agent == "coder")
    (odd / "done").unlink()
    ask(odd, "two", skill="other")
    await running.events.until(RequestsTaken)


@pytest.mark.parametrize("members", [{"gateway": "site/box"}, {"account": "a/b"}])
async def test_a_name_that_no_reference_can_hold_is_told(
    start: Start, operator: Operator, root: Path, members: dict[str, str]
) -> None:
    await operator.execute("INSERT INTO agent_system_config (key, value) VALUES ('skills_poc_enabled', 'true')")
    await operator.execute(
        "INSERT INTO agents (account_id, name) VALUES ($1, 'coder')", members.get("account", "default")
    )
    running = await start(wait=None, workspace_root=root, **members)
    untaken = await running.events.until(RequestsUntaken)
    assert "account or gateway has a / in its name" in str(untaken.error)


async def test_ten_thousand_requests_are_cut_off(running: Running, operator: Operator, folder: Path) -> None:
    for number in range(10_000):
        (folder / f"{number:05}.json").write_text("{}")
    await running.events.until(CredentialRefused, lambda event: event.requests > 1000)
    await eventually(operator, "SELECT EXISTS (SELECT FROM activities WHERE (meta ->> 'requests')::int > 1000)")
    assert await rows(operator) == []
    assert len(await activities(operator)) < 400


# --- what the table takes


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("skill", "../other"),
        ("skill", "a/b"),
        ("key_name", "lower"),
        ("key_name", "A B"),
        ("key_name", "A" * 65),
        ("credential_ref", "other/here/git/K"),
        ("account_id", "a/b"),
        ("gateway", "a/b"),
        ("gateway", "x" * 201),
        ("gateway", "a\nb"),
        ("skill", "ghp-16C7e42F292c6912E7710c838347Ae178B4a"),
        ("skill", "123e4567-e89b-12d3-a456-426614174000"),
        ("key_name", "AKIAIOSFODNN7EXAMPLE"),
        ("requested_by", "sk-proj-anything at all"),
        ("decided_by", "x" * 201),
        ("status", "entered"),
    ],
)
async def test_what_is_no_name_does_not_get_into_the_table(operator: Operator, column: str, value: str) -> None:
    members = {"account_id": "default", "gateway": "here", "skill": "git", "key_name": "K", "status": "pending"}
    members[column] = value
    members.setdefault("credential_ref", "/".join(list(members.values())[:4]))
    names, places = ", ".join(members), ", ".join(f"${number}" for number in range(1, len(members) + 1))
    with pytest.raises(asyncpg.CheckViolationError):
        await operator.execute(f"INSERT INTO skill_credentials ({names}) VALUES ({places})", *members.values())


ROUND = """
    INSERT INTO skill_credentials (gateway, skill, key_name, credential_ref)
    VALUES ('here', 'git', 'K', 'default/here/git/K')
"""


async def test_what_was_revoked_stays_as_it_is_and_a_new_round_is_decided_alone(operator: Operator) -> None:
    for person in ("ada", "bob"):
        await operator.execute(ROUND)
        for status in ("active", "revoked"):
            decided = "UPDATE skill_credentials SET status = $1, decided_by = $2 WHERE credential_ref = $3"
            assert await operator.execute(decided, status, person, "default/here/git/K") == "UPDATE 1"
    found = await operator.fetch("SELECT status, revision, decided_by FROM skill_credentials ORDER BY updated_at")
    assert [tuple(row) for row in found] == [("revoked", 1, "ada"), ("revoked", 1, "bob")]


async def test_a_key_that_was_entered_is_revoked_and_not_asked_for_again(operator: Operator) -> None:
    await operator.execute(ROUND)
    await operator.execute("UPDATE skill_credentials SET status = 'active'")
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError):
        await operator.execute("UPDATE skill_credentials SET status = 'pending'")


async def test_an_operator_decides_also_by_a_role_that_is_not_inherited(operator: Operator, database: str) -> None:
    name = f"noinherit_{os.getpid()}"
    await operator.execute(f"CREATE ROLE {name} LOGIN NOINHERIT IN ROLE agent_config_operator")
    await operator.execute(ROUND)
    try:
        async with connected(database.replace("postgres@", f"{name}@")) as login:
            await login.execute("SET ROLE agent_config_operator")
            assert await login.execute("UPDATE skill_credentials SET status = 'revoked'") == "UPDATE 1"
    finally:
        await operator.execute(f"DROP ROLE {name}")


async def test_to_take_a_key_back_wakes_the_gateways_and_nothing_else_does(operator: Operator, database: str) -> None:
    async with connected(database) as listener:
        heard: list[dict[str, str]] = []
        await listener.add_listener("agent_config_changed", lambda *event: heard.append(orjson.loads(str(event[3]))))
        await operator.execute("""
            INSERT INTO skill_credentials (gateway, skill, key_name, credential_ref)
            VALUES ('here', 'git', 'K', 'default/here/git/K'), ('here', 'git', 'L', 'default/here/git/L');
            UPDATE skill_credentials SET status = 'active' WHERE key_name = 'K';
            UPDATE skill_credentials SET status = 'revoked' WHERE key_name = 'K';
            UPDATE skill_credentials SET status = 'active' WHERE key_name = 'L';
            DELETE FROM skill_credentials;
            TRUNCATE skill_credentials
        """)
        while len(heard) < 3:
            await listener.fetchval("SELECT 1")
        assert [(told["key"], told["operation"]) for told in heard] == [
            ("default/here/git/K", "UPDATE"),
            ("default/here/git/L", "DELETE"),
            (None, "TRUNCATE"),
        ]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE skill_credentials SET gateway = 'far', credential_ref = 'default/far/git/K'",
        "UPDATE skill_credentials SET key_name = 'X'",
        "UPDATE skill_credentials SET requested_by = 'coder'",
        "DELETE FROM skill_credentials",
    ],
)
async def test_a_gateways_login_says_what_people_decide_and_changes_nothing_else(
    operator: Operator, database: str, statement: str
) -> None:
    name = f"one_{os.getpid()}"
    await operator.execute(f"CREATE ROLE {name} LOGIN IN ROLE agent_config_runtime")
    try:
        async with connected(database.replace("postgres@", f"{name}@")) as login:
            await login.execute("""
                INSERT INTO skill_credentials (account_id, gateway, skill, key_name, credential_ref)
                VALUES ('default', 'here', 'git', 'K', 'default/here/git/K')
            """)
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await login.execute(statement)
    finally:
        await operator.execute(f"DROP ROLE {name}")


# --- what people ask


async def test_the_list_shows_for_what_agents_ask(running: Running, operator: Operator, folder: Path) -> None:
    settings = running.plugin.settings
    assert settings.dsn is not None
    dsn = settings.dsn.get_secret_value()
    assert (await command("skills", "credentials", "--dsn", dsn)).out == "no agent has asked for a key\n"
    ask(folder)
    await running.events.until(CredentialRequested)
    ended = await command("skills", "credentials", "--dsn", dsn)
    head, line = ended.out.splitlines()
    assert (ended.status, head.split(), line.split()[:3]) == (
        3,
        ["CREDENTIAL", "STATUS", "AGENT", "PERSON", "CHANGED"],
        ["default/here/git/GIT_TOKEN", "pending", "coder"],
    )
    await operator.execute("UPDATE skill_credentials SET status = 'revoked', decided_by = 'ada'")
    ended = await command("skills", "credentials", "--dsn", dsn, "--json")
    assert ended.status == 0
    (member,) = orjson.loads(ended.out)
    assert (member["status"], member["decided_by"]) == ("revoked", "ada")


@pytest.fixture
def two_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let few requests of an agent be a flood."""
    monkeypatch.setattr("agent_config_sync.skills.intake.FREE", 2)
    monkeypatch.setattr("agent_config_sync.skills.intake.EACH", 3600.0)


async def test_an_agent_that_floods_us_keeps_no_other_one_waiting(
    two_an_hour: None, running: Running, root: Path, folder: Path
) -> None:
    flood = root / "front" / FOLDER
    flood.mkdir(parents=True)
    for _ in range(3):
        (flood / "one.json").write_text("[]")
        await running.events.until(CredentialRefused)
    (flood / "one.json").write_text("[]")
    ask(folder)
    await running.events.until(CredentialRequested, lambda event: event.agent == "coder")
    assert (flood / "one.json").exists()
