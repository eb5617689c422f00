"""doctor/output.py: can the file be written where it belongs?"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_config_sync.doctor.finding import Finding
from agent_config_sync.doctor.output import examine_output
from agent_config_sync.settings import Settings

NOBODY = 65534


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "gateway").mkdir()
    config = tmp_path / "gateway" / "openclaw.json"
    config.write_text("{}")
    return Settings.model_validate({"config_path": config, "state_dir": tmp_path / "state"})


@contextlib.contextmanager
def unprivileged(*folders: Path) -> Iterator[None]:
    """Be a user who may not write in these folders: root may write anywhere."""
    for folder in folders:
        folder.chmod(0o555)
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if was_root:
            os.seteuid(0)
        for folder in folders:
            folder.chmod(0o755)


def as_anybody(settings: Settings, *folders: Path) -> tuple[Finding, ...]:
    for folder in settings.config_path.parents:
        if folder.stat().st_uid == os.geteuid() and not stat.S_IMODE(folder.stat().st_mode) & stat.S_IXOTH:
            folder.chmod(0o755)
    with unprivileged(*folders):
        return examine_output(settings)


def test_a_folder_in_which_we_may_write_is_no_finding(settings: Settings) -> None:
    assert examine_output(settings) == ()


@pytest.mark.parametrize(("name", "setting"), [("output_unwritable", "output_path"), ("state_unwritable", "state_dir")])
def test_a_folder_in_which_we_may_not_write_is_found(settings: Settings, name: str, setting: str) -> None:
    settings.state_dir.mkdir()
    folder = settings.output.parent if name == "output_unwritable" else settings.state_dir
    other = settings.state_dir if name == "output_unwritable" else settings.output.parent
    other.chmod(0o777)
    (finding,) = as_anybody(settings, folder)
    assert (finding.name, setting in finding.cure.text) == (name, True)
    assert str(folder) in finding.what
    assert examine_output(settings) == ()  # as a user who may


def test_a_state_folder_that_is_not_there_yet_is_no_finding_where_it_can_be_made(settings: Settings) -> None:
    assert not settings.state_dir.exists()
    assert examine_output(settings) == ()


@pytest.mark.parametrize("kind", ["symbolic link", "directory"])
def test_something_else_in_the_place_of_the_file_is_found(settings: Settings, kind: str) -> None:
    if kind == "directory":
        settings.output.mkdir()
    else:
        settings.output.symlink_to(settings.config_path)
    (finding,) = examine_output(settings)
    assert (finding.name, kind in finding.what) == ("output_foreign", True)


def test_a_file_of_another_owner_than_the_gateways_is_found_with_the_command(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.output.write_text("{}")
    owners = {settings.output: NOBODY, settings.config_path: 0}
    monkeypatch.setattr("agent_config_sync.doctor.output._owner", owners.get)
    (finding,) = examine_output(settings)
    assert finding.name == "output_foreign"
    assert finding.cure.text == f"chown root {settings.output}"
