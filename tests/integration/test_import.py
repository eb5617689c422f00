"""`import`: the agents of an existing openclaw.json, into the database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from commands import Ended, command
from foreign import MINIMAL, SETTINGS, TAKING, WORD
from harness import Operator, connected

CONFIG = """\
// my gateway
{
  agents: {
    defaults: { subagents: { maxSpawnDepth: 2 } },
    entries: {
      lead: { model: { primary: "a/b", fallbacks: ["c/d"] }, subagents: { allowAgents: ["coder"] } },
      coder: { model: "a/b", tools: { profile: "coding" }, thinkingDefault: "high" }, // writes
    },
  },
}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "openclaw.json"
    path.write_text(CONFIG)
    return path


async def imported(database: str, config: Path, *words: str, **environment: str) -> Ended:
    return await command(
        "import",
        "--dsn",
        database,
        "--gateway-version",
        "2026.9.6",
        *words,
        AGENT_CONFIG_SYNC_CONFIG_PATH=str(config),
        **{"AGENT_CONFIG_SYNC_GATEWAY": "here", **environment},
    )


async def columns(operator: Operator, name: str) -> dict[str, Any]:
    record = await operator.fetchrow("SELECT * FROM agents WHERE name = $1", name)
    assert record is not None
    return {key: value for key, value in record.items() if value is not None}


async def test_every_agent_becomes_a_row(database: str, operator: Operator, config: Path) -> None:
    ended = await imported(database, config)
    assert ended == Ended(0, "imported: lead\nimported: coder\n", "")
    lead, coder = await columns(operator, "lead"), await columns(operator, "coder")
    assert (lead["model"], lead["fallback_models"], lead["allowed_subagents"]) == ("a/b", ["c/d"], ["coder"])
    assert (coder["thinking"], json.loads(coder["settings"])) == ("high", {"tools": {"profile": "coding"}})


async def test_the_files_stay_as_they_are(database: str, config: Path) -> None:
    before = config.stat()
    await imported(database, config)
    assert config.stat().st_mtime_ns == before.st_mtime_ns
    assert sorted(path.name for path in config.parent.iterdir() if path.name != "home") == ["openclaw.json"]


async def test_a_second_import_finds_everything_there(database: str, config: Path) -> None:
    await imported(database, config)
    assert await imported(database, config) == Ended(0, "already there: lead\nalready there: coder\n", "")


async def test_a_value_of_the_file_beats_the_starting_value(database: str, operator: Operator, config: Path) -> None:
    await imported(database, config)
    assert await operator.fetchval("SELECT value FROM agent_system_config WHERE key = 'max_spawn_depth'") == "2"


async def test_a_value_that_somebody_chose_is_kept_and_named(database: str, operator: Operator, config: Path) -> None:
    await operator.execute("UPDATE agent_system_config SET value = '4'")
    ended = await imported(database, config)
    assert ended.status == 3
    assert "left out: agent_system_config max_spawn_depth: the database has 4, not 2" in ended.out
    assert (await imported(database, config, "--replace")).status == 0
    assert await operator.fetchval("SELECT value FROM agent_system_config") == "2"


async def test_an_agent_that_is_there_is_kept_and_named(database: str, operator: Operator, config: Path) -> None:
    await operator.execute("INSERT INTO agents (name, model) VALUES ('coder', 'mine/mine')")
    ended = await imported(database, config)
    assert ended.status == 3
    assert "left out: agent coder: the database has one of this name that says something else" in ended.out
    assert (await columns(operator, "coder"))["model"] == "mine/mine"


async def test_replace_lets_the_file_win(database: str, operator: Operator, config: Path) -> None:
    await operator.execute("INSERT INTO agents (name, model, status) VALUES ('coder', 'mine/mine', 'retired')")
    ended = await imported(database, config, "--replace")
    assert (ended.status, ended.out) == (0, "imported: lead\nreplaced: coder\n")
    coder = await columns(operator, "coder")
    assert (coder["model"], coder["status"]) == ("a/b", "active")


async def test_beside_other_gateways_the_agents_are_for_this_one_alone(
    database: str, operator: Operator, config: Path
) -> None:
    await operator.execute(
        "INSERT INTO gateway_status (gateway, plugin_version, state, resync_interval)"
        " VALUES ('other', '0', 'offered', '1m')"
    )
    ended = await imported(database, config)
    assert "imported: lead (for here alone)" in ended.out
    assert (await columns(operator, "lead"))["gateways"] == ["here"]


