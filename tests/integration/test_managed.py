"""`config_file = managed`: openclaw.json is made whole, over the operator's base file."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import orjson
import pytest
from harness import Operator, Running, Start

from agent_config_sync.errors import SettingsError
from agent_config_sync.events import Event, KeysGiven, Published, Refused, Reported, Unchanged, Warned
from agent_config_sync.secret_store import SecretStore
from agent_config_sync.setting_sources import load_settings

SNAPSHOTS = Path(__file__).parents[1] / "snapshots"
BASE = """
// The operator's own.
{
  gateway: { mode: "local", port: 18789 },
  agents: {
    defaults: { model: { primary: "p/base" }, models: { "p/base": { alias: "base" } } },
    list: [{ id: "local", model: "p/local" }, { id: "front", model: "p/never" }],
  },
  skills: { install: { nodeManager: "npm" } },
}
"""
ROWS = """
    INSERT INTO agents (name, is_default, model) VALUES ('front', true, 'gpt-4o');
    INSERT INTO agents (name, model, fallback_models, display_name, heartbeat_every, skills_exclusive)
    VALUES ('coder', 'base', '{claude-haiku-4.5}', 'The Coder', '30m', true);
    INSERT INTO skills (slug, name, content) VALUES ('labels', 'Labels', 'Print them.');
    INSERT INTO agent_skills (agent, skill) VALUES ('coder', 'labels');
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "clawd"
    folder.mkdir()
    (folder / "openclaw.base.json5").write_text(BASE)
    return folder


def places(folder: Path, **changes: Any) -> dict[str, Any]:
    config = folder / "openclaw.json"
    return {"config_file": "managed", "config_path": config, "gateway_workspace_root": "/root/clawd/agents", **changes}


def written(running: Running) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(running.output.read_bytes())
    return found


@pytest.mark.parametrize("version", ["2026.9.6", "2026.7.1"])
async def test_the_file_is_the_one_of_the_snapshot(
    start: Start, operator: Operator, folder: Path, version: str
) -> None:
    """A change of what is made is read as a diff of tests/snapshots."""
    await operator.execute(ROWS)
    running = await start(wait=Reported, **places(folder, gateway_version=version))
    assert running.output == folder / "openclaw.json"
    assert running.output.read_text() == (SNAPSHOTS / f"openclaw-{version}.json").read_text()
    assert stat.S_IMODE(running.output.stat().st_mode) == 0o600
    assert (folder / "agents" / "coder" / "skills" / "labels" / "SKILL.md").exists()


async def test_a_change_of_the_base_file_counts(start: Start, operator: Operator, folder: Path) -> None:
    await operator.execute("INSERT INTO agents (name) VALUES ('lead')")
    running = await start(wait=Reported, **places(folder))
    (folder / "openclaw.base.json5").write_text("{gateway: {port: 1}}")
    running.events.forget()
    await operator.execute("NOTIFY agent_config_changed")
    await running.events.until(Published)
    assert written(running)["gateway"] == {"port": 1}


async def test_a_base_file_that_breaks_leaves_what_was_known(start: Start, operator: Operator, folder: Path) -> None:
    running = await start(wait=Reported, **places(folder))
    (folder / "openclaw.base.json5").write_text("{")
    running.events.forget()
    await operator.execute("INSERT INTO agents (name) VALUES ('new')")
    await running.events.until(Published)
    assert written(running)["gateway"] == {"mode": "local", "port": 18789}
    assert any("is not valid JSON5" in line for line in running.events.of(Warned)[-1].warnings)


async def test_a_base_file_that_was_never_readable_refuses_the_pass(start: Start, folder: Path) -> None:
    (folder / "openclaw.base.json5").write_text("{")
    running = await start(wait=Refused, **places(folder))
    assert "until then nobody can tell what the configuration must hold" in running.events.of(Refused)[0].reason
    assert not running.output.exists()


async def test_without_a_base_file_it_holds_the_agents_and_says_so(
    start: Start, operator: Operator, folder: Path
) -> None:
    (folder / "openclaw.base.json5").unlink()
    await operator.execute("INSERT INTO agents (name) VALUES ('lead')")
    running = await start(wait=Reported, **places(folder))
    assert list(written(running)) == ["agents"]
    assert any("holds the agents alone" in line for line in running.events.of(Warned)[-1].warnings)


