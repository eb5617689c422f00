"""`install`, the steps behind install.sh, without its Python environment; tests/install runs the whole."""

from __future__ import annotations

import asyncio
import json
import os
import pkgutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import pyjson5
import pytest
from commands import Ended
from typer.testing import CliRunner

from agent_config_sync.cli.main import app
from agent_config_sync.errors import RefusedError
from agent_config_sync.publish.lock import lifetime_lock

CONFIG = """\
// my gateway
{
  ui: { seamColor: '#ff8800' },
  agents: { // hello
    defaults: { subagents: { maxSpawnDepth: 2 } },
    list: [{ id: 'lead', model: 'a/b' }, { id: 'coder', tools: { profile: 'coding' } }],
  },
}
"""

VALIDATOR = """\
#!/bin/sh
echo 'a log line'
if grep -q REFUSED "$OPENCLAW_CONFIG_PATH" "$(dirname "$OPENCLAW_CONFIG_PATH")"/agents.base.json5; then
    echo '{"valid": false, "issues": [{"path": "ui.x", "message": "Unrecognized key"}]}'; exit 1
fi
echo '{"valid": true}'
"""


class Home:
    """A person's home: install into it, and look at what came of it."""

    def __init__(self, folder: Path, dsn: str) -> None:
        self.folder = folder / "home"
        self.config = self.folder / ".openclaw" / "openclaw.json"
        self.base = self.config.with_name("agents.base.json5")
        self.output = self.config.with_name("agents.json")
        self.data = self.folder / ".local" / "share" / "agent-config-sync"
        self.programs = folder / "bin"
        self.programs.mkdir()
        self._dsn = dsn

    def write(self, text: str) -> None:
        self.config.parent.mkdir(parents=True, exist_ok=True)
        self.config.write_text(text)

    def program(self, name: str, text: str) -> None:
        (self.programs / name).write_text(text)
        (self.programs / name).chmod(0o755)

    def install(self, *words: str) -> Ended:
        found = CliRunner().invoke(app, ["install", "--dsn", self._dsn, *words])
        assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
        return Ended(found.exit_code, found.stdout, found.stderr)

    def uninstall(self) -> Ended:
        return self.install("--uninstall")

    def says(self) -> Any:
        return pyjson5.decode(self.config.read_text())

    @property
    def record_folder(self) -> Path:
        return self.data / "gateways"

    @property
    def record(self) -> Path:
        (record,) = self.record_folder.glob("*.json")
        return record


@pytest.fixture
def home(tmp_path: Path, empty_database: str, monkeypatch: pytest.MonkeyPatch) -> Home:
    made = Home(tmp_path, empty_database)
    monkeypatch.setenv("PATH", f"{made.programs}:/usr/bin:/bin")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr("agent_config_sync.cli.install.set_up_logs", lambda *_: None)  # it would outlast the test
    return made


def test_an_empty_home_gets_a_configuration_and_loses_it_again(home: Home) -> None:
    assert home.install().status == 0
    assert home.says()["agents"] == {"$include": ["./agents.base.json5", "./agents.json"]}
    assert home.config.stat().st_mode & 0o777 == 0o600
    assert home.uninstall().status == 0
    assert list(home.config.parent.iterdir()) == []
    assert not home.data.joinpath("door").exists()


def test_agents_go_to_the_database_and_from_there_into_our_file(home: Home) -> None:
    home.write(CONFIG)
    assert home.install("--no-restart").status == 0
    assert [agent["id"] for agent in json.loads(home.output.read_bytes())["list"]] == ["coder", "lead"]
    assert pyjson5.decode(home.base.read_text()) == {"defaults": {"subagents": {"maxSpawnDepth": 2}}}


def test_looking_says_what_would_be_done_and_does_nothing(home: Home) -> None:
    home.write(CONFIG)
    first = home.install("--verify-only")
    assert (first.status, first.out.split()[:2]) == (3, ["would", "database"])
    home.install("--no-gateway")
    second = home.install("--verify-only")
    assert second.status == 3
    assert [line.split()[1] for line in second.out.splitlines()] == [
        "database", "agents", "agents.json", "plugin", "openclaw.json",
    ]  # fmt: skip
    assert home.config.read_text() == CONFIG
    home.install()
    assert home.install("--verify-only").status == 0


def test_a_row_that_came_since_is_written_by_the_next_run(home: Home, empty_database: str) -> None:
    home.write(CONFIG)
    home.install()
    home.output.write_text("{}")
    assert "would    agents.json" in home.install("--verify-only").out
    assert home.install().status == 0
    assert b"lead" in home.output.read_bytes()


def test_our_file_that_is_gone_while_it_is_included_comes_back(home: Home) -> None:
    home.write(CONFIG)
    home.install()
    home.output.unlink()
    look = home.install("--verify-only")
    assert (look.status, "would    agents.json" in look.out) == (3, True)
    assert not home.output.exists()
    assert home.install().status == 0
    assert b"lead" in home.output.read_bytes()


def test_what_the_validator_refuses_is_not_published(home: Home) -> None:
    home.program("openclaw", VALIDATOR)
    home.write(CONFIG.replace("// hello", "// REFUSED, but only where it moves to"))
    text = home.config.read_text()
    ended = home.install()
    assert (ended.status, ended.err.count("\n")) == (1, 1)
    assert "refuses openclaw.json as it is, correct it first: ui.x: Unrecognized key" in ended.err
    assert home.config.read_text() == text
    assert not home.base.exists()
    assert home.uninstall().status == 0
    assert home.config.read_text() == text
    assert not home.output.exists()
    assert not home.record_folder.exists()


def test_the_validator_is_asked_and_its_verdict_told(home: Home) -> None:
    home.program("openclaw", VALIDATOR)
    assert "valid, says the gateway's own validator" in home.install().out


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (None, "there is no openclaw on PATH"),
        ("#!/bin/sh\necho \"error: unknown option '--json'\" >&2\nexit 1\n", "this OpenClaw has no `config validate`"),
        ("#!/bin/sh\necho 'Node 1 is too old' >&2\nexit 1\n", "`openclaw config validate` failed: Node 1 is too old"),
        ("#!/nowhere\n", "openclaw cannot be run (No such file or directory)"),
    ],
)
def test_why_the_validator_was_not_asked_is_told(program: str | None, reason: str, home: Home) -> None:
    if program is not None:
        home.program("openclaw", program)
    ended = home.install()
    assert f"; not validated: {reason}\n" in ended.out
    assert ended.out.splitlines()[-1].startswith("verified, but not by the gateway's own validator: ")


WITHOUT_VALIDATOR = """\
#!/bin/sh
case "$*" in *validate*) echo "error: unknown option '--json'" >&2; exit 1;; esac
grep -q seamColor "$OPENCLAW_CONFIG_PATH" || { echo 'Config path not found: gateway.port' >&2; exit 1; }
printf 'Config invalid\nFile: x\nProblem:\n  - ui: Unrecognized key\n\nRun: openclaw doctor --fix\n' >&2; exit 1
"""


def test_a_gateway_without_a_validator_is_asked_to_read_it(home: Home) -> None:
    home.program("openclaw", WITHOUT_VALIDATOR)
    assert home.install().status == 0
    home.write(CONFIG)
    ended = home.install()
    assert (ended.status, ended.err.count("\n")) == (1, 1)
    assert "the gateway refuses openclaw.json as it is, correct it first: ui: Unrecognized key" in ended.err


def test_a_file_of_the_operators_that_has_our_name_is_a_stop(home: Home) -> None:
    home.write(CONFIG)
    home.base.write_text("{mine: 1}")
    ended = home.install()
    assert ended.status == 1
    assert "is there already and is not ours" in ended.err
    assert (home.config.read_text(), home.base.read_text()) == (CONFIG, "{mine: 1}")


