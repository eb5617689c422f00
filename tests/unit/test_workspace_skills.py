"""The skills of a workspace: ours come and go with their rows, and somebody else's stay."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from unit.workspaces import (
    RENDERED,
    GateWith,
    House,
    Killed,
    edited,
    emptied,
    grown,
    identity,
    kill,
    linked,
    linked_elsewhere,
    linked_to_nothing,
    made_a_pipe,
    shut,
    skill,
    workspace,
)

from agent_config_sync.publish.workspace import Demand


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
    before = identity(path)
    assert house_of_nobody.made(workspace()).foreign == (skill("git"),)
    assert identity(path) == before


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
    before = identity(house.home / path)
    for wanted in (workspace("two", skills=("git",)), workspace("three")):
        assert house.made(wanted).foreign == (skill("git"),)
        assert house.made(wanted).foreign == (skill("git"),)
    assert identity(house.home / path) == before
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


def test_a_skill_of_ours_is_still_known_after_kills_before_it_was_replaced(house: House) -> None:
    house.made(workspace("one", skills=("git",)))
    last = len(RENDERED) + 1
    for text in ("two", "three", "four"):
        house.killed(workspace(text, skills=("git",)), at=last)
        assert house.text(skill("git")) == f"{skill('git')} one\n"
    outcome = house.made(workspace("four"))
    assert outcome.foreign == ()
    assert not (house.home / "skills" / "git").exists()


def test_a_skill_that_somebody_else_writes_just_before_we_do_is_not_touched(house: House) -> None:
    house.made(workspace())
    (house.home / "skills" / "git").mkdir(parents=True)
    house.live_again(GateWith(lambda: (house.home / skill("git")).write_text("theirs")))
    for text in ("one", "two"):
        assert house.made(workspace(text, skills=("git",))).foreign == (skill("git"),)
        assert house.text(skill("git")) == "theirs"
        house.live_again()


def test_a_skill_that_the_agent_edits_just_before_its_removal_stays(house: House) -> None:
    house.made(workspace(skills=("git",)))
    house.live_again(GateWith(lambda: (house.home / skill("git")).write_text("edited")))
    assert house.made(workspace()).changes == ()
    assert house.text(skill("git")) == "edited"
    assert house.made(workspace()).foreign == (skill("git"),)


def test_a_skill_that_the_agent_removes_just_before_we_do_is_no_failure(house: House) -> None:
    house.made(workspace(skills=("git",)))
    house.live_again(GateWith((house.home / skill("git")).unlink))
    assert house.made(workspace()).changes == ()
    assert not (house.home / "skills" / "git").exists()


def test_a_skill_that_the_agent_removed_itself_goes_with_its_folder(house: House) -> None:
    house.made(workspace(skills=("git",)))
    (house.home / skill("git")).unlink()
    assert house.made(workspace()).changes == ()
    assert not (house.home / "skills" / "git").exists()


def test_an_own_skill_in_the_place_of_one_that_is_gone_is_not_overwritten_when_that_one_comes_back(
    house: House,
) -> None:
    house.made(workspace(skills=("git",)))
    house.made(workspace())
    (house.home / "skills" / "git").mkdir()
    edited(house.home / skill("git"))
    assert house.made(workspace(skills=("git",)), look=False).foreign == (skill("git"),)
    assert house.text(skill("git")) == "edited"


def test_the_folder_of_a_skill_that_a_kill_left_empty_is_removed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.made(workspace(skills=("git",)))
    with monkeypatch.context() as patched:
        patched.setattr(os, "rmdir", lambda *_, **__: kill())
        with pytest.raises(Killed):
            house.publish(workspace())
    assert list((house.home / "skills" / "git").iterdir()) == []
    house.live_again()
    house.made(workspace())
    assert not (house.home / "skills" / "git").exists()


def test_what_a_kill_left_of_a_skill_that_is_no_longer_assigned_is_removed(house: House) -> None:
    house.made(workspace())
    house.killed(workspace(skills=("git",)))
    (house.home / "skills" / "git" / ".SKILL.md.0123456789ab.tmp").touch()
    house.made(workspace())
    assert not (house.home / "skills" / "git").exists()
