"""SQL that says who an agent is and what it can: its next turn on a real gateway knows it, without a restart."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

import pytest
from commands import command
from gateway.model_server import ModelRequest, ModelServer
from gateway.openclaw import TOKEN, OpenClaw
from gateway.scene import NAME, Deploy, Deployment, Scene, until
from harness import connected, psql

ROWS = """
    DELETE FROM agents;
    INSERT INTO people (id, name) VALUES ('00000000-0000-4000-8000-00000000000a', 'Ada Example');
    INSERT INTO boards (id, name, objective, person_id)
    SELECT '00000000-0000-4000-8000-00000000000b', 'Warehouse', 'Ship from there.', id FROM people;
    INSERT INTO agents (name, is_default, model) VALUES ('front', true, 'fake/scripted-1');
    INSERT INTO agents (name, board_id, model, soul_content)
    VALUES ('coder', '00000000-0000-4000-8000-00000000000b', 'fake/scripted-1', 'You are calm.'),
           ('writer', '00000000-0000-4000-8000-00000000000b', 'fake/scripted-1', NULL);
    INSERT INTO skills (slug, name, description, content) VALUES ('labels', 'Labels', 'Prints labels.', 'Print them.');
    INSERT INTO model_aliases (alias, model) VALUES ('other', 'fake/scripted-2');
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clawd") / "agents"


@pytest.fixture(scope="module")
def shared(deploy: Deploy, model_server: ModelServer, root: Path) -> Deployment:
    """A gateway whose agents have workspaces of ours."""

    def prepare(gateway: OpenClaw, dsn: str) -> None:
        model_server.offer_to(gateway, dsn)
        ended = psql(dsn, "-c", ROWS)
        assert ended.returncode == 0, ended.stderr
        gateway.run_sync("--dsn", dsn, workspace_root=str(root), state_dir=str(gateway.home / "first"))

    return deploy(prepare=prepare, workspace_root=str(root))


@pytest.fixture
def mark() -> str:
    """A word that stands nowhere yet."""
    return uuid.uuid4().hex


async def test_a_soul_a_skill_and_a_model_are_in_the_next_turn_without_a_restart(
    scene: Scene, model: ModelServer, root: Path, mark: str
) -> None:
    gateway, pid = scene.gateway, scene.gateway.pid
    assert (await model.turn_of(gateway, "coder", f"{mark}-before")).model == "scripted-1"
    await scene.until_applied(
        await scene.commit(
            f"UPDATE agents SET soul_content = 'You are bold {mark}.', model = 'other' WHERE name = 'coder'",
            f"UPDATE skills SET description = 'Prints labels {mark}.'",
            "INSERT INTO agent_skills (agent, skill) VALUES ('coder', 'labels') ON CONFLICT DO NOTHING",
        )
    )
    assert (root / "coder" / "SOUL.md").read_text() == f"You are bold {mark}.\n"
    assert mark in (root / "coder" / "skills" / "labels" / "SKILL.md").read_text()

    async def listed() -> bool | None:
        return True if "labels" in await gateway.skills_of("coder") else None

    await until(listed, "the gateway lists the skill", gateway=gateway)
    assert "labels" not in await gateway.skills_of("writer")
    turn = await model.turn_of(gateway, "coder", mark)
    assert f"You are bold {mark}." in turn.prompt
    assert f"Prints labels {mark}." in turn.prompt
    assert "labels" in turn.skills
    assert turn.model == "scripted-2"
    assert (gateway.pid, gateway.starts) == (pid, 1)


async def test_the_manual_the_board_and_the_person_reach_the_model(
    scene: Scene, model: ModelServer, root: Path, mark: str
) -> None:
    await scene.until_applied(await scene.commit(f"UPDATE boards SET objective = 'Ship it {mark}.'"))
    prompt = (await model.turn_of(scene.gateway, "writer", mark)).prompt
    assert f"Ship it {mark}." in prompt
    assert "Ada Example" in prompt
    assert (root / "writer" / "AGENTS.md").read_text().strip() in prompt


async def test_a_token_reaches_no_model_on_newer_gateways_and_its_file_is_private(
    scene: Scene, model: ModelServer, root: Path, mark: str
) -> None:
    token = next(
        line.removeprefix("AUTH_TOKEN=")
        for line in (root / "writer" / "TOOLS.md").read_text().splitlines()
        if line.startswith("AUTH_TOKEN=")
    )
    assert len(token) > 40
    prompt = (await model.turn_of(scene.gateway, "coder", mark)).prompt
    assert token not in prompt


