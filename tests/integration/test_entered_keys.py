"""A person enters a key: it reaches the gateway's configuration, and no other place than the host's two files."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import orjson
import pytest
from commands import command
from harness import Operator, Running, Start, eventually

from agent_config_sync.errors import PublishError
from agent_config_sync.events import KeysGiven, Refused, Reloaded, SkillsReported, Unchanged, Warned
from agent_config_sync.gateway.running import keys_difference

KEY = "sk-live-a1b2c3d4e5f6a7b8c9d0"
REF = "default/here/git-help/GIT_PAT"
INCLUDE = '"skills": {"$include": ["./skills.json"]}'
SKILL = """---
name: Git help
description: Helps with git.
metadata: {"openclaw": {"skillKey": "git", "primaryEnv": "GIT_PAT"}}
---
Use $GIT_PAT.
"""

pytestmark = pytest.mark.usefixtures("quick_looks")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "workspaces"


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    return tmp_path / "data" / "secrets.json"


@pytest.fixture
def skills_json(tmp_path: Path) -> Path:
    return tmp_path / "gateway" / "skills.json"


@pytest.fixture
def openclaw_json(tmp_path: Path, secrets: Path) -> Path:
    """A configuration as install.sh leaves it."""
    path = tmp_path / "gateway" / "openclaw.json"
    path.parent.mkdir()
    provider = f'"agent_config_sync": {{"source": "file", "path": "{secrets}", "mode": "json"}}'
    path.write_text(
        f'{{"agents": {{"$include": ["./agents.json"]}}, {INCLUDE}, "secrets": {{"providers": {{{provider}}}}}}}'
    )
    return path


@pytest.fixture
async def running(start: Start, operator: Operator, root: Path, secrets: Path, openclaw_json: Path) -> Running:
    return await with_a_skill(start, operator, root, secrets_file=secrets)


async def with_a_skill(start: Start, operator: Operator, root: Path, **changes: object) -> Running:
    await operator.execute("""
        INSERT INTO agents (name, is_default) VALUES ('coder', true);
        UPDATE accounts SET skills_poc_enabled = true
    """)
    folder = root / "coder" / "skills" / "git-help"
    folder.mkdir(parents=True)
    (folder / "SKILL.md").write_text(SKILL)
    running = await start(workspace_root=root, **changes)
    await running.events.until(SkillsReported, lambda event: event.installed == 1)
    return running


async def asked_for(operator: Operator, key: str = "GIT_PAT") -> str:
    await operator.execute(
        """
        INSERT INTO skill_credentials (gateway, skill, key_name, credential_ref, requested_by)
        VALUES ('here', 'git-help', $1, 'default/here/git-help/' || $1, 'coder')
        """,
        key,
    )
    return f"default/here/git-help/{key}"


class Person:
    """Somebody at the gateway's host, with its settings."""

    def __init__(self, running: Running) -> None:
        settings = running.plugin.settings
        assert settings.dsn is not None
        self._environment = {
            "AGENT_CONFIG_SYNC_DSN": settings.dsn.get_secret_value(),
            "AGENT_CONFIG_SYNC_GATEWAY": settings.gateway,
            "OPENCLAW_CONFIG_PATH": str(settings.config_path),
            "RUNTIME_SECRETS_FILE": str(settings.secrets),
        }

    async def enter(self, ref: str = REF, key: str = KEY) -> str:
        ended = await command("skills", "enter", ref, "--person", "ada", said=f"{key}\n", **self._environment)
        assert ended.status == 0, ended.err
        return ended.out

    async def refused(self, *words: str, said: str = "") -> str:
        ended = await command("skills", *words, said=said, **self._environment)
        assert ended.status == 1
        return ended.err

    async def revoke(self, ref: str = REF) -> None:
        ended = await command("skills", "revoke", ref, "--person", "ada", **self._environment)
        assert ended.status == 0, ended.err


@pytest.fixture
def person(running: Running) -> Person:
    return Person(running)


def entries(skills_json: Path) -> dict[str, object]:
    found: dict[str, object] = orjson.loads(skills_json.read_bytes())["entries"]
    return found


