"""publish/tree.py: a workspace becomes what it should be, and what is the agent's stays the agent's."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness import NOBODY, rights_of_nobody
from unit.workspaces import BOOTSTRAP, OF_THE_AGENT, RENDERED, House, contents, skill, workspace

from agent_config_sync.errors import StoppedError
from agent_config_sync.publish.workspace import Demand, FileContent, WorkspaceContent


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def house_of_nobody() -> Iterator[House]:
    """A house of a user whom a file's mode stops, and whose rights the test has."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        if os.geteuid() == 0:
            os.chown(name, NOBODY, NOBODY)
        with rights_of_nobody():
            yield House(Path(name))


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
    before = path.stat()
    wanted = [FileContent.of(file.path, b"two", file.owner) for file in workspace().files]
    house.made(WorkspaceContent("coder", "coder", (*wanted, *workspace("one", skills=("git",)).files[-1:]), ()))
    assert house.text("TOOLS.md") == "two"
    assert path.stat() == before


@pytest.mark.parametrize("path", [*RENDERED, skill("git")])
def test_a_rendered_file_follows_what_is_wanted(house: House, path: str) -> None:
    house.made(workspace("one", skills=("git",)))
    outcome = house.made(workspace("two", skills=("git",)), look=False)
    assert house.text(path) == f"{path} two\n"
    assert [(change.before, change.after) for change in outcome.changes if change.path == path] == [
        (f"{path} one\n".encode(), f"{path} two\n".encode())
    ]


def removed(path: Path) -> None:
    path.unlink()


def edited(path: Path) -> None:
    path.write_text("edited")


def emptied(path: Path) -> None:
    path.write_text("")


def grown(path: Path) -> None:
    """Without a byte of it on the disk."""
    os.truncate(path, 100_000_000_000)


def opened(path: Path) -> None:
    path.chmod(0o644)


def shut(path: Path) -> None:
    path.chmod(0o000)


def made_a_program(path: Path) -> None:
    path.chmod(0o4700)


def named_twice(path: Path) -> None:
    path.with_name("other").hardlink_to(path)


def linked(path: Path) -> None:
    other = path.with_name("other")
    path.rename(other)
    path.symlink_to(other.name)


