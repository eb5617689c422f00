"""publish/atomic.py: old or new, never torn, and nothing left behind."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from harness import rights_of_nobody
from unit.builders import PYTHON

from agent_config_sync.errors import PublishError, StoppedError
from agent_config_sync.publish import atomic
from agent_config_sync.publish.atomic import Ownership
from agent_config_sync.publish.gate import Gate

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "agents.json"
    path.write_bytes(b"old")
    return path


def replaced(path: Path, content: bytes = b"new", like: Ownership | None = None) -> None:
    atomic.replace(path, content, gate=Gate(), like=like)


def failing(number: int) -> Callable[..., NoReturn]:
    def fail(*_: object, **__: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    return fail


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def assert_untouched(target: Path) -> None:
    assert target.read_bytes() == b"old"
    assert [path.name for path in target.parent.iterdir()] == ["agents.json"]


@pytest.mark.parametrize("content", [b"", b"new", b"x" * 5_000_000])
def test_the_new_bytes_are_the_file_and_no_other_file_is_left(content: bytes, target: Path) -> None:
    replaced(target, content)
    assert target.read_bytes() == content
    assert list(target.parent.iterdir()) == [target]


def test_a_missing_file_is_made_for_us_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        replaced(tmp_path / "agents.json")
    finally:
        os.umask(old)
    assert mode_of(tmp_path / "agents.json") == 0o600


def test_missing_folders_are_made_and_the_last_is_for_us_alone(tmp_path: Path) -> None:
    replaced(tmp_path / "a" / "b" / "agents.json")
    assert mode_of(tmp_path / "a" / "b") == 0o700


def test_the_signature_is_that_of_the_new_file(target: Path) -> None:
    assert atomic.replace(target, b"new", gate=Gate(), like=None) == atomic.signature(target)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o666])
def test_the_mode_is_as_asked_whatever_the_umask(mode: int, target: Path) -> None:
    target.chmod(mode)
    old = os.umask(0o077)
    try:
        replaced(target, like=Ownership.of(target))
    finally:
        os.umask(old)
    assert mode_of(target) == mode


def test_bits_that_change_who_a_program_runs_as_are_not_kept(target: Path) -> None:
    target.chmod(0o4755)
    replaced(target, like=Ownership.of(target))
    assert mode_of(target) == 0o755


@needs_root
def test_the_owner_is_as_asked(target: Path) -> None:
    os.chown(target, 65534, 65533)
    replaced(target, like=Ownership.of(target))
    assert (target.stat().st_uid, target.stat().st_gid) == (65534, 65533)


def test_an_owner_that_only_root_could_give_is_let_go(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fchown", failing(errno.EPERM))
    replaced(target, like=Ownership(0o644, 1, 1))
    assert target.read_bytes() == b"new"
    assert mode_of(target) == 0o644


def test_the_owner_and_mode_stand_before_the_file_is_visible(target: Path) -> None:
    seen: list[int] = []

    def ready() -> None:
        (temporary,) = [path for path in target.parent.iterdir() if path != target]
        seen.append(mode_of(temporary))

    atomic.replace(target, b"new", gate=Gate(), like=Ownership(0o644, os.getuid(), os.getgid()), ready=ready)
    assert seen == [0o644]


def test_all_bytes_are_durable_under_the_temporary_name_before_the_rename(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    fsync, rename = os.fsync, os.rename

    def synced(descriptor: int) -> None:
        order.append("fsync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "fsync file")
        fsync(descriptor)

    def renamed(old: str, new: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        order.append("rename")
        rename(old, new, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "rename", renamed)
    atomic.replace(target, b"new", gate=Gate(), like=None, ready=lambda: order.append("ready"))
    assert order == ["fsync file", "ready", "rename", "fsync folder"]


def test_a_reader_who_has_the_old_file_open_reads_the_old_bytes(target: Path) -> None:
    with target.open("rb") as reader:
        replaced(target)
        assert reader.read() == b"old"


def test_another_name_of_the_old_file_keeps_the_old_bytes(target: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.hardlink_to(target)
    replaced(target)
    assert (target.read_bytes(), other.read_bytes()) == (b"new", b"old")


def test_a_symbolic_link_is_replaced_and_what_it_names_is_not_touched(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"theirs")
    (tmp_path / "agents.json").symlink_to(elsewhere)
    replaced(tmp_path / "agents.json")
    assert elsewhere.read_bytes() == b"theirs"
    assert not (tmp_path / "agents.json").is_symlink()


# --- failures


def test_a_failed_fsync_leaves_the_old_file_alone(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", failing(errno.EIO))
    with pytest.raises(PublishError, match=r"cannot be written: .*; the disk failed"):
        replaced(target)
    assert_untouched(target)


@pytest.mark.parametrize(
    ("number", "way_out"),
    [(errno.ENOSPC, "free some space"), (errno.EDQUOT, "quota"), (errno.EROFS, "read-only"), (errno.EACCES, "let")],
)
def test_a_failed_write_leaves_the_old_file_alone_and_says_the_way_out(
    number: int, way_out: str, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "write", failing(number))
    with pytest.raises(PublishError, match=rf"{target}.*; .*{way_out}"):
        replaced(target)
    assert_untouched(target)


def test_a_failed_rename_leaves_the_old_file_alone(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "rename", failing(errno.EBUSY))
    with pytest.raises(PublishError):
        replaced(target)
    assert_untouched(target)


def test_a_closed_gate_leaves_the_old_file_alone(target: Path) -> None:
    gate = Gate()
    gate.close()
    with pytest.raises(StoppedError):
        atomic.replace(target, b"new", gate=gate, like=None)
    assert_untouched(target)


def test_one_who_fails_just_before_the_rename_leaves_the_old_file_alone(target: Path) -> None:
    def ready() -> NoReturn:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        atomic.replace(target, b"new", gate=Gate(), like=None, ready=ready)
    assert_untouched(target)


def test_short_writes_are_continued_to_the_last_byte(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: write(descriptor, content[:7]))
    replaced(target, bytes(range(256)))
    assert target.read_bytes() == bytes(range(256))


def test_a_disk_that_ends_in_the_middle_of_a_write_leaves_the_old_file_alone(target: Path) -> None:
    """The limit makes the kernel write 1,000 bytes of 5,000 and refuse the rest."""
    program = f"""
