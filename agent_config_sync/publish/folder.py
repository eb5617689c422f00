"""Open folders, and files named relative to them: whatever is swapped in meanwhile, nothing leads out of one."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

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
        return status, file.read(at_most + 1) if stat.S_ISREG(status.st_mode) else None


@contextlib.contextmanager
def folder_in(directory: int, name: str, *, create: bool = True) -> Iterator[int]:
    """Open a folder of an open directory, and make it if asked to: 0700, for root of the owner of the one above.

    Raises: OSError; NotADirectoryError also where a symbolic link stands in its place.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(name, flags, dir_fd=directory)
    except FileNotFoundError:
        if not create:
            raise
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=directory)
        descriptor = os.open(name, flags, dir_fd=directory)
        if os.geteuid() == 0:
            owner = os.fstat(directory)
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def below(folder: int, path: str, *, create: bool = True) -> Iterator[int]:
    """Open a folder some levels below, none of them through a symbolic link."""
    with contextlib.ExitStack() as stack:
        for name in filter(None, path.split("/")):
            folder = stack.enter_context(folder_in(folder, name, create=create))
        yield folder
