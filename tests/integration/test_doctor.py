"""Each thing that the doctor finds is made here, found, and gone after the cure that it prints."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import Operator, database_dsn, make_settings, rights_of_nobody

from agent_config_sync.doctor.examination import examine
from agent_config_sync.doctor.finding import Finding
from agent_config_sync.doctor.output import examine_output
from agent_config_sync.plugin import Plugin
from agent_config_sync.postgres.migrate import migrate
from agent_config_sync.postgres.queries import query
from agent_config_sync.settings import Settings

INCLUDE = '"$include": ["./agents.base.json5", "./agents.json"]'
SECTION = f'{{"agents": {{{INCLUDE}}}}}'
PROVIDER = '"models": {"providers": {"p": {"baseUrl": "http://h/v1", "models": [{"id": "known-1"}, {"id": "other"}]}}}'
LOGIN = "doctor_login"


@pytest.fixture
async def settings(database: str, operator: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A place where everything is as it should be, without an `openclaw` to ask."""
    monkeypatch.setenv("PATH", str(tmp_path))
    await operator.execute("INSERT INTO agents (name, model, is_default) VALUES ('lead', 'p/known-1', true)")
    settings = make_settings(database, tmp_path)
    settings.config_path.parent.mkdir()
    settings.config_path.write_text(SECTION)
    settings.config_path.with_name("agents.base.json5").write_text("{}")
    await Plugin(settings).visit.once()
    await operator.execute("DELETE FROM gateway_status")
    return settings


async def names(settings: Settings) -> list[str]:
    return [finding.name for finding in await examine(settings)]


async def only(settings: Settings) -> Finding:
    (finding,) = await examine(settings)
    return finding


async def cure(finding: Finding, operator: Operator) -> None:
    """Do what it says."""
    match finding.cure.kind, finding.cure.text:
        case "sql", statement:
            await operator.execute(statement)
        case "run", "agent-config-sync migrate --repair" | "agent-config-sync migrate":
            await migrate(operator, repair="--repair" in finding.cure.text)
        case "run", command:
            _, _, _, name = command.split()
            await operator.execute("DELETE FROM gateway_status WHERE gateway = $1", name)
        case _:
            pytest.fail(f"the test must do this by hand: {finding}")


async def test_what_is_as_it_should_be_is_sound(settings: Settings) -> None:
    assert await examine(settings) == ()


# --- the database


def changed(settings: Settings, **changes: Any) -> Settings:
    return Settings.model_validate({**dict(settings), **changes})


@pytest.mark.parametrize(
    ("dsn", "name"),
    [
        ("postgresql://nobody@127.0.0.1:1/x", "database_unreachable"),
        ("postgresql://[broken", "settings_invalid"),
    ],
)
async def test_a_server_that_cannot_be_used_is_found_with_the_way_out(settings: Settings, dsn: str, name: str) -> None:
    finding = await only(changed(settings, dsn=dsn))
    assert finding.name == name
    assert finding.cure.text


async def test_a_database_that_is_not_there_is_found_with_the_way_out(settings: Settings, server_dsn: str) -> None:
    finding = await only(changed(settings, dsn=database_dsn(server_dsn, "no_such_database")))
    assert finding.name == "login_refused"
    assert "createdb" in finding.cure.text


@pytest.mark.parametrize(
    ("damage", "name"),
    [
        ("DROP TABLE agent_system_config", "table_missing"),
        ("DROP TABLE gateways", "table_missing"),
        ("ALTER TABLE agents DROP COLUMN thinking CASCADE", "column_missing"),
        ("ALTER TABLE agents DROP COLUMN display_name", "column_missing"),
        ("ALTER TABLE gateway_status DROP COLUMN latency_ms", "column_missing"),
        ("DROP TRIGGER agent_config_changed_update ON agents", "trigger_missing"),
        ("DROP TRIGGER system_config_changed ON agent_system_config", "trigger_missing"),
        ("ALTER TABLE agents DISABLE TRIGGER agent_config_changed_insert", "trigger_disabled"),
        (
            (
                "CREATE TRIGGER own AFTER INSERT ON agent_system_config"
                " FOR EACH ROW EXECUTE FUNCTION notify_system_config_changed()"
            ),
            "trigger_doubled",
        ),
        ("DELETE FROM agent_config_migrations WHERE name = '0001_config_sync'", "migration_pending"),
    ],
)
async def test_damage_in_the_database_is_found_and_cured(
    settings: Settings, operator: Operator, damage: str, name: str
) -> None:
    await operator.execute(damage)
    finding = await only(settings)
    assert finding.name == name
    await cure(finding, operator)
    assert await examine(settings) == ()


