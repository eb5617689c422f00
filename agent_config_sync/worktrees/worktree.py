"""What `git worktree list --porcelain` says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_BEING_MADE = "initializing"
"""Why git locks a worktree until its files stand (git's builtin/worktree.c); it stays so when that git is killed."""


@dataclass(frozen=True, slots=True)
class Worktree:
    """A worktree as git knows it, whether its folder is there or not.

    head: its commit, None before the first; branch: None when HEAD is on none; locked: why git must not take it away.
    """

    folder: Path
    head: str | None = None
    branch: str | None = None
    locked: str | None = None

    @property
    def gone(self) -> bool:
        return not self.folder.exists()

    @property
    def broken(self) -> bool:
        """Whether its folder is there, but what makes it a worktree is not: git would take it for a part of another."""
        return not self.gone and not (self.folder / ".git").exists()

    @property
    def half_made(self) -> bool:
        return self.locked == _BEING_MADE


def worktrees_in(listed: str) -> list[Worktree]:
    """Return the worktrees of a list, the main one first."""
    return [_worktree(entry) for entry in listed.split("\n\n") if entry.strip()]


def _worktree(entry: str) -> Worktree:
    members = dict(line.partition(" ")[::2] for line in entry.strip("\n").split("\n"))
    head = members.get("HEAD", "")
    return Worktree(
        folder=Path(members["worktree"]),
        head=head if head.strip("0") else None,
        branch=members["branch"].removeprefix("refs/heads/") if "branch" in members else None,
        locked=members.get("locked"),
    )
