"""What agents install is in the database a moment later, and never comes back out of it."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import orjson
import pytest
from commands import Ended, command
from harness import Operator, Running, Start, connected

from agent_config_sync.doctor.examination import examine
from agent_config_sync.events import (
    Housed,
    Published,
    Refused,
    Reported,
    SkillChanged,
    SkillsReported,
    SkillsUnreported,
    SkillsUnwatched,
)
from agent_config_sync.settings import Settings
from agent_config_sync.web.health import health
from agent_config_sync.web.view import Watcher

SOUND = "---\nname: {0}\ndescription: Helps with {0}.\n---\n"

ENABLE = "UPDATE accounts SET skills_poc_enabled = true"


pytestmark = pytest.mark.usefixtures("quick_looks")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "workspaces"


@pytest.fixture
async def agents(operator: Operator) -> None:
    await operator.execute(f"INSERT INTO agents (name, is_default) VALUES ('front', true), ('coder', false); {ENABLE}")


@pytest.fixture
async def running(start: Start, agents: None, root: Path, tmp_path: Path) -> Running:
    return await start(wait=SkillsReported, workspace_root=root, data_dir=tmp_path / "data")


def put(folder: Path, slug: str, text: str | None = None) -> None:
    """Install a skill as an agent does: whole, under its name."""
    made = folder / f".{slug}"
    made.mkdir(parents=True)
    (made / "SKILL.md").write_text(text if text is not None else SOUND.format(slug))
    made.rename(folder / slug)


async def rows(
    operator: Operator, columns: str = "agent, slug, name, description, problem"
) -> list[tuple[object, ...]]:
    found = await operator.fetch(f"SELECT {columns} FROM installed_skills ORDER BY agent, slug")
    return [tuple(row) for row in found]


async def activities(operator: Operator) -> list[tuple[object, ...]]:
    asked = "SELECT type, actor_type, actor_id, target_id, gateway FROM activities ORDER BY id"
    return [tuple(row) for row in await operator.fetch(asked)]


async def test_a_skill_that_is_dropped_into_a_workspace_is_in_the_database(
    running: Running, operator: Operator, root: Path
) -> None:
    put(root / "coder" / "skills", "git")
    await running.events.until(SkillChanged, lambda event: event.slug == "git")
    assert await rows(operator) == [("coder", "git", "git", "Helps with git.", None)]
    assert await activities(operator) == [("skill_installed", "agent", "coder", "git", "here")]


async def test_a_skill_in_the_shared_folder_is_nobodys(running: Running, operator: Operator, tmp_path: Path) -> None:
    put(tmp_path / "data" / "skills", "git")
    await running.events.until(SkillChanged)
    assert await rows(operator, "agent, slug") == [("", "git")]
    assert await activities(operator) == [("skill_installed", "system", "here", "git", "here")]


async def test_a_skill_that_changes_and_goes_is_noticed(running: Running, operator: Operator, root: Path) -> None:
    skills = root / "coder" / "skills"
    put(skills, "git")
    await running.events.until(SkillChanged)
    (skills / "git" / "SKILL.md").write_text("broken")
    changed = await running.events.until(SkillChanged)
    assert (changed.change, changed.problem is None) == ("changed", False)
    shutil.rmtree(skills / "git")
    assert (await running.events.until(SkillChanged)).change == "removed"
    assert await rows(operator) == []
    kinds = [activity[0] for activity in await activities(operator)]
    assert kinds == ["skill_installed", "skill_changed", "skill_removed"]


async def test_broken_front_matter_is_a_state_that_can_be_seen(
    running: Running, operator: Operator, root: Path
) -> None:
    put(root / "coder" / "skills", "git", "---\nname: git\n---\n")
    await running.events.until(SkillChanged)
    assert await rows(operator, "slug, problem") == [
        ("git", "SKILL.md has no description, and a gateway loads no skill without one")
    ]


async def test_a_skill_that_operators_gave_is_none_that_was_installed(
    start: Start, operator: Operator, agents: None, root: Path
) -> None:
    await operator.execute("""
        INSERT INTO skills (slug, description, content) VALUES ('git', 'x', 'x');
        INSERT INTO agent_skills (agent, skill) VALUES ('coder', 'git')
    """)
    running = await start(wait=None, workspace_root=root)
    assert (await running.events.until(SkillsReported)).installed == 0
    assert (root / "coder" / "skills" / "git" / "SKILL.md").exists()


async def test_an_installed_skill_is_given_to_no_other_agent(running: Running, operator: Operator, root: Path) -> None:
    put(root / "coder" / "skills", "git")
    await running.events.until(SkillChanged)
    running.events.forget()
    await operator.execute("NOTIFY agent_config_changed")
    await running.events.until(Reported)
    assert [path.parent.parent.parent.name for path in root.glob("*/skills/git/SKILL.md")] == ["coder"]
    assert "git" not in (root / "front" / "AGENTS.md").read_text().split("## Assigned skills")[1]


async def test_what_is_reported_wakes_nobody(running: Running, operator: Operator, database: str, root: Path) -> None:
    async with connected(database) as listener:
        heard: list[object] = []
        await listener.add_listener("agent_config_changed", lambda *event: heard.append(event[3]))
        put(root / "coder" / "skills", "git")
        await running.events.until(SkillChanged)
        await operator.execute("NOTIFY agent_config_changed, 'end'")
        while heard != ["end"]:
            assert not heard, heard
            await listener.fetchval("SELECT 1")


async def test_nothing_is_looked_at_before_an_account_lets_its_agents(
    start: Start, operator: Operator, agents: None, root: Path
) -> None:
    await operator.execute("UPDATE accounts SET skills_poc_enabled = false")
    put(root / "coder" / "skills", "git")
    running = await start(wait=Reported, workspace_root=root)
    assert await rows(operator) == []
    await operator.execute(ENABLE)
    await running.events.until(SkillChanged)
    assert await rows(operator, "slug") == [("git",)]
    await operator.execute("UPDATE accounts SET skills_poc_enabled = false")
    await running.events.until(SkillsUnwatched)


async def test_off_is_heard_also_while_nothing_can_be_published(running: Running, operator: Operator) -> None:
    await operator.execute("BEGIN; DELETE FROM agents; UPDATE accounts SET skills_poc_enabled = false; COMMIT")
    await running.events.until(SkillsUnwatched)
    assert running.events.count(Refused) > 0


@pytest.mark.parametrize(
    ("account", "system", "enabled"),
    [(None, None, False), (None, "true", True), (None, "on", True), ("false", "true", False), ("true", None, True)],
)
async def test_an_account_beats_the_setting_for_all_accounts(
    start: Start, operator: Operator, root: Path, account: str | None, system: str | None, enabled: bool
) -> None:
    await operator.execute("INSERT INTO agents (name) VALUES ('coder')")
    await operator.execute("UPDATE accounts SET skills_poc_enabled = $1::text::boolean", account)
    if system is not None:
        await operator.execute("INSERT INTO agent_system_config (key, value) VALUES ('skills_poc_enabled', $1)", system)
    running = await start(wait=None, workspace_root=root)
    assert (await running.events.until(Housed)).skills_enabled is enabled


async def test_what_is_installed_survives_a_restart_and_is_news_only_once(
    start: Start, running: Running, operator: Operator, root: Path
) -> None:
    put(root / "coder" / "skills", "git")
    await running.events.until(SkillChanged)
    await running.plugin.stop()
    again = await start(wait=SkillsReported, workspace_root=root)
    assert again.events.count(SkillChanged) == 0
    assert await rows(operator, "slug") == [("git",)]
    assert len(await activities(operator)) == 1


async def test_a_login_without_the_right_says_so_and_the_sync_goes_on(
    start: Start, operator: Operator, agents: None, database: str, root: Path
) -> None:
    login = f"plain_{os.getpid()}"
    await operator.execute(f"CREATE ROLE {login} LOGIN IN ROLE agent_config_reader")
    try:
        running = await start(wait=None, workspace_root=root, dsn=database.replace("postgres@", f"{login}@"))
        said = await running.events.until(SkillsUnreported)
        assert "GRANT agent_config_runtime TO this login" in str(said.error)
        await operator.execute("UPDATE agents SET model = 'a/new' WHERE name = 'coder'")
        await running.events.until(Published, lambda event: b"a/new" in event.after)
        await running.plugin.stop()
    finally:
        await operator.execute(f"DELETE FROM gateway_status; DELETE FROM agent_tokens; DROP ROLE {login}")


async def test_no_login_changes_what_another_one_reported(operator: Operator, database: str, agents: None) -> None:
    names = [f"one_{os.getpid()}", f"other_{os.getpid()}"]
    for name in names:
        await operator.execute(f"CREATE ROLE {name} LOGIN IN ROLE agent_config_runtime")
    one, other = (database.replace("postgres@", f"{name}@") for name in names)
    try:
        async with connected(one) as login:
            await login.execute("""
                INSERT INTO installed_skills (gateway, agent, slug, name, checksum)
                VALUES ('here', 'coder', 'git', 'git', '')
            """)
        async with connected(other) as login:
            assert await login.execute("DELETE FROM installed_skills") == "DELETE 0"
            assert await login.execute("UPDATE installed_skills SET name = 'mine'") == "UPDATE 0"
        async with connected(one) as login:
            assert await login.execute("DELETE FROM installed_skills") == "DELETE 1"
    finally:
        for name in names:
            await operator.execute(f"DROP ROLE {name}")


async def test_health_tells_of_skills(running: Running, root: Path) -> None:
    watcher = Watcher()
    running.plugin.events.subscribe(watcher)
    for event in running.events.seen:
        watcher(event)
    put(root / "coder" / "skills", "git", "broken")
    await running.events.until(SkillsReported, lambda event: event.installed == 1)
    answer = orjson.loads(health(watcher.view, gateway="here", account="default", now=0).model_dump_json())
    told = answer["skill_sync"]
    assert (told["installed"], told["broken"], told["left_out"], told["last_error"]) == (1, 1, 0, None)
    assert told["last_sync_at"] is not None


# --- what people ask


async def listed(running: Running, *words: str) -> Ended:
    settings = running.plugin.settings
    assert settings.dsn is not None
    return await command("skills", "list", *words, AGENT_CONFIG_SYNC_DSN=settings.dsn.get_secret_value())


async def test_the_list_shows_what_is_installed_and_which_of_two_wins(
    running: Running, operator: Operator, root: Path, tmp_path: Path
) -> None:
    assert (await listed(running)).out == "no agent has installed a skill\n"
    put(root / "coder" / "skills", "git")
    put(root / "coder" / "skills", "sql", "broken")
    put(tmp_path / "data" / "skills", "git")
    await running.events.until(SkillsReported, lambda event: event.installed == 3)
    ended = await listed(running)
    lines = [re.split(r"\s{2,}", re.sub(r"\d+ s ago", "now", line)) for line in ended.out.splitlines()]
    assert (ended.status, lines) == (
        3,
        [
            ["GATEWAY", "AGENT", "SKILL", "NAME", "SEEN", "NOTES"],
            ["here", "all", "git", "git", "now"],
            ["here", "coder", "git", "git", "now", "beats the shared skill of this name"],
            ["here", "coder", "sql", "sql", "now", "not loaded: SKILL.md has no front matter between two lines of ---"],
        ],
    )
    members = orjson.loads((await listed(running, "--json")).out)
    assert [(skill["agent"], skill["slug"], skill["shared"]) for skill in members] == [
        ("", "git", False),
        ("coder", "git", True),
        ("coder", "sql", False),
    ]


async def test_the_list_tells_of_a_skill_in_the_place_of_an_operators(
    start: Start, operator: Operator, agents: None, root: Path
) -> None:
    put(root / "coder" / "skills", "git")
    await operator.execute("""
        INSERT INTO skills (slug, description, content) VALUES ('git', 'x', 'x');
        INSERT INTO agent_skills (agent, skill) VALUES ('coder', 'git')
    """)
    running = await start(wait=SkillsReported, workspace_root=root)
    ended = await listed(running)
    assert ended.status == 0
    assert "stands in the place of the operator's skill of this name" in ended.out
    assert (root / "coder" / "skills" / "git" / "SKILL.md").read_text() == SOUND.format("git")


async def test_the_doctor_finds_a_skill_that_no_gateway_loads(running: Running, root: Path) -> None:
    put(root / "coder" / "skills", "git", "broken")
    await running.events.until(SkillsReported, lambda event: event.broken == 1)
    found = [finding for finding in await examine(running.plugin.settings) if finding.name.startswith("skill")]
    assert [finding.name for finding in found] == ["skill_broken"]
    assert found[0].what.startswith("agent coder has skill git, and no gateway loads it: SKILL.md has no front matter")


async def test_the_doctor_finds_skills_that_take_more_of_a_prompt_than_there_is(
    running: Running, operator: Operator, root: Path
) -> None:
    for number in range(20):
        put(root / "coder" / "skills", f"s{number:02}", f"---\nname: s{number:02}\ndescription: {'x' * 1000}\n---\n")
    await running.events.until(SkillsReported, lambda event: event.installed == 20)
    found = [finding for finding in await examine(running.plugin.settings) if finding.name.startswith("skill")]
    assert [finding.name for finding in found] == ["skills_crowd_prompt"]
    assert found[0].what.startswith("the skills of agent coder take 2")


async def test_the_doctor_finds_a_login_that_may_not_report_skills(
    operator: Operator, agents: None, database: str, settings: Settings, root: Path
) -> None:
    login = f"plain_{os.getpid()}"
    await operator.execute(f"CREATE ROLE {login} LOGIN IN ROLE agent_config_reader")
    try:
        dsn = database.replace("postgres@", f"{login}@")
        chosen = Settings.model_validate({**dict(settings), "dsn": dsn, "workspace_root": root})
        found = [finding for finding in await examine(chosen) if finding.name == "rights_missing"]
        assert [finding.cure.text for finding in found] == [f'GRANT agent_config_runtime TO "{login}";']
        await operator.execute(found[0].cure.text)
        assert [finding for finding in await examine(chosen) if finding.name == "rights_missing"] == []
    finally:
        await operator.execute(f"DROP ROLE {login}")


async def test_a_database_without_the_table_says_what_to_do(empty_database: str) -> None:
    ended = await command("skills", "list", AGENT_CONFIG_SYNC_DSN=empty_database)
    assert (ended.status, ended.err) == (
        1,
        "agent-config-sync: the database has no tables for that yet: agent-config-sync migrate\n",
    )


async def test_a_row_that_did_not_change_is_not_written_again(running: Running, operator: Operator, root: Path) -> None:
    put(root / "coder" / "skills", "git")
    await running.events.until(SkillChanged)
    asked = "SELECT xmin::text, seen_at FROM installed_skills WHERE slug = 'git'"
    before = await operator.fetchrow(asked)
    put(root / "coder" / "skills", "sql")
    await running.events.until(SkillChanged, lambda event: event.slug == "sql")
    assert await operator.fetchrow(asked) == before
