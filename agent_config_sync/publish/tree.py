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
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from agent_config_sync.errors import PublishError
from agent_config_sync.publish import atomic
from agent_config_sync.publish.folder import below, folder_in
from agent_config_sync.publish.gate import Gate
from agent_config_sync.publish.manifest import Manifests
from agent_config_sync.publish.plan import Plan, plan_of
from agent_config_sync.publish.workspace import Change, Demand, Outcome, WorkspaceContent

THREADS = 8
"""Workspaces that are written at once: most of the time is spent in fsync."""

ARCHIVE = ".archive"
"""Folder below the root for workspaces of agents that are gone; no agent's name begins with a dot."""


@dataclass(slots=True)
class _Standing:
    """A workspace as we last saw or wrote it."""

    content: WorkspaceContent
    foreign: tuple[str, ...]
    stands: dict[str, str]


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
        """Return the agents whose workspaces we have made and that are not wanted any more.

        Raises: PublishError.
        """
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
                known = standing.stands if standing is not None and not look else {}
                plan = plan_of(folder, content, self.manifests.get(content.agent), demand, known)
                self._execute(root, folder, content, plan)
        except OSError as error:
            return Outcome(content.agent, content.folder, error=_told(self.root / content.folder, error))
        except PublishError as error:
            return Outcome(content.agent, content.folder, error=str(error))
        foreign = tuple(plan.foreign)
        self._standing[content.agent] = _Standing(content, foreign, plan.stands)
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
                plan = plan_of(folder, content, self.manifests.get(content.agent), demand, {})
        except OSError as error:
            return Outcome(content.agent, content.folder, error=_told(self.root / content.folder, error))
        except PublishError as error:
            return Outcome(content.agent, content.folder, error=str(error))
        return Outcome(content.agent, content.folder, plan.changes, tuple(plan.foreign))

    def _execute(self, root: int, folder: int, content: WorkspaceContent, plan: Plan) -> None:
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
            with below(folder, where) as inside:
                atomic.write_in(inside, name, file.content, gate=self._gate)
            plan.stands[file.path] = file.content_hash
            touched.update(str(parent) for parent in PurePosixPath(file.path).parents)
        for path, _ in plan.removals:
            self._remove(folder, path)
            touched.update(str(parent) for parent in PurePosixPath(path).parents)
        for path in sorted(touched, reverse=True):
            with (
                contextlib.suppress(FileNotFoundError),
                below(folder, "" if path == "." else path, create=False) as inside,
            ):
                os.fsync(inside)
        if plan.first:
            os.fsync(root)

    def _remove(self, folder: int, path: str) -> None:
        """Remove a file of ours, and the folder that was made for it if nobody else put anything there."""
        where, _, name = path.rpartition("/")
        with below(folder, where, create=False) as inside, self._gate.passing():
            os.unlink(name, dir_fd=inside)
        above, _, last = where.rpartition("/")
        with contextlib.suppress(OSError), below(folder, above, create=False) as inside:
            os.rmdir(last, dir_fd=inside)

    def _sweep(self, folder: int, content: WorkspaceContent) -> None:
        names: dict[str, list[str]] = {}
        for file in content.files:
            where, _, name = file.path.rpartition("/")
            names.setdefault(where, []).append(name)
        for where, inside in names.items():
            with contextlib.suppress(OSError), below(folder, where, create=False) as opened:
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


def _make(folder: int, path: str) -> bool:
    """Make a folder below; return whether it was missing."""
    try:
        with below(folder, path, create=False):
            return False
    except FileNotFoundError:
        with below(folder, path):
            return True


def _told(path: Path, error: OSError) -> str:
    if error.errno in (errno.ENOTDIR, errno.ELOOP):
        return f"{path}: a symbolic link or a file stands where a folder must be: remove it"
    if error.errno == errno.EISDIR:
        return f"{path}: a folder stands where a file must be: remove it"
    return str(atomic.failure(path, "written", error))