async def test_a_base_file_that_was_named_must_be_there(start: Start, folder: Path) -> None:
    running = await start(wait=Refused, **places(folder, config_base=folder / "gone.json5"))
    assert "gone.json5: write it, or set config_base" in running.events.of(Refused)[0].reason


async def test_what_somebody_had_there_before_is_kept_beside_it(start: Start, operator: Operator, folder: Path) -> None:
    (folder / "openclaw.json").write_text("{mine: 1}")
    await operator.execute("INSERT INTO agents (name) VALUES ('lead')")
    running = await start(wait=Reported, **places(folder))
    assert (folder / "openclaw.json.before").read_text() == "{mine: 1}"
    running.events.forget()
    await operator.execute("UPDATE agents SET model = 'a/b'")
    await running.events.until(Published)
    assert (folder / "openclaw.json.before").read_text() == "{mine: 1}"


async def test_an_agent_of_the_base_file_alone_does_not_stand_for_a_full_roster(
    start: Start, operator: Operator, folder: Path
) -> None:
    await operator.execute("INSERT INTO agents (name) VALUES ('lead')")
    running = await start(wait=Reported, **places(folder))
    running.events.forget()
    await operator.execute("DELETE FROM agents")
    await running.events.until(Refused)
    assert "lead" in written(running)["agents"]["entries"]


async def test_the_gateways_own_writing_is_put_right(start: Start, operator: Operator, folder: Path) -> None:
    await operator.execute("INSERT INTO agents (name) VALUES ('lead')")
    running = await start(wait=Reported, **places(folder))
    good = running.output.read_bytes()
    running.output.write_text('{"gateway": {}}')
    running.events.forget()
    await operator.execute("NOTIFY agent_config_changed")
    await running.events.until(Event, lambda event: isinstance(event, Published | Unchanged))
    assert running.output.read_bytes() == good


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({}, "/root/clawd/openclaw.json"),
        ({"config_path": "/srv/x/openclaw.json"}, "/srv/x/openclaw.json"),
    ],
)
def test_a_managed_file_has_a_place_of_its_own(given: dict[str, object], path: str) -> None:
    settings = load_settings(command_line={"config_file": "managed", **given})
    assert (str(settings.output), settings.output) == (path, settings.config_path)
    assert settings.workspaces == settings.config_path.with_name("agents")


def test_the_gateways_own_variable_names_the_place_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENCLAW_CONFIG_PATH", "/srv/openclaw.json")
    assert str(load_settings(command_line={"config_file": "managed"}).output) == "/srv/openclaw.json"


def test_a_second_output_has_no_meaning_there() -> None:
    with pytest.raises(SettingsError, match="output_path has no meaning where config_file is managed"):
        load_settings(command_line={"config_file": "managed", "output_path": "/x/agents.json"})


async def test_keys_of_skills_are_included_from_the_first_one_on(
    start: Start, operator: Operator, folder: Path, tmp_path: Path
) -> None:
    """The file stands before the configuration names it: a gateway does not start over an include that is missing."""
    await operator.execute("INSERT INTO agents (name, is_default) VALUES ('front', true)")
    secrets = tmp_path / "data" / "secrets.json"
    running = await start(wait=Reported, **places(folder, secrets_file=secrets))
    assert "$include" not in written(running)["skills"]
    credential = await operator.fetchval("""
        INSERT INTO skill_credentials (gateway, skill, key_name, credential_ref)
        VALUES ('here', 'git', 'GIT_PAT', 'default/here/git/GIT_PAT') RETURNING id::text
    """)
    SecretStore(secrets).put(credential, "the-key")
    await operator.execute("UPDATE skill_credentials SET status = 'active'; NOTIFY agent_config_changed")
    await running.events.until(KeysGiven)
    await running.events.until(Published)
    document = written(running)
    assert document["skills"] == {"install": {"nodeManager": "npm"}, "$include": ["./skills.json"]}
    provider = {"source": "file", "path": str(secrets), "mode": "json"}
    assert document["secrets"] == {"providers": {"agent_config_sync": provider}}
    given = orjson.loads((folder / "skills.json").read_bytes())
    assert given == {"entries": {"git": {"env": {"GIT_PAT": "the-key"}}}}
    await operator.execute("UPDATE skill_credentials SET status = 'revoked'")
    await running.events.until(KeysGiven)
    assert orjson.loads((folder / "skills.json").read_bytes()) == {"entries": {}}
    assert written(running)["skills"]["$include"] == ["./skills.json"]
