"""publish/manifest.py: what we have written, known across kills and beside other processes."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import pytest
from harness import rights_of_nobody
from unit.workspaces import House, hashed, skill, workspace

from agent_config_sync.errors import PublishError
from agent_config_sync.publish.manifest import Manifest, Manifests

KEPT = Manifest(skills={skill("git"): ("new", "old")}, bootstrapped=True)


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user can enter."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o755)
        (Path(name) / "state").mkdir()
        yield Path(name)


def manifests(folder: Path) -> Manifests:
    """What a new process knows."""
    return Manifests(folder / "state", folder / "workspaces")


def test_what_one_process_saved_another_one_knows(tmp_path: Path) -> None:
    manifests(tmp_path).save("coder", KEPT)
    assert manifests(tmp_path).get("coder") == KEPT
    assert manifests(tmp_path).agents() == {"coder"}


def test_of_a_workspace_that_nobody_made_nothing_is_known(tmp_path: Path) -> None:
    assert manifests(tmp_path).get("coder") is None
    assert manifests(tmp_path).agents() == frozenset()


def test_another_root_has_other_workspaces(tmp_path: Path) -> None:
    manifests(tmp_path).save("coder", KEPT)
    assert Manifests(tmp_path / "state", tmp_path / "elsewhere").get("coder") is None


def test_what_did_not_change_is_not_written_again(tmp_path: Path) -> None:
    known = manifests(tmp_path)
    known.save("coder", KEPT)
    (path,) = known.folder.iterdir()
    before = path.stat().st_ino
    known.save("coder", KEPT)
    assert path.stat().st_ino == before


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"skills": 1}', b"\xff"])
def test_a_broken_one_counts_as_lost_and_is_replaced(tmp_path: Path, content: bytes) -> None:
    manifests(tmp_path).save("coder", KEPT)
    (path,) = manifests(tmp_path).folder.iterdir()
    path.write_bytes(content)
    known = manifests(tmp_path)
    assert known.get("coder") is None
    known.save("coder", KEPT)
    assert manifests(tmp_path).get("coder") == KEPT


@pytest.mark.parametrize(
    "written",
    [
        {"skills": {"../other/SKILL.md": [hashed("theirs")]}},
        {"skills": {"skills/../../other/SKILL.md": [hashed("theirs")]}},
        {"skills": {"skills/git/../../../other/SKILL.md": [hashed("theirs")]}},
        {"skills": {"/etc/SKILL.md": [hashed("theirs")]}},
        {"skills": {"TOOLS.md": [hashed("theirs")]}},
        {"folder": "../other"},
        {"folder": "."},
        {"folder": "a/b"},
    ],
)
def test_one_that_names_what_is_no_skill_or_no_workspace_counts_as_broken(
    house: House, written: dict[str, object]
) -> None:
    """Whoever owns the folder of the state may not be whom root obeys."""
    house.made(workspace())
    other = house.root / "other"
    other.mkdir()
    (other / "SKILL.md").write_text("theirs")
    (house.tree.manifests.folder / "coder.json").write_bytes(orjson.dumps({"folder": "coder"} | written))
    house.live_again()
    assert house.tree.manifests.get("coder") is None
    house.made(workspace())
    assert (other / "SKILL.md").read_text() == "theirs"


def test_a_workspace_that_is_gone_is_forgotten_by_all(tmp_path: Path) -> None:
    known = manifests(tmp_path)
    known.save("coder", KEPT)
    known.drop("coder")
    known.drop("coder")
    assert known.get("coder") is None
    assert manifests(tmp_path).agents() == frozenset()


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    known = manifests(tmp_path)
    known.save("coder", KEPT)
    (known.folder / ".coder.json.0123456789ab.tmp").touch()
    known.sweep()
    assert [path.name for path in known.folder.iterdir()] == ["coder.json"]


def test_threads_that_ask_for_the_first_time_all_know_what_was_saved(tmp_path: Path) -> None:
    names = [f"agent-{number}" for number in range(100)]
    for name in names:
        manifests(tmp_path).save(name, KEPT)
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(manifests(tmp_path).get, names)) == [KEPT] * len(names)


def test_what_another_process_saves_is_known_at_once(tmp_path: Path) -> None:
    ours, theirs = manifests(tmp_path), manifests(tmp_path)
    ours.save("coder", Manifest())
    theirs.save("coder", KEPT)
    assert ours.get("coder") == KEPT
    theirs.drop("coder")
    assert ours.get("coder") is None
    assert ours.agents() == frozenset()


def test_one_that_cannot_be_read_is_an_error_and_not_lost(public: Path) -> None:
    manifests(public).save("coder", KEPT)
    path = manifests(public).folder / "coder.json"
    path.parent.chmod(0o755)
    path.chmod(0o000)
    with rights_of_nobody(), pytest.raises(PublishError, match=f"{path} cannot be read: Permission denied; let this"):
        manifests(public).get("coder")


def test_a_folder_of_them_that_cannot_be_read_is_an_error_and_not_empty(public: Path) -> None:
    known = manifests(public)
    known.save("coder", KEPT)
    known.folder.chmod(0o000)
    with rights_of_nobody(), pytest.raises(PublishError, match=f"{known.folder} cannot be read: Permission denied"):
        manifests(public).agents()
    known.folder.chmod(0o700)


def test_one_whose_folder_could_not_be_made_durable_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync

    def fails_for_folders(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, "Input/output error")
        fsync(descriptor)

    known = manifests(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fails_for_folders)
        with pytest.raises(PublishError):
            known.save("coder", KEPT)
    before = (known.folder / "coder.json").stat().st_ino
    known.save("coder", KEPT)
    assert (known.folder / "coder.json").stat().st_ino != before


def test_an_error_at_one_manifest_costs_that_agent_only(house: House) -> None:
    wanted = [workspace(agent="coder"), workspace(agent="writer")]
    house.tree.publish(wanted, look=True)
    path = house.tree.manifests.folder / "coder.json"
    path.unlink()
    path.mkdir()
    house.live_again()
    for coder, writer in (house.tree.publish(wanted, look=True), house.tree.preview(wanted)):
        assert coder.error is not None
        assert str(path) in coder.error
        assert writer.error is None
