"""Nothing is read into a workspace, written or removed through a symbolic link, not even one swapped in meanwhile."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from unit.workspaces import BOOTSTRAP, OF_THE_AGENT, House, contents, skill, workspace

from agent_config_sync.publish.workspace import Demand, Outcome, WorkspaceContent

ROUNDS = 150
SECRET = b"nobody's business\n"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    return folder


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the threads meet as often as they can: no disk, and no turn of a thread that lasts."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


class Swapper:
    """Puts a link to somewhere else in the place of something, and back, again and again, in a thread."""

    def __init__(self, path: Path, target: Path) -> None:
        self.swaps = 0
        self._path = path
        self._aside = path.with_name(".aside")
        self._target = target
        self._end = threading.Event()

    @contextlib.contextmanager
    def swapping(self) -> Iterator[None]:
        thread = threading.Thread(target=self._swap)
        thread.start()
        try:
            yield
        finally:
            self._end.set()
            thread.join()

    def _swap(self) -> None:
        while not self._end.is_set():
            with contextlib.suppress(OSError):  # the other thread came first
                self._path.rename(self._aside)
                self._path.symlink_to(self._target)
                self.swaps += 1
            self._back()

    def _back(self) -> None:
        """Let what was there be there again, whatever was made in its place."""
        while self._aside.exists():
            with contextlib.suppress(OSError):
                _remove(self._path)
                self._aside.rename(self._path)


def _remove(path: Path) -> None:
    """Remove whatever stands there, and nothing that it leads to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def published_during(house: House, swapper: Swapper, *, ours_goes: bool = False) -> list[Outcome]:
    """Publish one thing after another while what is there is swapped. ours_goes: we remove the skill now and then, else
    the agent removes it, and its own files."""
    outcomes = []
    with swapper.swapping():
        for number in itertools.count():
            skills = () if ours_goes and number % 2 else ("git",)
            outcomes.append(house.publish(workspace(f"{number}", skills=skills)))
            for path in (*OF_THE_AGENT, skill("git")) if not ours_goes else ():
                with contextlib.suppress(OSError):
                    (house.home / path).unlink()
            if number >= ROUNDS and swapper.swaps >= ROUNDS:
                break
    return outcomes


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("place", ["", "memory", "skills", "skills/git"])
def test_a_folder_that_is_swapped_for_a_link_again_and_again_leads_nowhere(
    house: House, outside: Path, place: str
) -> None:
    house.made(workspace(skills=("git",)))
    published_during(house, Swapper(house.home / place, outside))
    assert list(outside.rglob("*")) == []
    house.live_again()
    house.made(workspace("at last", skills=("git",)), demand=Demand(overwrite=True))
    assert {path: house.files()[path] for path in contents(workspace()) if path != BOOTSTRAP} == {
        path: content for path, content in contents(workspace("at last")).items() if path != BOOTSTRAP
    }


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("place", ["TOOLS.md", "SELF.md", skill("git")])
def test_a_file_that_is_swapped_for_a_link_again_and_again_leads_nowhere(
    house: House, outside: Path, place: str
) -> None:
    house.made(workspace(skills=("git",)))
    (outside / "theirs").write_bytes(SECRET)
    outcomes = published_during(house, Swapper(house.home / place, outside / "theirs"))
    assert [(path.name, path.read_bytes(), path.stat().st_nlink) for path in outside.iterdir()] == [
        ("theirs", SECRET, 1)
    ]
    assert SECRET not in {change.before for outcome in outcomes for change in outcome.changes}


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("place", ["", "skills", "skills/git"])
def test_nothing_is_removed_through_a_link_that_is_swapped_in(house: House, outside: Path, place: str) -> None:
    """Not even what looks like ours."""
    house.made(workspace("0", skills=("git",)))
    shutil.copytree(house.home / place, outside, dirs_exist_ok=True)
    before = {path: path.read_bytes() for path in outside.rglob("*") if path.is_file()}
    published_during(house, Swapper(house.home / place, outside), ours_goes=True)
    assert {path: path.read_bytes() for path in outside.rglob("*") if path.is_file()} == before


def linked(house: House, place: str, outside: Path) -> None:
    """Let a link to what looks like ours stand there."""
    for path, content in contents(workspace(skills=("git",))).items():
        if path.startswith(place):
            there = outside / path.removeprefix(place).lstrip("/") if place else outside / path
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_bytes(content)
    _remove(house.home / place)
    (house.home / place).symlink_to(outside)


@pytest.mark.parametrize("wanted", [workspace("two", skills=("git",)), workspace("two")], ids=["changed", "gone"])
@pytest.mark.parametrize("place", ["", "memory", "skills", "skills/git"])
def test_a_link_that_stands_there_is_neither_followed_nor_removed(
    house: House, outside: Path, place: str, wanted: WorkspaceContent
) -> None:
    house.made(workspace(skills=("git",)))
    linked(house, place, outside)
    before = {path: path.read_bytes() for path in outside.rglob("*") if path.is_file()}
    for demand in (None, Demand(overwrite=True, bootstrap=True)):
        house.publish(wanted, demand=demand)
        house.tree.preview([wanted], demand)
    assert {path: path.read_bytes() for path in outside.rglob("*") if path.is_file()} == before
    assert (house.home / place).is_symlink()


def test_a_link_that_comes_between_the_look_and_the_open_is_not_followed(
    house: House, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.made(workspace())
    (outside / "theirs").write_bytes(SECRET)
    stat, file = os.stat, house.home / "TOOLS.md"

    def swapped(path: str, *, dir_fd: int | None = None, follow_symlinks: bool = True) -> os.stat_result:
        status = stat(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)
        if path == file.name and not file.is_symlink():
            file.unlink()
            file.symlink_to(outside / "theirs")
        return status

    monkeypatch.setattr(os, "stat", swapped)
    outcome = house.made(workspace())
    assert [(change.path, change.before) for change in outcome.changes] == [("TOOLS.md", b"")]


def test_the_root_may_be_a_link_of_the_operators(house: House, outside: Path) -> None:
    house.root.symlink_to(outside)
    house.made(workspace())
    assert (outside / "coder" / "TOOLS.md").exists()