async def test_a_key_that_a_person_enters_reaches_the_gateways_configuration(
    running: Running, operator: Operator, person: Person, secrets: Path, skills_json: Path
) -> None:
    await asked_for(operator)
    await person.enter()
    given = await running.events.until(KeysGiven)
    assert (given.keys, given.plain) == (1, False)
    key_id = await operator.fetchval("SELECT id::text FROM skill_credentials WHERE status = 'active'")
    assert orjson.loads(secrets.read_bytes())["values"] == {key_id: KEY}
    reference = {"source": "file", "provider": "agent_config_sync", "id": f"/values/{key_id}"}
    assert entries(skills_json) == {"Git help": {"apiKey": reference}, "git": {"apiKey": reference}}
    assert [path.stat().st_mode & 0o777 for path in (secrets, skills_json)] == [0o600, 0o600]


async def test_the_keys_bytes_are_in_the_secrets_file_alone(
    running: Running,
    operator: Operator,
    person: Person,
    secrets: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await asked_for(operator)
    said = await person.enter()
    await running.events.until(KeysGiven)
    await running.events.until(Unchanged)
    holding = [path for path in tmp_path.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    assert holding == [secrets]
    assert KEY not in said + caplog.text + str(running.events.seen)
    for table in ("skill_credentials", "activities", "gateway_status", "installed_skills"):
        assert KEY not in str(await operator.fetch(f"SELECT {table}::text FROM {table}"))


async def test_a_key_that_is_taken_back_is_nowhere_any_more(
    running: Running, operator: Operator, person: Person, secrets: Path, skills_json: Path
) -> None:
    await asked_for(operator)
    await person.enter()
    await running.events.until(KeysGiven)
    await person.revoke()
    given = await running.events.until(KeysGiven)
    assert given.keys == 0
    await running.events.until(Unchanged)
    assert entries(skills_json) == {}
    assert orjson.loads(secrets.read_bytes())["values"] == {}


async def test_an_operator_takes_a_key_back_with_sql(
    running: Running, operator: Operator, person: Person, secrets: Path
) -> None:
    await asked_for(operator)
    await person.enter()
    await running.events.until(KeysGiven)
    await operator.execute("UPDATE skill_credentials SET status = 'revoked'")
    await running.events.until(KeysGiven)
    await running.events.until(Unchanged)
    assert KEY.encode() not in secrets.read_bytes()


async def test_another_key_takes_the_place_of_the_first(
    running: Running, operator: Operator, person: Person, secrets: Path
) -> None:
    await asked_for(operator)
    await person.enter()
    await running.events.until(KeysGiven)
    await person.enter(key="another-key")
    await running.events.until(KeysGiven)
    await running.events.until(Unchanged)
    rows = await operator.fetch("SELECT id::text, status FROM skill_credentials ORDER BY requested_at")
    assert [row["status"] for row in rows] == ["revoked", "active"]
    assert orjson.loads(secrets.read_bytes())["values"] == {rows[1]["id"]: "another-key"}


async def test_what_people_decide_is_kept_with_their_names(
    running: Running, operator: Operator, person: Person
) -> None:
    await asked_for(operator)
    await person.enter()
    await person.revoke()
    asked = "SELECT type, actor_type, actor_id, target_id FROM activities WHERE target_type = 'credential' ORDER BY id"
    found = await operator.fetch(asked)
    assert [tuple(row) for row in found] == [
        ("credential_entered", "user", "ada", REF),
        ("credential_revoked", "user", "ada", REF),
    ]


async def test_a_statement_that_names_no_person_is_its_logins(operator: Operator) -> None:
    await asked_for(operator)
    await operator.execute("UPDATE skill_credentials SET status = 'revoked'")
    login = await operator.fetchval("SELECT session_user::text")
    assert await operator.fetchval("SELECT actor_id FROM activities WHERE type = 'credential_revoked'") == login


async def test_a_gateway_that_takes_no_references_gets_the_key_itself(
    start: Start, operator: Operator, root: Path, secrets: Path, openclaw_json: Path, skills_json: Path
) -> None:
    running = await with_a_skill(start, operator, root, secrets_file=secrets, gateway_version="2026.7.1")
    await asked_for(operator)
    await Person(running).enter()
    assert (await running.events.until(KeysGiven)).plain
    assert entries(skills_json) == {"Git help": {"env": {"GIT_PAT": KEY}}, "git": {"env": {"GIT_PAT": KEY}}}


async def test_a_key_that_nothing_takes_to_the_gateway_stays_in_the_secrets_file(
    running: Running, operator: Operator, person: Person, openclaw_json: Path, skills_json: Path
) -> None:
    openclaw_json.write_text('{"agents": {"$include": ["./agents.json"]}}')
    await asked_for(operator)
    await person.enter()
    warned = await running.events.until(Warned)
    assert any("does not include skills.json: run install.sh again" in warning for warning in warned.warnings)
    assert entries(skills_json) == {}


async def test_a_file_of_keys_that_is_somebody_elses_stays(
    start: Start, operator: Operator, root: Path, secrets: Path, openclaw_json: Path, skills_json: Path
) -> None:
    own = b'{"entries": {"mine": {"apiKey": "of-the-operator"}}}'
    skills_json.write_bytes(own)
    running = await with_a_skill(start, operator, root, secrets_file=secrets)
    running.events.rewind()
    warned = await running.events.until(Warned)
    assert any("skills.json is somebody else's" in warning for warning in warned.warnings)
    await asked_for(operator)
    await Person(running).enter()
    await running.events.until(Unchanged)
    assert skills_json.read_bytes() == own


async def test_what_somebody_writes_into_our_file_is_kept_beside_it_and_no_key_outlives_that(
    running: Running, operator: Operator, person: Person, secrets: Path, skills_json: Path
) -> None:
    """The gateway's own commands tell people to edit that file."""
    await asked_for(operator)
    await person.enter()
    await running.events.until(KeysGiven)
    document = orjson.loads(skills_json.read_bytes())
    document["entries"]["git"]["enabled"] = False
    skills_json.write_bytes(orjson.dumps(document))
    await person.revoke()
    await running.events.until(KeysGiven, lambda event: event.keys == 0)
    assert entries(skills_json) == {}
    assert orjson.loads(skills_json.with_name("skills.json.changed").read_bytes()) == {
        "entries": {"git": {"enabled": False}}
    }
    warned = await running.events.until(Warned)
    assert any("say that in openclaw.json, where it beats ours" in warning for warning in warned.warnings)


async def test_a_file_that_is_included_and_gone_is_made_again(
    running: Running, operator: Operator, skills_json: Path
) -> None:
    """A gateway does not start over an include that is missing."""
    skills_json.unlink()
    await operator.execute("NOTIFY agent_config_changed")
    await running.events.until(KeysGiven)
    assert entries(skills_json) == {}


async def test_a_key_outlives_a_database_that_shows_nothing_of_it(
    running: Running, operator: Operator, person: Person, secrets: Path, skills_json: Path
) -> None:
    """It is nowhere else: the database may be another one, or one that is being restored."""
    await asked_for(operator)
    await person.enter()
    await running.events.until(KeysGiven)
    await operator.execute("CREATE TABLE kept AS SELECT * FROM skill_credentials; TRUNCATE skill_credentials")
    await running.events.until(KeysGiven, lambda event: event.keys == 0)
    warned = await running.events.until(Warned)
    assert any("holds 1 of which the database knows nothing, so they are kept" in each for each in warned.warnings)
    assert KEY.encode() in secrets.read_bytes()
    await operator.execute("INSERT INTO skill_credentials SELECT * FROM kept; NOTIFY agent_config_changed")
    await running.events.until(KeysGiven, lambda event: event.keys == 1)
    assert len(entries(skills_json)) == 2


async def test_nothing_is_touched_while_the_database_shows_no_agent_and_no_key(
    running: Running, operator: Operator, person: Person, secrets: Path, skills_json: Path
) -> None:
    await asked_for(operator)
    await person.enter()
    await running.events.until(KeysGiven)
    before = (secrets.read_bytes(), skills_json.read_bytes())
    await operator.execute("BEGIN; TRUNCATE skill_credentials; DELETE FROM agents; COMMIT")
    await running.events.until(Refused)
    assert (secrets.read_bytes(), skills_json.read_bytes()) == before


async def test_another_gateway_takes_no_keys_away(
    running: Running, operator: Operator, person: Person, secrets: Path, skills_json: Path, tmp_path: Path
) -> None:
    """A trial beside it, or a container that came back under another name."""
    await asked_for(operator)
    await person.enter()
    await running.events.until(KeysGiven)
    before = (secrets.read_bytes(), skills_json.read_bytes())
    settings = running.plugin.settings
    assert settings.dsn is not None
    ended = await command(
        *("sync", "--output", str(tmp_path / "trial" / "agents.json"), "--dsn", settings.dsn.get_secret_value()),
        AGENT_CONFIG_SYNC_GATEWAY="trial",
        AGENT_CONFIG_SYNC_GATEWAY_VERSION="2026.9.6",
        OPENCLAW_CONFIG_PATH=str(settings.config_path),
        OPENCLAW_WORKSPACE_ROOT=str(tmp_path / "trial" / "ws"),
        RUNTIME_SECRETS_FILE=str(secrets),
    )
    assert ended.status == 0
    assert "holds the keys of gateway default/here, and this one is default/trial" in ended.err + ended.out
    assert (secrets.read_bytes(), skills_json.read_bytes()) == before


async def test_a_key_is_taken_back_though_the_secrets_file_cannot_be_read(
    start: Start, operator: Operator, root: Path, secrets: Path, openclaw_json: Path, skills_json: Path
) -> None:
    running = await with_a_skill(start, operator, root, secrets_file=secrets, gateway_version="2026.7.1")
    await asked_for(operator)
    await Person(running).enter()
    await running.events.until(KeysGiven, lambda event: event.keys == 1)
    secrets.chmod(0o640)
    await operator.execute("UPDATE skill_credentials SET status = 'revoked'")
    await running.events.until(KeysGiven)
    assert entries(skills_json) == {}


async def test_the_gateway_is_told_of_a_key_that_is_taken_back_though_its_agents_cannot_be_published(
    start: Start, operator: Operator, root: Path, secrets: Path, openclaw_json: Path
) -> None:
    running = await with_a_skill(start, operator, root, secrets_file=secrets, gateway_version="2026.7.1")
    await asked_for(operator)
    await Person(running).enter()
    await running.events.until(KeysGiven, lambda event: event.keys == 1)
    await running.events.until(Reloaded)
    await operator.execute("""
        BEGIN; UPDATE skill_credentials SET status = 'revoked'; INSERT INTO agents (name) VALUES ('second'); COMMIT
    """)
    running.plugin.pipeline.output.replace = _full  # type: ignore[method-assign]
    await running.events.until(KeysGiven, lambda event: event.keys == 0)
    await running.events.until(Reloaded)


def _full(*_: object, **__: object) -> None:
    raise PublishError("no space left")


async def test_the_same_key_entered_again_is_one_with_which_the_gateway_runs(
    running: Running, operator: Operator, person: Person
) -> None:
    await asked_for(operator)
    for _ in range(2):
        await person.enter()
        await running.events.until(KeysGiven)
    digest = sha256(KEY.encode()).hexdigest()
    keyring = running.plugin.pipeline.keyring
    assert keyring is not None
    runs = {"Git help": {"apiKey": digest}, "git": {"apiKey": digest}}
    assert keys_difference(keyring.in_files, runs) is None


async def test_a_skill_named_like_an_include_costs_no_other_skill_and_no_agent(
    running: Running, operator: Operator, person: Person, root: Path, skills_json: Path
) -> None:
    await asked_for(operator)
    text = SKILL.replace("name: Git help", 'name: "$include"').replace('"skillKey": "git"', '"skillKey": "$include"')
    (root / "coder" / "skills" / "git-help" / "SKILL.md").write_text(text)
    await eventually(operator, "SELECT EXISTS (SELECT FROM installed_skills WHERE name = '$include')")
    await person.enter()
    given = await running.events.until(KeysGiven)
    assert entries(skills_json) == {}
    assert "which no configuration can hold" in given.withheld[0]


async def test_a_skill_that_another_login_reports_gets_no_key(
    running: Running, operator: Operator, person: Person, skills_json: Path
) -> None:
    login = f"other_{os.getpid()}"
    await operator.execute(f"CREATE ROLE {login} SUPERUSER")
    try:
        await operator.execute(f"""
            SET SESSION AUTHORIZATION {login};
            INSERT INTO installed_skills (gateway, agent, slug, name, checksum, primary_env)
            VALUES ('here', 'ghost', 'git-help', 'theirs', '', 'GIT_PAT');
            RESET SESSION AUTHORIZATION
        """)
        await asked_for(operator)
        await person.enter()
        await running.events.until(KeysGiven)
        assert set(entries(skills_json)) == {"Git help", "git"}
    finally:
        await operator.execute(f"DROP ROLE {login}")


async def test_a_key_file_that_is_none_keeps_no_agent_from_the_gateway(
    start: Start, operator: Operator, root: Path, secrets: Path, openclaw_json: Path, tmp_path: Path
) -> None:
    running = await with_a_skill(start, operator, root, secrets_file=secrets, secrets_key_file=tmp_path / "none")
    running.events.rewind()
    warned = await running.events.until(Warned)
    assert any("secrets_key_file" in warning and "cannot be read" in warning for warning in warned.warnings)
    assert "coder" in orjson.loads(running.output.read_bytes())["entries"]


async def test_a_file_of_keys_that_drifted_is_mended(
    running: Running, operator: Operator, person: Person, skills_json: Path
) -> None:
    await asked_for(operator)
    await person.enter()
    await running.events.until(KeysGiven)
    skills_json.chmod(0o644)
    await operator.execute("NOTIFY agent_config_changed, '{}'")
    await running.events.until(KeysGiven)
    assert skills_json.stat().st_mode & 0o777 == 0o600


async def test_a_broken_secrets_file_keeps_no_agent_from_the_gateway(
    running: Running, operator: Operator, secrets: Path
) -> None:
    secrets.parent.mkdir(mode=0o700)
    secrets.write_text("{")
    secrets.chmod(0o600)
    await operator.execute("INSERT INTO agents (name) VALUES ('second')")
    warned = await running.events.until(Warned)
    assert any("secrets.json is broken" in warning for warning in warned.warnings)
    assert "second" in orjson.loads(running.output.read_bytes())["entries"]


async def test_a_key_for_which_nobody_asked_is_not_taken(person: Person, secrets: Path) -> None:
    assert "no agent of gateway here has asked for this key" in await person.refused("enter", REF, said=KEY)
    assert not secrets.exists()


async def test_a_key_that_was_taken_back_is_not_taken_again(operator: Operator, person: Person) -> None:
    await asked_for(operator)
    await person.revoke()
    assert "was taken back: an agent has to ask for it anew" in await person.refused("enter", REF, said=KEY)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", "the key is empty"),
        (" \n ", "the key is empty"),
        ("a\nb", "a key has no line break and no control character"),
        ("a\0b", "a key has no line break and no control character"),
        ("a\u2028b", "a key has no line break and no control character"),
        ("a${HOME}", "a key must not hold ${"),
        ("a" * 8193, "a key has 8,192 characters at most"),
    ],
)
async def test_what_can_be_no_key_is_not_taken(
    operator: Operator, person: Person, secrets: Path, said: str, why: str
) -> None:
    await asked_for(operator)
    assert why in await person.refused("enter", REF, said=said)
    assert not secrets.exists()
    assert await operator.fetchval("SELECT status FROM skill_credentials") == "pending"


