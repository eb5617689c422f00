"""Workspaces: whatever fails or is killed, each file is old or new, and the next pass makes all of them whole."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections import Counter
from pathlib import Path
from typing import Self

import pytest
from commands import command
from daemon import Daemon, StartDaemon, environment, forget_status, strace
from harness import NOBODY, Operator, make_settings, temporaries
from mounts import full, read_only, small_disk

from agent_config_sync.plugin import Plugin
from agent_config_sync.publish.workspace import Outcome
from agent_config_sync.settings import Settings

BOOTSTRAP = "BOOTSTRAP.md"

STRIDE = int(os.environ.get("AGENT_CONFIG_SYNC_TEST_STRIDE", "3"))
"""Of how many calls of a kind one is made to fail, or to be the last; with 1 each of them is, which takes its time."""


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
    """Return what is there by path, but for what has no name yet."""
    return {
        path.relative_to(workspace).as_posix(): path.read_bytes()
        for path in workspace.rglob("*")
        if path.is_file() and path.suffix != ".tmp"
    }


def torn(before: dict[str, bytes], during: dict[str, bytes], after: dict[str, bytes]) -> set[str]:
    """Return the files that were neither old nor new."""
    return {path for path, content in during.items() if content not in (before.get(path), after.get(path))}


def left_behind(settings: Settings) -> list[str]:
    """Return what would have become a file or a workspace."""
    root = root_of(settings)
    return temporaries(root, settings.state_dir) + [path.name for path in root.iterdir() if path.name.startswith(".")]


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


# --- kills and failures at every call


class Sweep:
    """Changes rows again and again while strace does something at one call after another of the pass that follows.

    done: by kind of call, the number of the last one at which something was done.
    """

    def __init__(self, daemons: StartDaemon, operator: Operator, settings: Settings) -> None:
        self.done: Counter[str] = Counter()
        self._daemons = daemons
        self._operator = operator
        self._log = settings.state_dir.with_name("strace.log")
        self._tracing = contextlib.AsyncExitStack()
        self._daemon: Daemon | None = None

    async def start(self) -> None:
        """Start a process and let it make up for what the one before it left; a loop that is never ahead of its worker
        starts no second one."""
        await self._tracing.aclose()
        await forget_status(self._operator)
        self._daemon = await self._daemons()
        await self._daemon.says("listening to")
        await self._tracing.enter_async_context(strace([self._daemon.pid], "epoll_wait,epoll_pwait:delay_exit=3000"))
        assert self._daemon.process.stderr is not None
        reading = asyncio.create_task(self._daemon.process.stderr.read())  # else it waits for somebody who does
        self._tracing.callback(reading.cancel)
        assert await self._daemon.offers(self._operator), "it ended by itself"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._tracing.aclose()

    async def met(self, call: str, fault: str, statements: str) -> bool:
        """Run these statements, and do this at the next one of these calls of the pass; return whether it was made."""
        assert self._daemon is not None
        await forget_status(self._operator)
        number = self.done[call] + STRIDE if self.done[call] else 1
        async with strace(self._daemon.workers, f"{call}:{fault}:when={number}", log=self._log):
            await self._operator.execute(statements)
            await self._daemon.offers(self._operator)
        met = any(done in self._log.read_text() for done in ("INJECTED", "killed by"))
        if met:
            self.done[call] = number
        return met

    async def again(self) -> None:
        """Let it make another pass."""
        assert self._daemon is not None
        await forget_status(self._operator)
        await self._operator.execute("NOTIFY agent_config_changed")
        assert await self._daemon.offers(self._operator)


RENAME, LINK, REMOVE, MAKE = "rename,renameat,renameat2", "link,linkat", "unlink,unlinkat,rmdir", "mkdir,mkdirat"
STAT = "stat,lstat,fstat,newfstatat,statx"
KILL = "signal=SIGKILL"

ANOTHER = """
    DELETE FROM agents WHERE name LIKE 'new-%';
    INSERT INTO agents (name, model) VALUES ('{0}', 'a/b');
    INSERT INTO agent_skills (agent, skill) VALUES ('{0}', 'git')
