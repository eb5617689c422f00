"""Make workspaces what they should be: only files that differ are written, and only ours are removed.

Nothing below the root is reached through a symbolic link. A workspace is written in this order: its manifest, its
files, its folders' fsync; so a kill leaves old and new files, each whole, and the next pass finishes.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias

from agent_config_sync.errors import PublishError
from agent_config_sync.publish import atomic
from agent_config_sync.publish.atomic import FileSignature
from agent_config_sync.publish.folder import folder_in, read_in
from agent_config_sync.publish.gate import Gate
from agent_config_sync.publish.manifest import Manifest, Manifests
from agent_config_sync.publish.output import content_hash

Owner: TypeAlias = Literal["database", "agent", "nobody"]
"""Who decides what a file holds once it exists: `nobody` is a file that is written once and may be deleted."""

THREADS = 8
"""Workspaces that are written at once: most of the time is spent in fsync."""

ARCHIVE = ".archive"
"""Folder below the root for workspaces of agents that are gone; no agent's name begins with a dot."""

_MODE = 0o600
_SKILLS = "skills"


@dataclass(frozen=True, slots=True)
class FileContent:
    """What a file of a workspace should hold. path: relative, with slashes."""

    path: str
    content: bytes
    content_hash: str
    owner: Owner

    @classmethod
    def of(cls, path: str, content: bytes, owner: Owner) -> FileContent:
        return cls(path, content, content_hash(content), owner)


@dataclass(frozen=True, slots=True, eq=False)
class WorkspaceContent:
    """What the workspace of an agent should hold. folder: its name below the root; folders: that must be there."""

    agent: str
    folder: str
    files: tuple[FileContent, ...]
    folders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Demand:
    """What somebody asks for beyond what every pass does. overwrite: files of the agent too, and a skill that stands
    in the place of one of ours; bootstrap: BOOTSTRAP.md once more."""

    overwrite: bool = False
    bootstrap: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A file that differs from what it should hold. before, after: None where there is no file."""

    path: str
    before: bytes | None
    after: bytes | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a workspace. folder: its name below the root; changes: in the order in which they were made;
    foreign: paths that somebody else wrote and that stay; error: why it is not what it should be."""

    agent: str
    folder: str
    changes: tuple[Change, ...] = ()
    foreign: tuple[str, ...] = ()
    error: str | None = None


@dataclass(slots=True)
class _Standing:
    """A workspace as we last saw or wrote it."""

    content: WorkspaceContent
    foreign: tuple[str, ...]
    seen: dict[str, FileSignature]


@dataclass(slots=True)
class _Plan:
    """What there is to do in one workspace. first: it is ours from now on."""

    first: bool
    writes: list[tuple[FileContent, bytes | None]] = field(default_factory=list)
    removals: list[tuple[str, bytes]] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    seen: dict[str, FileSignature] = field(default_factory=dict)
    manifest: Manifest = field(default_factory=Manifest)

    @property
    def changes(self) -> tuple[Change, ...]:
        return (
            *(Change(file.path, before, file.content) for file, before in self.writes),
            *(Change(path, before, None) for path, before in self.removals),
        )