@pytest.fixture
async def login(operator: Operator, database: str) -> AsyncIterator[str]:
    """The DSN of a login without any rights."""
    await operator.execute(f"DROP ROLE IF EXISTS {LOGIN}; CREATE ROLE {LOGIN} LOGIN")
    yield database.replace("postgres@", f"{LOGIN}@")
    await operator.execute(f"DROP OWNED BY {LOGIN}; DROP ROLE {LOGIN}")


async def test_the_status_of_another_login_is_found_and_cured(
    settings: Settings, operator: Operator, login: str
) -> None:
    await operator.execute(
        f"GRANT agent_config_reader TO {LOGIN};"
        "INSERT INTO gateway_status (gateway, plugin_version, state, resync_interval, reported_by)"
        " VALUES ('here', '1', 'offered', '1 s', 'somebody')"
    )
    assert await examine(settings) == ()  # the owner of the table may write it whoever reports
    mine = changed(settings, dsn=login)
    finding = await only(mine)
    assert finding.name == "status_of_another_login"
    await cure(finding, operator)
    assert await examine(mine) == ()


async def test_a_login_without_rights_is_found_and_cured(settings: Settings, operator: Operator, login: str) -> None:
    mine = changed(settings, dsn=login)
    finding = await only(mine)
    assert finding.name == "rights_missing"
    await cure(finding, operator)
    assert await examine(mine) == ()


@pytest.fixture
async def apart(settings: Settings, operator: Operator, login: str) -> Settings:
    """Settings with a login of a database in which accounts are kept apart."""
    await operator.execute(
        f"GRANT agent_config_reader TO {LOGIN}; INSERT INTO account_logins VALUES ('{LOGIN}', 'other')"
    )
    await operator.execute("""
        DO $$ BEGIN EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC', current_database()); END $$
    """)
    await operator.execute(f"""
        DO $$ BEGIN EXECUTE format('GRANT CONNECT ON DATABASE %I TO {LOGIN}', current_database()); END $$
    """)
    await migrate(operator, tenancy=True)
    return changed(settings, dsn=login)


@pytest.mark.parametrize(
    ("binding", "name", "said"),
    [
        (f"DELETE FROM account_logins WHERE login = '{LOGIN}'", "login_not_bound", "bound to no account"),
        ("SELECT", "login_not_bound", "bound to other and not to default"),
        (
            f"INSERT INTO account_logins VALUES ('{LOGIN}', 'default', 'there')",
            "login_of_another_gateway",
            "gateway there of default",
        ),
    ],
)
async def test_a_login_of_another_account_or_gateway_is_found_and_cured(
    apart: Settings, settings: Settings, operator: Operator, binding: str, name: str, said: str
) -> None:
    await operator.execute(binding)
    finding = await only(apart)
    assert (finding.name, said in finding.what) == (name, True)
    await cure(finding, operator)
    assert await examine(apart) == ()
    assert await examine(settings) == ()  # a superuser is bound by nothing


async def test_a_right_that_the_role_lost_is_found_and_cured(
    settings: Settings, operator: Operator, login: str
) -> None:
    await operator.execute(
        f"GRANT agent_config_reader TO {LOGIN}; REVOKE SELECT (model) ON agents FROM agent_config_reader"
    )
    mine = changed(settings, dsn=login)
    finding = await only(mine)
    assert (finding.name, "(model)" in finding.what) == ("rights_missing", True)
    await cure(finding, operator)
    assert await examine(mine) == ()


async def test_a_login_that_does_not_inherit_its_role_is_found_and_cured(
    settings: Settings, operator: Operator, login: str
) -> None:
    await operator.execute(f"ALTER ROLE {LOGIN} NOINHERIT; GRANT agent_config_reader TO {LOGIN}")
    mine = changed(settings, dsn=login)
    finding = await only(mine)
    assert finding.name == "rights_missing"
    await cure(finding, operator)
    assert await examine(mine) == ()


