"""A clone of a repository, and the worktrees of tasks that belong to it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from agent_config_sync.errors import SettingsError, UnkeptWorkError, WorktreeError
from agent_config_sync.logs import printable
from agent_config_sync.publish.lock import FileLock
from agent_config_sync.worktrees.branches import Branches
from agent_config_sync.worktrees.git import DEADLINE, Git
from agent_config_sync.worktrees.task_branch import TaskBranch
from agent_config_sync.worktrees.work import Work, work_of
from agent_config_sync.worktrees.worktree import Worktree, worktrees_in

ROOT = "worktrees"
"""The folder beside the clone where worktrees stand if no other is named."""

_LOCK = "agent-config-sync.worktrees.lock"


@dataclass(frozen=True, slots=True)
class TaskWorktree:
    """A task's worktree as it stands. work: None when its folder is broken, so that nobody can look."""

    task: TaskBranch
    tree: Worktree
    work: Work | None

    @property
    def problem(self) -> str | None:
        """Return why nobody can work in it."""
        if self.tree.gone:
            return "its folder is gone"
        if self.tree.broken:
            return "its .git is gone"
        if self.tree.half_made:
            return "half made"
        if self.tree.branch != self.task.name:
            return f"on {self.tree.branch or 'no branch'}"
        return None


@dataclass(frozen=True, slots=True)
class Removed:
    """What `remove` has done. folder: the one that is gone now; tip: the branch's commit; both None if there was none.
    base: the branch that was looked at; branch_deleted: for all of it is there.
    """

    folder: Path | None = None
    tip: str | None = None
    base: str | None = None
    branch_deleted: bool = False