async def test_what_cannot_be_held_is_named_and_the_rest_is_imported(
    database: str, operator: Operator, config: Path
) -> None:
    config.write_text("{agents: {entries: {Main: {}, coder: {model: '${MODEL}', workspace: '~/x'}}}}")
    ended = await imported(database, config)
    assert ended.status == 3
    assert "left out: agent Main: a name has" in ended.out
    assert "left out: agent coder: model '${MODEL}' was left out" in ended.out
    assert json.loads((await columns(operator, "coder"))["settings"]) == {"workspace": "~/x"}


async def test_the_agents_of_included_files_are_imported(database: str, config: Path) -> None:
    config.write_text('{"$include": "./team.json5", agents: {"$include": "./one.json"}}')
    config.with_name("team.json5").write_text("{agents: {entries: {writer: {}}}}")
    config.with_name("one.json").write_text('{"entries": {"coder": {}}}')
    assert (await imported(database, config)).out == "imported: writer\nimported: coder\n"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('{agents: {"$include": "./gone.json"}}', "gone.json, which is not there"),
        ('{agents: {"$include": "./broken.json"}}', "broken.json is not valid JSON5"),
        ("{agents: []}", "must be an object"),
        ("[]", "must hold an object"),
    ],
)
async def test_a_broken_configuration_is_one_line_with_the_way_out(
    text: str, hint: str, database: str, operator: Operator, config: Path
) -> None:
    config.write_text(text)
    config.with_name("broken.json").write_text("{")
    ended = await imported(database, config)
    assert (ended.status, ended.err.count("\n")) == (2, 1)
    assert hint in ended.err
    assert await operator.fetchval("SELECT count(*) FROM agents") == 0


async def test_a_missing_configuration_is_one_line_with_the_way_out(database: str, config: Path) -> None:
    config.unlink()
    ended = await imported(database, config)
    assert (ended.status, ended.err.count("\n")) == (2, 1)
    assert "OPENCLAW_CONFIG_PATH" in ended.err


async def test_a_configuration_without_agents_says_so(database: str, config: Path) -> None:
    config.write_text("{}")
    assert await imported(database, config) == Ended(0, f"{config} has no agents\n", "")


async def test_a_column_of_the_tables_own_that_may_not_be_empty_is_named(
    database: str, operator: Operator, config: Path
) -> None:
    await operator.execute("ALTER TABLE agents ADD COLUMN access_method varchar(50) NOT NULL")
    ended = await imported(database, config)
    assert (ended.status, ended.err.count("\n")) == (1, 1)
    assert "ALTER TABLE agents ALTER COLUMN access_method SET DEFAULT" in ended.err


async def test_a_constraint_of_the_tables_own_is_named_and_nothing_is_imported(
    database: str, operator: Operator, config: Path
) -> None:
    await operator.execute("ALTER TABLE agents ADD CONSTRAINT no_high CHECK (thinking IS DISTINCT FROM 'high')")
    ended = await imported(database, config)
    assert (ended.status, ended.err.count("\n")) == (1, 1)
    assert "agent coder cannot be inserted: it breaks no_high" in ended.err
    assert await operator.fetchval("SELECT count(*) FROM agents") == 0


@pytest.mark.parametrize("version", ["2026.9.6", "2026.7.1"])
async def test_a_diff_after_an_import_into_an_empty_database_shows_nothing(
    version: str, database: str, operator: Operator, config: Path
) -> None:
    await operator.execute("""
        INSERT INTO agents (name, instance_type, is_default, model, fallback_models, allowed_subagents, thinking,
                            settings)
        VALUES ('lead', 'primary', true, 'a/b', '{c/d}', '{coder,*}', NULL, '{"subagents": {"model": "c/d"}}'),
               ('coder', 'subagent', false, 'a/b', NULL, NULL, 'high', '{"tools": {"profile": "coding"}}'),
               ('peer', 'peer', false, 'x/y', NULL, NULL, NULL, NULL)
    """)
    config.write_text('{"agents": {"$include": ["./agents.json"]}}')
    config.with_name("agents.json").write_text("{}")
    around = {"AGENT_CONFIG_SYNC_CONFIG_PATH": str(config)}
    words = ["--dsn", database, "--gateway-version", version]
    assert (await command("sync", *words, **around)).status == 0
    await operator.execute("TRUNCATE agents CASCADE")
    assert (await command("import", *words, **around)).status == 0
    assert await command("diff", *words, **around) == Ended(0, "", "")