async def test_a_schema_that_is_closed_to_the_login_is_found_and_cured(
    settings: Settings, operator: Operator, login: str
) -> None:
    await operator.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    mine = changed(settings, dsn=login)
    finding = await only(mine)
    assert (finding.name, "schema public" in finding.what) == ("rights_missing", True)
    await cure(finding, operator)
    assert await examine(mine) == ()


async def test_a_search_path_without_our_tables_is_found_and_cured(
    settings: Settings, operator: Operator, login: str
) -> None:
    await operator.execute(f"GRANT agent_config_reader TO {LOGIN}; ALTER ROLE {LOGIN} SET search_path = elsewhere")
    mine = changed(settings, dsn=login)
    finding = await only(mine)
    assert (finding.name, "search_path" in finding.what) == ("table_missing", True)
    await cure(finding, operator)
    assert await examine(mine) == ()


async def test_a_command_that_wants_the_owner_of_the_tables_says_so(
    settings: Settings, operator: Operator, login: str
) -> None:
    await operator.execute(f"GRANT agent_config_reader TO {LOGIN}; DROP TRIGGER agent_config_changed_update ON agents")
    finding = await only(changed(settings, dsn=login))
    assert (finding.name, finding.cure.login) == ("trigger_missing", "postgres")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("PERFORM pg_notify('acme_agent_config_changed', '')", []),
        ("EXECUTE 'NOTIFY Agent_Config_Changed'", ["trigger_doubled"]),
        ("PERFORM pg_notify('agent_config_changed', '')", ["trigger_doubled"]),
    ],
)
async def test_a_strangers_trigger_counts_only_if_it_notifies_on_our_channel(
    settings: Settings, operator: Operator, body: str, expected: list[str]
) -> None:
    await operator.execute(
        f"CREATE FUNCTION acme() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN NULL; END $$;"
        " CREATE TRIGGER acme AFTER INSERT ON agents FOR EACH ROW EXECUTE FUNCTION acme()"
    )
    found = await examine(settings)
    assert [finding.name for finding in found] == expected
    assert all(finding.cure.kind == "edit" for finding in found)


async def test_a_trigger_that_fires_on_a_replica_alone_is_switched_off(settings: Settings, operator: Operator) -> None:
    await operator.execute("ALTER TABLE agents ENABLE REPLICA TRIGGER agent_config_changed_insert")
    finding = await only(settings)
    assert finding.name == "trigger_disabled"
    await cure(finding, operator)
    assert await examine(settings) == ()


async def test_a_role_that_is_not_there_is_found_with_who_can_make_it(
    settings: Settings, operator: Operator, login: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = query("login").replace("agent_config_reader", "a_role_of_nobody")
    monkeypatch.setattr(
        "agent_config_sync.postgres.schema.query", lambda name: without if name == "login" else query(name)
    )
    finding = await only(changed(settings, dsn=login))
    assert (finding.name, finding.cure.kind) == ("rights_missing", "edit")
    assert "CREATE ROLE agent_config_reader NOLOGIN" in finding.cure.text


async def test_a_layout_is_looked_at_although_the_database_cannot_be_read(settings: Settings) -> None:
    settings.config_path.write_text("{}")
    found = await names(changed(settings, dsn="postgresql://nobody@127.0.0.1:1/x"))
    assert found == ["database_unreachable", "include_missing"]


# --- the rows


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        ("UPDATE agents SET is_default = false", "no_default_agent"),
        ("UPDATE agents SET allowed_subagents = '{lead,ghost}'", "dangling_subagent"),
        ("UPDATE agents SET allowed_subagents = ARRAY['gho''st']", "dangling_subagent"),
        ("UPDATE agents SET allowed_subagents = ARRAY[E'gh\\u200bo\\\\s\\nt']", "dangling_subagent"),
        ("UPDATE agents SET model = 'known-1'", "unknown_model"),
        ("UPDATE agents SET model = 'p/knwon-1'", "unknown_model"),
        ("UPDATE agents SET fallback_models = '{p/othr}'", "unknown_model"),
    ],
)
async def test_an_odd_row_is_found_and_cured_by_the_statement(
    settings: Settings, operator: Operator, rows: str, name: str
) -> None:
    settings.config_path.write_text(SECTION.replace("{", "{" + PROVIDER + ", ", 1))
    await operator.execute(rows)
    found = await examine(settings)
    assert name in [finding.name for finding in found]
    for finding in found:
        if finding.name == name:
            await cure(finding, operator)
    assert await examine(settings) == ()