import resource
from pathlib import Path
from agent_config_sync.errors import PublishError
from agent_config_sync.publish import atomic
from agent_config_sync.publish.gate import Gate
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    atomic.replace(Path({str(target)!r}), b"x" * 5000, gate=Gate(), like=None)
except PublishError as error:
    print(error)
"""
    ran = subprocess.run([PYTHON, "-c", program], capture_output=True, text=True, check=True)
    assert "raise the file size limit" in ran.stdout
    assert_untouched(target)


def test_a_folder_in_the_place_of_the_file_is_an_error_and_stays(tmp_path: Path) -> None:
    (tmp_path / "agents.json").mkdir()
    with pytest.raises(PublishError, match="cannot be written"):
        replaced(tmp_path / "agents.json")
    assert [path.name for path in tmp_path.iterdir()] == ["agents.json"]


def test_a_file_in_the_place_of_the_folder_is_an_error(target: Path) -> None:
    with pytest.raises(PublishError, match="cannot be written"):
        replaced(target / "agents.json")


def test_no_descriptor_is_left_open_after_success_and_failure(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a descriptor of its own would count
    replaced(target)
    monkeypatch.setattr(os, "fsync", failing(errno.EIO))
    with pytest.raises(PublishError):
        replaced(target)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


# --- folders that root makes


@needs_root
def test_what_root_makes_belongs_to_the_owner_of_the_folder_above(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65533)
    atomic.make_folder(tmp_path / "a" / "b")
    assert {(path.stat().st_uid, path.stat().st_gid) for path in (tmp_path / "a", tmp_path / "a" / "b")} == {
        (65534, 65533)
    }


@needs_root
@pytest.mark.parametrize("theirs", ["a link", "a folder with something in it", "a folder of others"])
def test_root_does_not_give_away_what_was_put_in_the_place_of_the_folder_that_it_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, theirs: str
) -> None:
    home, roots = tmp_path / "home", tmp_path / "roots"
    place = home / "workspaces"
    for folder in (home, roots):
        folder.mkdir(mode=0o700)
    os.chown(home, 65534, 65533)
    mkdir = os.mkdir

    def swapped(name: str, mode: int, *, dir_fd: int | None = None) -> None:
        mkdir(name, mode, dir_fd=dir_fd)
        place.rmdir()
        match theirs:
            case "a link":
                place.symlink_to(roots)
            case "a folder with something in it":
                (roots / "secret").touch()
                roots.rename(place)
            case _:
                roots.chmod(0o755)
                roots.rename(place)

    monkeypatch.setattr(os, "mkdir", swapped)
    atomic.make_folder(place)
    assert place.stat().st_uid == 0


def test_a_folder_below_one_that_cannot_be_listed_is_made(tmp_path: Path) -> None:
    """Nobody has to let us read what is above."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        above = Path(name) / "above"
        above.mkdir(mode=0o333)
        above.chmod(0o333)
        Path(name).chmod(0o711)
        with rights_of_nobody():
            atomic.make_folder(above / "ours")
        assert (above / "ours").is_dir()
        above.chmod(0o700)


