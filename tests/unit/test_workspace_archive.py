"""The workspaces of agents that are gone: moved whole, and nothing is lost."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from unit.workspaces import (
    House,
    contents,
    edited,
    linked_elsewhere,
    workspace,
)

from agent_config_sync.errors import PublishError, StoppedError


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


def test_an_earlier_archive_is_never_overwritten(house: House) -> None:
    for text in ("one", "two", "three"):
        house.made(workspace(text))
        house.tree.archive("coder", "coder", at="then")
        house.live_again()
    archive = house.root / ".archive"
    assert {path.name: (path / "TOOLS.md").read_text() for path in archive.iterdir()} == {
        "coder.then": "TOOLS.md one\n",
        "coder.then-2": "TOOLS.md two\n",
        "coder.then-3": "TOOLS.md three\n",
    }


def test_what_stands_in_the_archive_is_never_overwritten_by_whatever_stood_in_the_place_of_a_workspace(
    house: House,
) -> None:
    house.root.mkdir()
    for text in ("one", "two"):
        house.home.symlink_to(text)
        house.tree.archive("coder", "coder", at="then")
    archive = house.root / ".archive"
    assert {path.name: str(path.readlink()) for path in archive.iterdir()} == {
        "coder.then": "one",
        "coder.then-2": "two",
    }


def test_the_archive_of_a_workspace_that_is_gone_makes_nothing_and_forgets_it(house: House) -> None:
    house.made(workspace())
    shutil.rmtree(house.home)
    assert house.tree.archive("coder", "coder", at="then") is None
    assert list(house.root.iterdir()) == []
    assert house.tree.left_over([]) == ()
    house.made(workspace(), look=False)
    assert house.files() == contents(workspace())


def test_the_archive_of_a_workspace_whose_root_is_gone_makes_nothing(house: House) -> None:
    assert house.tree.archive("coder", "coder", at="then") is None
    assert not house.root.exists()


def test_nothing_is_archived_once_the_gate_is_closed(house: House) -> None:
    house.made(workspace())
    house.gate.close()
    with pytest.raises(StoppedError):
        house.tree.archive("coder", "coder", at="then")
    assert house.files() == contents(workspace())


@pytest.mark.parametrize("put", [linked_elsewhere, edited], ids=["a link", "a file"])
def test_nothing_is_archived_where_the_archive_is_no_folder(house: House, put: Callable[[Path], None]) -> None:
    house.made(workspace())
    put(house.root / ".archive")
    with pytest.raises(PublishError, match=rf"{house.home} cannot be moved to {house.root}/\.archive/coder\.then: "):
        house.tree.archive("coder", "coder", at="then")
    assert house.files() == contents(workspace())
    assert house.tree.left_over([]) == ("coder",)


def test_an_agent_that_another_process_archived_gets_a_new_workspace_when_it_comes_back(house: House) -> None:
    wanted, other = workspace(), House(house.folder)
    house.made(wanted)
    other.tree.archive("coder", "coder", at="then")
    house.made(workspace(), look=False)
    assert house.files() == contents(wanted)
