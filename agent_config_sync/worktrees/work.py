"""What a task's worktree holds that is nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent_config_sync.worktrees.branches import Branches
from agent_config_sync.worktrees.git import Git
from agent_config_sync.worktrees.task_branch import TaskBranch
from agent_config_sync.worktrees.worktree import Worktree


@dataclass(frozen=True, slots=True)
class Work:
    """base: the branch it goes to; changes: files that differ from the last commit, new ones too; commits: those that
    neither the base nor a remote has; merged: whether the base has all that is on the branch.
    """

    base: str | None
    changes: int
    commits: int
    merged: bool

    @property
    def kept(self) -> bool:
        """Whether all of it is somewhere else too."""
        return not self.changes and not self.commits

    def __str__(self) -> str:
        """Return what is here alone, as words."""
        parts = []
        if self.changes:
            parts.append(f"{_count(self.changes, 'file')} with changes that are in no commit")
        if self.commits:
            parts.append(
                f"{_count(self.commits, 'commit')} that {f'neither {self.base} nor a' if self.base else 'no'}"
                " remote has"
            )
        return " and ".join(parts)


async def work_of(git: Git, branches: Branches, task: TaskBranch, tree: Worktree | None) -> Work:
    """Look at the branch of a task and, if there is one, at its worktree. git: in the clone.

    Raises: WorktreeError.
    """
    base = await branches.base_of(task)
    bases = await branches.refs_of(base) if base is not None else []
    tip = await branches.commit_of(task.ref)
    head = tree.head if tree is not None else None
    open_tips = [each for each in dict.fromkeys((tip, head)) if each and not await _in_any(git, bases, each)]
    commits = 0
    if open_tips:
        commits = int(await git.said("rev-list", "--count", *open_tips, "--not", *bases, "--remotes"))
    changes = 0 if tree is None or tree.gone or tree.broken else await _changes(Git(tree.folder))
    return Work(base, changes, commits, merged=tip is not None and tip not in open_tips)


async def _changes(git: Git) -> int:
    """Return how many files differ; what .gitignore names does not count, as it does not for git."""
    listed = await git.said("status", "--porcelain", "--untracked-files=all", "--ignore-submodules=none")
    return len(listed.splitlines())


async def _in_any(git: Git, bases: Sequence[str], tip: str) -> bool:
    for base in bases:
        if (await git.answer("merge-base", "--is-ancestor", tip, base)).good or await _squashed(git, base, tip):
            return True
    return False


async def _squashed(git: Git, base: str, tip: str) -> bool:
    """Return whether a base has all changes in commits of its own, as a squash or a rebase of a pull request makes
    them: to merge the branch would change nothing. One whose commits undo each other is none; git before 2.38 cannot
    tell.
    """
    fork = await git.answer("merge-base", tip, base)
    if not fork.good or await _tree(git, fork.out) == await _tree(git, tip):
        return False
    merged = await git.answer("merge-tree", "--write-tree", base, tip)
    return merged.good and merged.out == await _tree(git, base)


async def _tree(git: Git, commit: str) -> str:
    return await git.said("rev-parse", "--verify", f"{commit}^{{tree}}")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
