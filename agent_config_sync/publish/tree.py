"""Make workspaces what they should be: only files that differ are written, and only ours are removed.

Nothing below the root is reached through a symbolic link. A workspace is written in this order: its manifest, its
files, its folders' fsync; a new one is made whole under another name, then its manifest, then it gets its name. So a
kill leaves old and new files, each whole, and the next pass finishes.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from agent_config_sync.errors import PublishError
from agent_config_sync.publish import atomic
from agent_config_sync.publish.archive import ARCHIVE, move_to_archive
from agent_config_sync.publish.building import build, remove_unfinished, unfinished, unfinished_in
from agent_config_sync.publish.execution import Execution
from agent_config_sync.publish.folder import below, folder_at, folder_in, make_in
from agent_config_sync.publish.gate import Gate
from agent_config_sync.publish.manifest import Manifest, Manifests
from agent_config_sync.publish.plan import Plan, Write, plan_of
from agent_config_sync.publish.workspace import Change, Demand, Outcome, WorkspaceContent

THREADS = 8
"""Workspaces that are written at once: most of the time is spent in fsync."""

_SETTING = "workspace_root"


@dataclass(frozen=True, slots=True)
class _Standing:
    """A workspace as we last saw or wrote it. stands: by path, the hash of what was there; unchanged: what becomes of
    it while nothing is news."""

    content: WorkspaceContent
    stands: dict[str, str]
    unchanged: Outcome


class WorkspaceTree:
    """All workspaces below one root. The pass lock must be held."""

    def __init__(self, root: Path, manifests: Manifests, gate: Gate) -> None:
        self.root = root
        self.manifests = manifests
        self._gate = gate
        self._standing: dict[str, _Standing] = {}
        self._unsure: set[str] = set()
        """Agents whose workspaces might not outlive a loss of power."""
        self._built: set[str] = set()
        """Agents whose workspaces have just been made."""
        self._swept: set[str] = set()
        self._swept_root = False
        self._first = True
        """Whether what is left may be of a process that was killed."""

    def publish(
        self, wanted: Sequence[WorkspaceContent], *, look: bool, demand: Demand | None = None
    ) -> tuple[Outcome, ...]:
        """Make these workspaces what they should be.

        look: see on disk whether they still are; else only what is wanted now and was not before is written.

        Raises: StoppedError.
        """
        look = look or demand is not None
        due = [content for content in wanted if look or not self._stands(content)]
        chosen = demand or Demand()
        if not self._swept:
            self.manifests.sweep()

        there = self._names_in_root(due) if due else frozenset()

        def one(content: WorkspaceContent) -> Outcome:
            if isinstance(there, OSError):
                return self._failed(content, (), there)
            return (self._publish if content.folder in there else self._build)(content, look, chosen)

        # What is only looked at needs the processor, which threads would share; what is written waits for the disk.
        if len(due) > 1 and not all(map(self._stands, due)):
            with ThreadPoolExecutor(THREADS, thread_name_prefix="workspaces") as threads:
                outcomes = list(threads.map(one, due))
        else:
            outcomes = [one(content) for content in due]
        outcomes = self._settled(outcomes)
        became = {outcome.agent: outcome for outcome in outcomes}
        return tuple([became.get(content.agent) or self._standing[content.agent].unchanged for content in wanted])

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

        folder: its name, if nobody remembers under which one we made it; at: the time, for its name there.
        Returns: where it is now, None if there is no such folder.
        Raises: PublishError, StoppedError.
        """
        manifest = self.manifests.get(agent)
        folder = manifest.folder if manifest is not None and manifest.folder else folder
        try:
            place = move_to_archive(self.root, folder, f"{folder}.{at}", self._gate)
        except OSError as error:
            place = self.root / ARCHIVE / f"{folder}.{at}"
            raise atomic.failure(self.root / folder, f"moved to {place}", error, setting=_SETTING) from None
        self._standing.pop(agent, None)
        self.manifests.drop(agent)
        return place

    def forget(self) -> None:
        """Look at everything again: another process has written here, and may have been killed."""
        self._standing.clear()
        self._swept.clear()
        self._swept_root, self._first = False, True

    def _stands(self, content: WorkspaceContent) -> bool:
        standing = self._standing.get(content.agent)
        return standing is not None and standing.content is content

    def _names_in_root(self, due: Sequence[WorkspaceContent]) -> frozenset[str] | OSError:
        """Return what stands in the root, made if it is missing, without what a killed process left; or why nobody can
        tell.
        """
        try:
            atomic.make_folder(self.root)
            with folder_at(self.root) as root:
                names = frozenset(os.listdir(root))
                if not self._swept_root:
                    left = unfinished_in(names)
                    for content in due if self._first else ():
                        if content.folder in left.values() and content.folder not in names:
                            self.manifests.drop(content.agent)  # it says what never was
                    remove_unfinished(root, left, self._gate)
                    self._swept_root, self._first = True, False
                if self._unsure:
                    os.fsync(root)  # before we remember of one of its folders that it is ours
                return names
        except OSError as error:
            return error
        except PublishError as error:
            return OSError(str(error))

    def _build(self, content: WorkspaceContent, _: bool, demand: Demand) -> Outcome:
        """Make a workspace where there is no folder: under another name, and whole before it gets its own."""
        agent = content.agent
        self._standing.pop(agent, None)
        try:
            before = self.manifests.get(agent)
            plan = plan_of(None, content, before, demand, {})
            files = [write.file for write in (*plan.writes, *filter(None, [plan.bootstrap]))]
            with folder_at(self.root) as root, unfinished(root, content.folder) as (name, folder):
                build(folder, files, content.folders)
                skills = {file.path: (file.content_hash,) for file in files if file.is_skill}
                try:
                    self.manifests.save(agent, Manifest(folder=content.folder, skills=skills, bootstrapped=True))
                    with self._gate.passing():
                        os.rename(name, content.folder, src_dir_fd=root, dst_dir_fd=root)
                except BaseException:
                    self._take_back(agent, before)
                    raise
        except (OSError, PublishError) as error:
            return self._failed(content, (), error)
        self._built.add(agent)
        self._swept.add(agent)
        stands = {file.path: file.content_hash for file in files if file.owner == "database"}
        self._standing[agent] = _Standing(content, stands, Outcome(agent, content.folder))
        return Outcome(agent, content.folder, tuple(Change(file.path, None, file.content) for file in files))

    def _take_back(self, agent: str, before: Manifest | None) -> None:
        """Remember what was known of a workspace before one was built that did not get its name."""
        if before is None:
            self.manifests.drop(agent)
        else:
            self.manifests.save(agent, before)

    def _settled(self, outcomes: list[Outcome]) -> list[Outcome]:
        """Let the new folders outlive a loss of power, all at once."""
        built, self._built = self._built, set()
        if not built:
            return outcomes
        try:
            with folder_at(self.root) as root:
                os.fsync(root)
        except OSError as error:
            for agent in built:
                self._standing.pop(agent, None)
            self._unsure |= built
            told = str(atomic.failure(self.root, "written", error, setting=_SETTING))
            return [replace(each, error=told) if each.agent in built else each for each in outcomes]
        self._unsure -= built
        return outcomes

    def _failed(self, content: WorkspaceContent, changes: Sequence[Change], error: OSError | PublishError) -> Outcome:
        self._unsure.add(content.agent)
        self._swept.discard(content.agent)  # it may have left something, too
        self._swept_root = False
        return Outcome(content.agent, content.folder, tuple(changes), error=self._told(content, error))

    def _publish(self, content: WorkspaceContent, look: bool, demand: Demand) -> Outcome:
        agent, changes = content.agent, list[Change]()
        standing = self._standing.pop(agent, None)
        try:
            with folder_at(self.root) as root, contextlib.ExitStack() as stack:
                if agent not in self._swept:
                    make_in(root, content.folder)  # or hand it over, if root was killed before it did
                folder = stack.enter_context(folder_in(root, content.folder))
                known = standing.stands if standing is not None and not look else {}
                plan = self._publish_in(folder, content, demand, known, changes)
        except (OSError, PublishError) as error:
            return self._failed(content, changes, error)
        self._unsure.discard(agent)
        foreign = tuple(plan.foreign)
        self._standing[agent] = _Standing(content, plan.stands, Outcome(agent, content.folder, (), foreign))
        return Outcome(agent, content.folder, tuple(changes), foreign)

    def _publish_in(
        self,
        folder: int,
        content: WorkspaceContent,
        demand: Demand,
        known: Mapping[str, str],
        changes: list[Change],
    ) -> Plan:
        """Raises: OSError, PublishError, StoppedError."""
        before = self.manifests.get(content.agent)
        self._sweep(folder, content, before)
        plan = plan_of(folder, content, before, demand, known)
        manifest = Manifest(folder=content.folder, skills=plan.skills, bootstrapped=plan.bootstrap is None)
        self.manifests.save(content.agent, manifest)
        execution = Execution(folder, content.folder, self._gate, changes)
        for write in plan.writes:
            if execution.write(write):
                plan.stands[write.file.path] = write.file.content_hash
            elif write.file.is_skill:
                plan.foreign.append(write.file.path)
        for removal in plan.removals:
            execution.remove(removal)
        for path in content.folders:
            execution.make(path)
        execution.make_durable(_folders(content) if content.agent in self._unsure else ())
        skills = {
            path: () if path in execution.taken else ours
            for path, ours in plan.skills.items()
            if path not in execution.gone
        }
        self._finish(content, execution, manifest.model_copy(update={"skills": skills}), plan.bootstrap)
        return plan

    def _finish(
        self, content: WorkspaceContent, execution: Execution, manifest: Manifest, bootstrap: Write | None
    ) -> None:
        """Remember what was done, and write the bootstrap, which is remembered first so that it is written once.

        Raises: OSError, PublishError, StoppedError.
        """
        try:
            self.manifests.save(content.agent, manifest.model_copy(update={"bootstrapped": True}))
            if bootstrap is not None:
                execution.write(bootstrap)
        except Exception:
            if bootstrap is not None and not execution.has(bootstrap.file.path):
                self.manifests.save(content.agent, manifest)
            raise
        execution.make_durable()

    def _preview(self, content: WorkspaceContent, demand: Demand) -> Outcome:
        try:
            with contextlib.ExitStack() as stack:
                folder: int | None = None
                with contextlib.suppress(FileNotFoundError):
                    root = stack.enter_context(folder_at(self.root))
                    folder = stack.enter_context(folder_in(root, content.folder))
                plan = plan_of(folder, content, self.manifests.get(content.agent), demand, {})
        except (OSError, PublishError) as error:
            return Outcome(content.agent, content.folder, error=self._told(content, error))
        return Outcome(content.agent, content.folder, plan.changes, tuple(plan.foreign))

    def _sweep(self, folder: int, content: WorkspaceContent, manifest: Manifest | None) -> None:
        """Remove what a killed process left, unless we did."""
        if content.agent in self._swept:
            return
        names: dict[str, list[str]] = {}
        for path in (*(file.path for file in content.files), *(manifest.skills if manifest is not None else ())):
            where, _, name = path.rpartition("/")
            names.setdefault(where, []).append(name)
        for where, inside in names.items():
            with contextlib.suppress(OSError), below(folder, where) as opened:
                for left in atomic.left_behind(opened, *inside):
                    with self._gate.passing():
                        os.unlink(left, dir_fd=opened)
        self._swept.add(content.agent)

    def _told(self, content: WorkspaceContent, error: OSError | PublishError) -> str:
        if isinstance(error, PublishError):
            return str(error)
        named = error.filename if isinstance(error.filename, str | Path) else content.folder
        path = self.root / named
        if isinstance(error, NotADirectoryError):
            return f"{path}: a symbolic link or a file stands where a folder must be: remove it"
        if isinstance(error, IsADirectoryError):
            return f"{path}: a folder stands where a file must be: remove it"
        return str(atomic.failure(path, "written", error, setting=_SETTING))


def _folders(content: WorkspaceContent) -> Iterator[str]:
    """Return every folder of ours in a workspace."""
    yield from content.folders
    for file in content.files:
        yield from ("" if path == PurePosixPath() else str(path) for path in PurePosixPath(file.path).parents)
