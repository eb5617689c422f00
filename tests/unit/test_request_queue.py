"""Files in which agents ask for keys: where they go, and what is left of those that are not taken."""

from __future__ import annotations

import os
import time
from pathlib import Path

import orjson
import pytest
from harness import make_settings

from agent_config_sync.publish.gate import Gate
from agent_config_sync.skills.request_queue import AT_ONCE, FOLDER, KEPT, WAITING, Refusal, RequestQueue, Waiting

SECRET = "sk-live-a1b2c3d4e5f6a7b8c9d0"
SOUND = orjson.dumps({"skillSlug": "git", "keyName": "GIT_TOKEN"})
WITH_VALUE = orjson.dumps({"skillSlug": "git", "keyName": "GIT_TOKEN", "value": SECRET})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "workspaces" / "coder" / FOLDER
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def queue(tmp_path: Path, folder: Path) -> RequestQueue:
    settings = make_settings("postgresql://nowhere", tmp_path, workspace_root=tmp_path / "workspaces")
    return RequestQueue(settings, Gate())


def look(queue: RequestQueue) -> tuple[list[Waiting], list[Refusal]]:
    found = queue.look(["coder", "lead"])
    assert found.errors == []
    return found.waiting, found.refused


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def grown_old(path: Path, seconds: float = 60) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then), follow_symlinks=False)


def test_a_sound_request_waits_until_it_is_taken(queue: RequestQueue, folder: Path) -> None:
    (folder / "one.json").write_bytes(SOUND)
    (waiting,), refused = look(queue)
    assert (waiting.agent, waiting.request.skill_slug, waiting.request.key_name, refused) == (
        *("coder", "git", "GIT_TOKEN"),
        [],
    )
    assert look(queue)[0] == [waiting]
    queue.take(waiting)
    assert files(folder) == {"done/one.json": b'{"skillSlug":"git","keyName":"GIT_TOKEN"}\n'}
    assert look(queue) == ([], [])


def test_of_a_request_with_a_value_only_the_reason_is_left(queue: RequestQueue, folder: Path, tmp_path: Path) -> None:
    (folder / "one.json").write_bytes(WITH_VALUE)
    assert len(look(queue)[1]) == 1
    assert list(files(folder)) == ["refused/one.json.reason.txt"]
    assert [path for path in tmp_path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()] == []


def test_a_sound_request_can_be_refused_for_another_reason(queue: RequestQueue, folder: Path) -> None:
    (folder / "one.json").write_bytes(SOUND)
    (waiting,), _ = look(queue)
    queue.refuse(waiting, "too many")
    assert files(folder) == {"refused/one.json.reason.txt": b"too many\n"}


def test_a_file_that_is_being_written_is_left_alone_for_a_while(queue: RequestQueue, folder: Path) -> None:
    path = folder / "one.json"
    path.write_bytes(SOUND[:10])
    assert look(queue) == ([], [])
    grown_old(path)
    assert len(look(queue)[1]) == 1
    assert list(files(folder)) == ["refused/one.json.reason.txt"]


def test_a_file_that_was_left_alone_is_taken_when_it_is_whole(queue: RequestQueue, folder: Path) -> None:
    path = folder / "one.json"
    path.write_bytes(SOUND[:10])
    look(queue)
    path.write_bytes(SOUND)
    assert len(look(queue)[0]) == 1


def test_a_link_is_removed_and_what_it_leads_to_is_not(queue: RequestQueue, folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.json"
    outside.write_bytes(SOUND)
    (folder / "soft.json").symlink_to(outside)
    (folder / "hard.json").hardlink_to(outside)
    waiting, refused = look(queue)
    assert (waiting, len(refused)) == ([], 2)
    assert outside.read_bytes() == SOUND
    assert sorted(files(folder)) == ["refused/hard.json.reason.txt", "refused/soft.json.reason.txt"]
    assert not (folder / "soft.json").is_symlink()


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir])
def test_what_is_no_file_is_no_request(queue: RequestQueue, folder: Path, make: object) -> None:
    assert callable(make)
    make(folder / "odd.json")
    assert look(queue) == ([], [])
    assert (folder / "odd.json").exists()


def test_a_file_from_the_future_is_not_waited_for(queue: RequestQueue, folder: Path) -> None:
    path = folder / "one.json"
    path.write_text(f"my key is {SECRET}")
    grown_old(path, -3600)
    assert len(look(queue)[1]) == 1
    assert list(files(folder)) == ["refused/one.json.reason.txt"]


