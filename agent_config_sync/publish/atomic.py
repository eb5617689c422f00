"""Replace a file as a whole, durably: a reader sees the old bytes or the new ones, and so does the next boot.

Order: temporary file in the same directory, all bytes, final owner and mode, fsync, rename, fsync of the directory.
A directory is opened once and files are named relative to it, so a path that is swapped meanwhile leads nowhere else.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from agent_config_sync.errors import PublishError
from agent_config_sync.publish.gate import Gate

_RANDOM_BYTES = 6
_OURS_ALONE = 0o700

FOR_OTHERS = 0o077
"""The permission bits of group and others."""

_WAYS_OUT = {
    errno.ENOSPC: "free some space on that disk",
    errno.EDQUOT: "the quota is used up: raise it, or free some space",
    errno.EROFS: "mount that file system for writing, it is read-only",
    errno.EEXIST: "a file stands in the place of a folder: remove it",
    errno.ENOTDIR: "a file stands in the place of a folder: remove it",
    errno.EBUSY: "it is a mount point: mount its folder instead of the file, which is replaced as a whole",
    errno.EACCES: "let this user write there, or set another {setting}",
    errno.EPERM: "let this user write there, or set another {setting}",
    errno.EFBIG: "raise the file size limit of this process (ulimit -f)",
    errno.EIO: "the disk failed; look at the kernel log",
}


@dataclass(frozen=True, slots=True)
class FileSignature:
    """What `stat` says of a file; it changes with every change of the file."""

    inode: int
    size: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> FileSignature:
        return cls(status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@dataclass(frozen=True, slots=True)
class Ownership:
    """Permission bits, owner and group of a file."""

    mode: int
    uid: int
    gid: int

    @classmethod
    def of(cls, path: Path) -> Ownership | None:
        """Return those of an existing regular file, without following a symbolic link."""
        try:
            status = path.lstat()
        except OSError:
            return None
        return cls(stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) if stat.S_ISREG(status.st_mode) else None


def signature(path: Path) -> FileSignature | None:
    """Return the signature of a regular file, None where there is none.

    Raises: PublishError where something else stands in its place.
    """
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise failure(path, "looked at", error) from None
    if stat.S_ISREG(status.st_mode):
        return FileSignature.of(status)
    kind = (
        "a symbolic link"
        if stat.S_ISLNK(status.st_mode)
        else "a directory"
        if stat.S_ISDIR(status.st_mode)
        else "no regular file"
    )
    raise PublishError(f"{path} is {kind}: remove it, or set output_path to the file itself")


def read(path: Path) -> bytes | None:
    """Return the bytes of a regular file, None where there is none or it may not be read (it can still be replaced).

    Raises: PublishError where something else stands in its place.
    """
    if signature(path) is None:
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            return file.read()
    except (FileNotFoundError, PermissionError):
        return None
    except OSError as error:
        raise failure(path, "read", error) from None


def replace(
    path: Path, content: bytes, *, gate: Gate, like: Ownership | None, ready: Callable[[], None] = lambda: None
) -> FileSignature:
    """Replace `path` by `content` and return the new file's signature.

    like: owner and mode of the new file; None means 0600 and ours, or for root the owner of the folder. ready: called
    when the new bytes are durable under the temporary name, just before the rename.

    Raises: PublishError, StoppedError. The old file stands and no temporary file is left; only where the fsync of the
    directory failed the new file stands, and might not outlive a loss of power.
    """
    try:
        with _directory(path.parent) as directory:
            return _replace_in(directory, path, content, gate, like, ready)
    except OSError as error:
        raise failure(path, "written", error) from None


def sweep(path: Path) -> None:
    """Remove temporary files that a killed process left beside `path`. Call it with the lock of `path` held."""
    with contextlib.suppress(OSError), _directory(path.parent, create=False) as directory:
        for name in left_behind(directory, path.name):
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=directory)


def left_behind(directory: int, *names: str) -> list[str]:
    """Return the temporary files that a killed process left beside files of these names in an open directory.

    Raises: OSError.
    """
    beginnings = "|".join(re.escape(_temporary_name(name)[0]) for name in names)
    ours = re.compile(f"(?:{beginnings})[0-9a-f]{{{2 * _RANDOM_BYTES}}}{re.escape(_temporary_name('')[1])}")
    return [name for name in os.listdir(directory) if ours.fullmatch(name)]


def _replace_in(
    directory: int, path: Path, content: bytes, gate: Gate, like: Ownership | None, ready: Callable[[], None]
) -> FileSignature:
    written = write_in(directory, path.name, content, gate=gate, like=like, ready=ready)
    os.fsync(directory)
    return written


def write_in(
    directory: int,
    name: str,
    content: bytes,
    *,
    gate: Gate,
    like: Ownership | None = None,
    ready: Callable[[], None] = lambda: None,
    fresh: bool = False,
) -> FileSignature:
    """Replace a file of an open directory, as `replace` does; it outlives a loss of power once that is fsynced.

    fresh: replace nothing, whatever comes meanwhile. Raises: OSError, FileExistsError where something stands that must
    not be replaced, StoppedError.
    """
    temporary = secrets.token_hex(_RANDOM_BYTES).join(_temporary_name(name))
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o600, dir_fd=directory)
    try:
        try:
            _write_whole(descriptor, content)
            _own(descriptor, like or _private(directory))
            os.fsync(descriptor)
            ready()
            with gate.passing():
                (_name_fresh if fresh else _name)(directory, temporary, name)
            return FileSignature.of(os.fstat(descriptor))
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=directory)
            raise
    finally:
        os.close(descriptor)


def write_new(directory: int, name: str, content: bytes, *, like: Ownership) -> None:
    """Write a file that nobody knows of yet, under its own name in an open directory; durable once that is fsynced.

    Raises: OSError.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, like.mode, dir_fd=directory)
    try:
        _write_whole(descriptor, content)
        _own(descriptor, like)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_whole(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _name(directory: int, temporary: str, name: str) -> None:
    os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)