class WorkspaceTree:
    """All workspaces below one root. The pass lock must be held."""

    def __init__(self, root: Path, manifests: Manifests, gate: Gate) -> None:
        self.root = root
        self.manifests = manifests
        self._gate = gate
        self._standing: dict[str, _Standing] = {}
        self._swept: set[str] = set()

    def publish(
        self, wanted: Sequence[WorkspaceContent], *, look: bool, demand: Demand | None = None
    ) -> tuple[Outcome, ...]:
        """Make these workspaces what they should be.

        look: see on disk whether they still are; else only what is wanted now and was not before is written.

        Raises: StoppedError.
        """
        due = [content for content in wanted if look or demand is not None or not self._stands(content)]
        chosen = demand or Demand()

        def one(content: WorkspaceContent) -> Outcome:
            return self._publish(content, look, chosen)

        if len(due) > 1:
            with ThreadPoolExecutor(THREADS, thread_name_prefix="workspaces") as threads:
                outcomes = list(threads.map(one, due))
        else:
            outcomes = [one(content) for content in due]
        became = {outcome.agent: outcome for outcome in outcomes}
        return tuple(
            [
                became.get(content.agent) or Outcome(content.agent, content.folder, foreign=self._foreign(content))
                for content in wanted
            ]
        )

    def preview(self, wanted: Iterable[WorkspaceContent], demand: Demand | None = None) -> tuple[Outcome, ...]:
        """Return what `publish` would do, without doing it."""
        return tuple(self._preview(content, demand or Demand()) for content in wanted)

    def stands(self, agent: str) -> bool:
        """Return whether we have made the workspace of this agent, whole."""
        return agent in self._standing

    def left_over(self, wanted: Iterable[str]) -> tuple[str, ...]:
        """Return the agents whose workspaces we have made and that are not wanted any more."""
        return tuple(sorted(self.manifests.agents().difference(wanted)))

    def archive(self, agent: str, folder: str, *, at: str) -> Path | None:
        """Move the workspace of an agent that is not wanted any more out of the way; nothing is deleted.

        at: the time, as it is to stand in the name. Returns: where it is now, None if there is no such folder.
        Raises: PublishError, StoppedError.
        """
        place = self.root / ARCHIVE / f"{folder}.{at}"
        try:
            with self._root() as root, folder_in(root, ARCHIVE) as archive, self._gate.passing():
                os.rename(folder, place.name, src_dir_fd=root, dst_dir_fd=archive)
                os.fsync(archive)
                os.fsync(root)
        except FileNotFoundError:
            self.manifests.drop(agent)
            return None
        except OSError as error:
            raise atomic.failure(self.root / folder, f"moved to {place}", error) from None
        self.manifests.drop(agent)
        self._standing.pop(agent, None)
        return place

    def forget(self) -> None:
        """Look at everything again: another process has written here."""
        self.manifests.forget()
        self._standing.clear()

    def _stands(self, content: WorkspaceContent) -> bool:
        standing = self._standing.get(content.agent)
        return standing is not None and standing.content is content

    def _foreign(self, content: WorkspaceContent) -> tuple[str, ...]:
        standing = self._standing.get(content.agent)
        return standing.foreign if standing is not None else ()

    def _publish(self, content: WorkspaceContent, look: bool, demand: Demand) -> Outcome:
        standing = self._standing.pop(content.agent, None)
        try:
            with self._root() as root, folder_in(root, content.folder) as folder:
                seen = standing.seen if standing is not None and not look else {}
                plan = self._plan(folder, content, demand, seen)
                self._execute(root, folder, content, plan)
        except OSError as error:
            return Outcome(content.agent, content.folder, error=_told(self.root / content.folder, error))
        except PublishError as error:
            return Outcome(content.agent, content.folder, error=str(error))
        foreign = tuple(plan.foreign)
        self._standing[content.agent] = _Standing(content, foreign, plan.seen)
        return Outcome(content.agent, content.folder, plan.changes, foreign)

    def _preview(self, content: WorkspaceContent, demand: Demand) -> Outcome:
        try:
            with contextlib.ExitStack() as stack:
                try:
                    root = stack.enter_context(self._root(create=False))
                    folder = stack.enter_context(folder_in(root, content.folder, create=False))
                except FileNotFoundError:
                    changes = tuple(Change(each.path, None, each.content) for each in content.files)
                    return Outcome(content.agent, content.folder, changes)
                plan = self._plan(folder, content, demand, {})
        except OSError as error:
            return Outcome(content.agent, content.folder, error=_told(self.root / content.folder, error))
        return Outcome(content.agent, content.folder, plan.changes, tuple(plan.foreign))

    def _plan(self, folder: int, content: WorkspaceContent, demand: Demand, known: dict[str, FileSignature]) -> _Plan:
        """Compare a workspace with what it should hold. known: files that need not be looked at.

        Raises: OSError.
        """
        manifest = self.manifests.get(content.agent)
        plan = _Plan(first=manifest is None)
        if manifest is None:  # somebody else's, unless it is empty
            manifest = Manifest(bootstrapped=bool(os.listdir(folder)))
        if demand.bootstrap:
            manifest = manifest.model_copy(update={"bootstrapped": False})
        files: dict[str, tuple[str, ...]] = {}
        for file in content.files:
            ours = manifest.files.get(file.path, ())
            if file.owner == "nobody" and manifest.bootstrapped:
                files.update({file.path: ours} if ours else {})
                continue
            if file.path in known and file.content_hash == (ours[0] if ours else None):
                files[file.path] = ours
                plan.seen[file.path] = known[file.path]
                continue
            before, signature, intact = _look(folder, file)
            if file.owner == "agent" and before is not None and not demand.overwrite:
                files.update({file.path: ours} if ours else {})
                continue
            if intact and signature is not None:
                files[file.path] = (file.content_hash,)
                plan.seen[file.path] = signature
                continue
            if _is_skill(file.path) and before is not None and not ours and not demand.overwrite:
                plan.foreign.append(file.path)
                continue
            plan.writes.append((file, before))
            files[file.path] = (file.content_hash, *(each for each in ours[:1] if each != file.content_hash))
        wanted = {file.path for file in content.files}
        for path, ours in manifest.files.items():
            if path not in wanted and _is_skill(path):
                found = _read(folder, path)
                if found is not None and content_hash(found) in ours:
                    plan.removals.append((path, found))
                    files[path] = ours  # until it is gone
                elif found is not None:
                    plan.foreign.append(path)
        plan.manifest = Manifest(files=files, bootstrapped=True)
        return plan

    def _execute(self, root: int, folder: int, content: WorkspaceContent, plan: _Plan) -> None:
        """Raises: OSError, PublishError, StoppedError."""
        if content.agent not in self._swept:
            self._sweep(folder, content)
            self._swept.add(content.agent)
        self.manifests.save(content.agent, plan.manifest)
        touched: set[str] = set()
        for path in content.folders:
            if _make(folder, path):
                touched.update((path, *(str(parent) for parent in PurePosixPath(path).parents)))
        for file, _ in plan.writes:
            where, _, name = file.path.rpartition("/")
            with _below(folder, where) as inside:
                plan.seen[file.path] = atomic.write_in(inside, name, file.content, gate=self._gate)
            touched.update(str(parent) for parent in PurePosixPath(file.path).parents)
        for path, _ in plan.removals:
            self._remove(folder, path)
            touched.update(str(parent) for parent in PurePosixPath(path).parents)
        for path in sorted(touched, reverse=True):
            with (
                contextlib.suppress(FileNotFoundError),
                _below(folder, "" if path == "." else path, create=False) as inside,
            ):
                os.fsync(inside)
        if plan.first:
            os.fsync(root)

    def _remove(self, folder: int, path: str) -> None:
        """Remove a file of ours, and the folder that was made for it if nobody else put anything there."""
        where, _, name = path.rpartition("/")
        with _below(folder, where, create=False) as inside, self._gate.passing():
            os.unlink(name, dir_fd=inside)
        above, _, last = where.rpartition("/")
        with contextlib.suppress(OSError), _below(folder, above, create=False) as inside:
            os.rmdir(last, dir_fd=inside)

    def _sweep(self, folder: int, content: WorkspaceContent) -> None:
        names: dict[str, list[str]] = {}
        for file in content.files:
            where, _, name = file.path.rpartition("/")
            names.setdefault(where, []).append(name)
        for where, inside in names.items():
            with contextlib.suppress(OSError), _below(folder, where, create=False) as opened:
                atomic.sweep_in(opened, *inside)

    @contextlib.contextmanager
    def _root(self, *, create: bool = True) -> Iterator[int]:
        """Open the root, which an operator may have made a symbolic link."""
        if create:
            atomic.make_folder(self.root)
        descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _below(folder: int, path: str, *, create: bool = True) -> Iterator[int]:
    """Open a folder some levels below, none of them through a symbolic link."""
    with contextlib.ExitStack() as stack:
        for name in filter(None, path.split("/")):
            folder = stack.enter_context(folder_in(folder, name, create=create))
        yield folder


