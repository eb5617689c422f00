"""publish/output.py: what is on disk now, and how it becomes what it should be."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path
from typing import NoReturn

import pytest

from agent_config_sync.errors import PublishError, StoppedError
from agent_config_sync.publish import atomic
from agent_config_sync.publish.gate import Gate
from agent_config_sync.publish.output import Output, content_hash


def output(folder: Path, gate: Gate | None = None) -> Output:
    return Output(folder / "agents.json", sibling=folder / "openclaw.json", gate=gate or Gate())


def replace(target: Output, content: bytes) -> None:
    target.replace(content, content_hash(content), ready=lambda: None)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_content_hash_is_sha_256_in_hex() -> None:
    assert content_hash(b"x") == hashlib.sha256(b"x").hexdigest()


def test_a_missing_file_is_none(tmp_path: Path) -> None:
    assert output(tmp_path).look() is None


def test_a_file_is_seen_with_its_bytes_and_hash(tmp_path: Path) -> None:
    (tmp_path / "agents.json").write_bytes(b"x")
    seen = output(tmp_path).look()
    assert seen is not None
    assert (seen.content, seen.content_hash) == (b"x", content_hash(b"x"))


def test_an_unchanged_file_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = output(tmp_path)
    replace(target, b"x")
    monkeypatch.setattr(atomic, "read", lambda _: pytest.fail("it was read"))
    assert target.look() is target.look()


def test_a_change_by_somebody_else_is_seen_though_size_and_time_are_the_same(tmp_path: Path) -> None:
    target = output(tmp_path)
    replace(target, b"ours")
    status = target.path.stat()
    target.path.write_bytes(b"evil")
    os.utime(target.path, ns=(status.st_atime_ns, status.st_mtime_ns))
    seen = target.look()
    assert seen is not None
    assert seen.content == b"evil"


def test_a_file_that_somebody_removed_is_gone(tmp_path: Path) -> None:
    target = output(tmp_path)
    replace(target, b"x")
    target.path.unlink()
    assert target.look() is None


def test_a_link_in_the_place_of_the_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "agents.json").symlink_to("elsewhere")
    with pytest.raises(PublishError, match="is a symbolic link"):
        output(tmp_path).look()


def test_a_new_output_takes_the_mode_of_the_gateways_configuration(tmp_path: Path) -> None:
    (tmp_path / "openclaw.json").touch()
    (tmp_path / "openclaw.json").chmod(0o640)
    replace(output(tmp_path), b"x")
    assert mode_of(tmp_path / "agents.json") == 0o640


def test_an_old_output_keeps_its_own_mode(tmp_path: Path) -> None:
    for name, mode in (("openclaw.json", 0o640), ("agents.json", 0o644)):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(mode)
    replace(output(tmp_path), b"x")
    assert mode_of(tmp_path / "agents.json") == 0o644


def test_a_new_output_beside_no_configuration_is_for_us_alone(tmp_path: Path) -> None:
    replace(output(tmp_path), b"x")
    assert mode_of(tmp_path / "agents.json") == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_new_output_belongs_to_the_owner_of_the_gateways_configuration(tmp_path: Path) -> None:
    (tmp_path / "openclaw.json").touch()
    os.chown(tmp_path / "openclaw.json", 65534, 65533)
    replace(output(tmp_path), b"x")
    status = (tmp_path / "agents.json").stat()
    assert (status.st_uid, status.st_gid) == (65534, 65533)


def test_after_a_failure_the_file_on_disk_is_seen_and_not_the_one_that_was_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> NoReturn:
        raise OSError(errno.EIO, "Input/output error")

    target = output(tmp_path)
    replace(target, b"old")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        with pytest.raises(PublishError):
            replace(target, b"new")
    seen = target.look()
    assert seen is not None
    assert seen.content == b"old"


def test_a_file_whose_folder_could_not_be_made_durable_does_not_count_as_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync

    def fails_for_folders(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, "Input/output error")
        fsync(descriptor)

    target = output(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fails_for_folders)
        with pytest.raises(PublishError):
            replace(target, b"new")
    seen = target.look()
    assert seen is not None
    assert not seen.durable
    replace(target, b"new")
    again = target.look()
    assert again is not None
    assert again.durable


def test_after_the_stop_the_old_file_stands(tmp_path: Path) -> None:
    gate = Gate()
    target = output(tmp_path, gate)
    replace(target, b"old")
    gate.close()
    with pytest.raises(StoppedError):
        replace(target, b"new")
    assert target.path.read_bytes() == b"old"


def test_one_is_told_when_the_new_bytes_are_durable_and_the_old_file_still_stands(tmp_path: Path) -> None:
    target = output(tmp_path)
    replace(target, b"old")
    seen: list[bytes] = []
    target.replace(b"new", content_hash(b"new"), ready=lambda: seen.append(target.path.read_bytes()))
    assert seen == [b"old"]


def test_a_sweep_removes_temporary_files(tmp_path: Path) -> None:
    (tmp_path / ".agents.json.0123456789ab.tmp").touch()
    output(tmp_path).sweep()
    assert list(tmp_path.iterdir()) == []


def test_the_old_file_is_let_go_of(tmp_path: Path) -> None:
    target = output(tmp_path)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a descriptor of its own would count
    for content in (b"one", b"two", b"three"):
        replace(target, content)
    target.let_go()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
