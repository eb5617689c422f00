"""All folders of skills: what changed is read again, what did not is not, and what cannot be read is not gone."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from harness import make_settings

from agent_config_sync.publish.manifest import Manifest, Manifests
from agent_config_sync.skills.folders import SkillFolders

SOUND = "---\nname: {0}\ndescription: x\n---\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "workspaces"


@pytest.fixture
def manifests(tmp_path: Path, root: Path) -> Manifests:
    return Manifests(tmp_path / "state", root)


@pytest.fixture
def folders(tmp_path: Path, root: Path, manifests: Manifests) -> SkillFolders:
    settings = make_settings("postgresql://nowhere", tmp_path, workspace_root=root, data_dir=tmp_path / "data")
    return SkillFolders(settings, manifests)


def put(folder: Path, slug: str = "git", text: str | None = None) -> Path:
    """Put a skill in place that is older than any tick of a clock."""
    path = folder / slug / "SKILL.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text if text is not None else SOUND.format(slug))
    settle(folder)
    return path


def settle(folder: Path, seconds: float = 10.0) -> None:
    before = time.time() - seconds
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (before, before), follow_symlinks=False)


def slugs(folders: SkillFolders) -> list[tuple[str, str]]:
    return [(skill.agent, skill.slug) for skill in folders.skills]


def test_skills_of_agents_and_shared_ones_are_found(folders: SkillFolders, root: Path, tmp_path: Path) -> None:
    put(root / "coder" / "skills")
    put(tmp_path / "data" / "skills", "sql")
    assert folders.look(["coder", "lead"], again=False)
    assert slugs(folders) == [("", "sql"), ("coder", "git")]


def test_a_folder_that_did_not_change_is_not_read_again(folders: SkillFolders, root: Path) -> None:
    put(root / "coder" / "skills")
    assert folders.look(["coder"], again=False)
    assert not folders.look(["coder"], again=False)


def edited(skills: Path) -> None:
    (skills / "git" / "SKILL.md").write_text(SOUND.format("other"))


def added(skills: Path) -> None:
    put(skills, "another")


def removed(skills: Path) -> None:
    (skills / "git" / "SKILL.md").unlink()


def moved_away(skills: Path) -> None:
    skills.rename(skills.with_name("elsewhere"))


@pytest.mark.parametrize("change", [edited, added, removed, moved_away])
def test_a_folder_that_changed_is_read_again(folders: SkillFolders, root: Path, change: object) -> None:
    put(root / "coder" / "skills")
    folders.look(["coder"], again=False)
    before = folders.skills
    assert callable(change)
    change(root / "coder" / "skills")
    assert folders.look(["coder"], again=False)
    assert folders.skills != before


def test_a_folder_that_comes_into_being_is_read(folders: SkillFolders, root: Path) -> None:
    folders.look(["coder"], again=False)
    put(root / "coder" / "skills")
    assert folders.look(["coder"], again=False)
    assert slugs(folders) == [("coder", "git")]


def test_a_change_within_the_tick_of_the_clock_is_not_missed(folders: SkillFolders, root: Path) -> None:
    path = put(root / "coder" / "skills")
    path.write_text(SOUND.format("one"))
    folders.look(["coder"], again=False)
    times = path.stat()
    path.write_text(SOUND.format("two"))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert folders.look(["coder"], again=False)
    assert [skill.name for skill in folders.skills] == ["two"]


def test_everything_is_read_again_when_it_is_asked_for(folders: SkillFolders, root: Path) -> None:
    put(root / "coder" / "skills")
    folders.look(["coder"], again=False)
    assert folders.look(["coder"], again=True)


def test_the_skills_of_an_agent_that_is_gone_are_gone(folders: SkillFolders, root: Path) -> None:
    put(root / "coder" / "skills")
    folders.look(["coder"], again=False)
    assert folders.look([], again=False)
    assert folders.skills == ()


def test_what_we_wrote_is_passed_by_and_what_its_agent_made_its_own_is_not(
    folders: SkillFolders, root: Path, manifests: Manifests
) -> None:
    for slug in ("ours", "made-own", "theirs"):
        put(root / "coder" / "skills", slug)
    manifests.save("coder", Manifest(skills={"skills/ours/SKILL.md": ("0" * 64,), "skills/made-own/SKILL.md": ()}))
    folders.look(["coder"], again=False)
    assert slugs(folders) == [("coder", "made-own"), ("coder", "theirs")]


def test_a_folder_that_cannot_be_read_keeps_what_was_seen_there_and_says_so(folders: SkillFolders, root: Path) -> None:
    skills = root / "coder" / "skills"
    put(skills)
    folders.look(["coder"], again=False)
    skills.rename(skills.with_name("elsewhere"))
    skills.write_text("no folder")
    folders.look(["coder"], again=False)
    assert slugs(folders) == [("coder", "git")]
    assert folders.left_out == (f"{skills}: Not a directory",)


def test_a_link_on_the_way_to_a_workspace_leads_nowhere(folders: SkillFolders, root: Path, tmp_path: Path) -> None:
    put(tmp_path / "outside" / "skills")
    root.mkdir()
    (root / "coder").symlink_to(tmp_path / "outside")
    folders.look(["coder"], again=False)
    assert folders.skills == ()
    assert folders.left_out == (f"{root}/coder/skills: Not a directory",)


def test_the_shared_folder_may_be_a_link_of_the_operator(folders: SkillFolders, tmp_path: Path) -> None:
    put(tmp_path / "outside")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "skills").symlink_to(tmp_path / "outside")
    folders.look([], again=False)
    assert slugs(folders) == [("", "git")]
