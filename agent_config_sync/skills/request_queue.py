"""Files in which agents ask for keys: `<workspace>/requests/skill-credentials/*.json`.

Each is removed. For one that was taken a new file in `done/` says what was asked for, for one that was not a new file
in `refused/` says why; so nothing stays that an agent wrote there by mistake. No symbolic link is followed.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import orjson

from agent_config_sync.publish import atomic
from agent_config_sync.publish.folder import below, folder_at, folder_in, look_in, make_in
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

NAME_LIMIT = 200
"""Bytes of a request's name that the file which tells of it has in its own."""

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
    """What a look found: what waits, what was refused just now, and what could not be done, each with its place and the
    reason."""

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
            if not left and abs(time.time_ns() - status.st_mtime_ns) > PATIENCE * 1e9:
                self._quiet[agent] = seen
            else:
                self._quiet.pop(agent, None)
        return found

    def take(self, done: Waiting) -> None:
        """Let a request be one that was taken.

        Raises: OSError, StoppedError.
        """
        request = done.request
        said = orjson.dumps({"skillSlug": request.skill_slug, "keyName": request.key_name}) + b"\n"
        with self._opened(done.agent) as folder:
            self._delete(folder, done.name)
            self._tell(folder, DONE, _cut(done.name), said)

    def refuse(self, waiting: Waiting, reason: str) -> None:
        """Let a sound request be one that was not taken.

        Raises: OSError, StoppedError.
        """
        with self._opened(waiting.agent) as folder:
            self._delete(folder, waiting.name)
            self._tell(folder, REFUSED, f"{_cut(waiting.name)}.reason.txt", f"{reason}\n".encode())

    def _sort(self, folder: int, agent: str, found: Sorted) -> bool:
        """Look at each request; return whether something stays for the next look.

        Raises: OSError, StoppedError.
        """
        names = _requests_in(folder)
        surplus = names[WAITING:]
        for name in surplus:
            self._delete(folder, name)
        if surplus:
            reason = f"more than {WAITING} requests waited; those above were deleted"
            found.refused.append(Refusal(agent, reason, len(surplus)))
        for name in names[:AT_ONCE]:
            try:
                request = _read(folder, name)
            except RequestRefusedError as error:
                self._delete(folder, name)
                found.refused.append(Refusal(agent, str(error)))
                try:
                    self._tell(folder, REFUSED, f"{_cut(name)}.reason.txt", f"{error}\n".encode())
                except OSError as failure:
                    found.errors.append(f"agent {agent} cannot be told why a request was refused: {failure.strerror}")
            else:
                if request is not None:
                    found.waiting.append(Waiting(agent, name, request))
        return bool(names)

    @contextlib.contextmanager
    def _opened(self, agent: str) -> Iterator[int]:
        with (
            folder_at(self._root) as root,
            below(root, f"{self._settings.workspace_of(agent)}/{FOLDER}") as folder,
        ):
            yield folder

    def _delete(self, folder: int, name: str) -> None:
        with self._gate.passing(), contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)

    def _tell(self, folder: int, where: str, name: str, content: bytes) -> None:
        make_in(folder, where)
        with folder_in(folder, where) as inside:
            atomic.write_in(inside, name, content, gate=self._gate)
            _trim(inside)


def _requests_in(folder: int) -> list[str]:
    """Return the names of files and links that may be requests; what else has such a name is none."""
    with os.scandir(folder) as entries:
        return sorted(
            entry.name
            for entry in entries
            if entry.name.endswith(".json")
            and not entry.name.startswith(".")
            and (entry.is_symlink() or entry.is_file(follow_symlinks=False))
        )


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
        age = time.time() - os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime
        if 0 <= age < PATIENCE:
            return None
        raise


def _cut(name: str) -> str:
    return os.fsdecode(os.fsencode(name)[:NAME_LIMIT])


def _trim(folder: int) -> None:
    """Let go of all but the newest files; of very many a part at a time."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry, _ in zip(entries, range(10 * KEPT), strict=False)]
    if len(names) <= KEPT:
        return
    times = {}
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            times[name] = os.stat(name, dir_fd=folder, follow_symlinks=False)
    for name in sorted(times, key=lambda name: times[name].st_mtime_ns)[: len(times) - KEPT]:
        if not stat.S_ISDIR(times[name].st_mode):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
