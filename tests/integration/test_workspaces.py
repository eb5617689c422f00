"""The rows of an agent become the files of its workspace, in the pass that writes agents.json."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import orjson
import pytest
from commands import command
from harness import Operator, Running, Start, connected

from agent_config_sync.events import Event, Furnished, PassFailed, Published, Reported, Unchanged, Warned
from agent_config_sync.postgres.migrate import migrations
from agent_config_sync.render.template_set import TemplateSet
from agent_config_sync.settings import Settings

ADA, MOVE = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"

ROWS = f"""
    INSERT INTO people (id, name, preferred_name, timezone) VALUES ('{ADA}', 'Ada Example', 'Ada', 'Europe/Berlin');
    INSERT INTO boards (id, name, objective, person_id) VALUES ('{MOVE}', 'Warehouse', 'Ship from there.', '{ADA}');
    INSERT INTO agents (name, is_default, model) VALUES ('front', true, 'a/b');
    INSERT INTO agents (name, board_id, is_board_lead) VALUES ('lead', '{MOVE}', true);
    INSERT INTO agents (name, board_id, soul_content) VALUES ('coder', '{MOVE}', 'I am {{{{ word for word }}}}.');
    INSERT INTO skills (slug, name, description, content) VALUES
        ('labels', 'Labels', 'Prints labels.', 'Print them.'), ('stock', 'Stock', NULL, NULL);
    INSERT INTO agent_skills (agent, skill, position) VALUES ('coder', 'labels', 2), ('coder', 'stock', 1);