class Clone:
    """The main clone of a repository: it is fetched and given worktrees, and nobody works in it."""

    def __init__(self, main: Path, git_folder: Path) -> None:
        self.main = main
        self._git_folder = git_folder
        self._git = Git(main)
        self._lock = FileLock(git_folder / _LOCK, setting="--repo")

    @classmethod
    async def at(cls, folder: Path) -> Clone:
        """Return the clone whose folder this is; of a worktree, the clone that it belongs to.

        Raises: SettingsError when it is none, WorktreeError when there is no git.
        """
        place = _resolved(folder)
        git = Git(place)
        asked = await git.answer("rev-parse", "--git-common-dir", "--show-prefix")
        if not asked.good:
            raise SettingsError(f"--repo {printable(str(folder))} is no clone of a repository: {asked.words}")
        common, _, below = asked.out.partition("\n")
        if below:  # a wrong path in somebody else's repository leads here too
            raise SettingsError(f"--repo {printable(str(folder))} lies inside of a clone: name the clone's own folder")
        main, *_ = worktrees_in(await git.said("worktree", "list", "--porcelain"))
        return cls(main.folder, (place / common).resolve())

    async def add(
        self, task: TaskBranch, *, root: Path | None = None, base: str | None = None, fetch: bool = True
    ) -> Path:
        """Return the folder of a task's worktree, and make it unless it stands.

        root: where it is made; base: the branch that it starts from and goes to; fetch: ask the remote first.
        Raises: SettingsError for a root or base that cannot be, WorktreeError, LockedError.
        """
        async with self._lock.held(DEADLINE):
            trees = await self._trees()
            standing = self._of_task(trees, task)
            if standing is not None:
                self._check_is_on_branch(task, standing)
                if not standing.gone:
                    return standing.folder
            folder = _place(
                task,
                (root or self.main.with_name(ROOT)).resolve(),
                [self._git_folder, *(tree.folder for tree in trees)],
            )
            branches = await Branches.of_clone(self._git)
            if fetch:
                await branches.fetch_all()
            chosen = await self._base(branches, task, base)
            if standing is not None:  # its folder was removed without git, which still takes the branch for used
                await self._git.said("worktree", "remove", "--", str(standing.folder))
            await self._make(branches, task, folder, chosen)
            if chosen is not None:
                await branches.note_base(task, chosen)
            return folder

    async def remove(self, task: TaskBranch, *, force: bool = False, fetch: bool = True) -> Removed:
        """Remove the worktree of a task, and its branch if the base has all of it; what is not there is no error.

        force: also with changes that are in no commit, which are lost then, and with commits that are nowhere else,
        which stay on the branch. fetch: ask the remote first.
        Raises: UnkeptWorkError without `force`, WorktreeError, LockedError.
        """
        async with self._lock.held(DEADLINE):
            tree = self._of_task(await self._trees(), task)
            branches = await Branches.of_clone(self._git)
            tip = await branches.commit_of(task.ref)
            if tree is None and tip is None:
                return Removed()
            if fetch:
                await branches.fetch_all()
            if tree is not None:
                self._check_is_one(task, tree, whole=not force)
            work = await work_of(self._git, branches, task, tree)
            if tree is not None:
                if not (force or work.kept):
                    raise UnkeptWorkError(
                        f"{tree.folder} holds {work}: commit and push, or remove it all the same with --force"
                    )
                forced = ["--force"] * (2 if tree.half_made else 1) if force else []
                await self._git.said("worktree", "remove", *forced, "--", str(tree.folder))
            if work.merged:
                await self._git.said("branch", "--quiet", "-D", "--", task.name)
            return Removed(None if tree is None else tree.folder, tip, work.base, branch_deleted=work.merged)

    async def tasks(self) -> list[TaskWorktree]:
        """Return the worktrees of all tasks, of any prefix, as they stand now; the remote is not asked.

        Raises: WorktreeError.
        """
        branches = await Branches.of_clone(self._git)
        found = []
        for tree in await self._trees():
            task = TaskBranch.named(tree.branch) or TaskBranch.in_folder(tree.folder.name)
            if task is not None and tree.folder != self.main:
                work = None if tree.broken else await work_of(self._git, branches, task, tree)
                found.append(TaskWorktree(task, tree, work))
        return found

    async def _trees(self) -> list[Worktree]:
        return worktrees_in(await self._git.said("worktree", "list", "--porcelain"))

    def _of_task(self, trees: list[Worktree], task: TaskBranch) -> Worktree | None:
        """Return the worktree that is on a task's branch, else the one of its name that is on no task's."""
        on_branch = [tree for tree in trees if tree.branch == task.name]
        by_name = [
            tree
            for tree in trees
            if tree.folder.name == task.folder and tree.folder != self.main and TaskBranch.named(tree.branch) is None
        ]
        return next(iter(on_branch + by_name), None)

    def _check_is_one(self, task: TaskBranch, tree: Worktree, *, whole: bool = True) -> None:
        if tree.folder == self.main:
            raise WorktreeError(
                f"the clone {self.main} itself is on {task.name}: let it switch to another branch (git switch)"
            )
        if tree.broken:
            raise WorktreeError(
                f"{tree.folder} is no worktree any more, its .git is gone: save what you need and remove the folder"
            )
        if whole and tree.half_made:
            raise WorktreeError(
                f"{tree.folder} is half made: a git is still at it, or was killed; if it was, remove it with --force"
            )

    def _check_is_on_branch(self, task: TaskBranch, tree: Worktree) -> None:
        self._check_is_one(task, tree)
        if tree.branch != task.name:
            raise WorktreeError(
                f"{tree.folder} is on {tree.branch or 'no branch'} and not on {task.name}: end what is under way there,"
                f" and switch back (git switch {task.name})"
            )

    async def _base(self, branches: Branches, task: TaskBranch, wanted: str | None) -> str | None:
        """Return the branch that work of a task goes to: the wanted one, if it can be."""
        if wanted is None:
            return await branches.base_of(task)
        sound = await self._git.answer("check-ref-format", f"refs/heads/{wanted}")
        if not sound.good or wanted.startswith("-") or wanted == task.name:
            raise SettingsError(
                f"--base {printable(wanted)!r} can be no base of {task.name}: name a branch such as main"
            )
        if not await branches.refs_of(wanted):
            raise SettingsError(f"--base {wanted}: neither {self.main} nor its remote has such a branch")
        return wanted

    async def _make(self, branches: Branches, task: TaskBranch, folder: Path, base: str | None) -> None:
        """Make a worktree: of the task's branch where there is one, else of a new one."""
        at_remote = branches.at_remote(task.name)
        starts = await branches.refs_of(base) if base is not None else []
        if await branches.commit_of(task.ref) is not None:
            words = ["--", str(folder), task.name]
        elif at_remote is not None and await branches.commit_of(at_remote) is not None:
            words = ["--track", "-b", task.name, "--", str(folder), at_remote]
        elif starts:  # it does not follow its base: a push without words might go there
            words = ["--no-track", "-b", task.name, "--", str(folder), starts[0]]
        else:
            raise WorktreeError(f"{self.main} has no commit to start from: name a branch that has one with --base")
        await self._git.said("worktree", "add", "--quiet", *words)


def _resolved(repo: Path) -> Path:
    place = repo.resolve()
    if not place.is_dir():
        raise SettingsError(f"--repo {printable(str(repo))} is no folder: name the clone of the repository")
    return place


def _place(task: TaskBranch, root: Path, taken: list[Path]) -> Path:
    """Return where a task's worktree is made.

    Raises: SettingsError when that lies in a clone or a worktree, WorktreeError when something stands there.
    """
    folder = root / task.folder
    if not str(folder).isprintable():
        raise SettingsError(
            f"--root {printable(str(root))}: a line break or another unprintable character is in its name"
        )
    around = next((each for each in taken if folder != each and folder.is_relative_to(each)), None)
    if around is not None:
        raise SettingsError(f"--root {root} lies in {around}, which would take it for its own: name a folder outside")
    if os.path.lexists(folder):
        raise WorktreeError(f"{folder} is there and is no worktree of this clone: remove it, or name another --root")
    return folder
