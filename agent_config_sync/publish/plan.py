"""A workspace as it is beside what it should hold: what there is to do, without doing it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

from agent_config_sync.publish.folder import Found, below, exists_below, look_in, name_in
from agent_config_sync.publish.manifest import Manifest
from agent_config_sync.publish.output import content_hash
from agent_config_sync.publish.workspace import Change, Demand, FileContent, WorkspaceContent

_READ = 1_000_000
"""Bytes of a file that are read at least, for whoever wants to see what was replaced; no skill is longer."""

_MODE = 0o600


@dataclass(frozen=True, slots=True)
class Write:
    """A file to write. before: what may be seen of what is replaced, None where nothing is; fresh: it may replace
    nothing, whatever comes meanwhile."""

    file: FileContent
    before: bytes | None
    fresh: bool

    @property
    def change(self) -> Change:
        return Change(self.file.path, self.before, self.file.content)


@dataclass(frozen=True, slots=True)
class Removal:
    """A skill of ours to remove with its folder. found: None where the file is gone already; before: its bytes."""

    path: str
    found: Found | None = None
    before: bytes | None = None


@dataclass(slots=True)
class Plan:
    """What there is to do in one workspace.

    bootstrap: to be written after all else; foreign: what somebody else wrote and stays; skills: what the manifest must
    say of them before anything is done; stands: by path, the hash of what need not be looked at again.
    """

    writes: list[Write] = field(default_factory=list)
    removals: list[Removal] = field(default_factory=list)
    bootstrap: Write | None = None
    foreign: list[str] = field(default_factory=list)
    skills: dict[str, tuple[str, ...]] = field(default_factory=dict)
    stands: dict[str, str] = field(default_factory=dict)

    @property
    def changes(self) -> tuple[Change, ...]:
        last = [self.bootstrap.change] if self.bootstrap is not None else []
        return (
            *(write.change for write in self.writes),
            *(Change(removal.path, removal.before, None) for removal in self.removals if removal.found is not None),
            *last,
        )


def plan_of(
    folder: int | None,
    content: WorkspaceContent,
    manifest: Manifest | None,
    demand: Demand,
    known: Mapping[str, str],
) -> Plan:
    """Compare a workspace with what it should hold.

    folder: None where there is none; known: by path, the hash of what need not be looked at. Raises: OSError.
    """
    if manifest is None or manifest.folder != content.folder:  # somebody else's, unless it is empty
        manifest = Manifest(bootstrapped=folder is not None and bool(os.listdir(folder)))
    return _Planning(folder, content, manifest, demand, known).whole()


class _Planning:
    def __init__(
        self,
        folder: int | None,
        content: WorkspaceContent,
        manifest: Manifest,
        demand: Demand,
        known: Mapping[str, str],
    ) -> None:
        self._folder = folder
        self._content = content
        self._manifest = manifest
        self._demand = demand
        self._known = known
        self._plan = Plan()
        self._path = ""
        """What is looked at."""

    def whole(self) -> Plan:
        wanted = {file.path for file in self._content.files}
        try:
            for file in self._content.files:
                self._wanted(file)
            for path, ours in self._manifest.skills.items():
                if path not in wanted:
                    self._unassigned(path, ours)
        except OSError as error:
            name_in(error, self._content.folder, self._path)
            raise
        return self._plan

    def _wanted(self, file: FileContent) -> None:
        self._path = file.path
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

    def _rendered(self, file: FileContent) -> None:
        if self._known.get(file.path) == file.content_hash:
            self._plan.stands[file.path] = file.content_hash
            return
        found = self._look(file.path, at_most=len(file.content))
        if found is not None and _is_just(found, file):
            self._plan.stands[file.path] = file.content_hash
        else:
            self._plan.writes.append(Write(file, _seen(found), fresh=False))

    def _of_the_agent(self, file: FileContent) -> None:
        if self._demand.overwrite:
            self._rendered(file)
        elif not self._exists(file.path):
            self._plan.writes.append(Write(file, None, fresh=True))

    def _bootstrap(self, file: FileContent) -> None:
        if self._demand.bootstrap:
            found = self._look(file.path, at_most=len(file.content))
            if found is None or not _is_just(found, file):
                self._plan.bootstrap = Write(file, _seen(found), fresh=False)
        elif not self._manifest.bootstrapped and not self._exists(file.path):
            self._plan.bootstrap = Write(file, None, fresh=True)

    def _skill(self, file: FileContent) -> None:
        plan, path, hashed = self._plan, file.path, file.content_hash
        ours = self._manifest.skills.get(path)
        if ours and self._known.get(path) == hashed:
            plan.stands[path], plan.skills[path] = hashed, ours
            return
        try:
            found = self._look(path)
        except NotADirectoryError:
            if self._demand.overwrite:
                raise
            self._leave(path, ours)
            return
        if found is not None and _is_just(found, file):
            plan.stands[path], plan.skills[path] = hashed, (hashed,)
        elif found is not None and not ours and not self._demand.overwrite:
            self._leave(path, ours)
        else:
            plan.writes.append(Write(file, _seen(found), fresh=found is None and not ours))
            replaced = content_hash(found.content) if found is not None and found.content is not None else hashed
            plan.skills[path] = (hashed, replaced) if replaced != hashed and replaced in (ours or ()) else (hashed,)

    def _unassigned(self, path: str, ours: tuple[str, ...]) -> None:
        self._path = path
        try:
            found = self._look(path)
        except NotADirectoryError:
            self._leave(path, ours)
            return
        if found is not None and (found.content is None or content_hash(found.content) not in ours):
            self._leave(path, ())
            return
        self._plan.removals.append(Removal(path, found, _seen(found)))
        self._plan.skills[path] = ours  # until it is gone

    def _leave(self, path: str, ours: tuple[str, ...] | None) -> None:
        """Let somebody else's stay. ours: what to remember, None where it never was ours."""
        self._plan.foreign.append(path)
        if ours is not None:
            self._plan.skills[path] = ours

    def _look(self, path: str, *, at_most: int = 0) -> Found | None:
        """Return what stands in the workspace, None where nothing does. at_most: bytes that may matter.

        Raises: OSError; NotADirectoryError where a folder on the way is none, or a symbolic link.
        """
        if self._folder is None:
            return None
        where, _, name = path.rpartition("/")
        try:
            with below(self._folder, where) as inside:
                return look_in(inside, name, at_most=max(at_most, _READ))
        except FileNotFoundError:
            return None

    def _exists(self, path: str) -> bool:
        return self._folder is not None and exists_below(self._folder, path)


def _is_just(found: Found, file: FileContent) -> bool:
    """Return whether a file is just what it should be: a hard link or a readable secret is not."""
    return found.content == file.content and found.mode == _MODE and found.links == 1


def _seen(found: Found | None) -> bytes | None:
    """Return what a person may see of what is replaced, None where nothing is."""
    return None if found is None else found.content or b""
