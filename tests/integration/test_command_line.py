"""The commands as a person types them: what they print, and the exit status."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
import sys
from pathlib import Path

import orjson
import pytest
from commands import Ended, command, started
from harness import DEADLINE, Operator, service_manager

from agent_config_sync import __version__
from agent_config_sync.postgres.migrate import migrations

SECRET = "hunter2"


@pytest.fixture
async def lead(operator: Operator) -> None:
    await operator.execute("INSERT INTO agents (name, model, is_default) VALUES ('lead', 'a/b', true)")


@pytest.fixture
def output(tmp_path: Path) -> str:
    return str(tmp_path / "agents.json")


async def test_version_is_printed() -> None:
    assert await command("--version") == Ended(0, f"{__version__}\n", "")


async def test_sync_writes_the_file_and_a_second_one_finds_it_up_to_date(
    database: str, output: str, lead: None
) -> None:
    first = await command("sync", "--dsn", database, "--output", output)
    second = await command("sync", "--dsn", database, "--output", output)
    assert (first.status, first.out) == (0, f"{output}: published\n")
    assert (second.status, second.out) == (0, f"{output}: up to date\n")


async def test_sync_in_json_says_what_was_written_and_why(database: str, output: str, operator: Operator) -> None:
    await operator.execute("INSERT INTO agents (name, model) VALUES ('lead', 'a b')")
    ended = await command("sync", "--dsn", database, "--output", output, "--json")
    summary = orjson.loads(ended.out)
    assert (summary["changed"], summary["refused"]) == (True, None)
    assert any("'a b'" in warning for warning in summary["warnings"])


async def test_sync_ends_with_1_when_the_roster_is_refused(
    database: str, output: str, operator: Operator, lead: None
) -> None:
    await command("sync", "--dsn", database, "--output", output)
    await operator.execute("DELETE FROM agents")
    ended = await command("sync", "--dsn", database, "--output", output)
    assert ended.status == 1
    assert "allow_empty" in ended.err
    assert b"lead" in Path(output).read_bytes()


async def test_sync_renders_for_another_version(database: str, output: str, lead: None) -> None:
    await command("sync", "--dsn", database, "--output", output, "--gateway-version", "2026.7.1")
    assert "list" in orjson.loads(Path(output).read_bytes())["agents"]
    await command("sync", "--dsn", database, "--output", output, "--gateway-version", "2026.9.6")
    assert "entries" in orjson.loads(Path(output).read_bytes())["agents"]


async def test_diff_ends_with_3_and_writes_nothing_when_something_would_change(
    database: str, output: str, lead: None
) -> None:
    ended = await command("diff", "--dsn", database, "--output", output)
    assert ended.status == 3
    assert '+        "model": "a/b"' in ended.out
    assert not Path(output).exists()


async def test_diff_ends_with_0_when_there_is_nothing_to_do(database: str, output: str, lead: None) -> None:
    await command("sync", "--dsn", database, "--output", output)
    assert await command("diff", "--dsn", database, "--output", output) == Ended(0, "", "")


async def test_status_ends_with_0_when_every_gateway_is_in_step(database: str, output: str, lead: None) -> None:
    await command("sync", "--dsn", database, "--output", output, AGENT_CONFIG_SYNC_GATEWAY="box-1")
    ended = await command("status", "--dsn", database)
    assert ended.status == 0
    assert ended.out.splitlines()[1].split()[:2] == ["box-1", "offered"]


async def test_status_ends_with_3_when_a_gateway_is_silent(
    database: str, output: str, operator: Operator, lead: None
) -> None:
    await command("sync", "--dsn", database, "--output", output, AGENT_CONFIG_SYNC_GATEWAY="box-1")
    await operator.execute("UPDATE gateway_status SET seen_at = now() - interval '1 hour'")
    ended = await command("status", "--dsn", database)
    assert ended.status == 3
    assert "silent" in ended.out


async def test_status_says_how_a_runtime_is_what_is_asked_of_it_and_how_its_upgrades_ended(
    database: str, output: str, lead: None, operator: Operator
) -> None:
    await command("sync", "--dsn", database, "--output", output)
    await operator.execute("""
        UPDATE gateway_status SET runtime_status = 'degraded', runtime_version = '1.1', runtime_seen_at = now(),
            runtime_error = 'the gateway is away';
        INSERT INTO upgrade_history (gateway, from_version, to_version, status, started_at, requested_by)
        SELECT gateway, '1.' || number, '1.' || number + 1, 'success', now(), 'ada'
        FROM gateway_status, generate_series(1, 5) AS number;
        SELECT request_upgrade(gateway, '1.7') FROM gateway_status
    """)
    ended = await command("status", "--dsn", database)
    said = [re.sub(r"\d+ s ago", "now", line) for line in ended.out.splitlines() if line.startswith("  ")]
    assert said == [
        "  runtime degraded, version 1.1, seen now: the gateway is away",
        "  asked: upgrade to 1.7, by postgres now, not taken yet",
        "  upgrade 1.5 to 1.6: success, now",
        "  upgrade 1.4 to 1.5: success, now",
        "  upgrade 1.3 to 1.4: success, now",
    ]
    (row,) = orjson.loads((await command("status", "--dsn", database, "--json")).out)
    assert (row["runtime"]["status"], row["runtime"]["asked"]) == ("degraded", "upgrade")


async def test_status_forgets_a_gateway(database: str, output: str, lead: None) -> None:
    await command("sync", "--dsn", database, "--output", output, AGENT_CONFIG_SYNC_GATEWAY="box-1")
    ended = await command("status", "--dsn", database, "--forget", "box-1", "--json")
    assert (ended.status, orjson.loads(ended.out)) == (0, [])


async def test_migrate_check_ends_with_3_until_migrate_has_run(empty_database: str) -> None:
    assert (await command("migrate", "--dsn", empty_database, "--check")).status == 3
    applied = await command("migrate", "--dsn", empty_database)
    assert applied.status == 0
    assert applied.out == "".join(f"applied: {migration.name}\n" for migration in migrations())
    assert await command("migrate", "--dsn", empty_database, "--check") == Ended(0, "nothing is pending\n", "")


async def test_migrate_prints_sql_that_needs_no_database() -> None:
    ended = await command("migrate", "--print")
    assert ended.status == 0
    assert "CREATE TABLE IF NOT EXISTS agents" in ended.out


async def test_door_writes_what_the_gateway_loads(tmp_path: Path) -> None:
    ended = await command("door", str(tmp_path / "door"))
    assert ended.status == 0
    assert sorted(path.name for path in (tmp_path / "door").iterdir()) == [
        "index.js",
        "openclaw.plugin.json",
        "package.json",
    ]


async def test_the_demo_ends_by_itself() -> None:
    ended = await command("demo", "--once")
    assert ended.status == 0
    assert "5 changes in the file" in ended.out
    assert "1 refused" in ended.out


async def test_the_demo_of_the_board_brings_a_task_to_its_review() -> None:
    ended = await command("demo", "--board", "--once")
    assert ended.status == 0, ended.err
    assert "the task is in review" in ended.out
    assert "the stand-in that the tests use" in ended.out or "a real gateway: OpenClaw" in ended.out


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_run_ends_with_0_when_it_is_told_to(
    database: str, output: str, lead: None, number: signal.Signals
) -> None:
    words = ("run", "--dsn", database, "--output", output)
    async with started(*words, stderr=asyncio.subprocess.PIPE) as process, asyncio.timeout(DEADLINE):
        assert process.stderr is not None
        while b"Published" not in await process.stderr.readline():
            pass
        process.send_signal(number)
        await process.stderr.read()
        assert await process.wait() == 0


async def test_run_tells_systemd_when_it_is_ready_and_when_it_ends(
    database: str, output: str, lead: None, tmp_path: Path
) -> None:
    streams = {"stderr": asyncio.subprocess.DEVNULL, "env": {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}}
    async with (
        service_manager(str(tmp_path / "notify")) as manager,
        started("run", "--dsn", database, "--output", output, **streams) as process,
    ):
        assert await manager.hears() == b"READY=1"
        process.terminate()
        assert await manager.hears() == b"STOPPING=1"
        await process.wait()


async def test_run_feeds_the_watchdog(database: str, output: str, lead: None, tmp_path: Path) -> None:
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "100000"}
    streams = {"stderr": asyncio.subprocess.DEVNULL, "env": {**os.environ, **environment}}
    async with (
        service_manager(environment["NOTIFY_SOCKET"]) as manager,
        started("run", "--dsn", database, "--output", output, **streams) as process,
    ):
        assert [await manager.hears() for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
        process.terminate()
        await process.wait()


BAD = [
    (["sync", "--dsn", f"mysql://me:{SECRET}@h/d"], 2, "postgresql://"),
    (["sync", "--dsn", f"postgresql://me:{SECRET}@h:port/d"], 2, "postgresql://"),
    (["sync", "--dsn", f"postgresql://me:{SECRET[:3]}/{SECRET[3:]}@h/d"], 2, "percent-encoded"),
    (["sync", "--dsn", f"postgresql://me:{SECRET}@127.0.0.1:1/d"], 1, "is it running there?"),
    (["sync", "--config", "/nowhere.toml"], 2, "/nowhere.toml"),
    (["--greeted", "status"], 2, "leave --door out"),
    (["run", "--log-level", "loud"], 2, "log_level"),
]


@pytest.mark.parametrize(("words", "status", "hint"), BAD)
async def test_a_bad_call_ends_with_one_line_that_names_the_thing_and_no_secret(
    words: list[str], status: int, hint: str
) -> None:
    ended = await command(*words)
    assert (ended.status, ended.out, ended.err.count("\n")) == (status, "", 1)
    assert hint in ended.err
    assert SECRET not in ended.err
    assert SECRET[3:] not in ended.err


async def test_an_unknown_setting_names_the_nearest_one(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('dns = "x"\n')
    ended = await command("sync", "--config", str(tmp_path / "c.toml"))
    assert (ended.status, ended.err.count("\n")) == (2, 1)
    assert "did you mean dsn?" in ended.err


async def test_an_unknown_variable_names_the_nearest_setting() -> None:
    ended = await command("sync", AGENT_CONFIG_SYNC_GATEWY="x")
    assert ended.status == 2
    assert "did you mean gateway?" in ended.err


async def test_a_wrong_password_is_one_line_with_the_way_out(server_dsn: str, tmp_path: Path) -> None:
    ended = await command("sync", "--dsn", server_dsn.replace("postgres@", f"nobody_here:{SECRET}@"))
    assert (ended.status, ended.err.count("\n")) == (1, 1)
    assert "refused the login" in ended.err
    assert SECRET not in ended.err


async def test_a_missing_table_is_one_line_with_the_way_out(empty_database: str, output: str) -> None:
    ended = await command("sync", "--dsn", empty_database, "--output", output)
    assert (ended.status, ended.err.count("\n")) == (1, 1)
    assert "run agent-config-sync migrate" in ended.err


async def test_a_directory_that_cannot_be_written_is_one_line_with_the_way_out(database: str, lead: None) -> None:
    ended = await command("sync", "--dsn", database, "--output", "/sys/kernel/agents.json")
    assert (ended.status, ended.err.count("\n")) == (1, 1)
    assert "/sys/kernel" in ended.err
    assert "output_path" in ended.err


async def test_a_broken_configuration_of_the_gateway_is_one_line_with_the_way_out(
    database: str, tmp_path: Path, lead: None
) -> None:
    config = tmp_path / "openclaw.json"
    config.write_text('{\n  "agents": {')
    ended = await command("sync", "--dsn", database, AGENT_CONFIG_SYNC_CONFIG_PATH=str(config))
    assert (ended.status, ended.err.count("\n")) == (1, 1)
    assert f"{config} is not valid JSON5 at line 2" in ended.err


async def test_the_page_of_settings_is_up_to_date() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "agent_config_sync.cli.reference", stdout=asyncio.subprocess.PIPE
    )
    generated, _ = await process.communicate()
    page = Path(__file__).parents[2] / "docs" / "configuration.md"
    assert generated.decode() == page.read_text(encoding="utf-8"), "run make docs"


# --- doctor


@pytest.fixture
async def _untriggered(operator: Operator) -> None:
    await operator.execute("DROP TRIGGER agent_config_changed_update ON agents")


@pytest.mark.usefixtures("_untriggered")
async def test_a_cure_names_the_database_and_the_config_of_the_command_that_found_it(
    database: str, tmp_path: Path
) -> None:
    config = tmp_path / "my config.toml"
    config.write_text("gateway = 'here'\n")
    ended = await command(
        "doctor", "--dsn", database.replace("postgres@", f"postgres:{SECRET}@"), "--config", str(config)
    )
    assert f"run:  agent-config-sync migrate --repair --dsn {shlex.quote(database)} --config '{config}'\n" in ended.out
    assert SECRET not in ended.out + ended.err


@pytest.mark.usefixtures("_untriggered")
async def test_a_cure_names_the_login_that_may(database: str, operator: Operator) -> None:
    await operator.execute("DROP ROLE IF EXISTS box; CREATE ROLE box LOGIN IN ROLE agent_config_reader")
    try:
        ended = await command("doctor", AGENT_CONFIG_SYNC_DSN=database.replace("postgres@", "box@"))
    finally:
        await operator.execute("DROP ROLE box")
    assert f"migrate --repair --dsn {shlex.quote(database)}  # as postgres, who owns the tables\n" in ended.out
