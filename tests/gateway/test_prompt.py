"""What a gateway makes of the files in a workspace: the prompt that reaches a model, and the skills of an agent."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from gateway.model_server import ModelServer
from gateway.openclaw import OpenClaw
from gateway.scene import Deploy, Deployment, Scene, until
from harness import psql

FILES = ["AGENTS.md", "IDENTITY.md", "SOUL.md", "USER.md"]
"""What every version puts into the prompt."""

FILES_UNTIL_2026_7 = ["HEARTBEAT.md", "TOOLS.md"]
"""What later ones leave to the agent to read."""

ROSTER = """
    DELETE FROM agents;
    INSERT INTO agents (name, is_default, model, settings) VALUES
        ('lead', true, 'fake/scripted-1', '{{"workspace": "{folder}/lead"}}'),
        ('coder', false, 'fake/scripted-2', '{{"workspace": "{folder}/coder"}}'),
        ('writer', false, 'fake/scripted-1', NULL),
        ('clerk', false, NULL, '{{"skills": []}}');
"""
"""Agents of each model, one whose row a test changes, and one without a model and without skills."""


@pytest.fixture(scope="module")
def shared(deploy: Deploy, model_server: ModelServer) -> Deployment:
    """A gateway that starts with the roster in force: the first turn of an agent after a change takes seconds."""

    def prepare(gateway: OpenClaw, dsn: str) -> None:
        model_server.offer_to(gateway, dsn)
        ended = psql(dsn, "-c", ROSTER.format(folder=gateway.home))
        assert ended.returncode == 0, ended.stderr
        gateway.run_sync("--dsn", dsn)

    return deploy(prepare=prepare)


@pytest.fixture
def lead(shared: Deployment) -> Path:
    """The workspace of the agent `lead`."""
    return shared.gateway.home / "lead"


@pytest.fixture
def mark() -> str:
    """A word that stands nowhere yet; as a name of a session, of one that has not begun."""
    return uuid.uuid4().hex


def put(file: Path, text: str) -> None:
    """Put a text in a file's place at once: the gateway may read it at any moment."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.tmp")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(file)


def put_skill(workspace: Path, name: str) -> None:
    put(workspace / "skills" / name / "SKILL.md", f"---\nname: {name}\ndescription: Keeps the books.\n---\n\nWrite.\n")


async def until_skill(gateway: OpenClaw, agent: str, name: str) -> None:
    """Return when an agent has a skill; 2026.8.1 takes a second or two to see the file."""

    async def look() -> bool | None:
        return True if name in await gateway.skills_of(agent) else None

    await until(look, f"{agent} has the skill {name}", gateway=gateway)


async def test_the_files_of_its_workspace_reach_an_agents_model(
    scene: Scene, model: ModelServer, lead: Path, mark: str
) -> None:
    texts = [f"{name} says {mark}." for name in FILES]
    for name, text in zip(FILES, texts, strict=True):
        put(lead / name, text)
    prompt = (await model.turn_of(scene.gateway, "lead", mark)).prompt
    assert [text for text in texts if text not in prompt] == []


async def test_the_files_of_its_workspace_reach_no_other_agents_model(
    scene: Scene, model: ModelServer, lead: Path, mark: str
) -> None:
    for name in FILES:
        put(lead / name, f"The mark is {mark}.")
    assert f"The mark is {mark}." not in (await model.turn_of(scene.gateway, "coder", mark)).prompt


@pytest.mark.gateway_until(2026, 7, 1)
async def test_the_files_of_tools_and_heartbeat_reach_the_model_too(
    scene: Scene, model: ModelServer, lead: Path, mark: str
) -> None:
    texts = [f"{name} says {mark}." for name in FILES_UNTIL_2026_7]
    for name, text in zip(FILES_UNTIL_2026_7, texts, strict=True):
        put(lead / name, text)
    prompt = (await model.turn_of(scene.gateway, "lead", mark)).prompt
    assert [text for text in texts if text not in prompt] == []


@pytest.mark.gateway_since(2026, 8, 1)
async def test_the_files_of_tools_and_heartbeat_do_not_reach_the_model(
    scene: Scene, model: ModelServer, lead: Path, mark: str
) -> None:
    for name in FILES_UNTIL_2026_7:
        put(lead / name, f"The mark is {mark}.")
    assert f"The mark is {mark}." not in (await model.turn_of(scene.gateway, "lead", mark)).prompt


