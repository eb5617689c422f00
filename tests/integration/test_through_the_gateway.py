"""The commands as the gateway's plugin runs them: its line on standard input holds their settings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import command
from harness import connected

from agent_config_sync import __version__

SECRET = "hunter2"


def greeting(**members: object) -> str:
    return json.dumps(members) + "\n"


async def test_a_command_takes_the_settings_of_the_plugin(database: str) -> None:
    ended = await command("--greeted", "status", said=greeting(config={"dsn": database}))
    assert (ended.status, ended.out) == (0, "no gateway has reported yet: start agent-config-sync run beside one\n")


async def test_the_command_line_wins_over_the_settings_of_the_plugin(database: str) -> None:
    said = greeting(config={"dsn": "postgresql://nobody@127.0.0.1:1/x"})
    assert (await command("--greeted", "status", "--dsn", database, said=said)).status == 0


async def test_the_database_of_agent_chat_serves_a_plugin_that_names_none(database: str) -> None:
    chat = {"host": "127.0.0.1", "port": 1, "database": "chat", "user": "u", "password": SECRET}
    ended = await command("--greeted", "status", said=greeting(agentChat=chat))
    assert (ended.status, "PostgreSQL chat on 127.0.0.1:1" in ended.err) == (1, True)
    assert SECRET not in ended.err + ended.out


async def test_an_unknown_key_of_the_plugin_is_a_warning(database: str) -> None:
    ended = await command("--greeted", "status", said=greeting(config={"dsn": database, "hots": "x"}))
    assert (ended.status, "did you mean host?" in ended.err) == (0, True)


@pytest.mark.parametrize("said", ["", "hello\n", "[]\n", '{"config": 7}\n'])
async def test_another_line_is_an_error_with_the_way_out(said: str) -> None:
    ended = await command("--greeted", "status", said=said)
    assert (ended.status, ended.out, "leave --door out" in ended.err) == (2, "", True)


async def test_a_cure_is_a_command_of_the_gateways_program_where_the_doctor_was_one(
    database: str, tmp_path: Path
) -> None:
    said = greeting(config={"dsn": database}, configPath=str(tmp_path / "openclaw.json"), stateDir=str(tmp_path))
    async with connected(database) as operator:
        await operator.execute("DROP TRIGGER agent_config_changed_update ON agents")
    ended = await command("--greeted", "doctor", said=said)
    assert "run:  openclaw agent-config-sync migrate --repair\n" in ended.out


async def test_run_says_its_version_before_it_is_greeted() -> None:
    ended = await command("run", "--door", said="hello\n")
    assert (ended.status, json.loads(ended.out)) == (2, {"hello": {"version": __version__}})
    assert "leave --door out" in ended.err
