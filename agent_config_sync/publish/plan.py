"""A workspace as it is beside what it should hold: what there is to do, without doing it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

from agent_config_sync.publish.folder import Found, below, look_in
from agent_config_sync.publish.manifest import Manifest
from agent_config_sync.publish.output import content_hash
from agent_config_sync.publish.workspace import Change, Demand, FileContent, WorkspaceContent

_READ = 1_000_000
"""Bytes of a file that are read at least, for whoever wants to see what was replaced; no skill is longer."""

_MODE = 0o600


@dataclass(slots=True)
class Plan:
    """What there is to do in one workspace. first: it is ours from now on; stands: by path, the hash of what need not
    be looked at again."""

    first: bool
    writes: list[tuple[FileContent, bytes | None]] = field(default_factory=list)
    removals: list[tuple[str, bytes]] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    stands: dict[str, str] = field(default_factory=dict)
    skills: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def manifest(self) -> Manifest:
        """What must be remembered before anything is done."""
        return Manifest(skills=self.skills, bootstrapped=True)

    @property
    def changes(self) -> tuple[Change, ...]:
        return (
            *(Change(file.path, before, file.content) for file, before in self.writes),
            *(Change(path, before, None) for path, before in self.removals),
        )


def plan_of(
    folder: int, content: WorkspaceContent, manifest: Manifest | None, demand: Demand, known: Mapping[str, str]
) -> Plan:
    """Compare a workspace with what it should hold. known: by path, the hash of what need not be looked at.

    Raises: OSError.
    """
    return _Planning(folder, content, manifest, demand, known).whole()


class _Planning:
    def __init__(
        self,
        folder: int,
        content: WorkspaceContent,
        manifest: Manifest | None,
        demand: Demand,
        known: Mapping[str, str],
    ) -> None:
        self._folder = folder
        self._content = content
        self._demand = demand
        self._known = known
        self._plan = Plan(first=manifest is None)
        # What nothing is known of is somebody else's, unless it is empty.
        self._manifest = manifest or Manifest(bootstrapped=bool(os.listdir(folder)))

    def whole(self) -> Plan:
        for file in self._content.files:
            match file.owner:
                case "database" if file.is_skill:
                    self._skill(file)
                case "database":
                    self._rendered(file)
                case "agent":
                    self._of_the_agent(file)
                case "nobody":
                    self._bootstrap(file)
                case _:
                    assert_never(file.owner)
        wanted = {file.path for file in self._content.files}
        for path, ours in self._manifest.skills.items():
            if path not in wanted:
                self._unassigned(path, ours)
        return self._plan

    def _rendered(self, file: FileContent) -> None:
        if self._known.get(file.path) == file.content_hash:
            self._plan.stands[file.path] = file.content_hash
            return
        found = self._look(file.path, at_most=len(file.content))
        if found is not None and _is_just(found, file):
            self._plan.stands[file.path] = file.content_hash
        else:
            self._plan.writes.append((file, _seen(found)))

    def _of_the_agent(self, file: FileContent) -> None:
        if self._demand.overwrite:
            self._rendered(file)
        elif not self._exists(file.path):
            self._plan.writes.append((file, None))

    def _bootstrap(self, file: FileContent) -> None:
        if self._demand.bootstrap or not self._manifest.bootstrapped:
            self._rendered(file)

    def _skill(self, file: FileContent) -> None:
        path, ours = file.path, self._manifest.skills.get(file.path)
        if self._known.get(path) == file.content_hash and ours:
            self._plan.stands[path], self._plan.skills[path] = file.content_hash, ours
            return
        try:
            found = self._look(path, at_most=len(file.content))
        except NotADirectoryError:
            if self._demand.overwrite:
                raise
            self._leave(path, ours)
            return
        if found is not None and _is_just(found, file):
            self._plan.stands[path], self._plan.skills[path] = file.content_hash, (file.content_hash,)
        elif found is not None and not ours and not self._demand.overwrite:
            self._leave(path, ours)
        else:
            self._plan.writes.append((file, _seen(found)))
            self._plan.skills[path] = (
                file.content_hash,
                *(each for each in (ours or ())[:1] if each != file.content_hash),
            )

    def _unassigned(self, path: str, ours: tuple[str, ...]) -> None:
        try:
            found = self._look(path)
        except NotADirectoryError:
            self._leave(path, ours)
            return
        if found is None:
            return
        if found.content is not None and content_hash(found.content) in ours:
            self._plan.removals.append((path, found.content))
            self._plan.skills[path] = ours  # until it is gone
        else:
            self._leave(path, ())

    def _leave(self, path: str, ours: tuple[str, ...] | None) -> None:
        """Let somebody else's stay. ours: what to remember, None where it never was ours."""
        self._plan.foreign.append(path)
        if ours is not None:
            self._plan.skills[path] = ours

    def _look(self, path: str, *, at_most: int = 0) -> Found | None:
        """Return what stands in the workspace, None where nothing does. at_most: bytes that may matter.

        Raises: OSError; NotADirectoryError where a folder on the way is none, or a symbolic link.
        """
        where, _, name = path.rpartition("/")
        try:
            with below(self._folder, where, create=False) as inside:
                return look_in(inside, name, at_most=max(at_most, _READ))
        except FileNotFoundError:
            return None

    def _exists(self, path: str) -> bool:
        where, _, name = path.rpartition("/")
        try:
            with below(self._folder, where, create=False) as inside:
                os.stat(name, dir_fd=inside, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True


def _is_just(found: Found, file: FileContent) -> bool:
    """Return whether a file is just what it should be: a hard link or a readable secret is not."""
    return found.content == file.content and found.mode == _MODE and found.links == 1


def _seen(found: Found | None) -> bytes | None:
    """Return what a person may see of what is replaced, None where nothing is."""
    return None if found is None else found.content or b""