"""

FILES = {
    *("AGENTS.md", "SOUL.md", "TASK_SOUL.md", "SELF.md", "AUTONOMY.md", "TOOLS.md", "IDENTITY.md", "USER.md"),
    *("HEARTBEAT.md", "BOOT.md", "BOOTSTRAP.md", "MEMORY.md", "memory/WORKING.md"),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "workspaces"


@pytest.fixture
async def running(start: Start, operator: Operator, root: Path) -> Running:
    """A sync with three agents, its first pass done."""
    await operator.execute(ROWS)
    return await start(wait=Reported, workspace_root=root)


def files_of(workspace: Path) -> set[str]:
    return {str(path.relative_to(workspace)) for path in workspace.rglob("*") if path.is_file()}


def entries(running: Running) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = orjson.loads(running.output.read_bytes())["agents"]["entries"]
    return found


def written_at(root: Path) -> dict[str, int]:
    return {str(path.relative_to(root)): path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}


async def after(running: Running, operator: Operator, statement: str) -> None:
    """Execute a statement and return when the pass that it causes is over."""
    running.events.forget()
    await operator.execute(statement)
    await running.events.until(Event, lambda event: isinstance(event, Published | Unchanged | PassFailed))


async def test_every_agent_finds_every_file_and_nobody_else_can_read_them(running: Running, root: Path) -> None:
    assert files_of(root / "front") == FILES
    assert files_of(root / "lead") == FILES
    assert files_of(root / "coder") == {*FILES, "skills/labels/SKILL.md"}
    modes = {stat.S_IMODE(path.stat().st_mode) for path in root.rglob("*") if path.is_file()}
    folders = {stat.S_IMODE(path.stat().st_mode) for path in [root, *root.rglob("*")] if path.is_dir()}
    assert (modes, folders) == ({0o600}, {0o700})
    assert (root / "coder" / "deliverables").is_dir()


async def test_agents_json_says_where_an_agent_lives_and_who_it_is(running: Running, root: Path) -> None:
    assert entries(running)["front"] == {
        "model": "a/b",
        "workspace": str(root / "front"),
        "identity": {"name": "front"},
    }
    assert orjson.loads(running.output.read_bytes())["agents"]["defaults"]["skipBootstrap"] is True


async def test_a_soul_is_taken_word_for_word(running: Running, root: Path) -> None:
    assert (root / "coder" / "SOUL.md").read_text() == "I am {{ word for word }}.\n"


async def test_skills_stand_in_their_order_with_and_without_a_file(running: Running, root: Path) -> None:
    tools = (root / "coder" / "TOOLS.md").read_text()
    assert tools.index("**Stock** (stock)") < tools.index("**Labels** (labels)")
    assert "name: labels" in (root / "coder" / "skills" / "labels" / "SKILL.md").read_text()


async def test_the_person_of_the_board_is_the_one_of_its_agents(running: Running, root: Path) -> None:
    assert "Ada Example" in (root / "coder" / "USER.md").read_text()
    assert "Ada Example" not in (root / "front" / "USER.md").read_text()


@pytest.mark.parametrize(
    ("statement", "file", "text"),
    [
        ("UPDATE agents SET soul_content = 'New.' WHERE name = 'coder'", "coder/SOUL.md", "New.\n"),
        (
            "UPDATE agents SET soul_template = 'I am {{ agent_id }}.' WHERE name = 'coder'",
            "coder/SOUL.md",
            "I am coder.",
        ),
        ("UPDATE agents SET identity_template = '{{ identity_role }}' WHERE name = 'lead'", "lead/IDENTITY.md", None),
        ("UPDATE agents SET display_name = 'Grace' WHERE name = 'lead'", "lead/SOUL.md", "You are Grace."),
        ("UPDATE boards SET objective = 'Another goal.'", "lead/AGENTS.md", "Another goal."),
        ("UPDATE skills SET content = 'Otherwise.'", "coder/skills/labels/SKILL.md", "Otherwise."),
        ("UPDATE skills SET description = 'Other words.'", "coder/AGENTS.md", "Other words."),
        ("INSERT INTO agent_skills (agent, skill) VALUES ('lead', 'labels')", "lead/skills/labels/SKILL.md", "Print"),
        (
            "INSERT INTO gateways (name, base_url) VALUES ('here', 'http://x:1')",
            "front/TOOLS.md",
            "BASE_URL=http://x:1",
        ),
    ],
)
async def test_a_change_of_a_row_is_in_the_file_after_the_pass(
    running: Running, operator: Operator, root: Path, statement: str, file: str, text: str | None
) -> None:
    await after(running, operator, statement)
    assert (text or "Generalist") in (root / file).read_text()


async def test_only_what_changed_is_written(running: Running, operator: Operator, root: Path) -> None:
    before = written_at(root)
    await after(running, operator, "UPDATE agents SET soul_content = 'New.' WHERE name = 'coder'")
    now = written_at(root)
    assert {path for path in now if now[path] != before[path]} == {"coder/SOUL.md"}
    assert running.events.of(Furnished)[-1] == Furnished(("coder",), 1)


async def test_a_pass_without_news_writes_nothing(running: Running, operator: Operator, root: Path) -> None:
    before = written_at(root)
    await after(running, operator, "NOTIFY agent_config_changed")
    assert written_at(root) == before


async def test_a_life_that_finds_everything_in_place_looks_once_and_not_at_every_pass(
    running: Running, operator: Operator, root: Path, start: Start
) -> None:
    await running.plugin.stop()
    again = await start(wait=Reported, workspace_root=root)
    (root / "lead" / "AGENTS.md").write_text("mine")
    await after(again, operator, "NOTIFY agent_config_changed")
    assert (root / "lead" / "AGENTS.md").read_text() == "mine"


async def test_drift_is_healed_by_a_resync(start: Start, operator: Operator, root: Path) -> None:
    await operator.execute(ROWS)
    running = await start(wait=Reported, workspace_root=root, resync_interval=1.0)
    (root / "lead" / "AGENTS.md").write_text("mine")
    (root / "lead" / "SOUL.md").unlink()
    await running.events.until(Furnished)
    assert (root / "lead" / "AGENTS.md").read_text().startswith("# ")
    assert (root / "lead" / "SOUL.md").exists()


async def test_what_an_agent_wrote_into_its_own_files_stays(running: Running, operator: Operator, root: Path) -> None:
    for name in ("SELF.md", "USER.md", "MEMORY.md", "TASK_SOUL.md", "memory/WORKING.md"):
        (root / "coder" / name).write_text("mine")
    (root / "coder" / "BOOTSTRAP.md").unlink()
    await running.plugin.stop()
    ended = await command("templates", "sync", "--gateway-id", "here", **_environment(running.plugin.settings))
    assert ended.status == 0
    kept = [(root / "coder" / name).read_text() for name in ("SELF.md", "USER.md", "MEMORY.md", "memory/WORKING.md")]
    assert kept == ["mine"] * 4
    assert not (root / "coder" / "BOOTSTRAP.md").exists()


async def test_a_skill_that_is_taken_away_is_gone_with_its_folder(
    running: Running, operator: Operator, root: Path
) -> None:
    await after(running, operator, "UPDATE skills SET enabled = false")
    assert not (root / "coder" / "skills" / "labels").exists()
    assert "No assigned skills" in (root / "coder" / "TOOLS.md").read_text()


async def test_the_folder_of_an_agent_that_is_gone_is_kept(running: Running, operator: Operator, root: Path) -> None:
    await after(running, operator, "DELETE FROM agents WHERE name = 'coder'")
    assert "coder" not in entries(running)
    assert (root / "coder" / "MEMORY.md").exists()


# What breaks one agent costs that agent ------------------------------------------------------------------------------


async def test_a_broken_template_costs_its_agent_and_leaves_its_last_good_files_and_entry(
    running: Running, operator: Operator, root: Path
) -> None:
    soul = (root / "coder" / "SOUL.md").read_text()
    await after(
        running, operator, "UPDATE agents SET soul_template = E'one\\n{{ gone }}', model = 'c/d' WHERE name = 'coder'"
    )
    warning = "agent coder: soul_template, line 2: 'gone' is undefined; its workspace stays as it is"
    assert warning in running.events.of(Warned)[-1].warnings
    assert (root / "coder" / "SOUL.md").read_text() == soul
    assert "model" not in entries(running)["coder"]
    await after(running, operator, "UPDATE agents SET model = 'e/f' WHERE name = 'lead'")
    assert (entries(running)["lead"]["model"], "model" in entries(running)["coder"]) == ("e/f", False)


async def test_a_new_agent_joins_the_roster_when_its_workspace_stands(
    running: Running, operator: Operator, root: Path
) -> None:
    await after(running, operator, "INSERT INTO agents (name, soul_template) VALUES ('new', '{{ gone }}')")
    assert "new" not in entries(running)
    await after(running, operator, "UPDATE agents SET soul_template = NULL WHERE name = 'new'")
    assert entries(running)["new"]["workspace"] == str(root / "new")


async def test_a_file_in_the_place_of_a_workspace_costs_that_agent(
    start: Start, operator: Operator, root: Path
) -> None:
    root.mkdir()
    (root / "coder").write_text("in the way")
    await operator.execute(ROWS)
    running = await start(wait=Reported, workspace_root=root)
    assert set(entries(running)) == {"front", "lead"}
    assert any("coder: a symbolic link or a file stands" in line for line in running.events.of(Warned)[-1].warnings)


async def test_after_a_restart_the_last_good_entry_is_still_that_of_the_file(
    running: Running, operator: Operator, start: Start, root: Path
) -> None:
    await running.plugin.stop()
    await operator.execute("UPDATE agents SET soul_template = '{{ gone }}', model = 'c/d' WHERE name = 'coder'")
    again = await start(wait=Reported, workspace_root=root)
    assert entries(again)["coder"] == {"workspace": str(root / "coder"), "identity": {"name": "coder"}}


async def test_templates_that_cannot_be_read_leave_every_workspace_as_it_is(
    running: Running, operator: Operator, start: Start, root: Path, tmp_path: Path
) -> None:
    await running.plugin.stop()
    before = written_at(root)
    again = await start(wait=Reported, workspace_root=root, templates_dir=tmp_path / "gone")
    assert written_at(root) == before
    assert set(entries(again)) == {"front", "lead", "coder"}
    assert any("templates_dir" in line for line in again.events.of(Warned)[-1].warnings)


async def test_an_operators_template_takes_the_place_of_ours_and_a_change_of_it_counts(
    start: Start, operator: Operator, root: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "SOUL.md").write_text("Ours: {{ agent_id }}")
    await operator.execute(ROWS)
    running = await start(wait=Reported, workspace_root=root, templates_dir=folder)
    assert (root / "lead" / "SOUL.md").read_text() == "Ours: lead"
    (folder / "SOUL.md").write_text("Changed: {{ agent_id }}")
    await after(running, operator, "NOTIFY agent_config_changed")
    assert (root / "lead" / "SOUL.md").read_text() == "Changed: lead"


# agents.json ----------------------------------------------------------------------------------------------------------


async def test_skills_are_told_to_the_gateway_only_where_they_are_exclusive(
    running: Running, operator: Operator
) -> None:
    assert "skills" not in entries(running)["coder"]
    await after(running, operator, "UPDATE agents SET skills_exclusive = true WHERE name = 'coder'")
    assert entries(running)["coder"]["skills"] == ["labels"]


async def test_heartbeat_and_identity_come_from_their_columns_and_settings_say_the_rest(
    running: Running, operator: Operator
) -> None:
    await after(
        running,
        operator,
        """UPDATE agents SET display_name = 'Grace', identity_profile = '{"emoji": ":star:"}', heartbeat_every = '30m',
           heartbeat_model = 'gpt-4o', settings = '{"heartbeat": {"every": "1m", "to": "x"}, "workspace": "/etc",
           "identity": {"theme": "calm"}}' WHERE name = 'lead'""",
    )
    entry = entries(running)["lead"]
    assert entry["heartbeat"] == {"every": "30m", "model": "openai/gpt-4o", "to": "x"}
    assert entry["identity"] == {"name": "Grace", "emoji": ":star:", "theme": "calm"}
    assert entry["workspace"].endswith("/lead")
    assert any("settings.workspace was left out" in line for line in running.events.of(Warned)[-1].warnings)