async def test_exclusive_skills_hide_every_other_one(scene: Scene, model: ModelServer, mark: str) -> None:
    await scene.until_applied(
        await scene.commit(
            "INSERT INTO agent_skills (agent, skill) VALUES ('writer', 'labels') ON CONFLICT DO NOTHING",
            "UPDATE agents SET skills_exclusive = true WHERE name = 'writer'",
        )
    )

    async def alone() -> bool | None:
        return True if (await model.turn_of(scene.gateway, "writer", uuid.uuid4().hex)).skills == {"labels"} else None

    await until(alone, "the model is told of this skill alone", gateway=scene.gateway)


async def test_a_new_agent_takes_its_first_turn_as_who_it_is(
    scene: Scene, model: ModelServer, root: Path, mark: str
) -> None:
    insert = "INSERT INTO agents (name, display_name, model) VALUES ('fresh', 'Fresh One', 'fake/scripted-1')"
    await scene.until_applied(await scene.commit(insert))
    assert "You are Fresh One." in (await model.turn_of(scene.gateway, "fresh", mark)).prompt
    assert (root / "fresh" / "BOOTSTRAP.md").exists()


def questions(turn: ModelRequest) -> set[str]:
    """Return what the agent has been asked in this session, as far as its model is told."""
    return set(re.findall(r"What comes after \w+\?", turn.prompt))


@pytest.mark.gateway_since(2026, 5, 12)
async def test_sessions_are_begun_anew_on_demand(
    scene: Scene, model: ModelServer, shared: Deployment, root: Path
) -> None:
    """A session keeps its id on some versions, so it is asked what it remembers."""
    gateway = scene.gateway
    asked = questions(await model.turn_of(gateway, "coder", "default"))
    assert questions(await model.turn_of(gateway, "coder", "default")) > asked
    ended = await command(
        *("templates", "sync", "--gateway-id", NAME, "--reset-sessions"),
        AGENT_CONFIG_SYNC_DSN=shared.dsn,
        AGENT_CONFIG_SYNC_GATEWAY=NAME,
        AGENT_CONFIG_SYNC_CONFIG_PATH=str(gateway.config_path),
        AGENT_CONFIG_SYNC_STATE_DIR=str(gateway.folder / "agent-config-sync"),
        AGENT_CONFIG_SYNC_GATEWAY_VERSION=str(gateway.installation.version),
        OPENCLAW_GATEWAY_TOKEN=TOKEN,
        OPENCLAW_WORKSPACE_ROOT=str(root),
    )
    assert (ended.status, ended.err) == (0, "")
    assert questions(await model.turn_of(gateway, "coder", "default")).isdisjoint(asked)


INSTALLED = {
    "sound": "---\nname: {0}\ndescription: Helps.\n---\nbody\n",
    "nameless": "---\ndescription: Helps.\n---\n",
    "silent": "---\nname: {0}\n---\n",
    "bare": "Helps.\n",
    "open": "---\nname: {0}\ndescription: Helps.\n",
}
"""What an agent may put into its workspace, by the end of its folder's name."""


async def test_what_an_agent_installs_is_in_the_database_and_loaded_if_that_says_so(
    scene: Scene, shared: Deployment, root: Path, mark: str
) -> None:
    gateway, pid = scene.gateway, scene.gateway.pid
    for slug, text in INSTALLED.items():
        folder = root / "writer" / "skills" / f"{mark}-{slug}"
        folder.mkdir(parents=True)
        (folder / "SKILL.md").write_text(text.format(folder.name))
    await scene.commit(
        "UPDATE accounts SET skills_poc_enabled = true",
        "UPDATE agents SET skills_exclusive = false WHERE name = 'writer'",
    )
    asked = "SELECT name, problem FROM installed_skills WHERE agent = 'writer' AND slug LIKE $1 || '%'"

    async def told() -> dict[str, str | None] | None:
        async with connected(shared.dsn) as person:
            found = {row["name"]: row["problem"] for row in await person.fetch(asked, mark)}
        return found if len(found) == len(INSTALLED) else None

    known = await until(told, "the database knows the skills", gateway=gateway)
    sound = {name for name, problem in known.items() if problem is None}
    assert sound == {f"{mark}-sound", f"{mark}-nameless"}

    async def loaded() -> bool | None:
        ours = {name for name in await gateway.skills_of("writer") if name.startswith(mark)}
        return True if ours == sound else None

    await until(loaded, "the gateway loads those that are sound, and no others", gateway=gateway)
    assert (gateway.pid, gateway.starts) == (pid, 1)
