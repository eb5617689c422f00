"""template_folder.py: an operator's own templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent_config_sync.errors import SettingsError
from agent_config_sync.settings import Settings
from agent_config_sync.template_folder import LONGEST, OwnTemplates, read_own_templates


def read(**settings: Any) -> OwnTemplates:
    return read_own_templates(Settings.model_validate(settings))


def test_nothing_is_read_where_nothing_is_set() -> None:
    assert read() == OwnTemplates({}, {})


def test_a_template_may_carry_jinjas_suffix_or_none(tmp_path: Path) -> None:
    (tmp_path / "SOUL.md").write_text("a")
    (tmp_path / "USER.md.j2").write_text("b")
    (tmp_path / "notes.txt").write_text("c")
    (tmp_path / "folder.md").mkdir()
    assert read(templates_dir=tmp_path).templates == {"SOUL.md": "a", "USER.md": "b"}


def test_two_files_of_one_template_are_both_named(tmp_path: Path) -> None:
    for name in ("SOUL.md", "SOUL.md.j2"):
        (tmp_path / name).touch()
    with pytest.raises(SettingsError, match=r"SOUL\.md and .*SOUL\.md\.j2 are the same template: remove one"):
        read(templates_dir=tmp_path)


def test_the_files_that_are_taken_as_they_are_stand_for_files_of_the_workspace(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("{{ a }}")
    (tmp_path / "h").write_text("{{ h }}")
    assert read(agents_md_path=tmp_path / "a", heartbeat_md_path=tmp_path / "h").literal == {
        "AGENTS.md": "{{ a }}",
        "HEARTBEAT.md": "{{ h }}",
    }


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"templates_dir .*/gone cannot be read \(No such file or directory\)"):
        read(templates_dir=tmp_path / "gone")
    with pytest.raises(SettingsError, match=r"the template .*/gone cannot be read \(No such file or directory\)"):
        read(agents_md_path=tmp_path / "gone")
    (tmp_path / "SOUL.md").write_bytes(b"\xff")
    with pytest.raises(SettingsError, match=r"the template .*/SOUL\.md is not UTF-8 text"):
        read(templates_dir=tmp_path)
    (tmp_path / "SOUL.md").write_bytes(b"x" * (LONGEST + 1))
    with pytest.raises(SettingsError, match=r"the template .*/SOUL\.md has more than 1,000,000 bytes"):
        read(templates_dir=tmp_path)