async def test_an_import_into_an_agents_table_of_somebody_elses(empty_database: str, config: Path) -> None:
    """Key `name`, an own id, narrow types: as an earlier system made it."""
    async with connected(empty_database) as owner:
        await owner.execute(
            "CREATE TABLE agents (id serial PRIMARY KEY, name varchar(100) NOT NULL UNIQUE, model varchar(100),"
            " fallback_models text[], thinking varchar(20), is_default boolean NOT NULL DEFAULT false,"
            " status varchar(20))"
        )
    assert (await command("migrate", "--dsn", empty_database)).status == 0
    assert (await imported(empty_database, config)).status == 0
    async with connected(empty_database) as owner:
        found: list[asyncpg.Record] = await owner.fetch("SELECT name, model FROM agents ORDER BY name")
    assert [tuple(record) for record in found] == [("coder", "a/b"), ("lead", "a/b")]


# Columns of other types ----------------------------------------------------------------------------------------------

BESIDE_ANOTHER = (
    "INSERT INTO gateway_status (account_id, gateway, plugin_version, state, resync_interval)"
    " VALUES ($1, 'other', '0', 'offered', '1m')"
)


async def made(database: str, *statements: str) -> None:
    """Make tables as somebody else made them, and install ours onto them."""
    async with connected(database) as owner:
        for statement in statements:
            await owner.execute(statement)
    assert (await command("migrate", "--dsn", database)).status == 0


@pytest.mark.parametrize("case", TAKING)
async def test_columns_of_other_types_take_the_agents_and_give_them_back(
    empty_database: str, config: Path, case: str
) -> None:
    account = "7" if "account_id" in TAKING[case] else "default"
    await made(empty_database, WORD, f"{MINIMAL}, {TAKING[case]})")
    async with connected(empty_database) as owner:
        await owner.execute(BESIDE_ANOTHER, account)
    as_account = {"AGENT_CONFIG_SYNC_ACCOUNT": account}
    first = await imported(empty_database, config, **as_account)
    assert first == Ended(0, "imported: lead (for here alone)\nimported: coder (for here alone)\n", "")
    again = await imported(empty_database, config, **as_account)
    assert again == Ended(0, "already there: lead\nalready there: coder\n", "")