def linked_to_nothing(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def linked_elsewhere(path: Path) -> None:
    path.symlink_to("/usr")


def made_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DRIFTS = [
    removed,
    edited,
    emptied,
    grown,
    opened,
    shut,
    made_a_program,
    named_twice,
    linked,
    linked_to_nothing,
    made_a_pipe,
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
    before = (house_of_nobody.home / path).lstat()
    outcome = house_of_nobody.made(workspace("two"))
    assert path not in {change.path for change in outcome.changes}
    assert (house_of_nobody.home / path).lstat() == before


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


# --- the bootstrap


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


# --- skills


def test_a_skill_that_is_no_longer_assigned_goes_with_its_folder(house: House) -> None:
    house.made(workspace(skills=("git", "sql")))
    outcome = house.made(workspace(skills=("sql",)))
    assert [(change.path, change.before, change.after) for change in outcome.changes] == [
        (skill("git"), f"{skill('git')} one\n".encode(), None)
    ]
    assert [path.name for path in (house.home / "skills").iterdir()] == ["sql"]


def test_a_skill_of_an_earlier_life_goes_too(house: House) -> None:
    house.made(workspace(skills=("git",)))
    house.live_again()
    house.made(workspace())
    assert list((house.home / "skills").iterdir()) == []


def test_what_somebody_put_beside_a_skill_of_ours_stays(house: House) -> None:
    house.made(workspace(skills=("git",)))
    (house.home / "skills" / "git" / "notes.md").write_text("theirs")
    house.made(workspace())
    assert [path.name for path in (house.home / "skills" / "git").iterdir()] == ["notes.md"]


def test_a_skill_that_the_agent_edited_stays_when_it_is_no_longer_assigned(house: House) -> None:
    house.made(workspace(skills=("git",)))
    (house.home / skill("git")).write_text("edited")
    outcome = house.made(workspace())
    assert outcome.foreign == (skill("git"),)
    assert house.text(skill("git")) == "edited"


@pytest.mark.parametrize("drift", [emptied, grown, shut, linked, linked_to_nothing, made_a_pipe])
def test_whatever_the_agent_makes_of_a_skill_stays_and_is_reported_when_it_is_no_longer_assigned(
    house_of_nobody: House, drift: Callable[[Path], None]
) -> None:
    path = house_of_nobody.home / skill("git")
    house_of_nobody.made(workspace(skills=("git",)))
    drift(path)
    before = path.lstat()
    assert house_of_nobody.made(workspace()).foreign == (skill("git"),)
    assert path.lstat() == before


def test_what_the_agent_made_of_a_skill_is_reported_as_long_as_it_stays(house: House) -> None:
    house.made(workspace(skills=("git",)))
    edited(house.home / skill("git"))
    for _ in range(2):
        assert house.made(workspace()).foreign == (skill("git"),)
        house.live_again()
    assert house.made(workspace("two", skills=("git",))).foreign == (skill("git"),)
    (house.home / skill("git")).unlink()
    assert house.made(workspace("two", skills=("git",))).foreign == ()
    assert house.text(skill("git")) == f"{skill('git')} two\n"


@pytest.mark.parametrize("instead", [linked_elsewhere, edited], ids=["a link", "a file"])
@pytest.mark.parametrize("path", ["skills", "skills/git"])
def test_what_stands_in_the_place_of_a_folder_of_skills_stays_and_is_reported(
    house: House, path: str, instead: Callable[[Path], None]
) -> None:
    house.made(workspace("one", skills=("git",)))
    shutil.rmtree(house.home / path)
    instead(house.home / path)
    before = (house.home / path).lstat()
    for wanted in (workspace("two", skills=("git",)), workspace("three")):
        assert house.made(wanted).foreign == (skill("git"),)
        assert house.made(wanted).foreign == (skill("git"),)
    assert (house.home / path).lstat() == before
    assert house.text("TOOLS.md") == "TOOLS.md three\n"


def test_a_folder_of_skills_that_comes_back_is_still_ours(house: House) -> None:
    house.made(workspace("one", skills=("git",)))
    (house.home / "skills").rename(house.home / "aside")
    linked_elsewhere(house.home / "skills")
    house.made(workspace("two", skills=("git",)))
    (house.home / "skills").unlink()
    (house.home / "aside").rename(house.home / "skills")
    house.made(workspace("two", skills=("git",)))
    assert house.text(skill("git")) == f"{skill('git')} two\n"


def test_a_skill_that_somebody_else_wrote_is_never_overwritten(house: House) -> None:
    (house.home / "skills" / "git").mkdir(parents=True)
    (house.home / skill("git")).write_text("theirs")
    for text in ("one", "two"):
        outcome = house.made(workspace(text, skills=("git", "sql")))
        assert outcome.foreign == (skill("git"),)
        house.live_again()
    assert house.text(skill("git")) == "theirs"
    assert house.text(skill("sql")) == f"{skill('sql')} two\n"
    house.made(workspace())
    assert house.text(skill("git")) == "theirs"


def test_a_skill_that_somebody_else_wrote_is_overwritten_for_whoever_demands_it(house: House) -> None:
    (house.home / "skills" / "git").mkdir(parents=True)
    (house.home / skill("git")).write_text("theirs")
    house.made(workspace(skills=("git",)), demand=Demand(overwrite=True))
    assert house.text(skill("git")) == f"{skill('git')} one\n"
    house.made(workspace())
    assert skill("git") not in house.files()


# --- the gate


def test_once_the_gate_is_closed_nothing_is_written_or_removed(house: House) -> None:
    house.made(workspace("one", skills=("git",)))
    before = house.files()
    house.gate.close()
    with pytest.raises(StoppedError):
        house.publish(workspace("two"))
    assert house.files() == before
    assert house.temporaries() == []


# --- the archive


def test_the_workspace_of_an_agent_that_is_gone_is_moved_whole(house: House) -> None:
    house.made(workspace())
    (house.home / "notes.md").write_text("mine")
    before = house.files()
    assert house.tree.left_over([]) == ("coder",)
    place = house.tree.archive("coder", "coder", at="2026-11-29")
    assert place == house.root / ".archive" / "coder.2026-11-29"
    assert not house.home.exists()
    assert {path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*") if path.is_file()} == (
        before
    )
    assert house.tree.left_over([]) == ()


def test_an_agent_that_comes_back_gets_a_new_workspace(house: House) -> None:
    wanted = workspace()
    house.made(wanted)
    house.tree.archive("coder", "coder", at="then")
    house.made(wanted, look=False)
    assert house.files() == contents(wanted)


# --- what would be done


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