async def test_a_replaced_file_reaches_the_model_in_a_new_session(
    scene: Scene, model: ModelServer, lead: Path, mark: str
) -> None:
    put(lead / "SOUL.md", f"You are calm {mark}.")
    assert f"You are calm {mark}." in (await model.turn_of(scene.gateway, "lead", mark)).prompt
    put(lead / "SOUL.md", f"You are bold {mark}.")
    prompt = (await model.turn_of(scene.gateway, "lead", f"{mark}-2")).prompt
    assert f"You are bold {mark}." in prompt
    assert f"You are calm {mark}." not in prompt


@pytest.mark.gateway_since(2026, 5, 12)
async def test_a_replaced_file_reaches_the_model_in_a_session_that_has_begun(
    scene: Scene, model: ModelServer, lead: Path, mark: str
) -> None:
    put(lead / "SOUL.md", f"You are calm {mark}.")
    assert f"You are calm {mark}." in (await model.turn_of(scene.gateway, "lead", mark)).prompt
    put(lead / "SOUL.md", f"You are bold {mark}.")
    prompt = (await model.turn_of(scene.gateway, "lead", mark)).prompt
    assert f"You are bold {mark}." in prompt
    assert f"You are calm {mark}." not in prompt


@pytest.mark.gateway_since(2026, 3, 13)
@pytest.mark.gateway_until(2026, 3, 13)
async def test_a_session_that_has_begun_keeps_the_file_that_was_replaced(
    scene: Scene, model: ModelServer, lead: Path, mark: str
) -> None:
    put(lead / "SOUL.md", f"You are calm {mark}.")
    await model.turn_of(scene.gateway, "lead", mark)
    put(lead / "SOUL.md", f"You are bold {mark}.")
    prompt = (await model.turn_of(scene.gateway, "lead", mark)).prompt
    assert f"You are calm {mark}." in prompt
    assert f"You are bold {mark}." not in prompt


async def test_a_new_skill_in_a_workspace_is_one_of_its_agent_and_of_no_other(
    scene: Scene, lead: Path, mark: str
) -> None:
    put_skill(lead, mark)
    await until_skill(scene.gateway, "lead", mark)
    assert mark not in await scene.gateway.skills_of("coder")


async def test_a_new_skill_reaches_the_model_of_its_agent_in_a_new_session_and_no_other(
    scene: Scene, model: ModelServer, lead: Path, mark: str
) -> None:
    put_skill(lead, mark)
    await until_skill(scene.gateway, "lead", mark)
    assert mark in (await model.turn_of(scene.gateway, "lead", mark)).skills
    assert mark not in (await model.turn_of(scene.gateway, "coder", mark)).skills


@pytest.mark.gateway_since(2026, 8, 1)
async def test_a_new_skill_reaches_the_model_in_a_session_that_has_begun(
    scene: Scene, model: ModelServer, lead: Path, mark: str
) -> None:
    await model.turn_of(scene.gateway, "lead", mark)
    put_skill(lead, mark)

    async def look() -> bool | None:
        return True if mark in (await model.turn_of(scene.gateway, "lead", mark)).skills else None

    await until(look, "the model is told of the skill", gateway=scene.gateway)


async def test_the_model_of_an_agent_is_told_of_just_the_skills_that_the_gateway_lists_for_it(
    scene: Scene, model: ModelServer, mark: str
) -> None:
    assert (await model.turn_of(scene.gateway, "coder", mark)).skills == await scene.gateway.skills_of("coder")


async def test_the_model_of_an_agent_whose_row_lists_no_skills_is_told_of_none(
    scene: Scene, model: ModelServer, mark: str
) -> None:
    assert (await model.turn_of(scene.gateway, "clerk", mark)).skills == frozenset()


@pytest.mark.gateway_since(2026, 7, 1)
async def test_an_agent_whose_row_lists_no_skills_has_none(scene: Scene) -> None:
    assert await scene.gateway.skills_of("clerk") == frozenset()


async def test_an_agent_asks_the_model_of_its_row(scene: Scene, model: ModelServer, mark: str) -> None:
    assert (await model.turn_of(scene.gateway, "lead", mark)).model == "scripted-1"
    assert (await model.turn_of(scene.gateway, "coder", mark)).model == "scripted-2"


async def test_an_agent_asks_another_model_once_its_row_names_another(
    scene: Scene, model: ModelServer, mark: str
) -> None:
    assert (await model.turn_of(scene.gateway, "writer", mark)).model == "scripted-1"
    await scene.change("UPDATE agents SET model = 'fake/scripted-2' WHERE name = 'writer'")
    assert (await model.turn_of(scene.gateway, "writer", f"{mark}-2")).model == "scripted-2"


async def test_an_agent_without_a_model_asks_that_of_the_operators_own_file(
    scene: Scene, model: ModelServer, mark: str
) -> None:
    assert (await model.turn_of(scene.gateway, "clerk", mark)).model == "scripted-1"