@pytest.mark.parametrize("case", ["gateways json", "settings text", "instance_type enum", "all of them"])
async def test_columns_of_other_types_are_replaced_and_who_else_runs_the_agent_stays(
    empty_database: str, config: Path, case: str
) -> None:
    account = "7" if "account_id" in TAKING[case] else "default"
    await made(empty_database, WORD, f"{MINIMAL}, {TAKING[case]})")
    async with connected(empty_database) as owner:
        await owner.execute(BESIDE_ANOTHER, account)
    as_account = {"AGENT_CONFIG_SYNC_ACCOUNT": account}
    elsewhere = {**as_account, "AGENT_CONFIG_SYNC_GATEWAY": "elsewhere"}
    assert (await imported(empty_database, config, **elsewhere)).status == 0
    config.write_text(CONFIG.replace("a/b", "a/new"))
    ended = await imported(empty_database, config, "--replace", **as_account)
    assert ended == Ended(0, "replaced: lead\nreplaced: coder\n", "")
    for environment in (as_account, elsewhere):
        assert "already there: coder" in (await imported(empty_database, config, **environment)).out


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ("model text GENERATED ALWAYS AS ('a/b') STORED", "column model of table agents is generated; insert these"),
        ("account_id integer", "column account_id of table agents has type integer and does not take 'default'; set"),
        ("status boolean", "column status of table agents has type boolean and does not take 'active'; insert these"),
        ("fallback_models integer[]", "fallback_models of table agents has type integer[] and does not take"),
        ("model varchar(2)", "column model of table agents has type character varying(2) and does not take 'a/b'"),
        ("settings integer", "column settings of table agents has type integer and does not take what it has there"),
    ],
)
async def test_a_column_that_does_not_take_an_agent_is_named_with_its_type_and_the_way_out(
    empty_database: str, config: Path, columns: str, said: str
) -> None:
    await made(empty_database, f"{MINIMAL}, {columns})")
    ended = await imported(empty_database, config)
    assert (ended.status, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert said in ended.err
    async with connected(empty_database) as owner:
        assert await owner.fetchval("SELECT count(*) FROM agents") == 0


async def test_a_column_that_holds_one_text_takes_no_second_one(empty_database: str, config: Path) -> None:
    config.write_text('{agents: {entries: {lead: {model: {primary: "a/b", fallbacks: ["c/d", "e/f"]}}}}}')
    await made(empty_database, f"{MINIMAL}, fallback_models text)")
    ended = await imported(empty_database, config)
    assert "column fallback_models of table agents has type text and does not take more than one text" in ended.err


async def test_a_column_that_holds_one_gateway_takes_no_second_one(empty_database: str, config: Path) -> None:
    await made(empty_database, f"{MINIMAL}, gateways text)", "INSERT INTO agents VALUES ('lead', 'other')")
    ended = await imported(empty_database, config, "--replace")
    assert "column gateways of table agents has type text and does not take a further one" in ended.err
    async with connected(empty_database) as owner:
        assert await owner.fetchval("SELECT array_agg(gateways) FROM agents") == ["other"]


async def test_a_login_of_an_operator_is_enough(database: str, operator: Operator, config: Path) -> None:
    await operator.execute("DROP ROLE IF EXISTS importing_operator")
    await operator.execute("CREATE ROLE importing_operator LOGIN IN ROLE agent_config_operator")
    dsn = database.replace("postgres@", "importing_operator@")
    try:
        assert (await imported(dsn, config)).status == 0
        config.write_text(CONFIG.replace("a/b", "a/new"))
        assert (await imported(dsn, config, "--replace")).status == 0
    finally:
        await operator.execute("DROP ROLE importing_operator")


async def test_a_trigger_of_the_tables_own_is_named_by_what_it_says(empty_database: str, config: Path) -> None:
    await made(
        empty_database,
        f"{MINIMAL})",
        "CREATE FUNCTION protect() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'ask newhart'; END $$",
        "CREATE TRIGGER protect BEFORE INSERT ON agents FOR EACH ROW EXECUTE FUNCTION protect()",
    )
    ended = await imported(empty_database, config)
    assert "table agents does not take agent lead (ask newhart): insert it with SQL of your own" in ended.err


@pytest.mark.parametrize(
    "columns",
    [
        "key text PRIMARY KEY, value text, updated_at bigint",
        "key text PRIMARY KEY, value jsonb, updated_at timestamp DEFAULT now()",
        "key varchar(40) UNIQUE, value integer",
        "key text, value json, updated_at date",
    ],
)
async def test_settings_of_other_types_take_the_value_of_the_file(
    empty_database: str, config: Path, columns: str
) -> None:
    await made(empty_database, f"CREATE TABLE agent_system_config ({columns})")
    async with connected(empty_database) as owner:
        await owner.execute("DELETE FROM agent_system_config")
    assert (await imported(empty_database, config)).status == 0
    config.write_text(CONFIG.replace("maxSpawnDepth: 2", "maxSpawnDepth: 3"))
    ended = await imported(empty_database, config)
    assert "left out: agent_system_config max_spawn_depth: the database has 2, not 3" in ended.out
    assert (await imported(empty_database, config, "--replace")).status == 0
    async with connected(empty_database) as owner:
        assert await owner.fetchval("SELECT array_agg(value::text) FROM agent_system_config") == ["3"]


async def test_the_starting_value_in_settings_without_time_zones_gives_way(empty_database: str, config: Path) -> None:
    await made(empty_database, SETTINGS)
    assert (await imported(empty_database, config)).status == 0
    async with connected(empty_database) as owner:
        assert await owner.fetchval("SELECT value FROM agent_system_config") == "2"


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ("key text UNIQUE, value boolean", "does not take setting max_spawn_depth (invalid input syntax"),
        ("key text UNIQUE, value text, owner text NOT NULL", "ALTER TABLE agent_system_config ALTER COLUMN owner SET"),
        (
            "key text UNIQUE, value text, value_type text CONSTRAINT words CHECK (value_type IN ('text', 'number'))",
            "setting max_spawn_depth cannot be inserted: it breaks words of table agent_system_config",
        ),
    ],
)
async def test_settings_that_do_not_take_a_value_are_named_with_the_way_out(
    empty_database: str, config: Path, columns: str, said: str
) -> None:
    await made(empty_database, f"CREATE TABLE agent_system_config ({columns})")
    ended = await imported(empty_database, config)
    assert (ended.status, ended.err.count("\n")) == (1, 1)
    assert said in ended.err
