"""Open folders, and files named relative to them: whatever is swapped in meanwhile, nothing leads out of one."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agent_config_sync.publish import atomic
from agent_config_sync.publish.atomic import FileSignature


@dataclass(frozen=True, slots=True)
class Found:
    """What stands under a name. content: None where it is no regular file, or nobody lets us read it; mode: its
    permission bits; links: the names that it has."""

    content: bytes | None
    signature: FileSignature
    mode: int
    links: int


def look_in(directory: int, name: str, *, at_most: int) -> Found | None:
    """Return what stands under a name of an open directory, with one byte more than `at_most` at the most; None where
    nothing does. Nothing but a regular file is opened.

    Raises: OSError.
    """
    try:
        status, content = os.stat(name, dir_fd=directory, follow_symlinks=False), None
        if stat.S_ISREG(status.st_mode):
            with contextlib.suppress(PermissionError):
                status, content = _read(directory, name, at_most)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENXIO):  # a link or a socket was swapped in just then
            raise
    return Found(content, FileSignature.of(status), stat.S_IMODE(status.st_mode), status.st_nlink)


def _read(directory: int, name: str, at_most: int) -> tuple[os.stat_result, bytes | None]:
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return status, None
        return status, file.read(min(status.st_size, at_most) + 1)  # as much as is asked for is allocated


def make_in(directory: int, name: str) -> bool:
    """Make a folder of an open directory unless something stands there; return whether it did. It is 0700, and for
    root of the owner of the one above.

    Raises: OSError.
    """
    made = True
    try:
        os.mkdir(name, 0o700, dir_fd=directory)
    except FileExistsError:
        made = False
    if os.geteuid() == 0:
        atomic.hand_over_new(name, directory, os.fstat(directory))
    return made


@contextlib.contextmanager
def folder_at(path: Path) -> Iterator[int]:
    """Open a folder of the operator's, which may be a symbolic link.

    Raises: OSError.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def folder_in(directory: int, name: str) -> Iterator[int]:
    """Open a folder of an open directory.

    Raises: OSError; NotADirectoryError also where a symbolic link stands in its place.
    """
    descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def below(folder: int, path: str) -> contextlib.AbstractContextManager[int]:
    """Open a folder some levels below, none of them through a symbolic link.

    Raises: OSError that names the level.
    """
    return _below(folder, path) if path else contextlib.nullcontext(folder)


@contextlib.contextmanager
def _below(folder: int, path: str) -> Iterator[int]:
    with contextlib.ExitStack() as stack:
        way: list[str] = []
        for name in path.split("/"):
            way.append(name)
            try:
                folder = stack.enter_context(folder_in(folder, name))
            except OSError as error:
                error.filename = "/".join(way)
                raise
        yield folder


def exists_below(folder: int, path: str) -> bool:
    """Return whether anything stands at a path below an open folder.

    Raises: OSError.
    """
    where, _, name = path.rpartition("/")
    try:
        with below(folder, where) as inside:
            os.stat(name, dir_fd=inside, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


@contextlib.contextmanager
def naming(folder: str, path: str) -> Iterator[None]:
    """Let an error name the file where it happened, or what is no folder on the way there."""
    try:
        yield
    except OSError as error:
        name_in(error, folder, path)
        raise


def name_in(error: OSError, folder: str, path: str) -> None:
    """Do what `naming` does, which takes its time where thousands of files are only looked at."""
    on_the_way = error.filename if isinstance(error, NotADirectoryError) else None
    error.filename = f"{folder}/{on_the_way or path}".rstrip("/")