async def test_a_login_that_may_not_write_the_row_is_told_whose_it_is(
    operator: Operator, person: Person, running: Running, database: str
) -> None:
    login = f"box_{os.getpid()}"
    await asked_for(operator)
    await operator.execute(f"CREATE ROLE {login} LOGIN PASSWORD 'x' IN ROLE agent_config_runtime")
    try:
        dsn = database.replace("postgres@", f"{login}:x@") if "postgres@" in database else database
        ended = await command(
            *("skills", "enter", REF, "--dsn", dsn),
            said=KEY,
            AGENT_CONFIG_SYNC_GATEWAY="here",
            OPENCLAW_CONFIG_PATH=str(running.plugin.settings.config_path),
            PGUSER=login,
        )
        assert ended.status == 1
        assert "and no other one may change it" in ended.err
    finally:
        await operator.execute(f"DROP OWNED BY {login}; DROP ROLE {login}")


async def test_a_key_of_an_earlier_life_is_given_at_the_start(
    running: Running, operator: Operator, person: Person, start: Start, root: Path, secrets: Path, skills_json: Path
) -> None:
    await asked_for(operator)
    await person.enter()
    await running.events.until(KeysGiven)
    await running.plugin.stop()
    skills_json.unlink()
    await start(wait=KeysGiven, workspace_root=root, secrets_file=secrets)
    assert len(entries(skills_json)) == 2
