"""A folder of skills, read as the gateway reads it: what is a skill, what keeps it from being one, and what is ours."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from agent_config_sync.model.skills import InstalledSkill
from agent_config_sync.skills.scan import FOLDERS, TOLD, Memory, Scanned, folders_in, scan

SOUND = "---\nname: Git help\ndescription: Helps with git.\n---\nbody\n"


def scanned(folder: Path, ours: frozenset[str] = frozenset(), memory: Memory | None = None) -> Scanned:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return scan(descriptor, folders_in(descriptor), "coder", ours=ours, memory={} if memory is None else memory)
    finally:
        os.close(descriptor)


def put(folder: Path, slug: str, text: str | bytes = SOUND) -> Path:
    path = folder / slug / "SKILL.md"
    path.parent.mkdir()
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def only(found: Scanned) -> InstalledSkill:
    assert found.left_out == ()
    (skill,) = found.skills
    return skill


def test_a_sound_skill_is_told_with_its_name_its_description_and_its_checksum(tmp_path: Path) -> None:
    put(tmp_path, "git-help")
    assert only(scanned(tmp_path)) == InstalledSkill(
        "coder", "git-help", "Git help", "Helps with git.", hashlib.sha256(SOUND.encode()).hexdigest(), None
    )


def test_a_skill_without_a_name_is_known_by_its_folder(tmp_path: Path) -> None:
    put(tmp_path, "git", "---\ndescription: x\n---\n")
    assert only(scanned(tmp_path)).name == "git"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("no front matter", "SKILL.md has no front matter between two lines of ---"),
        ("", "SKILL.md has no front matter between two lines of ---"),
        ("---\nname: x\n", "SKILL.md has no front matter between two lines of ---"),
        ("---\nname: x\n---\n", "SKILL.md has no description, and a gateway loads no skill without one"),
        ("---\ndescription: a: b\n---\n", "SKILL.md, line 2: front matter is no YAML"),
        (b"---\ndescription: x\n---\n" + b"x" * 256_000, "SKILL.md is larger than 256,000 bytes"),
    ],
    ids=["none", "empty", "open", "no description", "no YAML", "large"],
)
def test_what_a_gateway_does_not_load_says_why(tmp_path: Path, text: str | bytes, problem: str) -> None:
    put(tmp_path, "broken", text)
    skill = only(scanned(tmp_path))
    assert (skill.slug, (skill.problem or "")[: len(problem)]) == ("broken", problem)


def test_what_front_matter_tells_the_gateway_alone_is_told(tmp_path: Path) -> None:
    said = "metadata: {openclaw: {skillKey: git, primaryEnv: GIT_TOKEN}}"
    put(tmp_path, "git-help", f"---\ndescription: x\n{said}\n---\n")
    skill = only(scanned(tmp_path))
    assert (skill.config_key, skill.primary_env) == ("git", "GIT_TOKEN")


def test_a_skill_of_ours_is_passed_by(tmp_path: Path) -> None:
    put(tmp_path, "ours")
    put(tmp_path, "theirs")
    assert only(scanned(tmp_path, frozenset({"ours"}))).slug == "theirs"


def test_what_is_no_skill_is_passed_by(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("x")
    (tmp_path / "empty").mkdir()
    put(tmp_path, ".hidden")
    assert scanned(tmp_path) == Scanned()


def test_a_folder_that_is_a_link_is_left_out(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    put(outside, "secret")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "secret").symlink_to(outside / "secret")
    assert scanned(inside) == Scanned((), ("secret is a symbolic link, which is not followed",))


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("/etc/passwd"), os.mkfifo, Path.mkdir])
def test_a_file_that_is_no_regular_one_is_not_opened(tmp_path: Path, make: object) -> None:
    path = put(tmp_path, "odd")
    path.unlink()
    assert callable(make)
    make(path)
    assert only(scanned(tmp_path)).problem == "SKILL.md is no file that can be read"


def test_a_file_with_a_second_name_is_none_that_a_gateway_loads(tmp_path: Path) -> None:
    (tmp_path / "other").hardlink_to(put(tmp_path, "linked"))
    skill = only(scanned(tmp_path))
    assert skill.problem == "SKILL.md is a hard link, which gateways do not load; copy it"
    assert (skill.description, skill.checksum) == (None, "")


@pytest.mark.parametrize("name", ["with space", "a\nb", "-x", "a" * 65, "über", "\udcff"])
def test_a_folder_whose_name_no_skill_may_have_is_left_out(tmp_path: Path, name: str) -> None:
    put(tmp_path, name)
    found = scanned(tmp_path)
    assert found.skills == ()
    assert "has a name that no skill may have" in found.left_out[0]
    assert "\n" not in found.left_out[0]


def test_no_more_folders_are_looked_at_than_a_gateway_looks_at(tmp_path: Path) -> None:
    for number in range(FOLDERS + 2):
        put(tmp_path, f"skill-{number:04}")
    found = scanned(tmp_path)
    assert len(found.skills) == FOLDERS
    assert found.left_out == (f"2 more: {FOLDERS} of a folder are looked at",)


def test_a_name_and_a_description_become_short_texts_of_one_line(tmp_path: Path) -> None:
    put(tmp_path, "long", '---\nname: "a\\nb\\0c"\ndescription: "' + "x" * 5000 + '"\n---\n')
    skill = only(scanned(tmp_path))
    assert (skill.name, len(skill.description or "")) == ("a b c", 1024)


def test_why_folders_were_left_out_is_told_of_some_of_them(tmp_path: Path) -> None:
    for number in range(TOLD + 20):
        (tmp_path / f"link-{number:02}").symlink_to("/etc")
    left_out = scanned(tmp_path).left_out
    assert len(left_out) == TOLD + 1
    assert left_out[-1] == "20 more are no skills either"


def test_a_file_that_did_not_change_is_not_parsed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory: Memory = {}
    put(tmp_path, "git")
    before = scanned(tmp_path, memory=memory)
    monkeypatch.setattr("agent_config_sync.skills.scan.describe", None)
    assert scanned(tmp_path, memory=memory) == before


def test_of_a_skill_that_is_gone_nothing_is_remembered(tmp_path: Path) -> None:
    memory: Memory = {}
    path = put(tmp_path, "git")
    scanned(tmp_path, memory=memory)
    path.unlink()
    assert scanned(tmp_path, memory=memory) == Scanned()
    assert memory == {}


def test_plain_files_do_not_crowd_skills_out(tmp_path: Path) -> None:
    for number in range(FOLDERS + 1):
        (tmp_path / f"a-{number:04}.md").write_text("x")
    put(tmp_path, "skill")
    assert only(scanned(tmp_path)).slug == "skill"
