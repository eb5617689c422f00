"""publish/tree.py: a workspace becomes what it should be, and what is the agent's stays the agent's."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from harness import NOBODY
from unit.workspaces import (
    BOOTSTRAP,
    DRIFTS,
    OF_THE_AGENT,
    RENDERED,
    GateWith,
    House,
    contents,
    edited,
    emptied,
    grown,
    identity,
    linked_to_nothing,
    made_a_pipe,
    named_twice,
    opened,
    shut,
    skill,
    workspace,
)

from agent_config_sync.errors import StoppedError
from agent_config_sync.publish.workspace import Demand, FileContent, WorkspaceContent

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- what is rendered


def test_a_new_workspace_holds_all_its_files_and_folders_for_the_agents_user_alone(house: House) -> None:
    wanted = workspace(skills=("git",))
    outcome = house.made(wanted)
    assert house.files() == contents(wanted)
    assert {change.path: change.after for change in outcome.changes} == contents(wanted)
    assert {change.before for change in outcome.changes} == {None}
    assert (house.home / "deliverables").is_dir()
    assert {mode_of(house.home / path) for path in contents(wanted)} == {0o600}
    assert {mode_of(house.home / path) for path in ("", "memory", "deliverables", "skills", "skills/git")} == {0o700}
    assert house.temporaries() == []


def test_what_stands_is_not_written_again(house: House) -> None:
    house.made(workspace(skills=("git",)))
    before = {path: (house.home / path).stat().st_mtime_ns for path in house.files()}
    house.live_again()
    assert house.made(workspace(skills=("git",))).changes == ()
    assert {path: (house.home / path).stat().st_mtime_ns for path in house.files()} == before


def test_a_file_of_megabytes_is_not_written_again_either(house: House) -> None:
    large = FileContent.of("AGENTS.md", b"x" * 3_000_000, "database")
    wanted = WorkspaceContent("coder", "coder", (large,), ())
    house.made(wanted)
    assert house.made(wanted).changes == ()


def test_a_change_of_what_is_rendered_needs_nothing_remembered(house: House) -> None:
    house.made(workspace("one", skills=("git",)))
    (path,) = house.tree.manifests.folder.iterdir()
    before = identity(path)
    wanted = [FileContent.of(file.path, b"two", file.owner) for file in workspace().files]
    house.made(WorkspaceContent("coder", "coder", (*wanted, *workspace("one", skills=("git",)).files[-1:]), ()))
    assert house.text("TOOLS.md") == "two"
    assert identity(path) == before


@pytest.mark.parametrize("path", [*RENDERED, skill("git")])
def test_a_rendered_file_follows_what_is_wanted(house: House, path: str) -> None:
    house.made(workspace("one", skills=("git",)))
    outcome = house.made(workspace("two", skills=("git",)), look=False)
    assert house.text(path) == f"{path} two\n"
    assert [(change.before, change.after) for change in outcome.changes if change.path == path] == [
        (f"{path} one\n".encode(), f"{path} two\n".encode())
    ]


@pytest.mark.parametrize("drift", DRIFTS)
@pytest.mark.parametrize("path", ["TOOLS.md", skill("git")])
def test_drift_of_a_rendered_file_is_healed_when_one_looks(
    house: House, path: str, drift: Callable[[Path], None]
) -> None:
    wanted = workspace(skills=("git",))
    house.made(wanted)
    drift(house.home / path)
    outcome = house.made(wanted)
    assert [change.path for change in outcome.changes] == [path]
    assert house.text(path) == f"{path} one\n"
    status = (house.home / path).lstat()
    assert stat.S_ISREG(status.st_mode)
    assert (stat.S_IMODE(status.st_mode), status.st_nlink) == (0o600, 1)
    assert house.made(wanted).changes == ()


def test_a_rendered_file_that_may_not_be_read_is_healed(house_of_nobody: House) -> None:
    wanted = workspace(skills=("git",))
    house_of_nobody.made(wanted)
    for path in ("TOOLS.md", skill("git")):
        (house_of_nobody.home / path).chmod(0o000)
    assert {change.path for change in house_of_nobody.made(wanted).changes} == {"TOOLS.md", skill("git")}
    assert house_of_nobody.files() == contents(wanted)


def test_what_is_no_file_is_not_opened(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """To open a device may wind a tape."""
    house.made(workspace())
    made_a_pipe(house.home / "TOOLS.md")
    names: list[str] = []
    opens = os.open

    def opened_in(name: str, *arguments: int, dir_fd: int | None = None) -> int:
        names.append(name)
        return opens(name, *arguments, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", opened_in)
    house.made(workspace())
    assert "AGENTS.md" in names
    assert "TOOLS.md" not in names


def test_nothing_is_looked_at_that_was_seen_to_stand_unless_asked(house: House) -> None:
    wanted = workspace()
    house.made(wanted)
    edited(house.home / "TOOLS.md")
    assert house.made(wanted, look=False).changes == ()
    house.made(workspace("two"), look=False)
    assert house.text("TOOLS.md") == "TOOLS.md two\n"


# --- what is the agent's


@pytest.mark.parametrize("path", OF_THE_AGENT)
@pytest.mark.parametrize("text", ["mine", ""])
def test_a_file_of_the_agent_is_never_touched_once_it_exists(house: House, path: str, text: str) -> None:
    house.made(workspace("one"))
    (house.home / path).write_text(text)
    house.made(workspace("two"))
    house.live_again()
    house.made(workspace("three"))
    assert house.text(path) == text


@pytest.mark.parametrize("drift", [edited, emptied, grown, opened, shut, named_twice, linked_to_nothing, made_a_pipe])
@pytest.mark.parametrize("path", OF_THE_AGENT)
def test_whatever_the_agent_makes_of_its_file_is_no_drift(
    house_of_nobody: House, path: str, drift: Callable[[Path], None]
) -> None:
    house_of_nobody.made(workspace("one"))
    drift(house_of_nobody.home / path)
    before = identity(house_of_nobody.home / path)
    outcome = house_of_nobody.made(workspace("two"))
    assert path not in {change.path for change in outcome.changes}
    assert identity(house_of_nobody.home / path) == before


@pytest.mark.parametrize("path", OF_THE_AGENT)
def test_a_file_of_the_agent_that_is_gone_is_made_again(house: House, path: str) -> None:
    house.made(workspace("one"))
    (house.home / path).unlink()
    house.made(workspace("two"))
    assert house.text(path) == f"{path} two\n"


@pytest.mark.parametrize("path", OF_THE_AGENT)
def test_a_file_of_the_agent_is_overwritten_for_whoever_demands_it(house: House, path: str) -> None:
    house.made(workspace("one"))
    (house.home / path).write_text("mine")
    outcome = house.made(workspace("two"), demand=Demand(overwrite=True))
    assert house.text(path) == f"{path} two\n"
    assert (b"mine", f"{path} two\n".encode()) in [(change.before, change.after) for change in outcome.changes]


def test_other_files_of_the_agent_are_not_touched(house: House) -> None:
    house.made(workspace())
    theirs = {"notes.md": b"1", "memory/2026-11-29.md": b"2", "deliverables/report.pdf": b"3", ".hidden": b"4"}
    for path, content in theirs.items():
        (house.home / path).write_bytes(content)
    house.made(workspace("two"))
    assert {path: content for path, content in house.files().items() if path in theirs} == theirs


@pytest.mark.parametrize("path", OF_THE_AGENT)
def test_a_file_that_the_agent_writes_just_before_we_do_is_not_touched(house: House, path: str) -> None:
    house.made(workspace("one"))
    (house.home / path).unlink()
    house.live_again(GateWith(lambda: (house.home / path).write_text("mine")))
    outcome = house.made(workspace("one"))
    assert house.text(path) == "mine"
    assert outcome.changes == ()
    assert house.temporaries() == []


def test_a_disk_without_hard_links_will_do(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> NoReturn:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    house.made(workspace())
    assert house.files() == contents(workspace())
    (house.home / "SELF.md").unlink()
    house.live_again(GateWith(lambda: (house.home / "SELF.md").write_text("mine")))
    house.made(workspace())
    assert house.text("SELF.md") == "mine"
    assert house.temporaries() == []


# --- the bootstrap


def test_the_bootstrap_of_a_workspace_that_was_never_whole_is_still_written(house: House) -> None:
    """Whatever stops the first publish: a stop here, and a full disk in tests/faults/test_workspaces.py."""
    house.live_again(GateWith(lambda: house.gate.close()))  # noqa: PLW0108 - there is no such gate yet
    with pytest.raises(StoppedError):
        house.publish(workspace())
    assert not house.home.exists()
    house.live_again()
    house.made(workspace())
    assert house.files() == contents(workspace())


def test_a_new_workspace_is_whole_when_it_gets_its_name(house: House) -> None:
    house.killed(workspace(skills=("git",)))
    assert not house.home.exists()
    house.made(workspace(skills=("git",)))
    assert house.files() == contents(workspace(skills=("git",)))
    assert [path.name for path in house.root.iterdir()] == ["coder"]


def test_what_a_killed_process_has_not_finished_is_removed_and_was_never_bootstrapped(house: House) -> None:
    house.made(workspace())
    house.home.rename(house.root / ".coder.0123456789ab.new")
    house.live_again()
    house.made(workspace())
    assert BOOTSTRAP in house.files()
    assert [path.name for path in house.root.iterdir()] == ["coder"]


def test_a_workspace_that_somebody_removed_is_made_again_without_its_bootstrap(house: House) -> None:
    house.made(workspace())
    shutil.rmtree(house.home)
    house.live_again()
    house.made(workspace())
    assert contents(workspace()).keys() - house.files().keys() == {BOOTSTRAP}


def test_a_bootstrap_that_somebody_wrote_into_a_workspace_that_was_never_whole_stays(house: House) -> None:
    house.killed(workspace())
    house.home.mkdir(parents=True)
    (house.home / BOOTSTRAP).write_text("theirs")
    house.made(workspace())
    house.made(workspace("two"))
    assert house.text(BOOTSTRAP) == "theirs"


def test_the_bootstrap_is_not_written_again_when_the_agent_has_deleted_it(house: House) -> None:
    house.made(workspace("one"))
    (house.home / BOOTSTRAP).unlink()
    house.made(workspace("two"))
    house.live_again()
    house.made(workspace("three"))
    assert BOOTSTRAP not in house.files()


def test_the_bootstrap_is_left_alone_when_what_is_wanted_changes(house: House) -> None:
    house.made(workspace("one"))
    house.made(workspace("two"))
    assert house.text(BOOTSTRAP) == f"{BOOTSTRAP} one\n"


@pytest.mark.parametrize("theirs", ["AGENTS.md", "notes.md"])
def test_a_workspace_that_somebody_made_before_us_counts_as_bootstrapped(house: House, theirs: str) -> None:
    house.home.mkdir(parents=True)
    (house.home / theirs).write_text("theirs")
    house.made(workspace())
    assert BOOTSTRAP not in house.files()


def test_an_empty_folder_is_a_new_workspace(house: House) -> None:
    house.home.mkdir(parents=True)
    house.made(workspace())
    assert BOOTSTRAP in house.files()


def test_the_bootstrap_is_written_once_more_for_whoever_demands_it(house: House) -> None:
    house.made(workspace())
    (house.home / BOOTSTRAP).unlink()
    house.made(workspace(), demand=Demand(bootstrap=True))
    assert BOOTSTRAP in house.files()
    (house.home / BOOTSTRAP).unlink()
    house.made(workspace())
    assert BOOTSTRAP not in house.files()


# --- whose it is


@needs_root
def test_what_root_makes_belongs_to_the_owner_of_the_folder_above(house: House) -> None:
    house.root.mkdir()
    os.chown(house.root, NOBODY, NOBODY)
    house.made(workspace(skills=("git",)))
    assert {path.stat().st_uid for path in house.home.rglob("*")} == {NOBODY}
    assert house.home.stat().st_uid == NOBODY


@needs_root
def test_a_folder_that_root_was_killed_before_it_handed_over_is_handed_over_by_the_next_life(house: House) -> None:
    house.root.mkdir()
    os.chown(house.root, NOBODY, NOBODY)
    house.home.mkdir(mode=0o700)
    house.made(workspace(skills=("git",)))
    assert {path.stat().st_uid for path in (house.home, *house.home.rglob("*"))} == {NOBODY}


# --- the name of the folder


def test_what_stands_under_another_name_is_somebody_elses(house: House) -> None:
    """An operator gave the folders a prefix, and an earlier system had made such ones."""
    house.made(workspace(skills=("git",)))
    theirs = house.root / "workspace-coder"
    (theirs / "skills" / "git").mkdir(parents=True)
    (theirs / skill("git")).write_text("theirs")
    outcome = house.made(workspace(skills=("git",), prefix="workspace-"))
    assert outcome.foreign == (skill("git"),)
    assert (theirs / skill("git")).read_text() == "theirs"
    assert not (theirs / BOOTSTRAP).exists()


def test_a_new_folder_under_another_name_is_bootstrapped(house: House) -> None:
    house.made(workspace())
    house.made(workspace(prefix="workspace-"))
    assert (house.root / "workspace-coder" / BOOTSTRAP).exists()


def test_what_is_archived_is_what_we_made_and_not_what_stands_under_another_name(house: House) -> None:
    house.made(workspace())
    (house.root / "workspace-coder").mkdir()
    place = house.tree.archive("coder", "workspace-coder", at="then")
    assert place == house.root / ".archive" / "coder.then"
    assert [path.name for path in sorted(house.root.iterdir())] == [".archive", "workspace-coder"]


# --- what would be done


def test_a_preview_of_a_folder_that_is_gone_has_no_bootstrap_that_was_written_once(house: House) -> None:
    house.made(workspace())
    shutil.rmtree(house.home)
    (said,) = house.tree.preview([workspace()])
    assert house.made(workspace()) == said


def test_a_preview_makes_no_folder(house: House) -> None:
    (said,) = house.tree.preview([workspace()])
    assert {change.path for change in said.changes} == set(contents(workspace()))
    assert list(house.folder.iterdir()) == []


@pytest.mark.parametrize("place", ["workspaces", "workspaces/coder", "workspaces/coder/memory"])
def test_a_preview_of_what_cannot_be_read_says_so(house: House, place: str) -> None:
    (house.folder / place).parent.mkdir(parents=True, exist_ok=True)
    (house.folder / place).touch()
    (said,) = house.tree.preview([workspace()])
    assert said.error == f"{house.folder / place}: a symbolic link or a file stands where a folder must be: remove it"


def test_a_preview_says_what_a_publish_does_and_does_nothing(house: House) -> None:
    (house.home / "skills" / "mine").mkdir(parents=True)
    (house.home / skill("mine")).write_text("theirs")
    house.made(workspace("one", skills=("git", "sql", "mine")))
    (house.home / skill("sql")).write_text("edited")
    wanted = workspace("two", skills=("mine", "new"))
    before = house.files()
    (said,) = house.tree.preview([wanted])
    assert house.files() == before
    assert house.made(wanted) == said
