"""One writer a target: advisory locks beside the output, which the kernel releases when their holder dies."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import socket
import stat
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

from agent_config_sync.errors import LockedError, PublishError
from agent_config_sync.publish.atomic import make_folder, way_out

_PROGRAM = ("agent-config-sync", "__main__.py")
"""Ourselves: the command, and `python -m`."""

_POLL = 0.05
"""Seconds between two tries; flock cannot wait with a deadline."""


class FileLock:
    """An exclusive flock on a file of its own, which names its holder. setting: the one that says where it is."""

    def __init__(self, path: Path, *, setting: str = "output_path") -> None:
        self.path = path
        self._setting = setting
        self._descriptor: int | None = None

    def try_acquire(self) -> bool:
        """Take the lock if it is free.

        Raises: PublishError when the lock file cannot be opened.
        """
        while True:
            descriptor = self._open()
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                named = self._still_named(descriptor)
            except BlockingIOError:
                os.close(descriptor)
                return False
            except OSError as error:
                os.close(descriptor)  # left open it would hold the lock against ourselves
                raise self._failed(error) from None
            if named:
                break
            os.close(descriptor)  # somebody removed the file between our open and our lock
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        text = f"pid {os.getpid()} on {socket.gethostname()} ({_command()}) since {since}\n"
        with contextlib.suppress(OSError):  # a full disk costs the name of the holder, not the lock
            # Never to zero: freeing the file's only block costs a millisecond on a disk that discards.
            os.ftruncate(descriptor, os.pwrite(descriptor, text.encode("utf-8", "replace"), 0))
        self._descriptor = descriptor
        return True

    @property
    def stands(self) -> bool:
        """Whether it is held and others can see that: its file may have been removed, with its folder."""
        try:
            return self._descriptor is not None and self._still_named(self._descriptor)
        except OSError:
            return False

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def holder(self) -> str:
        """Return who has the lock, as it said itself."""
        try:
            return self.path.read_text(encoding="utf-8", errors="replace").strip()[:200] or "an unnamed process"
        except OSError:
            return "an unnamed process"

    @contextlib.asynccontextmanager
    async def held(self, deadline: float) -> AsyncIterator[None]:
        """Hold the lock, waiting up to `deadline` seconds for it.

        Raises: LockedError that names the holder.
        """
        give_up = time.monotonic() + deadline
        while not self.try_acquire():
            if time.monotonic() >= give_up:
                raise LockedError(
                    f"{self.path} is held by {self.holder()}, for more than {deadline:g} s: end that process"
                )
            await asyncio.sleep(_POLL)
        try:
            yield
        finally:
            self.release()

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            make_folder(self.path.parent)
            try:
                descriptor, suit = os.open(self.path, flags | os.O_CREAT | os.O_EXCL, 0o600), self._hand_over
            except FileExistsError:
                descriptor, suit = os.open(self.path, flags), self._check
            try:
                suit(descriptor)
            except BaseException:
                os.close(descriptor)
                raise
        except OSError as error:
            raise self._failed(error) from None
        return descriptor

    def _hand_over(self, descriptor: int) -> None:
        """Give a new file to the owner of its folder: root must not lock the gateway's own user out."""
        if os.geteuid() == 0:
            owner = self.path.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)

    def _check(self, descriptor: int) -> None:
        """Make sure that a file is ours to write into, whatever somebody put in its place."""
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            raise PublishError(f"the lock file {self.path} is no plain file of its own: remove it")

    def _failed(self, error: OSError) -> PublishError:
        way = way_out(error) if not isinstance(error, PermissionError) else None
        way = way or f"let this user write in that directory, or set another {self._setting}"
        return PublishError(f"the lock file {self.path} cannot be used ({error.strerror}): {way}")

    def _still_named(self, descriptor: int) -> bool:
        """Return whether the name still leads to this file.

        Raises: OSError when nobody can tell.
        """
        try:
            named = os.stat(self.path, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return named.st_ino == os.fstat(descriptor).st_ino


def _command() -> str:
    """Return what this process was started as; of a host's own words, which may be secrets, only the first."""
    program, *words = sys.argv or [""]
    ours = Path(program).name in _PROGRAM
    return " ".join([Path(program).name or "python", *(words[:1] if ours else [])])


def pass_lock(output: Path) -> FileLock:
    """Held from before a snapshot until its files are durable."""
    return FileLock(output.with_name(f".{output.name}.lock"))


def lifetime_lock(output: Path) -> FileLock:
    """Held by `run` for as long as it lives."""
    return FileLock(output.with_name(f".{output.name}.run"))