def test_a_file_of_our_name_that_holds_nothing_is_no_stop(home: Home) -> None:
    home.write(CONFIG)
    home.base.write_text("{} // as the manual way has it")
    assert home.install().status == 0


def test_an_output_that_the_gateway_cannot_include_is_a_stop(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_CONFIG_SYNC_OUTPUT_PATH", str(home.folder / "agents.json"))
    ended = home.install()
    assert ended.status == 1
    assert "unset output_path" in ended.err
    assert ended.out == ""
    assert not home.config.exists()


def test_another_database_than_the_plugins_is_a_stop_before_anything_is_changed(home: Home) -> None:
    home.write(json.dumps({"plugins": {"entries": {"agent_config_sync": {"config": {"dsn": "postgresql:///other"}}}}}))
    ended = home.install()
    assert ended.status == 1
    assert "names another database" in ended.err
    assert ended.out == ""  # no step was begun
    assert [path.name for path in home.config.parent.iterdir()] == ["openclaw.json"]


@pytest.mark.parametrize(
    ("plugins", "reason"),
    [
        ("{enabled: false}", "plugins.enabled is false: set it to true"),
        ("{deny: ['agent_config_sync']}", "plugins.deny names agent_config_sync"),
        ("{entries: {agent_config_sync: {enabled: false}}}", "enabled is not true: set it"),
    ],
)
def test_a_plugin_that_could_not_come_up_is_a_stop_before_anything_is_changed(
    plugins: str, reason: str, home: Home
) -> None:
    home.write(f"{{plugins: {plugins}}}")
    ended = home.install()
    assert ended.status == 1
    assert reason in ended.err
    assert ended.out == ""


@pytest.mark.parametrize(
    "plugins",
    ["null", "[]", "{entries: null}", "{load: {paths: null}}", "{load: {paths: {$include: './paths.json5'}}}"],
)
def test_plugins_in_a_form_that_cannot_be_edited_are_a_stop_before_anything_is_changed(
    plugins: str, home: Home
) -> None:
    home.write(f"{{plugins: {plugins}}}")
    home.config.with_name("paths.json5").write_text("['/mine']")
    ended = home.install()
    assert ended.status == 1
    assert "the objects and arrays of plugins must be written out" in ended.err
    assert ended.out == ""


def test_a_folder_that_is_named_like_a_copy_does_no_harm(home: Home) -> None:
    home.write(CONFIG)
    home.config.with_name("openclaw.json.before-agent-config-sync-mine").mkdir()
    assert home.install().status == 0


def test_another_users_gateway_is_a_stop(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.write(CONFIG)
    uid = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: uid + 4711)
    ended = home.install()
    assert ended.status == 1
    assert "run this as that user" in ended.err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a folder away")
def test_another_users_home_without_a_gateway_is_a_stop_for_root(home: Home) -> None:
    home.folder.mkdir()
    os.chown(home.folder, 4711, 4711)
    ended = home.install()
    assert (ended.status, "belongs to uid 4711: run this as that user" in ended.err) == (1, True)
    assert list(home.folder.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a folder away")
@pytest.mark.parametrize(
    ("config", "data", "reason"),
    [
        ("{apart}/openclaw.json", "{apart}/data", "there is no Python 3.11"),
        ("{apart}/openclaw.json", "", "run this as that user"),
        ("", "{apart}/data", "run this as that user"),
        ("~/mine.json", "{apart}/data", "run this as that user"),
        ("{apart}/elsewhere/../home/mine.json", "{apart}/data", "run this as that user"),
    ],
)
def test_another_users_home_is_a_stop_for_root_only_where_something_would_lie_in_it(
    config: str, data: str, reason: str, home: Home, tmp_path: Path
) -> None:
    home.folder.mkdir()
    os.chown(home.folder, 4711, 4711)
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHON": "/bin/false",  # as far as it goes then, nothing is made
        "HOME": str(home.folder),
        "OPENCLAW_CONFIG_PATH": config.format(apart=tmp_path),
        "XDG_DATA_HOME": data.format(apart=tmp_path),
    }
    script = Path(__file__).parents[2] / "install.sh"
    ended = subprocess.run([script], env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, reason in ended.stderr) == (1, True)
    assert list(home.folder.iterdir()) == []


def test_a_list_in_an_included_file_is_a_stop(home: Home) -> None:
    home.write("{$include: './team.json5'}")
    home.config.with_name("team.json5").write_text("{agents: {list: [{id: 'a'}]}}")
    ended = home.install()
    assert ended.status == 1
    assert "the agents a come as a list from a file" in ended.err


def test_a_second_agent_of_one_id_is_a_stop(home: Home) -> None:
    home.write("{agents: {list: [{id: 'a'}, {id: 'a', model: 'x/y'}]}}")
    ended = home.install()
    assert ended.status == 1
    assert "agent a: a second one of this id" in ended.err


def test_a_default_agent_that_the_database_cannot_hold_is_a_stop(home: Home) -> None:
    home.write("{agents: {entries: {a: {nonsense: 1}, b: {}}, defaults: {systemAgent: {agentId: 'a'}}}}")
    ended = home.install()
    assert ended.status == 1
    assert "a is the default agent, and one of b would be" in ended.err


def test_a_default_agent_of_another_file_is_a_stop(home: Home) -> None:
    home.write("{agents: {$include: './team.json5', entries: {b: {}}, defaults: {systemAgent: {agentId: 'a'}}}}")
    home.config.with_name("team.json5").write_text("{entries: {a: {}}}")
    ended = home.install()
    assert ended.status == 1
    assert "a is the default agent, and one of b would be" in ended.err


def test_another_default_agent_of_the_databases_is_a_stop_until_it_may_win(home: Home, empty_database: str) -> None:
    home.write(CONFIG)
    home.install("--no-gateway")
    _as_owner(empty_database, "INSERT INTO agents (name, is_default) VALUES ('alpha', true)")
    ended = home.install()
    assert ended.status == 1
    assert "lead is the default agent, and by the database alpha would be" in ended.err
    assert home.config.read_text() == CONFIG
    assert home.install("--force").status == 0


def test_agents_of_another_file_may_be_named_by_those_that_move(home: Home) -> None:
    home.write("{agents: {$include: './team.json5', entries: {b: {subagents: {allowAgents: ['a']}}}}}")
    home.config.with_name("team.json5").write_text("{entries: {a: {}}}")
    assert home.install().status == 0
    assert json.loads(home.output.read_bytes())["entries"]["b"] == {"subagents": {"allowAgents": ["a"]}}
    assert pyjson5.decode(home.base.read_text()) == {"$include": "./team.json5"}


def test_what_libpq_is_told_is_enough(home: Home, empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path, _, folder = empty_database.partition("?host=")
    monkeypatch.setenv("PGHOST", folder)
    monkeypatch.setenv("PGUSER", "postgres")
    monkeypatch.setenv("PGDATABASE", path.rpartition("/")[2])
    assert CliRunner().invoke(app, ["install"]).exit_code == 0
    assert home.says()["plugins"]["entries"]["agent_config_sync"]["config"]["host"] == folder


def test_another_name_that_the_environment_gives_our_file_is_the_gateways_too(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = str(home.config.with_name("ours.json"))
    monkeypatch.setenv("AGENT_CONFIG_SYNC_OUTPUT_PATH", ours)
    assert home.install().status == 0
    assert home.says()["plugins"]["entries"]["agent_config_sync"]["config"]["outputPath"] == ours
    monkeypatch.delenv("AGENT_CONFIG_SYNC_OUTPUT_PATH")
    assert home.install("--verify-only").status == 0


def test_a_home_behind_a_link_is_a_home(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.folder.mkdir(exist_ok=True)
    (tmp_path / "link").symlink_to(home.folder)
    monkeypatch.setenv("HOME", str(tmp_path / "link"))
    home.write("{agents: {$include: './agents.json'}}")
    home.output.write_text("{}")
    assert home.install().status == 0
    assert home.uninstall().status == 0
    assert home.output.read_text() == "{}"


def test_another_name_of_our_file_is_kept(home: Home) -> None:
    config = {"outputPath": str(home.config.with_name("ours.json"))}
    home.write(json.dumps({"plugins": {"entries": {"agent_config_sync": {"config": config}}}}))
    text = home.config.read_text()
    assert home.install().status == 0
    assert home.says()["agents"] == {"$include": ["./agents.base.json5", "./ours.json"]}
    assert home.install().status == 0
    assert home.uninstall().status == 0
    assert home.config.read_text() == text
    assert not home.config.with_name("ours.json").exists()


def test_what_the_gateway_writes_meanwhile_is_not_lost(home: Home) -> None:
    home.program("openclaw", VALIDATOR.replace("a log line'", f"a log line'; echo // gateway >>{home.config}"))
    home.write(CONFIG)
    ended = home.install()
    assert ended.status == 1
    assert "was changed by somebody meanwhile: run this again" in ended.err
    assert home.config.read_text() == CONFIG + "// gateway\n"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("('lead', 'x/y', NULL, true)", "says something else"),
        ("('lead', 'a/b', '{elsewhere}', true)", "is not for this gateway"),
        ("('lead', 'a/b', NULL, false)", "is not the default agent"),
    ],
)
def test_another_agent_of_the_same_name_is_a_stop_until_it_may_win(
    row: str, reason: str, home: Home, empty_database: str
) -> None:
    home.write(CONFIG)
    home.install("--no-gateway")
    _as_owner(empty_database, f"INSERT INTO agents (name, model, gateways, is_default) VALUES {row}")
    ended = home.install()
    assert ended.status == 1
    assert f"agent lead: the database has one of this name that {reason}" in ended.err
    assert home.config.read_text() == CONFIG
    forced = home.install("--force")
    assert forced.status == 0
    assert reason in forced.out
    assert "; the database wins" in forced.out


def test_a_row_that_allows_more_subagents_than_the_configuration_is_a_stop(home: Home, empty_database: str) -> None:
    home.write("{agents: {list: [{id: 'lead', default: true, subagents: {allowAgents: ['c']}}, {id: 'c'}]}}")
    home.install("--no-gateway")
    _as_owner(
        empty_database,
        "INSERT INTO agents (name, is_default, allowed_subagents)"
        " VALUES ('lead', true, '{c,other}'), ('c', false, NULL), ('other', false, NULL)",
    )
    ended = home.install()
    assert ended.status == 1
    assert "agent lead: the database has one of this name that says something else" in ended.err


def test_a_row_with_the_name_of_an_agent_that_cannot_be_held_is_a_stop_until_it_may_win(
    home: Home, empty_database: str
) -> None:
    home.write("{agents: {entries: {a: {nonsense: 1}, b: {}}, defaults: {systemAgent: {agentId: 'b'}}}}")
    home.install("--no-gateway")
    _as_owner(empty_database, "INSERT INTO agents (name, model) VALUES ('a', 'x/y')")
    ended = home.install()
    assert ended.status == 1
    assert "agent a: the database has one of this name that says something else" in ended.err
    assert home.install("--force").status == 0
    assert pyjson5.decode(home.base.read_text()) == {"defaults": {"systemAgent": {"agentId": "b"}}}


def test_a_row_for_another_gateway_leaves_an_agent_that_cannot_be_held_alone(home: Home, empty_database: str) -> None:
    home.write("{agents: {entries: {a: {nonsense: 1}, b: {}}, defaults: {systemAgent: {agentId: 'b'}}}}")
    home.install("--no-gateway")
    _as_owner(empty_database, "INSERT INTO agents (name, gateways) VALUES ('a', '{elsewhere}')")
    assert home.install().status == 0
    assert pyjson5.decode(home.base.read_text())["entries"] == {"a": {"nonsense": 1}}


def test_an_agent_that_cannot_be_held_stays_in_the_operators_own_file(home: Home) -> None:
    home.write("{agents: {entries: {a: {nonsense: 1}, b: {}}, defaults: {systemAgent: {agentId: 'b'}}}}")
    ended = home.install()
    assert ended.status == 0
    assert "the agent stays in agents.base.json5" in ended.out
    assert pyjson5.decode(home.base.read_text())["entries"] == {"a": {"nonsense": 1}}


def test_an_agent_whose_name_no_row_can_have_stays_too(home: Home) -> None:
    home.write('{agents: {entries: {"A\\u0000": {}, b: {}}, defaults: {systemAgent: {agentId: "b"}}}}')
    assert home.install().status == 0
    assert pyjson5.decode(home.base.read_text())["entries"] == {"A\0": {}}


def test_what_a_gateway_of_unknown_version_may_not_take_is_told_with_the_way_to_know_it(home: Home) -> None:
    home.write("{agents: {list: [{id: 'a', thinkingDefault: 'high'}]}}")
    ended = home.install()
    assert ended.status == 1
    assert "AGENT_CONFIG_SYNC_GATEWAY_VERSION" in ended.err


def test_a_list_that_cannot_be_held_gives_way_to_force(home: Home) -> None:
    home.write("{agents: {list: [{id: 'a', nonsense: 1}]}}")
    ended = home.install("--force")
    assert ended.status == 0
    assert "agent a: nonsense was left out" in ended.out


def test_a_password_is_written_only_where_it_is_needed(
    home: Home, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = empty_database.replace("postgres@", "postgres:hunter2@")
    assert home.install("--dsn", secret).status == 0
    assert "hunter2" not in home.config.read_text()
    home.uninstall()

    monkeypatch.setattr("agent_config_sync.install.config_file.login_problem", lambda *_: "no password was given")
    monkeypatch.setattr("agent_config_sync.install.verification.login_problem", lambda *_: None)
    home.write("{}")
    home.config.chmod(0o644)
    ended = home.install("--dsn", secret)
    assert ended.status == 0
    assert "hunter2" in home.config.read_text()
    assert "others may read it, and it holds a password now" in ended.out


PROGRAM = """\
#!/bin/sh
cat >"$0.told"
[ -z "$PGPASSFILE$AGENT_CONFIG_SYNC_LOG_LEVEL" ] || exit 0
echo "agent-config-sync: the server refused the login" >&2; exit 1
"""


def test_a_login_that_the_gateways_process_has_not_is_not_as_said(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.program("command", PROGRAM)
    config = {"command": str(home.programs / "command")}
    home.write(json.dumps({"plugins": {"entries": {"agent_config_sync": {"config": config}}}}))
    monkeypatch.setenv("PGPASSFILE", "/mine")
    monkeypatch.setenv("AGENT_CONFIG_SYNC_LOG_LEVEL", "info")
    ended = home.install()
    said = "the gateway's process could not reach the database: the server refused the login"
    assert (ended.status, f"not so: database: {said}" in ended.out) == (1, True)
    look = home.install("--verify-only")
    assert (look.status, f"would    database       {said}" in look.out) == (3, True)
    told = json.loads((home.programs / "command.told").read_text())
    assert told["config"] == home.says()["plugins"]["entries"]["agent_config_sync"]["config"]


def test_a_login_that_only_the_gateways_environment_knows_is_not_called_verified(home: Home) -> None:
    home.write(json.dumps({"plugins": {"entries": {"agent_config_sync": {"config": {"dsn": "${OPS_DSN}"}}}}}))
    ended = home.install()
    assert ended.status == 0
    assert "note     database       only the gateway's environment has OPS_DSN" in ended.out
    assert "and not the login of the gateway's process: " in ended.out.splitlines()[-1]


def test_a_password_that_was_given_anew_is_the_gateways_too(home: Home, empty_database: str) -> None:
    old, new = (empty_database.replace("postgres@", f"postgres:{password}@") for password in ("old", "new"))
    home.write(json.dumps({"plugins": {"entries": {"agent_config_sync": {"config": {"dsn": old}}}}}))
    assert home.install("--dsn", new).status == 0
    assert home.says()["plugins"]["entries"]["agent_config_sync"]["config"]["dsn"] == new


def test_a_password_that_is_given_in_one_way_and_then_the_other_leaves_no_old_one(
    home: Home, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_password(password: str) -> str:
        return empty_database.replace("postgres@", f"postgres:{password}@")

    home.write(json.dumps({"plugins": {"entries": {"agent_config_sync": {"config": {"dsn": with_password("one")}}}}}))
    monkeypatch.setenv("AGENT_CONFIG_SYNC_PASSWORD", "two")
    assert CliRunner().invoke(app, ["install"]).exit_code == 0
    assert (_plugin(home)["dsn"], "password" in _plugin(home)) == (with_password("two"), False)
    monkeypatch.delenv("AGENT_CONFIG_SYNC_PASSWORD")
    assert home.install("--dsn", with_password("three")).status == 0
    assert (_plugin(home)["dsn"], "password" in _plugin(home)) == (with_password("three"), False)


def test_a_plugin_that_would_not_come_up_is_named(home: Home) -> None:
    home.install()
    text = home.config.read_text()
    for old, new, reason in (
        ('"enabled": true', '"enabled": false', "enabled is not true: set it"),
        ("bin/agent-config-sync", "bin/gone", "bin/gone cannot be run"),
    ):
        home.config.write_text(text.replace(old, new))
        ended = home.install("--verify-only")
        assert ended.status == 1
        assert reason in ended.err


def test_what_nobody_installed_is_not_taken_away(home: Home) -> None:
    home.write(CONFIG)
    assert "nothing of ours is recorded" in home.uninstall().out
    assert home.config.read_text() == CONFIG


def test_the_plugin_stays_for_the_other_gateway_of_this_user(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.install()
    monkeypatch.setenv("OPENCLAW_CONFIG_PATH", str(home.folder / "other" / "openclaw.json"))
    home.install()
    assert "stays: another gateway loads it" in home.uninstall().out
    monkeypatch.delenv("OPENCLAW_CONFIG_PATH")
    home.uninstall()
    assert not home.data.joinpath("door").exists()


def _plugin(home: Home) -> dict[str, Any]:
    config: dict[str, Any] = home.says()["plugins"]["entries"]["agent_config_sync"]["config"]
    return config


@pytest.mark.parametrize(("folder", "name"), [(".openclaw-work", "work"), ("other", "other"), (".hidden", "hidden")])
def test_a_second_gateway_of_this_user_has_a_name_and_agents_of_its_own(
    folder: str, name: str, home: Home, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.install()
    first, home.config = home.config, home.folder / folder / "openclaw.json"
    monkeypatch.setenv("OPENCLAW_CONFIG_PATH", str(home.config))
    home.write("{agents: {list: [{id: 'second'}]}}")
    own = f"{socket.gethostname()}-{name}"
    assert f"this one is {own} (AGENT_CONFIG_SYNC_GATEWAY names it otherwise)" in home.install().out
    assert _plugin(home)["gateway"] == own
    assert _row(empty_database, "SELECT gateways FROM agents WHERE name = 'second'") == [own]
    assert "this one is" not in home.install().out
    home.config = first
    monkeypatch.delenv("OPENCLAW_CONFIG_PATH")
    assert home.install().status == 0
    assert "gateway" not in _plugin(home)
    assert b"second" not in first.with_name("agents.json").read_bytes()


def test_a_second_gateway_whose_folder_is_called_like_anothers_has_a_name_of_its_own(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = set()
    for place in ("first", "a/box", "b/box"):
        home.config = home.folder / place / "openclaw.json"
        monkeypatch.setenv("OPENCLAW_CONFIG_PATH", str(home.config))
        assert home.install().status == 0
        names.add(_plugin(home).get("gateway"))
    assert len(names) == 3


def test_a_second_gateway_that_has_a_name_keeps_it(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.install()
    home.config = home.folder / ".openclaw-work" / "openclaw.json"
    monkeypatch.setenv("OPENCLAW_CONFIG_PATH", str(home.config))
    home.write("{plugins: {entries: {agent_config_sync: {config: {gateway: 'box'}}}}}")
    home.install()
    assert _plugin(home)["gateway"] == "box"


def test_a_gateway_that_is_gone_or_has_a_name_gives_the_next_one_none(
    home: Home, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, home.config = home.config, home.folder / ".openclaw-gone" / "openclaw.json"
    monkeypatch.setenv("OPENCLAW_CONFIG_PATH", str(home.config))
    home.install()
    home.config.unlink()
    _as_owner(empty_database, "DELETE FROM gateway_status")  # it has reported there
    home.config = first
    monkeypatch.delenv("OPENCLAW_CONFIG_PATH")
    home.write("{agents: {entries: {a: {}}}, plugins: {entries: {agent_config_sync: {config: {gateway: 'box'}}}}}")
    home.install()
    assert _row(empty_database, "SELECT gateways FROM agents WHERE name = 'a'") is None
    home.config = home.folder / ".openclaw-work" / "openclaw.json"
    monkeypatch.setenv("OPENCLAW_CONFIG_PATH", str(home.config))
    home.write("{agents: {entries: {b: {}}}}")
    ended = home.install()
    assert (ended.status, "this one is" in ended.out) == (0, False)
    assert "gateway" not in _plugin(home)
    assert _row(empty_database, "SELECT gateways FROM agents WHERE name = 'b'") == [socket.gethostname()]


def test_the_gateways_state_folder_is_where_it_looks(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENCLAW_STATE_DIR", str(home.folder / "state"))
    home.config = home.folder / "state" / "openclaw.json"
    assert home.install().status == 0
    assert home.says()["agents"] == {"$include": ["./agents.base.json5", "./agents.json"]}
    assert not (home.folder / ".openclaw").exists()
    assert home.uninstall().status == 0
    assert list(home.config.parent.iterdir()) == []


def test_a_state_folder_apart_from_the_configuration_is_used_and_left_as_it_was(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = home.folder / "state" / "agent-config-sync"
    state.mkdir(parents=True)
    (state / "another").touch()
    monkeypatch.setenv("OPENCLAW_STATE_DIR", str(state.parent))
    monkeypatch.setenv("OPENCLAW_CONFIG_PATH", str(home.config))
    assert home.install().status == 0
    assert list(state.glob("agents-*.json"))
    assert home.uninstall().status == 0
    assert [path.name for path in state.iterdir()] == ["another"]


def test_the_plugin_stays_where_the_configuration_names_it_as_before(home: Home) -> None:
    home.write(json.dumps({"plugins": {"load": {"paths": [str(home.data / "door")]}}}))
    home.install()
    assert "openclaw.json names it, as it did before" in home.uninstall().out
    assert home.data.joinpath("door", "index.js").exists()


def test_the_database_can_be_prepared_beside_a_broken_configuration(home: Home) -> None:
    home.write("{")
    assert home.install("--no-gateway").status == 0


def test_an_agents_json_of_somebody_elses_is_copied_before_it_is_replaced(home: Home) -> None:
    home.write("{agents: {$include: './agents.json'}}")
    old = '{"list": [{"id": "old", "model": "a/b"}]}'
    home.output.write_text(old)
    assert home.install().status == 0
    (copy,) = home.config.parent.glob("agents.json.before-*")
    assert copy.read_text() == old
    assert [agent["id"] for agent in json.loads(home.output.read_bytes())["list"]] == ["old"]
    assert home.uninstall().status == 0
    assert home.output.read_text() == old


def test_an_agents_json_that_nothing_includes_comes_back_too(home: Home) -> None:
    home.write(CONFIG)
    home.output.write_text("mine")
    assert home.install().status == 0
    assert home.uninstall().status == 0
    assert (home.output.read_text(), home.config.read_text()) == ("mine", CONFIG)


def test_an_agents_json_whose_copy_is_gone_is_not_deleted(home: Home) -> None:
    home.write(CONFIG)
    home.output.write_text("mine")
    home.install()
    for copy in home.config.parent.glob("agents.json.before-*"):
        copy.unlink()
    ended = home.uninstall()
    assert "note     agents.json    it stays as the database had it" in ended.out
    assert home.output.exists()


def _stop_after(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let runs end as if they were killed after this step of the installation."""
    name = f"agent_config_sync.install.installation.{what}"
    step = pkgutil.resolve_name(name)

    def stopping(*words: object, **named: object) -> None:
        step(*words, **named)
        raise SystemExit(137)

    monkeypatch.setattr(name, stopping)


@pytest.mark.parametrize("config", ["{agents: {$include: './agents.json'}}", CONFIG])
def test_an_agents_json_that_is_edited_after_a_kill_is_still_the_operators(
    config: str, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.write(config)
    home.output.write_text('{"list": [{"id": "old"}]}')
    edited = '{"list": [{"id": "old"}, {"id": "since"}]}'
    with monkeypatch.context() as killed:
        _stop_after("remember_output", killed)
        assert home.install().status == 137
    home.output.write_text(edited)
    assert home.install().status == 0
    assert (b"since" in home.output.read_bytes()) == ("$include" in config)
    assert home.uninstall().status == 0
    assert (home.config.read_text(), home.output.read_text()) == (config, edited)


def test_an_agents_json_that_is_edited_after_a_kill_stays_on_the_way_back(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.write("{}")
    home.output.write_text("mine")
    _stop_after("remember_output", monkeypatch)
    home.install()
    home.output.write_text("edited")
    ended = home.uninstall()
    assert (ended.status, "it is not ours yet" in ended.out) == (0, True)
    assert (home.config.read_text(), home.output.read_text()) == ("{}", "edited")


@pytest.mark.parametrize("what", ["remember_output", "confirm_output", "_write_agents"])
def test_our_own_agents_json_of_a_stopped_run_is_not_what_was_there_before(
    what: str, home: Home, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.write(CONFIG)
    with monkeypatch.context() as killed:
        if what == "_write_agents":
            killed.setattr("agent_config_sync.install.installation.write_config", _refuse)
        else:
            _stop_after(what, killed)
        assert home.install().status != 0
    home.write(changed := CONFIG.replace("#ff8800", "#000000"))
    _as_owner(empty_database, "INSERT INTO agents (name) VALUES ('since')")
    assert home.install().status == 0
    assert b"since" in home.output.read_bytes()
    assert home.uninstall().status == 0
    assert home.config.read_text() == changed
    assert list(home.config.parent.glob("agents.json*")) == []


def _refuse(*_: object) -> None:
    raise RefusedError("the gateway refuses it")


SAYS_MORE = {
    "agents": {
        "defaults": {"workspace": "/srv/ws", "models": {"a/b": {}, "c/d": {}}, "subagents": {"maxSpawnDepth": 2}},
        "list": [{"id": "old", "default": True, "model": "a/b"}],
    },
    "tools": {"deny": ["exec"]},
}


def test_an_agents_json_that_says_more_than_the_database_holds_is_a_stop_before_anything_is_changed(home: Home) -> None:
    home.write("{$include: './agents.json', gateway: {mode: 'local'}}")
    home.output.write_text(json.dumps(SAYS_MORE))
    ended = home.install()
    assert (ended.status, ended.out) == (1, "")
    assert "also says tools, agents.defaults.workspace, agents.defaults.models.c/d, and what" in ended.err
    assert "move them into openclaw.json and run this again" in ended.err
    assert json.loads(home.output.read_bytes()) == SAYS_MORE


def test_what_an_agents_json_says_more_is_left_out_by_force_and_comes_back(home: Home) -> None:
    home.write("{$include: './agents.json', gateway: {mode: 'local'}}")
    home.output.write_text(json.dumps(SAYS_MORE))
    ended = home.install("--force")
    assert (ended.status, "tools is left out; the copy keeps it" in ended.out) == (0, True)
    assert "tools" not in json.loads(home.output.read_bytes())
    assert home.uninstall().status == 0
    assert json.loads(home.output.read_bytes()) == SAYS_MORE


BY_HAND = """\
{
  agents: { $include: './agents.json' },
  plugins: {
    load: { paths: ['DOOR'] },
    entries: { agent_config_sync: { enabled: true, config: { command: 'COMMAND', dsn: 'DSN' } } },
  },
}
"""


def test_a_configuration_that_was_set_up_by_hand_is_taken_as_it_is(home: Home, empty_database: str) -> None:
    command = Path(sys.executable).with_name("agent-config-sync")
    text = BY_HAND.replace("COMMAND", str(command)).replace("DOOR", str(home.data / "door"))
    text = text.replace("DSN", empty_database)
    home.write(text)
    home.output.write_text("{}")
    assert home.install().status == 0
    assert home.config.read_text() == text
    ended = home.uninstall()
    assert ended.status == 0
    assert "it is as it was before" in ended.out
    assert home.config.read_text() == text


LAID_OUT_BY_HAND = """\
{
  "agents": { "$include": ["./agents.base.json5", "./agents.json"] },
}
"""
TWO_BY_HAND = """\
// mine
{list: [{id: 'lead', model: 'a/b'}, {id: 'coder'}]}
"""


def _lay_out_by_hand(home: Home) -> None:
    home.write(LAID_OUT_BY_HAND)
    home.base.write_text("{}\n")
    home.output.write_text(TWO_BY_HAND)


def test_our_layout_that_was_made_by_hand_is_taken_in_and_comes_back(home: Home) -> None:
    _lay_out_by_hand(home)
    ended = home.install()
    assert (ended.status, "took lead, coder into the database" in ended.out) == (0, True)
    assert [agent["id"] for agent in json.loads(home.output.read_bytes())["list"]] == ["coder", "lead"]
    copies = [next(home.config.parent.glob(f"{name}.before-*")) for name in ("openclaw.json", "agents.json")]
    assert [copy.read_text() for copy in copies] == [LAID_OUT_BY_HAND, TWO_BY_HAND]
    assert home.uninstall().status == 0
    assert (home.config.read_text(), home.output.read_text()) == (LAID_OUT_BY_HAND, TWO_BY_HAND)
    assert home.base.read_text() == "{}\n"


def test_our_layout_that_was_made_by_hand_is_no_lost_installation(home: Home) -> None:
    _lay_out_by_hand(home)
    home.install("--no-gateway")
    assert "nothing of ours is recorded" in home.uninstall().out
    look = home.install("--verify-only")
    assert (look.status, "record" in look.out) == (3, False)
    assert "would    agents         take lead, coder into the database" in look.out
    assert not list(home.data.glob("gateways/*"))
    assert sorted(path.name for path in home.config.parent.iterdir() if path.is_file()) == [
        "agents.base.json5", "agents.json", "openclaw.json",
    ]  # fmt: skip
    assert (home.config.read_text(), home.output.read_text()) == (LAID_OUT_BY_HAND, TWO_BY_HAND)


def test_an_included_agents_json_that_is_missing_would_be_written(home: Home) -> None:
    home.write("{agents: {$include: './agents.json'}}")
    home.install("--no-gateway")
    look = home.install("--verify-only")
    assert (look.status, "would    agents.json    write what the database says" in look.out) == (3, True)
    assert not home.output.exists()


def test_a_record_that_is_lost_is_made_again_from_the_copy(home: Home) -> None:
    home.write(CONFIG)
    home.install()
    home.record.unlink()
    assert "would    record" in home.install("--verify-only").out
    assert home.install().status == 0
    assert home.uninstall().status == 0
    assert home.config.read_text() == CONFIG


def test_a_record_that_is_lost_names_the_output_that_openclaw_json_includes(home: Home) -> None:
    config = {"outputPath": str(home.config.with_name("ours.json"))}
    home.write(json.dumps({"plugins": {"entries": {"agent_config_sync": {"config": config}}}}))
    text = home.config.read_text()
    home.install()
    home.record.unlink()
    assert home.uninstall().status == 0
    assert home.says() == json.loads(text)
    assert not home.config.with_name("ours.json").exists()


def test_without_a_record_the_way_back_leads_to_the_copy_too(home: Home) -> None:
    home.write(CONFIG)
    home.install()
    home.record.unlink()
    assert home.uninstall().status == 0
    assert home.config.read_text() == CONFIG
    assert not home.output.exists()


def test_a_record_that_is_lost_with_the_copy_does_not_make_ours_what_was_before(home: Home) -> None:
    home.write(CONFIG)
    home.install()
    home.record.unlink()
    for copy in home.config.parent.glob("openclaw.json.before-*"):
        copy.unlink()
    again = home.install()
    assert (again.status, "the copy of openclaw.json is gone too" in again.out) == (0, True)
    ended = home.uninstall()
    assert ended.status == 1
    assert "is gone" in ended.err
    assert "*" not in again.out + ended.err


def test_a_record_that_is_lost_is_known_by_the_include_alone(home: Home) -> None:
    home.write(CONFIG)
    home.install()
    home.record.unlink()
    ours = home.config.read_text()
    home.config.write_text(ours.replace('"./agents.json"]', '"./agents.json"], "defaults": {}'))
    assert "it was gone" in home.install().out
    assert [copy.read_text() for copy in home.config.parent.glob("openclaw.json.before-*")] == [CONFIG]
    ended = home.uninstall()
    assert (ended.status, "members of its own beside the include" in ended.err) == (1, True)
    home.config.write_text(ours)
    assert home.uninstall().status == 0
    assert home.says() == pyjson5.decode(CONFIG)


def test_what_was_changed_since_stays_and_the_rest_is_put_back(home: Home) -> None:
    home.write(CONFIG)
    home.install()
    home.config.write_text(home.config.read_text().replace("#ff8800", "#000000"))
    home.base.write_text("{defaults: {subagents: {maxSpawnDepth: 3}}}")
    assert home.uninstall().status == 0
    assert home.says() == {
        "ui": {"seamColor": "#000000"},
        "agents": {
            "defaults": {"subagents": {"maxSpawnDepth": 3}},
            "list": [{"id": "lead", "model": "a/b"}, {"id": "coder", "tools": {"profile": "coding"}}],
        },
    }
    assert not home.base.exists()
    assert list(home.config.parent.glob("agents.base.json5.before-*"))


def test_the_way_back_leaves_no_copy_of_what_we_wrote(home: Home) -> None:
    home.write(CONFIG)
    home.install()
    home.config.write_text(home.config.read_text().replace("#ff8800", "#000000"))
    home.uninstall()
    (copy,) = home.config.parent.glob("openclaw.json.before-*")
    assert copy.read_text() == CONFIG


FLATTENED = {"defaults": {"subagents": {"maxSpawnDepth": 2}}, "list": [{"id": "lead", "model": "a/b"}]}


def test_the_way_back_from_a_flattened_configuration_holds_nothing_of_us(home: Home) -> None:
    home.write(CONFIG)
    home.install()
    home.config.write_text(json.dumps({**home.says(), "agents": FLATTENED}))  # as some gateways do
    assert home.install().status == 0
    assert home.uninstall().status == 0
    assert home.says() == {"ui": {"seamColor": "#ff8800"}, "agents": FLATTENED}
    assert not home.data.joinpath("door").exists()


def test_what_the_validator_refuses_later_does_not_lose_the_way_back(home: Home) -> None:
    home.write(CONFIG)
    home.install()
    home.config.write_text(json.dumps({**home.says(), "agents": FLATTENED}))
    base, record = home.base.read_bytes(), home.record.read_bytes()
    home.program("openclaw", "#!/bin/sh\necho '{\"valid\": false}'\n")
    assert home.install().status == 1
    assert (home.base.read_bytes(), home.record.read_bytes()) == (base, record)


def test_a_copy_that_is_gone_is_a_stop_for_the_way_back(home: Home) -> None:
    home.write(CONFIG)
    home.install()
    text = home.config.read_text()
    for copy in home.config.parent.glob("openclaw.json.before-*"):
        copy.unlink()
    ended = home.uninstall()
    assert ended.status == 1
    assert "is gone" in ended.err
    assert home.config.read_text() == text


def test_a_copy_that_is_gone_gives_way_to_force(home: Home) -> None:
    home.write(CONFIG)
    home.install()
    for copy in home.config.parent.glob("openclaw.json.before-*"):
        copy.unlink()
    assert "--force" in home.uninstall().err
    ended = home.install("--uninstall", "--force")
    assert (ended.status, "its copy is gone" in ended.out) == (0, True)
    assert home.says() == {
        "ui": {"seamColor": "#ff8800"},
        "agents": {"defaults": {"subagents": {"maxSpawnDepth": 2}}},
    }


def test_the_operators_own_file_that_is_gone_comes_back_from_the_copy(home: Home) -> None:
    home.write(CONFIG)
    home.install()
    before = home.base.read_bytes()
    home.base.unlink()
    look = home.install("--verify-only")
    assert (look.status, "would    agents.base.json5" in look.out) == (3, True)
    assert home.install().status == 0
    assert home.base.read_bytes() == before


def test_the_way_back_does_not_need_the_operators_own_file(home: Home) -> None:
    home.write(CONFIG)
    home.install()
    home.base.unlink()
    assert home.uninstall().status == 0
    assert home.config.read_text() == CONFIG


def test_a_broken_record_is_a_stop_with_the_way_out(home: Home) -> None:
    home.write(CONFIG)
    home.install()
    home.record.write_text("{")
    for ended in (home.install(), home.uninstall()):
        assert ended.status == 1
        assert "is broken: compare openclaw.json with its backup" in ended.err


def test_a_process_that_still_writes_keeps_its_file(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent_config_sync.install.withdrawal.PATIENCE", 0.2)
    home.write(CONFIG)
    home.install()
    lock = lifetime_lock(home.output)
    assert lock.try_acquire()
    ended = home.uninstall()
    assert ended.status == 1
    assert "is held by" in ended.err
    assert home.config.read_text() == CONFIG
    assert home.output.exists()
    lock.release()
    assert home.uninstall().status == 0
    assert not home.output.exists()


def test_a_second_change_does_not_lose_the_way_back_to_the_first_copy(home: Home) -> None:
    home.write(CONFIG)
    home.install()
    door = home.data / "door"
    home.config.write_text(home.config.read_text().replace(str(door), "/elsewhere"))
    assert home.install().status == 0  # the person's own path stays
    assert home.says()["plugins"]["load"]["paths"] == ["/elsewhere", str(door)]
    assert home.uninstall().status == 0
    assert home.says()["agents"] == pyjson5.decode(CONFIG)["agents"]
    assert home.says()["plugins"]["load"]["paths"] == ["/elsewhere"]


@pytest.mark.parametrize(
    ("mode", "status", "words", "expected"),
    [
        ("off", 0, (), "restarted openclaw-gateway"),
        ("off", 0, ("--no-restart",), "when you like: systemctl --user restart"),
        ("off", 3, (), "restart the gateway, if it runs"),
        ("hybrid", 0, (), "not needed"),
    ],
)
def test_the_gateways_unit_is_restarted_where_that_is_needed(
    mode: str, status: int, words: tuple[str, ...], expected: str, home: Home
) -> None:
    home.program("systemctl", f"#!/bin/sh\nexit {status}\n")
    home.write(f"{{gateway: {{reload: {{mode: '{mode}'}}}}}}")
    ended = home.install(*words)
    assert ended.status == 0
    assert expected in ended.out


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("2026.3.13", "not needed: OpenClaw 2026.3.13 restarts itself for this"),
        ("2026.8.1", "not needed: OpenClaw 2026.8.1 restarts itself for this"),
        ("2026.9.6", "not needed: a gateway that runs takes the change by itself\n"),
        ("2026.8.9", "takes the change by itself; some versions restart for it"),
    ],
)
def test_a_gateway_that_restarts_itself_is_told_of(
    version: str, expected: str, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set_version(monkeypatch, version)
    assert expected in home.install("--no-restart").out


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (".openclaw-work/openclaw.json", "restarted openclaw-gateway-work\n"),
        ("elsewhere/openclaw.json", "restart the gateway, if it runs"),
        (".openclaw/other.json", "restart the gateway, if it runs"),
    ],
)
def test_only_the_unit_of_this_configuration_is_restarted(
    config: str, expected: str, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.program("systemctl", "#!/bin/sh\n")
    home.config = home.folder / config
    monkeypatch.setenv("OPENCLAW_CONFIG_PATH", str(home.config))
    home.write("{gateway: {reload: {mode: 'off'}}}")
    assert expected in home.install().out


def test_the_unit_that_the_gateway_is_told_of_is_restarted(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.program("systemctl", "#!/bin/sh\n")
    monkeypatch.setenv("OPENCLAW_SYSTEMD_UNIT", "agents.service")
    home.write("{gateway: {reload: {mode: 'off'}}}")
    assert "restarted agents\n" in home.install().out


@pytest.mark.parametrize(("words", "expected"), [((), "restarted"), (("--no-restart",), "when you like")])
def test_a_restart_that_is_due_is_made_or_told_of_once(words: tuple[str, ...], expected: str, home: Home) -> None:
    home.program("systemctl", "#!/bin/sh\n")
    home.install()
    due = home.data / "restart-due"
    due.touch()
    home.install("--verify-only")
    home.install("--no-gateway")
    assert due.exists()
    assert expected in home.install(*words).out
    assert expected not in home.install(*words).out


def test_a_restart_that_failed_stays_due(home: Home) -> None:
    home.install()
    (home.data / "restart-due").touch()
    home.program("systemctl", '#!/bin/sh\n[ "$2" = is-active ]\n')
    assert home.install().status == 1
    home.program("systemctl", "#!/bin/sh\n")
    assert "restarted openclaw-gateway" in home.install().out


def test_a_restart_that_fails_is_told(home: Home) -> None:
    home.program("systemctl", '#!/bin/sh\n[ "$2" = is-active ]\n')
    home.write("{gateway: {reload: {mode: 'off'}}}")
    ended = home.install()
    assert ended.status == 1
    assert "everything is in place" in ended.err


def test_a_login_that_may_only_read_is_told_who_may_write(home: Home, empty_database: str) -> None:
    home.write(CONFIG)
    assert home.install("--no-gateway").status == 0
    reader = f"reader_{os.getpid()}"
    _as_owner(empty_database, f"CREATE ROLE {reader} LOGIN IN ROLE agent_config_reader")
    try:
        ended = home.install("--dsn", empty_database.replace("postgres@", f"{reader}@"))
        assert (ended.status, ended.err.count("\n")) == (1, 1)
        assert "GRANT agent_config_operator" in ended.err
        assert home.config.read_text() == CONFIG
    finally:
        _as_owner(empty_database, f"DROP ROLE {reader}")


AGENTS_OF_TODAY = """\
{agents: {entries: {a: {thinkingDefault: 'high', params: {temperature: 1}}},
          defaults: {systemAgent: {agentId: 'a'}}}}
"""


def _set_version(monkeypatch: pytest.MonkeyPatch, version: str | None) -> None:
    if version is None:
        monkeypatch.delenv("AGENT_CONFIG_SYNC_GATEWAY_VERSION")
    else:
        monkeypatch.setenv("AGENT_CONFIG_SYNC_GATEWAY_VERSION", version)


def test_after_a_downgrade_our_file_has_the_form_that_the_older_gateway_takes(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.write("{agents: {entries: {a: {}}}}")
    _set_version(monkeypatch, "2026.9.6")
    home.install()
    _set_version(monkeypatch, "2026.7.1")
    assert home.install().status == 0
    assert [agent["id"] for agent in json.loads(home.output.read_bytes())["list"]] == ["a"]


def test_a_run_that_does_not_know_the_version_leaves_our_file_alone(
    home: Home, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.write(AGENTS_OF_TODAY)
    _set_version(monkeypatch, "2026.9.6")
    home.install()
    before = home.output.read_bytes()
    _set_version(monkeypatch, None)
    _as_owner(empty_database, "DELETE FROM gateway_status")
    ended = home.install()
    assert (ended.status, "note     agents.json    it stays as it is" in ended.out) == (0, True)
    assert ended.out.splitlines()[-1].startswith("verified, but not that agents.json holds what the database says and ")
    assert home.output.read_bytes() == before


def test_a_version_that_is_said_to_be_unknown_is_an_answer(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.write(AGENTS_OF_TODAY)
    _set_version(monkeypatch, "2026.9.6")
    home.install()
    before = home.output.read_bytes()
    _set_version(monkeypatch, "unknown")
    ended = home.install()
    assert (ended.status, "done     agents.json" in ended.out) == (0, True)
    assert "holds what the database says:" not in ended.out.splitlines()[-1]
    assert home.output.read_bytes() != before


def test_a_run_that_does_not_know_the_version_takes_the_one_that_the_gateway_has_reported(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.write(AGENTS_OF_TODAY)
    _set_version(monkeypatch, "2026.9.6")
    home.install()
    before = home.output.read_bytes()
    _set_version(monkeypatch, None)
    assert "already  agents.json" in home.install().out
    assert home.output.read_bytes() == before


@pytest.mark.parametrize(
    ("statement", "lacking"),
    [
        ("DROP TRIGGER agent_config_changed_update ON agents", "trigger agent_config_changed_update of agents"),
        ("ALTER TABLE agents DISABLE TRIGGER agent_config_changed_update", "trigger agent_config_changed_update of a"),
        ("DROP TABLE agent_system_config", "table agent_system_config"),
        ("ALTER TABLE agents DROP COLUMN thinking CASCADE", "column thinking of agents"),
    ],
)
def test_what_somebody_has_taken_from_the_database_is_named_and_put_back(
    statement: str, lacking: str, home: Home, empty_database: str
) -> None:
    home.install("--no-gateway")
    _as_owner(empty_database, statement)
    look = home.install("--verify-only", "--no-gateway")
    assert (look.status, "would    database       repair" in look.out, lacking in look.out) == (3, True, True)
    ended = home.install("--no-gateway")
    assert (ended.status, "done     database       repaired" in ended.out) == (0, True)
    assert home.install("--verify-only", "--no-gateway").status == 0


@pytest.mark.parametrize(
    ("replaced", "by", "base", "finding"),
    [
        (
            './agents.json"]',
            './agents.json"], defaults: { subagents: { maxSpawnDepth: 1 } }',
            None,
            "beats the database",
        ),
        (
            '"./agents.base.json5", "./agents.json"',
            '"./agents.json", "./agents.base.json5"',
            "{defaults: {subagents: {maxSpawnDepth: 3}}}",
            "beats the database",
        ),
        ("", "", "{list: [{id: 'lead'}]}", "also defines agent lead of the database"),
        ("", "", "{list: [{id: 'new'}]}", "has a list of agents beside ours"),
    ],
)
def test_what_keeps_the_database_from_winning_is_not_as_said(
    replaced: str, by: str, base: str | None, finding: str, home: Home
) -> None:
    home.write(CONFIG)
    home.install()
    home.config.write_text(home.config.read_text().replace(replaced, by))
    if base is not None:
        home.base.write_text(base)
    look = home.install("--verify-only")
    assert (look.status, "would    openclaw.json" in look.out, finding in look.out) == (3, True, True)
    ended = home.install()
    assert (ended.status, "not so: openclaw.json: " in ended.out, finding in ended.out) == (1, True, True)


def test_a_restart_that_is_due_would_be_made(home: Home) -> None:
    home.install()
    (home.data / "restart-due").touch()
    look = home.install("--verify-only")
    assert (look.status, "would    restart" in look.out) == (3, True)


def test_a_backup_that_is_gone_is_told(home: Home) -> None:
    home.write(CONFIG)
    home.install()
    for copy in home.config.parent.glob("openclaw.json.before-*"):
        copy.unlink()
    look = home.install("--verify-only")
    assert (look.status, "is gone: --uninstall would need it" in look.out) == (0, True)


def test_a_login_that_may_not_repair_is_told_who_may(home: Home, empty_database: str) -> None:
    home.install("--no-gateway")
    _as_owner(empty_database, "DROP TRIGGER agent_config_changed_update ON agents")
    reader = f"mender_{os.getpid()}"
    _as_owner(empty_database, f"CREATE ROLE {reader} LOGIN IN ROLE agent_config_reader")
    try:
        ended = home.install("--no-gateway", "--dsn", empty_database.replace("postgres@", f"{reader}@"))
        assert (ended.status, "only postgres may put it back" in ended.err) == (1, True)
    finally:
        _as_owner(empty_database, f"DROP ROLE {reader}")


def _row(dsn: str, question: str) -> Any:
    async def ask() -> Any:
        connection = await asyncpg.connect(dsn)
        answer = await connection.fetchval(question)
        await connection.close()
        return answer

    return asyncio.run(ask())


def _as_owner(dsn: str, statement: str) -> None:
    async def execute() -> None:
        connection = await asyncpg.connect(dsn)
        await connection.execute(statement)
        await connection.close()

    asyncio.run(execute())


# --- delivery

SEARCHED = """\
// my gateway
{
  gateway: { port: 18789 }, // mine
  tools: { profile: 'coding', toolSearch: true },
  agents: { list: [{ id: 'lead', model: 'a/b' }] },
}
"""
ENABLED = {"http": {"endpoints": {"responses": {"enabled": True}}}}


@pytest.fixture
def newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_CONFIG_SYNC_GATEWAY_VERSION", "2026.9.6")


@pytest.mark.usefixtures("newest")
def test_delivery_is_switched_on_at_the_gateway_and_in_the_plugin_and_all_of_it_off_again(home: Home) -> None:
    home.write(CONFIG)
    assert home.install("--delivery").status == 0
    said = home.says()
    assert (said["gateway"], said["tools"]) == (ENABLED, {"toolSearch": {"mode": "directory"}})
    plugin = _plugin(home)
    assert plugin["delivery"] is True
    assert plugin["healthPort"] in range(3000, 3100)
    assert plugin["workspaceRoot"] == str(home.config.with_name("workspaces"))
    assert home.config.with_name("workspaces").joinpath("coder", "AGENTS.md").exists()
    assert home.install("--verify-only", "--delivery").status == 0
    assert home.uninstall().status == 0
    assert home.config.read_text() == CONFIG


@pytest.mark.usefixtures("newest")
def test_looking_for_delivery_finds_it_missing_where_only_the_rest_is_installed(home: Home) -> None:
    home.write(CONFIG)
    home.install()
    before = home.config.read_text()
    assert home.install("--verify-only").status == 0
    assert "would    openclaw.json" in home.install("--verify-only", "--delivery").out
    assert home.config.read_text() == before


@pytest.mark.parametrize(
    ("version", "said", "wanted"),
    [
        ("2026.9.6", "", {"mode": "directory"}),
        ("2026.9.6", "tools: { toolSearch: false },", False),
        ("2026.9.6", "tools: { toolSearch: { mode: 'code' } },", {"mode": "directory"}),
        ("2026.8.1", "", None),
        ("2026.8.1", "tools: { toolSearch: true },", {"mode": "directory"}),
        ("2026.5.12", "tools: { toolSearch: true },", False),
        ("2026.3.13", "", None),
        ("unknown", "", None),
    ],
)
def test_the_tool_search_gives_way_where_it_would_hide_the_tools_of_the_board(
    version: str, said: str, wanted: object, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENT_CONFIG_SYNC_GATEWAY_VERSION", version)
    home.write(f"{{ {said} }}")
    assert home.install("--delivery").status == 0
    assert home.says().get("tools", {}).get("toolSearch") == wanted


@pytest.mark.usefixtures("newest")
def test_what_was_said_before_delivery_is_told_and_comes_back_beside_what_was_written_since(home: Home) -> None:
    home.write(SEARCHED)
    assert "tools.toolSearch was true" in home.install("--delivery").out
    home.config.write_text(home.config.read_text().replace("port: 18789", "port: 18790"))
    assert home.uninstall().status == 0
    assert home.config.read_text() == SEARCHED.replace("18789", "18790")


@pytest.mark.usefixtures("newest")
def test_an_endpoint_that_was_on_before_delivery_stays_on_without_it(home: Home) -> None:
    home.write(CONFIG)
    home.install()
    own = "gateway: { http: { endpoints: { responses: { enabled: true } } } },"
    home.config.write_text(home.config.read_text().replace("ui:", f"{own} ui:"))
    home.install("--delivery")
    assert home.uninstall().status == 0
    assert home.says()["gateway"] == ENABLED
    assert "tools" not in home.says()


@pytest.mark.usefixtures("newest")
def test_a_gateway_that_is_said_in_another_file_gets_its_endpoint_beside_the_include(home: Home) -> None:
    home.write("{ gateway: { $include: './gateway.json5' } }")
    home.config.with_name("gateway.json5").write_text("{ port: 18790 }")
    assert home.install("--delivery").status == 0
    assert home.says()["gateway"] == {"$include": "./gateway.json5", **ENABLED}


@pytest.mark.usefixtures("newest")
@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ("{ gateway: { http: [] } }", "has no place for gateway.http.endpoints.responses.enabled"),
        (
            "{ plugins: { entries: { agent_config_sync: { config: { delivery: false } } } } }",
            "switches one of them off",
        ),
        ("{ plugins: { entries: { agent_config_sync: { config: { board: false } } } } }", "switches one of them off"),
    ],
)
def test_what_keeps_delivery_off_is_a_stop_before_anything_is_changed(config: str, reason: str, home: Home) -> None:
    home.write(config)
    ended = home.install("--delivery")
    assert (ended.status, reason in ended.err) == (1, True)
    assert home.config.read_text() == config


def test_delivery_without_a_gateway_is_no_installation(home: Home) -> None:
    assert home.install("--delivery", "--no-gateway").status == 2