def test_of_what_an_agent_wrote_nothing_stays_when_it_is_taken(queue: RequestQueue, folder: Path) -> None:
    (folder / "one.json").write_bytes(SOUND)
    (waiting,), _ = look(queue)
    (folder / "one.json").write_text(f"my key is {SECRET}")
    queue.take(waiting)
    assert all(SECRET.encode() not in content for content in files(folder).values())


@pytest.mark.parametrize("name", ["refused", "done"])
def test_a_file_in_the_place_of_a_folder_hides_no_refusal(queue: RequestQueue, folder: Path, name: str) -> None:
    (folder / name).write_text("mine")
    (folder / "one.json").write_bytes(WITH_VALUE)
    found = queue.look(["coder"])
    assert len(found.refused) == 1
    assert not (folder / "one.json").exists()
    assert len(found.errors) == (name == "refused")


def test_a_long_name_is_cut(queue: RequestQueue, folder: Path) -> None:
    name = "x" * 250 + ".json"
    (folder / name).write_bytes(WITH_VALUE)
    assert len(look(queue)[1]) == 1
    (folder / name).write_bytes(SOUND)
    queue.take(look(queue)[0][0])
    assert sorted(files(folder)) == [f"done/{'x' * 200}", f"refused/{'x' * 200}.reason.txt"]


@pytest.mark.parametrize("name", [".hidden.json", "notes.txt", "one.json.tmp"])
def test_other_files_are_left_alone(queue: RequestQueue, folder: Path, name: str) -> None:
    (folder / name).write_bytes(WITH_VALUE)
    assert look(queue) == ([], [])
    assert (folder / name).exists()


@pytest.mark.parametrize("level", ["coder", "coder/requests", f"coder/{FOLDER}", f"coder/{FOLDER}/done"])
def test_a_link_on_the_way_leads_nowhere(queue: RequestQueue, folder: Path, tmp_path: Path, level: str) -> None:
    (folder / "one.json").write_bytes(SOUND)
    (folder / "done").mkdir()
    there, outside = tmp_path / "workspaces" / level, tmp_path / "outside"
    there.rename(outside)
    there.symlink_to(outside)
    before = files(outside)
    found = queue.look(["coder"])
    for waiting in found.waiting:
        with pytest.raises(NotADirectoryError):
            queue.take(waiting)
    assert found.errors or found.waiting
    assert files(outside) == before


def test_an_agent_whose_folder_is_odd_keeps_no_other_one_waiting(
    queue: RequestQueue, folder: Path, tmp_path: Path
) -> None:
    (folder / "one.json").write_bytes(SOUND)
    odd = tmp_path / "workspaces" / "a" / "requests"
    odd.mkdir(parents=True)
    (odd / "skill-credentials").symlink_to("/etc")
    found = queue.look(["a", "coder"])
    assert [waiting.agent for waiting in found.waiting] == ["coder"]
    assert found.errors == [f"{odd}/skill-credentials: Not a directory"]


def test_a_flood_is_cut_off_and_told_in_one_line(queue: RequestQueue, folder: Path) -> None:
    for number in range(10_000):
        (folder / f"{number:05}.json").write_bytes(SOUND)
    waiting, refused = look(queue)
    assert len(waiting) == AT_ONCE
    assert [refusal.files for refusal in refused] == [10_000 - WAITING]
    assert len(list(folder.glob("*.json"))) == WAITING


def test_of_what_is_over_the_newest_are_kept(queue: RequestQueue, folder: Path) -> None:
    for number in range(KEPT + 20):
        (folder / f"{number:05}.json").write_bytes(SOUND)
    for _ in range(3):
        for waiting in look(queue)[0]:
            queue.take(waiting)
            grown_old(folder / "done" / waiting.name, 1000 - int(waiting.name[:5]))
    kept = sorted(path.name for path in (folder / "done").iterdir())
    assert kept == [f"{number:05}.json" for number in range(20, KEPT + 20)]


def test_a_folder_in_which_nothing_waits_is_not_opened_again(
    queue: RequestQueue, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grown_old(folder)
    look(queue)
    monkeypatch.setattr("agent_config_sync.skills.request_queue.below", None)
    assert look(queue) == ([], [])