KNOWN_MODELS = {
    "claude-sonnet-4-20250514": "anthropic/claude-sonnet-4-5",
    "claude-opus-4-20250514": "anthropic/claude-opus-4-5",
    "gpt-4o": "openai/gpt-4o",
    "gpt-4o-mini": "openai/gpt-4o-mini",
    "minimax-m2.5": "minimax/minimax-m2.5",
    "claude-haiku-4.5": "anthropic/claude-haiku-4.5",
    "kimi-k2.5": "moonshotai/kimi-k2.5",
    "gpt-5-nano": "openai/gpt-5-nano",
}


async def test_every_known_model_id_is_mapped_as_primary_as_fallback_and_in_the_allow_list(
    start: Start, operator: Operator
) -> None:
    for number, alias in enumerate(KNOWN_MODELS):
        await operator.execute(
            "INSERT INTO agents (name, model, fallback_models) VALUES ($1, 'p/m', ARRAY[$2])", f"a{number}", alias
        )
        await operator.execute("INSERT INTO agents (name, model) VALUES ($1, $2)", f"b{number}", alias)
    running = await start(wait=Reported)
    found = entries(running)
    models = list(KNOWN_MODELS.values())
    assert [found[f"b{number}"]["model"] for number in range(len(models))] == models
    assert [found[f"a{number}"]["model"]["fallbacks"] for number in range(len(models))] == [[each] for each in models]
    allowed = orjson.loads(running.output.read_bytes())["agents"]["defaults"]["modelPolicy"]["allow"]
    assert allowed == sorted(["p/m", *models])