"""
"""Another agent in the place of the last one."""

OTHERWISE = """
    UPDATE agents SET soul_content = '{0}' WHERE name = 'coder';
    UPDATE agent_skills SET skill = CASE skill WHEN 'git' THEN 'sql' ELSE 'git' END WHERE agent = 'coder'
"""
"""Other files, and another skill."""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("call", [MAKE, "fchown", "fsync", RENAME])
async def test_wherever_the_first_publish_of_a_workspace_is_killed_the_next_life_finishes_it(
    daemons: StartDaemon, operator: Operator, rows: None, settings: Settings, call: str
) -> None:
    root = root_of(settings)
    async with Sweep(daemons, operator, settings) as sweep:
        while await sweep.met(call, KILL, ANOTHER.format(name := f"new-{sweep.done[call]}")):
            here, during = f"{call} {sweep.done[call]}", files_of(root / name)
            await sweep.start()
            after = files_of(root / name)
            assert during in ({}, after), f"{here}: half a workspace was seen"
            assert BOOTSTRAP in after, here
            assert left_behind(settings) == [], here
            theirs = {path.stat().st_uid for path in (root / name, *(root / name).rglob("*"))}
            assert theirs == {root.stat().st_uid}, here
            (root / name / BOOTSTRAP).unlink()
            assert await left_to_do(settings) == {}, here
    assert sweep.done[call] > 0


@pytest.mark.timeout(600)
@pytest.mark.parametrize("call", [MAKE, RENAME, LINK, REMOVE])
async def test_wherever_a_change_of_a_workspace_is_killed_each_file_is_old_or_new_and_the_next_life_finishes_it(
    daemons: StartDaemon, operator: Operator, rows: None, settings: Settings, call: str
) -> None:
    """The agent has removed a file of its own, too, which is made again."""
    root = root_of(settings) / "coder"
    async with Sweep(daemons, operator, settings) as sweep:
        (root / BOOTSTRAP).unlink()
        while True:
            before = files_of(root)
            (root / "SELF.md").unlink()
            if not await sweep.met(call, KILL, OTHERWISE.format(sweep.done[call])):
                break
            here, during = f"{call} {sweep.done[call]}", files_of(root)
            await sweep.start()
            after = files_of(root)
            assert torn(before, during, after) == set(), here
            assert {path for path in before.keys() & after.keys() if path not in during} <= {"SELF.md"}, here
            assert left_behind(settings) == [], here
            assert len(list((root / "skills").iterdir())) == 1, here
            assert await left_to_do(settings) == {}, here
            assert BOOTSTRAP not in after, here
    assert sweep.done[call] > 0


OF_BOTH = ("openat", STAT, "getdents64", MAKE, "write", "fchown", "fsync", RENAME)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("what", "calls"), [(ANOTHER, OF_BOTH), (OTHERWISE, (*OF_BOTH, LINK, REMOVE))], ids=["a new one", "a change"]
)
async def test_whichever_call_of_a_publish_fails_once_the_next_pass_makes_up_for_it(
    daemons: StartDaemon, operator: Operator, rows: None, settings: Settings, what: str, calls: tuple[str, ...]
) -> None:
    """A call for the file beside the workspaces may be the one, for which a pass makes up by itself."""
    root, numbers = root_of(settings), itertools.count()
    async with Sweep(daemons, operator, settings) as sweep:
        for call in calls:
            met = True
            while met:
                name, before = f"new-{next(numbers)}", files_of(root / "coder")
                if what is OTHERWISE:
                    (root / "coder" / "SELF.md").unlink()
                met = await sweep.met(call, "error=EIO", what.format(name))
                here, during = f"{call} {sweep.done[call]}", files_of(root / "coder")
                await sweep.again()
                assert torn(before, during, files_of(root / "coder")) == set(), here
                assert left_behind(settings) == [], here
                assert what is OTHERWISE or BOOTSTRAP in files_of(root / name), here
                assert await left_to_do(settings) == {}, here
            assert sweep.done[call] > 0, call