def _make(folder: int, path: str) -> bool:
    """Make a folder below; return whether it was missing."""
    try:
        with _below(folder, path, create=False):
            return False
    except FileNotFoundError:
        with _below(folder, path):
            return True


def _look(folder: int, file: FileContent) -> tuple[bytes | None, FileSignature | None, bool]:
    """Return what stands where a file should: its bytes, what identifies it, and whether it is just what it should be:
    a hard link or a readable secret is not."""
    where, _, name = file.path.rpartition("/")
    try:
        with _below(folder, where, create=False) as inside:
            found = read_in(inside, name, at_most=max(len(file.content), 1_000_000))
            if found is None:
                os.stat(name, dir_fd=inside, follow_symlinks=False)
                return b"", None, False  # no file, and yet something
    except FileNotFoundError:
        return None, None, False
    intact = found.content == file.content and found.mode == _MODE and found.links == 1
    return found.content, found.signature, intact


def _read(folder: int, path: str) -> bytes | None:
    where, _, name = path.rpartition("/")
    try:
        with _below(folder, where, create=False) as inside:
            found = read_in(inside, name, at_most=1_000_000)
            return found.content if found is not None else None
    except FileNotFoundError:
        return None


def _is_skill(path: str) -> bool:
    return path.startswith(f"{_SKILLS}/")


def _told(path: Path, error: OSError) -> str:
    if error.errno in (errno.ENOTDIR, errno.ELOOP):
        return f"{path}: a symbolic link or a file stands where a folder must be: remove it"
    if error.errno == errno.EISDIR:
        return f"{path}: a folder stands where a file must be: remove it"
    return str(atomic.failure(path, "written", error))
