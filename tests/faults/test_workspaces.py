"""Workspaces: whatever fails or is killed, each file is old or new, and the next pass makes all of them whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from commands import command
from daemon import environment
from harness import NOBODY, Operator, make_settings, temporaries
from mounts import full, read_only, small_disk

from agent_config_sync.plugin import Plugin
from agent_config_sync.publish.workspace import Outcome
from agent_config_sync.settings import Settings

BOOTSTRAP = "BOOTSTRAP.md"


@pytest.fixture
def settings(database: str, tmp_path: Path) -> Settings:
    """A gateway that is told by a touch, and a root of another user, which needs every call."""
    settings = make_settings(database, tmp_path, gateway_version="2026.7.1", workspace_root=tmp_path / "workspaces")
    settings.config_path.parent.mkdir()
    settings.config_path.write_text('{"agents": {"$include": ["./agents.json"]}}')
    root_of(settings).mkdir()
    os.chown(root_of(settings), NOBODY if os.geteuid() == 0 else -1, -1)
    return settings


@pytest.fixture
async def rows(operator: Operator) -> None:
    """Two agents, of whom one has a skill, and another skill for later."""
    await operator.execute("""
        INSERT INTO agents (name, model, is_default) VALUES ('lead', 'a/b', true), ('coder', 'a/b', false);
        INSERT INTO skills (slug, content) VALUES ('git', 'one'), ('sql', 'one');
        INSERT INTO agent_skills (agent, skill) VALUES ('coder', 'git');
    """)


def root_of(settings: Settings) -> Path:
    assert settings.workspaces is not None
    return settings.workspaces


def files_of(workspace: Path) -> dict[str, bytes]:
    return {
        path.relative_to(workspace).as_posix(): path.read_bytes() for path in workspace.rglob("*") if path.is_file()
    }


async def left_to_do(settings: Settings) -> dict[str, Outcome]:
    """Return what the next pass would do, by agent, where it would do or report anything."""
    prepared = await Plugin(settings).visit.preview()
    assert prepared.workspaces
    return {each.agent: each for each in prepared.workspaces if each.changes or each.foreign or each.error}


async def sync(settings: Settings) -> str:
    """Make a pass by a command; return what it warns of."""
    ended = await command("sync", **environment(settings))
    assert ended.status == 0, ended
    return ended.err


# --- disks


async def test_a_full_disk_costs_one_agent_and_keeps_its_files_until_there_is_room(
    settings: Settings, operator: Operator, rows: None
) -> None:
    workspace, other = root_of(settings) / "coder", root_of(settings) / "lead"
    workspace.mkdir()
    with small_disk(workspace, "256k"):
        assert await sync(settings) == ""
        before = files_of(workspace)
        await operator.execute("UPDATE agents SET display_name = 'after', soul_content = 'after'")
        with full(workspace):
            said = await sync(settings)
            during = files_of(workspace)
            assert temporaries(root_of(settings)) == []
        assert f"agent coder: {workspace}/" in said
        assert "cannot be written: No space left on device; free some space on that disk" in said
        assert (other / "SOUL.md").read_text() == "after\n"
        assert await sync(settings) == ""
        after = files_of(workspace)
        assert {path for path in before if during[path] not in (before[path], after[path])} == set()
        assert await left_to_do(settings) == {}


async def test_workspaces_that_begin_on_a_full_disk_get_their_bootstrap_once_there_is_room(
    settings: Settings, rows: None
) -> None:
    with small_disk(root_of(settings), "512k"):
        with full(root_of(settings)):
            assert "No space left on device" in await sync(settings)
        assert await sync(settings) == ""
        assert {(root_of(settings) / agent / BOOTSTRAP).exists() for agent in ("coder", "lead")} == {True}
        assert await left_to_do(settings) == {}


async def test_a_full_disk_for_what_we_remember_keeps_new_workspaces_until_there_is_room(
    settings: Settings, operator: Operator, rows: None
) -> None:
    settings.state_dir.mkdir()
    with small_disk(settings.state_dir):
        assert await sync(settings) == ""
        await operator.execute("INSERT INTO agents (name) VALUES ('new')")
        with full(settings.state_dir):
            ended = await command("sync", **environment(settings))
            assert "free some space on that disk" in ended.err
            assert files_of(root_of(settings) / "new") == {}
        assert await sync(settings) == ""
        assert BOOTSTRAP in files_of(root_of(settings) / "new")
        assert await left_to_do(settings) == {}


async def test_a_read_only_disk_costs_one_agent_until_it_is_writable(
    settings: Settings, operator: Operator, rows: None
) -> None:
    workspace, other = root_of(settings) / "coder", root_of(settings) / "lead"
    workspace.mkdir()
    with small_disk(workspace, "256k"):
        assert await sync(settings) == ""
        before = files_of(workspace)
        await operator.execute("UPDATE agents SET soul_content = 'after'")
        with read_only(workspace):
            said = await sync(settings)
            assert f"{workspace}/SOUL.md cannot be written: Read-only file system; mount that file system for" in said
            assert files_of(workspace) == before
            assert (other / "SOUL.md").read_text() == "after\n"
        assert await sync(settings) == ""
        assert await left_to_do(settings) == {}