def test_a_new_folder_is_durable_in_the_one_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(Path(f"/proc/self/fd/{descriptor}").readlink()))
    atomic.make_folder(tmp_path / "a" / "b")
    assert synced == [tmp_path, tmp_path / "a"]


# --- read and signature


def test_a_missing_file_has_no_bytes_and_no_signature(tmp_path: Path) -> None:
    assert atomic.read(tmp_path / "x") is None
    assert atomic.signature(tmp_path / "x") is None


def test_every_change_changes_the_signature(target: Path) -> None:
    first = atomic.signature(target)
    target.chmod(0o640)
    second = atomic.signature(target)
    os.utime(target, ns=(1, 1))
    assert len({first, second, atomic.signature(target)}) == 3


@pytest.mark.parametrize("kind", ["a symbolic link", "a directory", "no regular file"])
def test_what_is_no_file_is_an_error_with_a_way_out(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "agents.json"
    match kind:
        case "a symbolic link":
            path.symlink_to(tmp_path / "nowhere")
        case "a directory":
            path.mkdir()
        case _:
            os.mkfifo(path)
    with pytest.raises(PublishError, match=rf"is {kind}: remove it"):
        atomic.read(path)


def test_a_file_that_may_not_be_read_has_no_bytes(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "open", failing(errno.EACCES))
    assert atomic.read(target) is None


def test_the_ownership_of_what_is_no_file_is_none(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    assert [Ownership.of(tmp_path / name) for name in ("missing", "link", ".")] == [None, None, None]


# --- sweep


def test_a_sweep_removes_what_a_killed_process_left(target: Path) -> None:
    program = f"""
import os, signal
from pathlib import Path
from agent_config_sync.publish import atomic
from agent_config_sync.publish.gate import Gate
atomic.replace(Path({str(target)!r}), b"new", gate=Gate(), like=None,
               ready=lambda: os.kill(os.getpid(), signal.SIGKILL))
"""
    ran = subprocess.run([PYTHON, "-c", program], check=False)
    assert ran.returncode == -9
    assert len(list(target.parent.iterdir())) == 2
    atomic.sweep(target)
    assert_untouched(target)


def test_a_sweep_leaves_what_is_not_ours(target: Path) -> None:
    theirs = {
        ".other.json.0123456789ab.tmp",
        ".agentsXjson.0123456789ab.tmp",
        ".agents.json.bak.0123456789ab.tmp",
        ".agents.json.0123456789ab.tmp.tmp",
        ".agents.json.0123456789a.tmp",
        ".agents.json.0123456789abc.tmp",
        ".agents.json.0123456789AB.tmp",
        ".agents.json.lock",
        ".agents.json.run",
        "agents.json.tmp",
        "x.agents.json.0123456789ab.tmp",
    }
    for name in theirs:
        (target.parent / name).touch()
    atomic.sweep(target)
    assert {path.name for path in target.parent.iterdir()} == {"agents.json", *theirs}


def test_a_sweep_of_a_missing_folder_makes_none(tmp_path: Path) -> None:
    atomic.sweep(tmp_path / "missing" / "agents.json")
    assert list(tmp_path.iterdir()) == []
