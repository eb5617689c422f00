"""What stops a publish of workspaces costs one agent, keeps its files whole and is made up for."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from unit.workspaces import (
    BOOTSTRAP,
    RENDERED,
    House,
    contents,
    edited,
    linked_elsewhere,
    skill,
    workspace,
)

from agent_config_sync.errors import StoppedError
from agent_config_sync.publish.workspace import Demand, WorkspaceContent

# --- the gate


@pytest.mark.parametrize("left", ["", "memory/", "skills/git/"])
def test_what_a_killed_process_left_is_swept(house: House, left: str) -> None:
    house.made(workspace(skills=("git",)))
    name = {"": "TOOLS.md", "memory/": "WORKING.md", "skills/git/": "SKILL.md"}[left]
    (house.home / f"{left}.{name}.0123456789ab.tmp").touch()
    (house.tree.manifests.folder / ".coder.json.0123456789ab.tmp").touch()
    (house.home / f"{left}.mine.0123456789ab.tmp").touch()
    house.live_again()
    house.made(workspace(skills=("git",)))
    assert house.temporaries() == [".mine.0123456789ab.tmp"]


def test_what_another_process_left_that_was_killed_is_swept_once_we_hear_of_it(house: House) -> None:
    house.made(workspace())
    (house.home / ".TOOLS.md.0123456789ab.tmp").touch()
    house.tree.forget()
    house.made(workspace())
    assert house.temporaries() == []


def test_once_the_gate_is_closed_nothing_is_swept(house: House) -> None:
    house.made(workspace())
    (house.home / ".TOOLS.md.0123456789ab.tmp").touch()
    house.live_again()
    house.gate.close()
    with pytest.raises(StoppedError):
        house.publish(workspace())
    assert house.temporaries() == [".TOOLS.md.0123456789ab.tmp"]


def test_the_gate_is_held_from_the_removal_of_a_skill_to_that_of_its_folder(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.made(workspace(skills=("git",)))
    held: list[bool] = []
    rmdir = os.rmdir

    def watched(name: str, *, dir_fd: int) -> None:
        held.append(house.gate._lock.locked())
        rmdir(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "rmdir", watched)
    house.made(workspace())
    assert held == [True]


# --- failures


@pytest.mark.parametrize("put", [linked_elsewhere, edited], ids=["a link", "a file"])
@pytest.mark.parametrize("place", ["", "memory", "deliverables"])
def test_what_stands_in_the_place_of_a_folder_is_named_and_costs_that_agent_only(
    house: House, place: str, put: Callable[[Path], None]
) -> None:
    there = house.home / place
    there.parent.mkdir(parents=True, exist_ok=True)
    put(there)
    coder, writer = house.tree.publish([workspace(), workspace(agent="writer")], look=True)
    assert coder.error == f"{there}: a symbolic link or a file stands where a folder must be: remove it"
    assert writer.error is None
    assert (house.root / "writer" / "TOOLS.md").exists()
    there.unlink()
    house.made(workspace(), look=False)
    assert (
        house.files().items()
        >= {path: content for path, content in contents(workspace()).items() if path != BOOTSTRAP}.items()
    )


@pytest.mark.parametrize("path", ["AGENTS.md", "TOOLS.md", BOOTSTRAP])
def test_a_folder_in_the_place_of_a_file_is_named_and_stays(house: House, path: str) -> None:
    house.made(workspace())
    if path == BOOTSTRAP:
        (house.home / BOOTSTRAP).unlink()
    house.live_again()
    (house.home / path).unlink(missing_ok=True)
    (house.home / path / "theirs").mkdir(parents=True)
    outcome = house.publish(workspace("two"), demand=Demand(bootstrap=True))
    assert outcome.error == f"{house.home / path}: a folder stands where a file must be: remove it"
    assert (house.home / path / "theirs").is_dir()
    assert house.temporaries() == []
    shutil.rmtree(house.home / path)
    house.made(workspace("two"), look=False)
    assert house.text("TOOLS.md") == "TOOLS.md two\n"


def test_a_folder_in_the_place_of_a_file_of_the_agent_is_the_agents(house: House) -> None:
    house.made(workspace())
    (house.home / "SELF.md").unlink()
    (house.home / "SELF.md").mkdir()
    assert house.made(workspace("two")).error is None


def test_a_folder_in_which_we_may_not_write_is_named_with_the_setting(house_of_nobody: House) -> None:
    house = house_of_nobody
    house.made(workspace("one"))
    before = house.files()
    house.home.chmod(0o500)
    outcome = house.publish(workspace("two"))
    assert outcome.error == (
        f"{house.home / 'AGENTS.md'} cannot be written: Permission denied; "
        "let this user write there, or set another workspace_root"
    )
    assert house.files() == before
    house.home.chmod(0o700)
    house.made(workspace("two"), look=False)
    assert house.text("TOOLS.md") == "TOOLS.md two\n"


@pytest.mark.parametrize("at", range(1, 4))
def test_a_failed_fsync_keeps_the_old_file_and_says_what_was_written_before(
    house: House, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    house.made(workspace("one", skills=("git",)))
    fsync, left = os.fsync, [at]
    paths = [*RENDERED, skill("git")]

    def fails(descriptor: int) -> None:
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        left[0] -= regular
        if regular and left[0] == 0:
            raise OSError(errno.EIO, "Input/output error")
        fsync(descriptor)

    wanted = WorkspaceContent(
        "coder", "coder", tuple(f for f in workspace("two", skills=("git",)).files if f.path in paths), ()
    )
    monkeypatch.setattr(os, "fsync", fails)
    left[0] += 1  # the manifest comes first
    outcome = house.publish(wanted, look=False)
    assert outcome.error == (
        f"{house.home / paths[at - 1]} cannot be written: Input/output error; the disk failed; look at the kernel log"
    )
    assert [change.path for change in outcome.changes] == paths[: at - 1]
    assert [house.text(path) for path in paths] == [
        f"{path} {'two' if done else 'one'}\n" for path, done in zip(paths, (n < at - 1 for n in range(3)), strict=True)
    ]
    assert house.temporaries() == []
    house.made(wanted, look=False)
    assert [house.text(path) for path in paths] == [f"{path} two\n" for path in paths]


class Fsyncs:
    """Which folders were made durable."""

    def __init__(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folders: set[str] = set()
        self.broken = False
        fsync = os.fsync

        def watched(descriptor: int) -> None:
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            if path.is_dir() and path.is_relative_to(house.root):
                if self.broken:
                    raise OSError(errno.EIO, "Input/output error")
                self.folders.add(re.sub(r"\.(.*)\.[0-9a-f]{12}\.new", r"\1", path.relative_to(house.root).as_posix()))
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", watched)


def test_every_folder_that_changed_is_made_durable(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    fsyncs = Fsyncs(house, monkeypatch)
    house.made(workspace(skills=("git",)))
    all_of_them = {".", "coder", *(f"coder/{name}" for name in ("memory", "deliverables", "skills", "skills/git"))}
    assert fsyncs.folders == all_of_them
    fsyncs.folders.clear()
    house.made(workspace("two"))
    assert fsyncs.folders == {"coder", "coder/skills"}
    fsyncs.folders.clear()
    house.made(workspace("two"))
    assert fsyncs.folders == set()


def test_a_folder_that_could_not_be_made_durable_is_tried_again_though_its_files_stand(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.made(workspace("one"))
    fsyncs = Fsyncs(house, monkeypatch)
    fsyncs.broken = True
    assert house.publish(workspace("two")).error is not None
    assert house.publish(workspace("two")).error is not None
    fsyncs.broken = False
    house.made(workspace("two"))
    assert "coder" in fsyncs.folders


def test_a_new_workspace_is_durable_before_it_gets_its_name(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    fsyncs = Fsyncs(house, monkeypatch)
    house.killed(workspace())
    assert fsyncs.folders >= {"coder", "coder/memory", "coder/deliverables"}


@pytest.mark.parametrize("number", range(1, 4))
def test_what_is_remembered_just_before_the_bootstrap_may_fail_and_it_is_still_written(
    house: House, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """At the bytes, at the folder when the new manifest has its name already, or at the bootstrap itself."""
    house.home.mkdir(parents=True)
    fsync, left, broken = os.fsync, [number], [False]

    def fails(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        broken[0] = broken[0] or path == house.home  # all else is done
        left[0] -= broken[0] and path != house.home
        if broken[0] and left[0] == 0:
            left[0] = -1
            raise OSError(errno.EIO, "Input/output error")
        fsync(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fails)
        assert house.publish(workspace()).error is not None
    assert BOOTSTRAP not in house.files()
    house.live_again()
    house.made(workspace())
    assert house.files() == contents(workspace())


@pytest.mark.parametrize("path", ["SELF.md", BOOTSTRAP])
def test_a_temporary_name_that_could_not_be_taken_away_is_by_the_next_pass(
    house: House, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    house.home.mkdir(parents=True)
    unlink = os.unlink

    def fails(name: str, *, dir_fd: int | None = None) -> None:
        if name.startswith(f".{path}."):
            raise OSError(errno.EIO, "Input/output error")
        unlink(name, dir_fd=dir_fd)

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", fails)
        house.publish(workspace())
    assert path in house.files()
    assert len(house.temporaries()) == 1
    house.made(workspace(), look=False)
    assert house.temporaries() == []
    assert house.files() == contents(workspace())
    (house.home / BOOTSTRAP).unlink()
    house.made(workspace())
    assert BOOTSTRAP not in house.files()


@pytest.mark.parametrize("calls", [["open"], ["rename", "rmdir"]], ids=["its folder", "its name, and its removal"])
@pytest.mark.parametrize("earlier", [False, True])
def test_what_was_left_of_a_new_workspace_that_failed_is_removed_by_the_next_pass(
    house: House, monkeypatch: pytest.MonkeyPatch, calls: list[str], earlier: bool
) -> None:
    """earlier: there was one that somebody removed; its bootstrap was written once."""
    if earlier:
        house.made(workspace())
        shutil.rmtree(house.home)
    with monkeypatch.context() as patched:
        for call in calls:
            patched.setattr(os, call, failing_for_new(getattr(os, call)))
        assert house.publish(workspace()).error is not None
    assert list(house.root.iterdir()) != []
    house.made(workspace(), look=False)
    assert [path.name for path in house.root.iterdir()] == ["coder"]
    assert contents(workspace()).keys() - house.files().keys() == ({BOOTSTRAP} if earlier else set())


def failing_for_new(call: Callable[..., object]) -> Callable[..., object]:
    """Let a call fail where it is asked for a workspace that has not got its name yet."""

    def called(path: str, *arguments: object, **further: object) -> object:
        if str(path).endswith(".new"):
            raise OSError(errno.EIO, "Input/output error")
        return call(path, *arguments, **further)

    return called


def test_a_new_workspace_of_which_was_remembered_in_part_that_it_is_ours_still_gets_its_bootstrap(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder of the manifest was not made durable, when the manifest had its name already."""
    fsync = os.fsync

    def fails(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink() == house.tree.manifests.folder:
            raise OSError(errno.EIO, "Input/output error")
        fsync(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fails)
        assert house.publish(workspace()).error is not None
    house.live_again()
    house.made(workspace())
    assert house.files() == contents(workspace())
