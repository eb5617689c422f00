"""Files in which agents ask for keys: `<workspace>/requests/skill-credentials/*.json`.

A request that was taken moves to `done/`, one that was not to `refused/` with the reason beside it. What could hold a
key is deleted, so that only the reason stays. Nothing is reached through a symbolic link.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from agent_config_sync.publish import atomic
from agent_config_sync.publish.folder import below, folder_in, look_in, make_in
from agent_config_sync.publish.gate import Gate
from agent_config_sync.settings import Settings
from agent_config_sync.skills.credential_request import (
    SIZE_LIMIT,
    CredentialRequest,
    RequestRefusedError,
    UnfinishedError,
    read_request,
)

FOLDER = "requests/skill-credentials"

DONE, REFUSED = "done", "refused"

AT_ONCE = 50
"""Requests of an agent that are taken in one look."""

WAITING = 200
"""Requests of an agent that may wait; those above are deleted."""

KEPT = 100
"""Files that stay in each of the two folders of what is over, the newest."""

PATIENCE = 10.0
"""Seconds that a file may be no JSON yet."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A sound request. name: of its file."""

    agent: str
    name: str
    request: CredentialRequest


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that was not taken, and why; files: how many, where there were too many to look at."""

    agent: str
    reason: str
    files: int = 1


@dataclass(frozen=True, slots=True)
class Sorted:
    """What a look found: what waits, what was refused just now, and the folders that could not be looked into, each
    with the reason."""

    waiting: list[Waiting] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class RequestQueue:
    """The requests of all agents of a gateway; blocking."""

    def __init__(self, settings: Settings, gate: Gate) -> None:
        assert settings.workspaces is not None  # the composition root has looked
        self._root = settings.workspaces
        self._settings = settings
        self._gate = gate
        self._quiet: dict[str, tuple[int, int]] = {}
        """Folders in which nothing waits, with their inode and time."""

    def look(self, agents: Iterable[str]) -> Sorted:
        """Look at what agents ask for, and refuse what is not sound.

        Raises: StoppedError.
        """
        found = Sorted()
        for agent in agents:
            path = f"{self._root}/{self._settings.workspace_of(agent)}/{FOLDER}"
            try:
                status = os.lstat(path)
            except OSError:  # most have never asked for anything
                continue
            seen = (status.st_ino, status.st_mtime_ns)
            if self._quiet.get(agent) == seen:
                continue
            try:
                with self._opened(agent) as folder:
                    left = self._sort(folder, agent, found)
            except OSError as error:
                found.errors.append(f"{path}: {error.strerror}")
                continue
            if not left and time.time_ns() - status.st_mtime_ns > PATIENCE * 1e9:
                self._quiet[agent] = seen
            else:
                self._quiet.pop(agent, None)
        return found

    def take(self, done: Waiting) -> None:
        """Let a request be one that was taken.

        Raises: OSError, StoppedError.
        """
        with self._opened(done.agent) as folder:
            self._move(folder, done.name, DONE)

    def refuse(self, waiting: Waiting, reason: str) -> None:
        """Let a sound request be one that was not taken.

        Raises: OSError, StoppedError.
        """
        with self._opened(waiting.agent) as folder:
            self._move(folder, waiting.name, REFUSED)
            self._say(folder, waiting.name, reason)

    def _sort(self, folder: int, agent: str, found: Sorted) -> bool:
        """Look at each request; return whether something stays for the next look."""
        names = sorted(name for name in os.listdir(folder) if name.endswith(".json") and not name.startswith("."))
        surplus = names[WAITING:]
        for name in surplus:
            self._delete(folder, name)
        if surplus:
            found.refused.append(
                Refusal(agent, f"more than {WAITING} requests waited; those above were deleted", len(surplus))
            )
        for name in names[:AT_ONCE]:
            try:
                request = _read(folder, name)
            except RequestRefusedError as error:
                if error.harmless:
                    self._move(folder, name, REFUSED)
                else:
                    self._delete(folder, name)
                self._say(folder, name, str(error))
                found.refused.append(Refusal(agent, str(error)))
            else:
                if request is not None:
                    found.waiting.append(Waiting(agent, name, request))
        return bool(names)

    @contextlib.contextmanager
    def _opened(self, agent: str) -> Iterator[int]:
        descriptor = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with below(descriptor, f"{self._settings.workspace_of(agent)}/{FOLDER}") as folder:
                yield folder
        finally:
            os.close(descriptor)

    def _move(self, folder: int, name: str, where: str) -> None:
        make_in(folder, where)
        with folder_in(folder, where) as inside, self._gate.passing():
            os.rename(name, name, src_dir_fd=folder, dst_dir_fd=inside)
            _trim(inside)

    def _delete(self, folder: int, name: str) -> None:
        with self._gate.passing():
            try:
                os.unlink(name, dir_fd=folder)
            except IsADirectoryError:
                with contextlib.suppress(OSError):  # one that is not empty stays, and is refused again
                    os.rmdir(name, dir_fd=folder)

    def _say(self, folder: int, name: str, reason: str) -> None:
        make_in(folder, REFUSED)
        with folder_in(folder, REFUSED) as inside:
            atomic.write_in(inside, f"{name}.reason.txt", f"{reason}\n".encode(), gate=self._gate)
            _trim(inside)


def _read(folder: int, name: str) -> CredentialRequest | None:
    """Return a request, None for one that may still be written.

    Raises: RequestRefusedError, OSError.
    """
    found = look_in(folder, name, at_most=SIZE_LIMIT)
    if found is None:
        return None
    if found.content is None or found.links > 1:
        raise RequestRefusedError("a request is a regular file of its own, and no link")
    try:
        return read_request(found.content)
    except UnfinishedError:
        if time.time() - os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime < PATIENCE:
            return None
        raise


def _trim(folder: int) -> None:
    """Let go of all but the newest files."""
    names = os.listdir(folder)
    if len(names) <= KEPT:
        return
    times = {}
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            times[name] = os.stat(name, dir_fd=folder, follow_symlinks=False)
    for name in sorted(times, key=lambda name: times[name].st_mtime_ns)[: len(times) - KEPT]:
        if not stat.S_ISDIR(times[name].st_mode):
            os.unlink(name, dir_fd=folder)