async def test_an_unknown_short_model_is_left_out_until_sql_says_what_it_means(
    start: Start, operator: Operator
) -> None:
    await operator.execute("INSERT INTO agents (name, model) VALUES ('lead', 'mine')")
    running = await start(wait=Reported)
    assert "model" not in entries(running)["lead"]
    assert any(
        "model mine was left out: it names no provider" in line for line in running.events.of(Warned)[-1].warnings
    )
    await after(running, operator, "INSERT INTO model_aliases (alias, model) VALUES ('mine', 'x/y')")
    assert entries(running)["lead"]["model"] == "x/y"


async def test_an_alias_of_the_operators_own_file_counts_too(
    start: Start, operator: Operator, settings: Settings
) -> None:
    settings.config_path.parent.mkdir(parents=True)
    settings.config_path.write_text('{agents: {$include: ["./base.json5", "./agents.json"]}}')
    settings.config_path.with_name("base.json5").write_text("{defaults: {models: {'p/long': {alias: 'short'}}}}")
    await operator.execute("INSERT INTO agents (name, model) VALUES ('lead', 'short')")
    running = await start(wait=Reported)
    assert orjson.loads(running.output.read_bytes())["entries"]["lead"]["model"] == "p/long"


# When it is on --------------------------------------------------------------------------------------------------------


async def test_without_a_place_for_them_there_are_no_workspaces(start: Start, operator: Operator) -> None:
    await operator.execute(ROWS)
    running = await start(wait=Reported)
    assert entries(running)["coder"] == {}
    assert "skipBootstrap" not in orjson.loads(running.output.read_bytes())["agents"]["defaults"]


async def test_on_an_older_schema_the_rest_goes_on_and_says_so(
    start: Start, operator: Operator, empty_database: str, root: Path
) -> None:
    async with connected(empty_database) as older:
        for migration in migrations():
            if migration.name < "0004":
                await older.execute(migration.sql)
        await older.execute("INSERT INTO agents (name, model) VALUES ('lead', 'gpt-4o')")
        running = await start(wait=Reported, dsn=empty_database, workspace_root=root)
        assert entries(running) == {"lead": {"model": "gpt-4o"}}
        assert any("no tables for them yet" in line for line in running.events.of(Warned)[-1].warnings)
        running.events.forget()
        for migration in migrations():
            await older.execute(migration.sql)
        await running.events.until(Furnished)
        await running.events.until(Published)
        assert entries(running)["lead"]["model"] == "openai/gpt-4o"