@pytest.mark.parametrize(
    ("column", "kind", "value", "name"),
    [
        ("allowed_subagents", "jsonb", """'["ghost"]'""", "dangling_subagent"),
        ("is_default", "integer", "0", "no_default_agent"),
        ("fallback_models", "jsonb", """'["p/othr"]'""", "unknown_model"),
    ],
)
async def test_a_statement_of_ours_is_not_offered_for_a_column_of_another_type(
    settings: Settings, operator: Operator, column: str, kind: str, value: str, name: str
) -> None:
    settings.config_path.write_text(SECTION.replace("{", "{" + PROVIDER + ", ", 1))
    await operator.execute(f"ALTER TABLE agents DROP COLUMN {column} CASCADE")
    await operator.execute(f"ALTER TABLE agents ADD COLUMN {column} {kind}")
    await migrate(operator, repair=True)
    await operator.execute(f"UPDATE agents SET {column} = {value}")
    finding = await only(settings)
    assert (finding.name, finding.cure.kind) == (name, "edit")


async def test_a_model_of_a_provider_that_the_gateway_knows_itself_is_sound(
    settings: Settings, operator: Operator
) -> None:
    own = '"models": {"providers": {"anthropic": {"models": [{"id": "claude-custom"}]}}}'
    settings.config_path.write_text(SECTION.replace("{", "{" + own + ", ", 1))
    await operator.execute("UPDATE agents SET model = 'anthropic/claude-opus-4-5'")
    assert await examine(settings) == ()


async def test_the_models_of_an_included_file_are_known(settings: Settings, operator: Operator) -> None:
    settings.config_path.with_name("more.json5").write_text('{p: {models: [{id: "third"}]}}')
    more = PROVIDER.replace('"providers": {', '"providers": {"$include": "./more.json5", ')
    settings.config_path.write_text(SECTION.replace("{", "{" + more + ", ", 1))
    await operator.execute("UPDATE agents SET model = 'p/third'")
    assert await examine(settings) == ()


async def test_an_alias_of_the_operators_own_names_a_model(settings: Settings, operator: Operator) -> None:
    base = settings.config_path.with_name("agents.base.json5")
    base.write_text("{defaults: {models: {'p/known-1': {alias: 'opus'}}}}")
    await operator.execute("UPDATE agents SET model = 'opus'")
    assert "unknown_model" not in await names(settings)


async def test_a_word_that_is_no_model_is_found_once(settings: Settings, operator: Operator) -> None:
    await operator.execute("UPDATE agents SET model = 'known'")
    finding = await only(changed(settings, gateway_version="2026.9.6"))
    assert finding.name == "unknown_model"


async def test_what_the_gateways_version_does_not_take_is_nobodys_mistake(settings: Settings) -> None:
    old = changed(settings, gateway_version="2026.2.9")
    assert await examine(old) == ()
    assert any("max_spawn_depth: skipped" in warning for warning in (await Plugin(old).visit.preview()).warnings)


async def test_an_agent_that_another_gateway_runs_may_be_named(settings: Settings, operator: Operator) -> None:
    await operator.execute("INSERT INTO agents (name, gateways) VALUES ('helper', '{elsewhere}')")
    await operator.execute("UPDATE agents SET allowed_subagents = '{helper}' WHERE name = 'lead'")
    assert await examine(settings) == ()


async def test_a_value_that_was_left_out_is_found(settings: Settings, operator: Operator) -> None:
    await operator.execute("""UPDATE agents SET settings = '{"no such key": 1}'""")
    finding = await only(settings)
    assert finding.name == "left_out"
    assert "no such key" in finding.what


async def test_a_file_over_the_gateways_limit_is_found(settings: Settings, operator: Operator) -> None:
    await operator.execute(
        "UPDATE agents SET settings = jsonb_build_object('params', jsonb_build_object('x', repeat('y', 2097152)))"
    )
    finding = await only(settings)
    assert finding.name == "refused"
    assert "2,097,152" in finding.what
    await operator.execute("UPDATE agents SET settings = NULL")  # "shorten their settings"
    assert "shorten their settings" in finding.cure.text
    assert await examine(settings) == ()


