"""All folders of skills of one gateway: cheap looks tell which of them have changed, and only those are read again."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from agent_config_sync.errors import PublishError
from agent_config_sync.model.skills import SHARED, InstalledSkill
from agent_config_sync.publish.folder import below, folder_at
from agent_config_sync.publish.manifest import Manifests
from agent_config_sync.settings import Settings
from agent_config_sync.skills.scan import FILE, FOLDERS, Memory, Scanned, folders_in, scan

TICK = 0.1
"""Seconds in which two changes of a file can have the same time; file systems count in hundredths."""

_Times: TypeAlias = tuple[tuple[str, int, int, int], ...]
"""Of each path: the inode, the time in nanoseconds and the size."""


@dataclass(slots=True)
class _Known:
    """A folder as it was read last. ours: the slugs that we wrote there; times: of what is in it, None if it may have
    changed since they were taken."""

    scanned: Scanned
    ours: frozenset[str]
    names: tuple[str, ...]
    times: _Times | None
    error: str | None
    memory: Memory


class SkillFolders:
    """Reads files; blocking."""

    def __init__(self, settings: Settings, manifests: Manifests) -> None:
        """manifests: what we have written into the workspaces."""
        assert settings.workspaces is not None  # the composition root has looked
        self._root = settings.workspaces
        self._root_text, self._shared = str(self._root), str(settings.shared_skills)
        self._settings = settings
        self._manifests = manifests
        self._known: dict[str, _Known] = {}
        self._manifests_seen: tuple[str, int, int, int] | None = None

    @property
    def skills(self) -> tuple[InstalledSkill, ...]:
        """What is installed, as it was seen last."""
        return tuple(skill for known in self._known.values() for skill in known.scanned.skills)

    @property
    def left_out(self) -> tuple[str, ...]:
        """What was seen and not taken, and what could not be read, each with its place and the reason."""
        return tuple(self._complaints())

    def look(self, agents: Iterable[str], *, again: bool) -> bool:
        """Read the folders of these agents, and the shared one, that have changed since they were read last; return
        whether one was read. again: read all of them.
        """
        wanted = (SHARED, *agents)
        gone = self._known.keys() - set(wanted)
        for agent in gone:
            del self._known[agent]
        read, others = False, self._manifests_changed()
        for agent in wanted:
            known = self._known.get(agent)
            if again or known is None or self._changed(agent, known, others=others):
                self._known[agent] = self._read(agent, known)
                read = True
        return read or bool(gone)

    def _manifests_changed(self) -> bool:
        """Return whether we may have written something else into a workspace: each manifest is replaced by a rename."""
        seen = _time_of(str(self._manifests.folder))
        settled = seen is not None and abs(time.time_ns() - seen[2]) > TICK * 1e9
        changed = not settled or seen != self._manifests_seen
        self._manifests_seen = seen if settled else None
        return changed

    def _changed(self, agent: str, known: _Known, *, others: bool) -> bool:
        """others: there may be other manifests."""
        if known.times is None or known.times != self._times(agent, known.names):
            return True
        if not others:
            return False
        with contextlib.suppress(PublishError):
            return known.ours != self._ours(agent)
        return True

    def _read(self, agent: str, before: _Known | None) -> _Known:
        began = time.time_ns()
        error: str | None = None
        memory: Memory = before.memory if before is not None else {}
        ours: frozenset[str] = before.ours if before is not None else frozenset()
        try:
            with self._opened(agent) as folder:
                names = folders_in(folder)
                ours = self._ours(agent)  # after that: what we are about to write is there first
                times = self._times(agent, names[: FOLDERS + len(ours)])
                scanned = scan(folder, names, agent, ours=ours, memory=memory)
            names = names[: FOLDERS + len(ours)]
        except FileNotFoundError:
            names, times, scanned = (), self._times(agent, ()), Scanned()
        except (OSError, PublishError) as failure:
            # What cannot be read is not gone.
            error = str(failure) if isinstance(failure, PublishError) else f"{self._path(agent)}: {failure.strerror}"
            names, times, scanned = (), None, before.scanned if before is not None else Scanned()
        settled = times is not None and all(abs(began - changed) > TICK * 1e9 for _, _, changed, _ in times)
        return _Known(scanned, ours, names, times if settled else None, error, memory)

    def _ours(self, agent: str) -> frozenset[str]:
        """Return the slugs that we wrote into a workspace; one that its agent has made its own is none of them.

        Raises: PublishError.
        """
        manifest = self._manifests.get(agent) if agent != SHARED else None
        written = manifest.skills.items() if manifest is not None else ()
        return frozenset(path.split("/")[1] for path, hashes in written if hashes)

    def _times(self, agent: str, names: Iterable[str]) -> _Times:
        path = self._path(agent)
        seen = [_time_of(path, follow=agent == SHARED)]
        # What becomes of a skill's folder shows in the one above it, or in this file.
        seen += [_time_of(f"{path}/{name}/{FILE}") for name in names]
        return tuple(each for each in seen if each is not None)

    def _path(self, agent: str) -> str:
        if agent == SHARED:
            return self._shared
        return f"{self._root_text}/{self._settings.workspace_of(agent)}/skills"

    @contextlib.contextmanager
    def _opened(self, agent: str) -> Iterator[int]:
        """Open a folder of skills; above the workspaces, and to the shared folder, links are the operator's own.

        Raises: OSError, PublishError where the workspaces themselves are not there.
        """
        if agent == SHARED:
            with folder_at(self._settings.shared_skills) as folder:
                yield folder
            return
        with contextlib.ExitStack() as stack:
            try:
                root = stack.enter_context(folder_at(self._root))
            except FileNotFoundError:
                raise PublishError(f"{self._root}, the folder of the workspaces, is not there") from None
            yield stack.enter_context(below(root, f"{self._settings.workspace_of(agent)}/skills"))

    def _complaints(self) -> Iterator[str]:
        for agent, known in self._known.items():
            if known.error is not None:
                yield known.error
            for what in known.scanned.left_out:
                yield f"{self._path(agent)}: {what}"


def _time_of(path: str, *, follow: bool = False) -> tuple[str, int, int, int] | None:
    try:
        status = os.stat(path) if follow else os.lstat(path)  # noqa: PTH116 - thousands of them, every two seconds
    except OSError:
        return None
    return path, status.st_ino, status.st_mtime_ns, status.st_size