@pytest.mark.parametrize("table", ["people", "boards", "skills", "agent_skills", "model_aliases", "agent_tokens"])
async def test_a_table_that_was_there_and_is_gone_is_an_error_and_every_file_stays(
    running: Running, operator: Operator, root: Path, table: str, start: Start
) -> None:
    before = written_at(root)
    content = running.output.read_bytes()
    await running.plugin.stop()
    await operator.execute(f"DROP TABLE {table} CASCADE")
    again = await start(wait=None, workspace_root=root)
    failed = await again.events.until(PassFailed)
    assert f"table {table} was there and is missing now" in str(failed.error)
    assert (written_at(root), again.output.read_bytes()) == (before, content)


async def test_folders_may_have_a_prefix_and_the_gateway_may_see_them_elsewhere(
    start: Start, operator: Operator, root: Path
) -> None:
    await operator.execute(ROWS)
    places = {"workspace_folder": "workspace-name", "gateway_workspace_root": "/srv/seen/"}
    running = await start(wait=Reported, workspace_root=root, **places)
    assert entries(running)["coder"]["workspace"] == "/srv/seen/workspace-coder"
    assert "WORKSPACE_PATH=/srv/seen/workspace-coder" in (root / "workspace-coder" / "TOOLS.md").read_text()


async def test_operators_say_in_the_database_where_the_gateway_sees_them(running: Running, operator: Operator) -> None:
    await after(running, operator, "INSERT INTO gateways (name, workspace_root) VALUES ('here', '/srv/other')")
    assert entries(running)["coder"]["workspace"] == "/srv/other/coder"


async def test_while_a_set_is_held_workspaces_stay_as_they_are(
    running: Running, operator: Operator, root: Path
) -> None:
    await running.plugin.stop()
    environment = _environment(running.plugin.settings)
    assert (await command("restore", "1", **environment)).status == 0
    before = written_at(root)
    await operator.execute("UPDATE agents SET soul_content = 'New.' WHERE name = 'coder'")
    assert (await command("sync", **environment)).status == 3
    assert written_at(root) == before
    assert (await command("resume", **environment)).status == 0
    assert (root / "coder" / "SOUL.md").read_text() == "New.\n"


async def test_diff_shows_files_of_workspaces_and_never_a_token(
    running: Running, operator: Operator, root: Path
) -> None:
    await running.plugin.stop()
    environment = _environment(running.plugin.settings)
    assert (await command("diff", **environment)).out == ""
    await operator.execute("UPDATE agents SET soul_content = 'New.' WHERE name = 'coder'")
    token = next(
        line.removeprefix("AUTH_TOKEN=")
        for line in (root / "coder" / "TOOLS.md").read_text().splitlines()
        if line.startswith("AUTH_TOKEN=")
    )
    (root / "coder" / "TOOLS.md").write_text("AUTH_TOKEN=" + token)
    ended = await command("diff", **environment)
    assert (ended.status, "+New." in ended.out, str(root / "coder" / "SOUL.md") in ended.out) == (3, True, True)
    assert ("AUTH_TOKEN=***" in ended.out, token in ended.out) == (True, False)


async def test_the_default_soul_of_the_database_is_the_one_of_the_templates(operator: Operator) -> None:
    soul = await operator.fetchval("SELECT generate_default_soul('Ada', 'Planner')")
    assert soul == TemplateSet().render("SOUL.md", {"agent_name": "Ada", "identity_role": "Planner"})
    assert "Generalist" in await operator.fetchval("SELECT generate_default_soul('Ada', NULL)")


def _environment(settings: Settings) -> dict[str, str]:
    """What makes a command one of this gateway."""
    assert settings.dsn is not None
    return {
        "AGENT_CONFIG_SYNC_DSN": settings.dsn.get_secret_value(),
        "AGENT_CONFIG_SYNC_GATEWAY": settings.gateway,
        "AGENT_CONFIG_SYNC_CONFIG_PATH": str(settings.config_path),
        "AGENT_CONFIG_SYNC_STATE_DIR": str(settings.state_dir),
        "AGENT_CONFIG_SYNC_GATEWAY_VERSION": "2026.9.6",
        "OPENCLAW_WORKSPACE_ROOT": str(settings.workspace_root),
    }