async def test_an_account_without_rows_is_found(settings: Settings, operator: Operator) -> None:
    await operator.execute("DELETE FROM agents")
    finding = await only(changed(settings, allow_empty=True))
    assert finding.name == "no_agents"
    assert "the account" in finding.cure.text


async def test_a_set_that_is_held_is_found_and_cured(settings: Settings) -> None:
    plugin = Plugin(settings)
    await plugin.visit.once()
    await plugin.visit.restore(1)
    finding = await only(settings)
    assert (finding.name, finding.cure.text) == ("held", "agent-config-sync resume")
    await Plugin(settings).visit.resume()
    assert await examine(settings) == ()


# --- the gateway's configuration


@pytest.mark.parametrize(
    ("config", "base", "name"),
    [
        ("{}", "{}", "include_missing"),
        ('{"agents": {"entries": {"lead": {"model": "p/known-1"}}}}', "{}", "include_flattened"),
        (f'{{"agents": {{{INCLUDE}, "defaults": {{"subagents": {{"maxSpawnDepth": 1}}}}}}}}', "{}", "shadowed"),
        (SECTION, "{entries: {lead: {name: 'L'}}}", "in_both"),
        (SECTION, "{list: [{id: 'x'}]}", "two_rosters"),
    ],
)
async def test_a_layout_that_keeps_our_file_away_is_found_and_cured(
    settings: Settings, config: str, base: str, name: str
) -> None:
    base_file = settings.config_path.with_name("agents.base.json5")
    settings.config_path.write_text(config)
    base_file.write_text(base)
    finding = await only(settings)
    assert finding.name == name
    if "there, with nothing beside the include" in finding.cure.text:
        line = finding.cure.text.removeprefix("set ").partition(" there")[0]
        settings.config_path.write_text(f"{{{line}}}")
    elif "openclaw config unset agents.defaults.subagents.maxSpawnDepth" in finding.cure.text:
        settings.config_path.write_text(SECTION)
    else:
        assert "take" in finding.cure.text
        base_file.write_text("{}")
    assert await examine(settings) == ()


async def test_a_configuration_that_cannot_be_read_is_found(settings: Settings) -> None:
    settings.config_path.write_text("{ broken")
    finding = await only(settings)
    assert (finding.name, finding.cure.text) == ("config_unreadable", "correct it there")
    finding = await only(changed(settings, state_dir=settings.state_dir.with_name("empty")))
    assert finding.cure.text == "correct it there; until then nobody can tell which layout the file must have"
    settings.config_path.write_text(SECTION)
    assert await examine(settings) == ()


async def test_a_base_file_that_cannot_be_read_is_found_and_no_row_is_blamed_for_it(
    settings: Settings, operator: Operator
) -> None:
    base = settings.config_path.with_name("agents.base.json5")
    await operator.execute("UPDATE agents SET allowed_subagents = '{human}'")
    base.unlink()
    finding = await only(settings)
    assert (finding.name, str(base) in finding.what) == ("config_unreadable", True)
    base.write_text("{entries: {human: {}}}")
    assert await examine(settings) == ()


async def test_a_configuration_that_is_not_there_is_found_and_cured(settings: Settings) -> None:
    elsewhere = settings.config_path.with_name("elsewhere.json")
    finding = await only(changed(settings, config_path=elsewhere, output_path=None))
    assert finding.name == "config_missing"
    assert "set config_path" in finding.cure.text
    assert await examine(settings) == ()


async def test_a_file_that_is_included_and_not_there_is_found_and_cured(settings: Settings) -> None:
    settings.output.unlink()
    finding = await only(settings)
    assert (finding.name, finding.cure.text) == ("output_missing", "agent-config-sync sync")
    await Plugin(settings).visit.once()
    assert await examine(settings) == ()


async def test_a_file_that_is_neither_there_nor_included_is_one_finding(settings: Settings) -> None:
    settings.output.unlink()
    settings.config_path.write_text("{}")
    assert await names(settings) == ["include_missing"]


async def test_a_state_file_that_may_not_be_read_is_found(settings: Settings) -> None:
    path = Plugin(settings).pipeline.state.path
    path.chmod(0)
    with rights_of_nobody():
        assert "state_unreadable" in await names(settings)
    path.chmod(0o600)
    assert await examine(settings) == ()


