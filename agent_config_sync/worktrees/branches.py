"""What a clone knows of branches, its own and those of its remote."""

from __future__ import annotations

from agent_config_sync.errors import WorktreeError
from agent_config_sync.worktrees.git import Git
from agent_config_sync.worktrees.task_branch import TaskBranch

_HEADS = "refs/heads/"


class Branches:
    """The branches of one clone. remote: where work goes, None for a clone without one."""

    def __init__(self, git: Git, remote: str | None) -> None:
        self._git = git
        self.remote = remote

    @classmethod
    async def of_clone(cls, git: Git) -> Branches:
        """Return them with the remote `origin`, else with the first one."""
        remotes = (await git.said("remote")).splitlines()
        return cls(git, "origin" if "origin" in remotes else next(iter(remotes), None))

    @property
    def _head(self) -> str:
        """Points to the remote's default branch."""
        return f"refs/remotes/{self.remote}/HEAD"

    async def fetch_all(self) -> None:
        """Learn what the remote has; no branch of the clone's own moves.

        Raises: WorktreeError when it cannot be reached.
        """
        if self.remote is None:
            return
        fetched = await self._git.answer("fetch", "--quiet", "--", self.remote)
        if not fetched.good:
            raise WorktreeError(
                f"git fetch {self.remote} failed in {self._git.folder}: {fetched.words}; "
                "with --no-fetch, what the clone has is enough"
            )
        if await self.commit_of(self._head) is None:  # the clone was not made by `git clone`
            await self._git.answer("remote", "set-head", self.remote, "--auto")

    async def commit_of(self, ref: str) -> str | None:
        found = await self._git.answer("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        return found.out if found.good else None

    def at_remote(self, branch: str) -> str | None:
        """Return the ref that says what the remote's branch was at the last fetch."""
        return None if self.remote is None else f"refs/remotes/{self.remote}/{branch}"

    async def refs_of(self, branch: str) -> list[str]:
        """Return where a branch is: at the remote, and in the clone."""
        refs = [self.at_remote(branch), _HEADS + branch]
        return [ref for ref in refs if ref is not None and await self.commit_of(ref) is not None]

    async def base_of(self, task: TaskBranch) -> str | None:
        """Return the branch that a task's work goes to, None if there is none: the noted one while there is such a
        branch, else the default.
        """
        noted = await self._git.answer("config", "--get", _base_key(task))
        base = noted.out if noted.good and await self.refs_of(noted.out) else await self.default()
        return None if base == task.name else base

    async def note_base(self, task: TaskBranch, base: str) -> None:
        """Keep it with the branch, where `gh pr create` looks for the base too (gh's manual, `gh pr create`)."""
        await self._git.said("config", "--local", "--replace-all", _base_key(task), base)

    async def default(self) -> str | None:
        """Return the remote's default branch, else the one that the clone is on, None when that is on none."""
        pointed = await self._git.answer("symbolic-ref", "--quiet", self._head)
        if self.remote is not None and pointed.good:
            return pointed.out.removeprefix(self._head.removesuffix("HEAD"))
        current = await self._git.answer("symbolic-ref", "--quiet", "HEAD")
        return current.out.removeprefix(_HEADS) if current.good else None


def _base_key(task: TaskBranch) -> str:
    return f"branch.{task.name}.gh-merge-base"