def _name_fresh(directory: int, temporary: str, name: str) -> None:
    """Give a file its name unless something else has it: a rename would not ask.

    Raises: OSError, FileExistsError. It may have its name and the temporary one.
    """
    try:
        os.link(temporary, name, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
    else:
        os.unlink(temporary, dir_fd=directory)
        return
    try:  # a file system where no file has two names
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        _name(directory, temporary, name)
    else:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)


def make_folder(path: Path, *, beside: Path | None = None) -> None:
    """Make a folder and those above it that are missing, all 0700. Root makes each for the owner of the one above it.

    beside: for whose owner root makes the last one instead, so that its command does not lock the service's user out.

    Raises: OSError.
    """
    if path.is_dir():
        return
    make_folder(path.parent)
    owner = (beside or path.parent).stat()
    with _opened(path.parent, os.O_PATH) as above:
        try:
            os.mkdir(path.name, _OURS_ALONE, dir_fd=above)
        except FileExistsError:
            if path.is_dir():
                return  # another process has made it
            raise
        if os.geteuid() == 0:
            hand_over_new(path.name, above, owner)
        with contextlib.suppress(OSError), _opened(".", os.O_RDONLY, above) as directory:  # it need not be readable
            os.fsync(directory)


def hand_over_new(name: str, above: int, owner: os.stat_result) -> None:
    """Give a folder of root's to this owner if it is new: 0700, and with nothing in it. A kill may have left it, and
    whoever owns the folder above may have put something else in its place meanwhile, which is not given away.

    Raises: OSError.
    """
    with contextlib.suppress(NotADirectoryError), _opened(name, os.O_NOFOLLOW, above) as folder:
        status = os.fstat(folder)
        if status.st_uid == 0 and status.st_mode & 0o777 == _OURS_ALONE and not os.listdir(folder):
            _give(folder, status, owner.st_uid, owner.st_gid)


def _private(folder: int) -> Ownership:
    """Return what a file of ours has in this open folder."""
    owner = os.fstat(folder)
    mine = (os.geteuid(), os.getegid()) if os.geteuid() else (owner.st_uid, owner.st_gid)
    return Ownership(0o600, *mine)


def _own(descriptor: int, like: Ownership) -> None:
    """Give a file its owner and mode before it is visible."""
    status = os.fstat(descriptor)
    _give(descriptor, status, like.uid, like.gid)
    if stat.S_IMODE(status.st_mode) != like.mode & 0o777:
        os.fchmod(descriptor, like.mode & 0o777)


def _give(descriptor: int, status: os.stat_result, uid: int, gid: int) -> None:
    """Change the owner; one that only root could give is let go."""
    if (status.st_uid, status.st_gid) == (uid, gid):
        return
    try:
        os.fchown(descriptor, uid, gid)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EINVAL):  # EINVAL: this user namespace does not know them
            raise


@contextlib.contextmanager
def _directory(path: Path, *, create: bool = True) -> Iterator[int]:
    if create:
        make_folder(path)
    with _opened(path, os.O_RDONLY) as directory:
        yield directory


@contextlib.contextmanager
def _opened(path: Path | str, how: int, above: int | None = None) -> Iterator[int]:
    descriptor = os.open(path, how | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=above)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _temporary_name(name: str) -> tuple[str, str]:
    """Return what stands before and after the random part: hidden, and so named that a sweep finds it."""
    return f".{name}.", ".tmp"


def way_out(error: OSError, setting: str = "output path") -> str | None:
    """Return what a person can do about it, None where that is not known. setting: that says where the file is."""
    way = _WAYS_OUT.get(error.errno or 0)
    return way.format(setting=setting) if way is not None else None


def failure(path: Path, what: str, error: OSError, *, setting: str = "output path") -> PublishError:
    """Return what to tell a person. what: could not be done with the path, such as `written`."""
    reason = error.strerror or type(error).__name__
    way = way_out(error, setting)
    return PublishError(f"{path} cannot be {what}: {reason}" + (f"; {way}" if way else ""))
