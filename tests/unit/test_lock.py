"""publish/lock.py: one writer a target."""

from __future__ import annotations

import errno
import itertools
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from unit.children import child

from agent_config_sync.errors import LockedError, PublishError
from agent_config_sync.publish.lock import FileLock, lifetime_lock, pass_lock

HOLDS = """
import sys
from pathlib import Path
from agent_config_sync.publish.lock import FileLock
assert FileLock(Path(sys.argv[1])).try_acquire()
print("ready", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lock"


def test_a_free_lock_is_taken_and_names_its_holder(path: Path) -> None:
    lock = FileLock(path)
    assert lock.try_acquire()
    assert lock.holder().startswith(f"pid {os.getpid()} on ")
    lock.release()


def test_a_lock_that_is_held_is_not_taken(path: Path) -> None:
    lock = FileLock(path)
    assert lock.try_acquire()
    assert not FileLock(path).try_acquire()
    lock.release()


def test_a_released_lock_is_free(path: Path) -> None:
    lock = FileLock(path)
    assert lock.try_acquire()
    lock.release()
    other = FileLock(path)
    assert other.try_acquire()
    other.release()


def test_a_lock_stands_until_it_is_released_or_its_file_is_removed(path: Path) -> None:
    lock = FileLock(path)
    stood = [lock.stands]
    for end in (lock.release, path.unlink):
        assert lock.try_acquire()
        stood.append(lock.stands)
        end()
        stood.append(lock.stands)
    lock.release()
    assert stood == [False, True, False, True, False]


def test_releasing_what_is_not_held_does_no_harm(path: Path) -> None:
    FileLock(path).release()
    assert not path.exists()


def test_the_lock_of_a_process_that_was_killed_is_free(path: Path) -> None:
    with child("-c", HOLDS, path) as running:
        assert not FileLock(path).try_acquire()
        running.kill()
        running.wait()
        lock = FileLock(path)
        assert lock.try_acquire()
        lock.release()


async def test_one_who_waits_too_long_is_told_who_holds_it(path: Path) -> None:
    with child("-c", HOLDS, path) as running:
        told = rf"is held by pid {running.pid} on .*more than 0 s: end that process"
        with pytest.raises(LockedError, match=told):
            await FileLock(path).held(0).__aenter__()


async def test_one_who_waits_gets_it_when_it_is_free(path: Path) -> None:
    holder = FileLock(path)
    assert holder.try_acquire()
    waiting = FileLock(path)
    real = waiting.try_acquire

    def tried() -> bool:
        taken = real()
        holder.release()  # free from the second try on
        return taken

    waiting.try_acquire = tried  # type: ignore[method-assign]
    async with waiting.held(30):
        assert not FileLock(path).try_acquire()


async def test_a_lock_is_free_after_a_failure_under_it(path: Path) -> None:
    with pytest.raises(ValueError, match="x"):
        async with FileLock(path).held(0):
            raise ValueError("x")
    lock = FileLock(path)
    assert lock.try_acquire()
    lock.release()


def test_a_lock_file_that_was_removed_and_made_anew_is_not_mistaken_for_the_held_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = FileLock(path)
    real, opened = lock._open, []

    def removed_behind_our_back() -> int:
        descriptor = real()
        opened.append(descriptor)
        if len(opened) == 1:
            path.unlink()
        return descriptor

    monkeypatch.setattr(lock, "_open", removed_behind_our_back)
    assert lock.try_acquire()
    assert len(opened) == 2
    assert not FileLock(path).try_acquire()
    lock.release()


@pytest.mark.parametrize("count", [1, 2])
def test_a_lock_whose_file_could_not_be_looked_at_is_not_held_by_nobody(
    path: Path, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A descriptor that is left open would hold it against ourselves until the process ends."""
    path.touch()
    lock = FileLock(path)
    before = open_files()
    looks = itertools.count(1)

    def failing_fstat(descriptor: int) -> os.stat_result:
        if next(looks) == count:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return fstat(descriptor)

    fstat = os.fstat
    monkeypatch.setattr(os, "fstat", failing_fstat)
    with pytest.raises(PublishError, match=r"cannot be used \(Input/output error\): the disk failed"):
        lock.try_acquire()
    assert open_files() == before
    assert lock.try_acquire()
    lock.release()


def open_files() -> list[str]:
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


def test_the_lock_file_is_for_its_user_alone(path: Path) -> None:
    lock = FileLock(path)
    assert lock.try_acquire()
    lock.release()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_missing_folders_are_made(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "a" / "b" / "lock")
    assert lock.try_acquire()
    lock.release()
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700


def test_a_symbolic_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    path.symlink_to(victim)
    with pytest.raises(PublishError, match="cannot be used"):
        FileLock(path).try_acquire()
    assert victim.read_text() == "precious"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_lock_file_that_root_makes_belongs_to_the_owner_of_the_folder(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65533)
    lock = FileLock(tmp_path / "lock")
    assert lock.try_acquire()
    lock.release()
    status = (tmp_path / "lock").stat()
    assert (status.st_uid, status.st_gid) == (65534, 65533)


def test_a_child_does_not_inherit_the_lock(path: Path) -> None:
    lock = FileLock(path)
    assert lock.try_acquire()
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdin.write(b"x\n")
        running.stdin.flush()
        running.stdout.readline()  # it runs its own program now
        lock.release()
        other = FileLock(path)
        assert other.try_acquire()
        other.release()


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (["/usr/bin/agent-config-sync", "run", "--dsn", "x"], "(agent-config-sync run)"),
        (["/x/agent_config_sync/__main__.py", "sync"], "(__main__.py sync)"),
        (["host.py", "postgresql://u:t0psecret@h/d"], "(host.py)"),
        ([], "(python)"),
    ],
)
def test_the_holder_names_a_command_of_ours_and_no_word_of_another_host(
    path: Path, argv: list[str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", argv)
    lock = FileLock(path)
    assert lock.try_acquire()
    assert named in lock.holder()
    lock.release()


def test_an_empty_lock_file_has_an_unnamed_holder(path: Path) -> None:
    path.touch()
    assert FileLock(path).holder() == "an unnamed process"


def test_a_missing_lock_file_has_an_unnamed_holder(path: Path) -> None:
    assert FileLock(path).holder() == "an unnamed process"


def test_the_name_of_a_holder_is_short_whatever_the_file_holds(path: Path) -> None:
    path.write_bytes(b"\xff" * 10_000)
    assert len(FileLock(path).holder()) <= 200


def test_a_pass_and_a_life_have_locks_of_their_own_beside_the_output() -> None:
    names = [lock(Path("/x/agents.json")).path for lock in (pass_lock, lifetime_lock)]
    assert names == [Path("/x/.agents.json.lock"), Path("/x/.agents.json.run")]