async def test_a_file_outside_of_the_gateways_folder_is_found_and_cured(settings: Settings, tmp_path: Path) -> None:
    away = changed(settings, output_path=tmp_path / "away" / "agents.json")
    away.output.parent.mkdir()
    finding = await only(away)
    assert (finding.name, "unset output_path" in finding.cure.text) == ("include_outside", True)
    assert await examine(changed(settings, output_path=None)) == ()


async def test_a_configuration_that_the_gateway_itself_refuses_is_found(settings: Settings, tmp_path: Path) -> None:
    verdict = tmp_path / "verdict.json"
    program = tmp_path / "openclaw"
    program.write_text(f'#!/bin/sh\nwhile read -r line; do echo "$line"; done < {verdict}\n')
    program.chmod(0o755)
    verdict.write_text('{"valid": false, "issues": [{"path": "gateway.prot", "message": "Unrecognized key"}]}\n')
    finding = await only(settings)
    assert (finding.name, "gateway.prot: Unrecognized key" in finding.what) == ("config_invalid", True)
    verdict.write_text('{"valid": true}\n')
    assert await examine(settings) == ()


@pytest.mark.parametrize(
    ("changes", "name", "cured"),
    [
        ({"roster": "entries", "gateway_version": "2026.7.1"}, "roster_not_taken", {"roster": "auto"}),
        ({"layout": "root"}, "layout_not_taken", {"layout": "auto"}),
        ({"reload": "watch", "gateway_version": "2026.7.1"}, "reload_not_taken", {"reload": "auto"}),
        ({"reload": "signal"}, "reload_not_taken", {"reload": "auto"}),
    ],
)
async def test_a_setting_that_the_gateway_does_not_take_is_found_and_cured(
    settings: Settings, changes: dict[str, Any], name: str, cured: dict[str, Any]
) -> None:
    odd = changed(settings, **changes)
    finding = await only(odd)
    assert finding.name == name
    (key, value), *_ = cured.items()
    assert f"{key} = {value}" in finding.cure.text
    assert await examine(changed(odd, **cured)) == ()


@pytest.fixture
def gateway_pid(tmp_path: Path) -> Iterator[int]:
    """A process that calls itself as OpenClaw does."""
    program = tmp_path / "openclaw-gatewa"
    shutil.copy("/bin/cat", program)
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        print("x", file=running.stdin, flush=True)
        running.stdout.readline()  # it runs its own program now
        yield running.pid


async def test_the_gateways_child_knows_its_process_although_a_command_does_not(settings: Settings) -> None:
    assert await examine(changed(settings, reload="signal"), child=True) == ()


async def test_a_signal_that_might_open_a_debugger_is_found_and_cured(settings: Settings, gateway_pid: int) -> None:
    odd = changed(settings, reload="signal", gateway_version=None, gateway_pid=gateway_pid)
    assert await names(odd) == ["signal_opens_debugger"]
    assert await names(changed(odd, reload="auto")) == []
    assert await names(changed(odd, gateway_version="2026.9.6")) == []


# --- the output


@pytest.mark.usefixtures("_as_nobody")
def test_a_folder_that_may_not_be_entered_is_named() -> None:
    with tempfile.TemporaryDirectory() as folder:
        closed = Path(folder, "closed")
        closed.mkdir(mode=0)
        within = Settings(dsn="postgresql://", config_path=closed / "gateway" / "openclaw.json", state_dir=Path(folder))
        (finding,) = examine_output(within)
        closed.chmod(0o700)
    assert finding.name == "output_unwritable"
    assert finding.what.endswith(f"may not write in {closed}")


async def test_something_else_in_the_place_of_the_file_is_found(settings: Settings) -> None:
    settings.output.unlink()
    settings.output.symlink_to(settings.config_path)
    found = await examine(settings)
    assert [finding.name for finding in found] == ["output_foreign"]
    settings.output.unlink()
    assert "remove it" in found[0].cure.text
    await Plugin(settings).visit.once()
    assert await examine(settings) == ()


# --- the board


def with_board(settings: Settings, **changes: Any) -> Settings:
    return changed(settings, workspace_root=settings.config_path.parent / "workspaces", health_port=1, **changes)


