"""state.py: what must survive a kill."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import orjson
import pytest
from unit.builders import site

from agent_config_sync.errors import LockedError, PublishError
from agent_config_sync.history import History
from agent_config_sync.publish import atomic
from agent_config_sync.state import Remembered, State

OUTPUT = Path("/gateway/agents.json")


def state(folder: Path, output: Path = OUTPUT) -> State:
    """The state as a new process finds it."""
    return State(folder / "state", output)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_nothing_is_confirmed_at_first(tmp_path: Path) -> None:
    assert state(tmp_path).owes("A")
    assert state(tmp_path).remembered == Remembered()


def test_what_was_confirmed_is_no_longer_owed_and_everything_else_is(tmp_path: Path) -> None:
    state(tmp_path).save(confirmed="A")
    assert not state(tmp_path).owes("A")
    assert state(tmp_path).owes("B")


def test_a_publish_of_new_content_costs_no_write(tmp_path: Path) -> None:
    kept = state(tmp_path)
    kept.save(confirmed="A")
    before = atomic.signature(kept.path)
    kept.before_publish("B")
    assert atomic.signature(kept.path) == before


def test_content_that_comes_back_while_the_other_is_under_way_is_owed_again(tmp_path: Path) -> None:
    """A is confirmed, B is published, A is published again: a kill now must find A owed."""
    kept = state(tmp_path)
    kept.save(confirmed="A")
    kept.before_publish("B")
    kept.before_publish("A")
    assert kept.owes("A")
    assert state(tmp_path).owes("A")


def test_everything_is_remembered_by_the_next_process(tmp_path: Path) -> None:
    state(tmp_path).save(confirmed="A", signalled_at=12.5, default="lead", tables=frozenset({"agents", "x"}))
    assert state(tmp_path).remembered == Remembered(
        output=str(OUTPUT), confirmed="A", signalled_at=12.5, default="lead", tables=frozenset({"agents", "x"})
    )


def test_a_change_leaves_the_rest_alone(tmp_path: Path) -> None:
    state(tmp_path).save(confirmed="A", default="lead")
    state(tmp_path).save(confirmed=None)
    assert state(tmp_path).remembered.default == "lead"


def test_saving_what_is_known_writes_nothing(tmp_path: Path) -> None:
    kept = state(tmp_path)
    kept.save(confirmed="A")
    before = atomic.signature(kept.path)
    kept.save(confirmed="A")
    assert atomic.signature(kept.path) == before


def test_the_file_and_its_folder_are_for_us_alone(tmp_path: Path) -> None:
    kept = state(tmp_path)
    kept.save(confirmed="A")
    assert (mode_of(kept.path), mode_of(kept.path.parent)) == (0o600, 0o700)


def test_a_file_that_others_could_read_is_for_us_alone_after_the_next_save(tmp_path: Path) -> None:
    kept = state(tmp_path)
    kept.save(confirmed="A")
    kept.path.chmod(0o644)
    kept.save(confirmed="B")
    assert mode_of(kept.path) == 0o600


BROKEN = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"\xff",
    b'{"confirmed": 7}',
    b'{"signalled_at": "soon"}',
    b'{"tables": 1}',
    b"\0" * 100,
]


@pytest.mark.parametrize("content", BROKEN)
def test_a_broken_file_means_that_everything_is_owed(content: bytes, tmp_path: Path) -> None:
    kept = state(tmp_path)
    kept.save(confirmed="A")
    kept.path.write_bytes(content)
    assert state(tmp_path).owes("A")


def test_a_broken_file_is_mended_by_the_next_save(tmp_path: Path) -> None:
    kept = state(tmp_path)
    kept.save(confirmed="A")
    kept.path.write_bytes(b"{")
    state(tmp_path).save(confirmed="A")
    assert not state(tmp_path).owes("A")


def test_a_file_of_a_newer_version_is_understood(tmp_path: Path) -> None:
    kept = state(tmp_path)
    kept.save(confirmed="A")
    kept.path.write_bytes(orjson.dumps({**orjson.loads(kept.path.read_bytes()), "newer": [1]}))
    assert not state(tmp_path).owes("A")


def test_what_another_process_saved_is_seen_after_a_refresh(tmp_path: Path) -> None:
    ours = state(tmp_path)
    state(tmp_path).save(confirmed="A")
    ours.refresh()
    assert not ours.owes("A")


def test_a_file_that_was_removed_means_that_everything_is_owed_after_a_refresh(tmp_path: Path) -> None:
    kept = state(tmp_path)
    kept.save(confirmed="A")
    kept.path.unlink()
    kept.refresh()
    assert kept.owes("A")


def test_an_unchanged_file_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = state(tmp_path)
    kept.save(confirmed="A")
    monkeypatch.setattr(atomic, "read", lambda _: pytest.fail("it was read"))
    kept.refresh()


def test_a_link_in_the_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    kept = state(tmp_path)
    kept.save(confirmed="A")
    kept.path.rename(tmp_path / "elsewhere")
    kept.path.symlink_to(tmp_path / "elsewhere")
    before = (tmp_path / "elsewhere").read_bytes()
    other = state(tmp_path)
    assert other.owes("A")
    other.save(confirmed="B")
    assert (tmp_path / "elsewhere").read_bytes() == before


@pytest.mark.parametrize("other", [Path("/gateway/other.json"), Path("/else/agents.json"), Path("/gateway/agents")])
def test_each_output_has_a_state_of_its_own(other: Path, tmp_path: Path) -> None:
    state(tmp_path).save(confirmed="A")
    assert state(tmp_path, other).owes("A")


def test_a_state_folder_that_cannot_be_made_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(PublishError, match="set state_dir"):
        state(tmp_path).save(confirmed="A")


def test_what_could_not_be_saved_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    kept = state(tmp_path)
    with pytest.raises(PublishError):
        kept.save(confirmed="A")
    assert kept.owes("A")


def test_an_output_whose_name_is_no_utf_8_is_remembered(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(b"/gateway/\xff.json"))
    state(tmp_path, odd).save(confirmed="A")
    assert not state(tmp_path, odd).owes("A")


def test_nobody_saves_while_another_process_does_and_the_holder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, other = (State(tmp_path / "state", tmp_path / "agents.json") for _ in range(2))
    ours.save(default="lead")
    monkeypatch.setattr("agent_config_sync.state.LOCK_DEADLINE", 0.0)
    with ours._alone(), pytest.raises(LockedError, match=f"held by pid {os.getpid()}"):
        other.save(default="other")


@pytest.mark.usefixtures("_as_nobody")
def test_a_file_that_may_not_be_read_any_more_is_an_error_and_what_was_known_stays() -> None:
    with tempfile.TemporaryDirectory() as folder:
        kept = state(Path(folder))
        kept.save(confirmed="A")
        kept.path.chmod(0)
        os.utime(kept.path)
        with pytest.raises(PublishError, match="let this user read it, or set state_dir"):
            kept.refresh()
        assert not kept.owes("A")


def test_what_root_saves_belongs_to_the_owner_of_the_output(tmp_path: Path) -> None:
    owner = 65534 if os.geteuid() == 0 else os.geteuid()
    gateway = tmp_path / "gateway"
    gateway.mkdir()
    os.chown(gateway, owner, -1)
    kept = state(tmp_path, gateway / "agents.json")
    kept.save(confirmed="A")
    History(kept.history_folder).keep(b"{}", "hash", reason="test", site=site())
    found = [kept.path.parent, kept.path, kept.history_folder, *kept.history_folder.iterdir()]
    assert {path.stat().st_uid for path in found} == {owner}
    assert {mode_of(path) for path in found} == {0o700, 0o600}


def test_the_folders_above_the_state_stay_with_their_own_owner(tmp_path: Path) -> None:
    gateway = tmp_path / "gateway"
    gateway.mkdir()
    os.chown(gateway, 65534 if os.geteuid() == 0 else os.geteuid(), -1)
    State(tmp_path / "home" / "state", gateway / "agents.json").save(confirmed="A")
    assert (tmp_path / "home").stat().st_uid == tmp_path.stat().st_uid
    assert (tmp_path / "home" / "state").stat().st_uid == gateway.stat().st_uid


def test_what_a_process_left_that_was_killed_is_swept_with_the_secrets_in_it(tmp_path: Path) -> None:
    kept = state(tmp_path)
    kept.path.parent.mkdir()
    for path in (kept.path, kept.tokens_path):
        (path.parent / f".{path.name}.0123456789ab.tmp").touch()
    kept.sweep()
    assert list(kept.path.parent.iterdir()) == []
