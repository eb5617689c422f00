"""install/door.py: the folder that the gateway loads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent_config_sync.errors import PublishError
from agent_config_sync.install.door import FILES, door_problem, write_door


@pytest.fixture
def door(tmp_path: Path) -> Path:
    folder = tmp_path / "door"
    write_door(folder)
    return folder


def test_what_was_written_is_what_a_gateway_loads(door: Path) -> None:
    assert door_problem(door) is None
    assert sorted(path.name for path in door.iterdir()) == sorted(FILES)


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_no_umask_makes_it_another(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_door(tmp_path / "door")
    finally:
        os.umask(before)
    assert door_problem(tmp_path / "door") is None


def test_a_folder_that_others_may_write_is_mended(door: Path) -> None:
    door.chmod(0o777)
    assert door_problem(door) == f"others may write {door}"
    write_door(door)
    assert door.stat().st_mode & 0o777 == 0o755


def test_a_private_folder_stays_private(door: Path) -> None:
    door.chmod(0o700)
    write_door(door)
    assert door.stat().st_mode & 0o777 == 0o700


def test_a_file_of_another_version_is_named_and_replaced(door: Path) -> None:
    (door / "index.js").write_text("old")
    assert door_problem(door) == f"{door}/index.js is of another version"
    write_door(door)
    assert door_problem(door) is None


def test_a_file_that_is_missing_is_named(door: Path) -> None:
    (door / "package.json").unlink()
    assert door_problem(door) == f"{door}/package.json is missing"


def test_another_users_folder_is_named(door: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:  # what root owns, everybody's gateway loads
        os.chown(door, 65534, 65534)
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    assert door_problem(door) == f"{door} belongs to another user"


def test_a_folder_that_cannot_be_made_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PublishError, match="cannot be written"):
        write_door(tmp_path / "file" / "door")