async def test_a_board_that_is_as_it_should_be_is_sound(settings: Settings) -> None:
    await Plugin(with_board(settings)).visit.once()
    assert await names(with_board(settings)) == []


async def test_a_login_that_may_not_work_with_the_board_is_found_and_cured(
    settings: Settings, operator: Operator, login: str
) -> None:
    mine = with_board(settings, dsn=login)
    await operator.execute(f"GRANT agent_config_reader TO {LOGIN}")
    await Plugin(mine).visit.once()
    finding = await only(mine)
    assert (finding.name, "may not work with the board" in finding.what) == ("rights_missing", True)
    await cure(finding, operator)
    assert await examine(mine) == ()


async def test_keys_of_sessions_that_open_the_board_alone_are_found(settings: Settings) -> None:
    await Plugin(with_board(settings)).visit.once()
    finding = await only(with_board(settings, session_key_only=True))
    assert (finding.name, finding.cure.kind) == ("session_key_only", "edit")


# --- delivery


def with_delivery(settings: Settings, *, version: str = "2026.9.6", **changes: Any) -> Settings:
    given = {"delivery": True, "gateway_token": "token-of-the-gateway", "gateway_version": version, **changes}
    return with_board(settings, **given)


async def found_in(settings: Settings, config: str) -> list[str]:
    """Return what is found with this beside the agents of openclaw.json."""
    settings.config_path.write_text(SECTION.replace("{", "{" + config, 1))
    await Plugin(settings).visit.once()
    return await names(settings)


ENDPOINT = '"gateway": {"http": {"endpoints": {"responses": {"enabled": true}}}}, '
SEARCH = '"tools": {"toolSearch": false}, '


async def test_a_gateway_that_is_set_up_for_delivery_is_sound(settings: Settings) -> None:
    assert await found_in(with_delivery(settings), ENDPOINT + SEARCH) == []


@pytest.mark.parametrize(
    ("config", "version", "found"),
    [
        (SEARCH, "2026.9.6", ["responses_off"]),
        (ENDPOINT, "2026.9.6", ["tools_hidden"]),
        (ENDPOINT, "2026.8.1", []),
        (ENDPOINT + SEARCH.replace("false", "true"), "2026.8.1", ["tools_hidden"]),
        (ENDPOINT + SEARCH.replace("false", '{"mode": "directory"}'), "2026.9.6", []),
        (ENDPOINT + SEARCH.replace("false", '{"enabled": false, "mode": "code"}'), "2026.9.6", []),
        (ENDPOINT + SEARCH.replace("false", '"code"'), "unknown", ["tools_hidden"]),
        (ENDPOINT, "unknown", []),
        (ENDPOINT, "2026.5.12", ["turns_of_others"]),
        (ENDPOINT + '"plugins": {"entries": {"agent_config_sync": {}}}, ', "2026.5.12", []),
        (ENDPOINT, "2026.3.13", ["tools_over_http", "turns_of_others"]),
    ],
)
async def test_what_keeps_turns_or_tools_from_agents_is_found(
    config: str, version: str, found: list[str], settings: Settings
) -> None:
    assert await found_in(with_delivery(settings, version=version), config) == found


async def test_tools_that_are_meant_to_be_endpoints_need_no_tool_search(settings: Settings) -> None:
    assert await found_in(with_delivery(settings, client_tools=False), ENDPOINT) == []


@pytest.mark.parametrize(
    ("auth", "found"),
    [
        ("", ["gateway_token_unknown"]),
        (', "auth": {"token": "${TOKEN}"}', ["gateway_token_unknown"]),
        (', "auth": {"token": "written"}', []),
        (', "auth": {"mode": "none"}', []),
    ],
)
async def test_a_token_that_nobody_tells_is_found(auth: str, found: list[str], settings: Settings) -> None:
    config = ENDPOINT.replace("}}}}", "}}}" + auth + "}") + SEARCH
    assert await found_in(with_delivery(settings, gateway_token=None), config) == found


async def test_an_endpoint_of_a_gateway_elsewhere_is_not_known(settings: Settings, tmp_path: Path) -> None:
    elsewhere = with_delivery(settings, config_path=tmp_path / "none.json", output_path=settings.output)
    assert "responses_unknown" in await names(elsewhere)
