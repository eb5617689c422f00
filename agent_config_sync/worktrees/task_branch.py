"""The names that a task's id gives to its branch and its folder: feat/task-<id> and feat-task-<id>."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent_config_sync.errors import SettingsError
from agent_config_sync.logs import printable

PREFIX = "feat"

_ID = r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}"
_PREFIX = r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}"
_BRANCH = re.compile(rf"(?P<prefix>{_PREFIX})/task-(?P<task>{_ID})")
_FOLDER = re.compile(rf"(?P<prefix>{_PREFIX}?)-task-(?P<task>{_ID})")


@dataclass(frozen=True, slots=True)
class TaskBranch:
    """A branch whose name holds its task's id, so that a pull request leads to its task. Neither part holds a slash, a
    dot or a first hyphen: no path, and no option of git.
    """

    task: str
    prefix: str = PREFIX

    @classmethod
    def of(cls, task: str, prefix: str = PREFIX) -> TaskBranch:
        """Return the names of a task.

        Raises: SettingsError when its id or the prefix cannot be part of them.
        """
        if re.fullmatch(_ID, task) is None:
            raise SettingsError(
                f"{printable(task)!r} can be no task's id: 1 to 64 letters, digits, _ and -, and no - first"
            )
        if re.fullmatch(_PREFIX, prefix) is None:
            raise SettingsError(
                f"--prefix {printable(prefix)!r}: 1 to 32 letters, digits, _ and -, of which the first "
                "is a letter or a digit"
            )
        return cls(task, prefix)

    @classmethod
    def named(cls, branch: str | None) -> TaskBranch | None:
        """Return the one that a branch is, None for any other branch."""
        found = None if branch is None else _BRANCH.fullmatch(branch)
        return None if found is None else cls(found["task"], found["prefix"])

    @classmethod
    def in_folder(cls, name: str) -> TaskBranch | None:
        """Return the one whose folder has this name, None for any other folder."""
        found = _FOLDER.fullmatch(name)
        return None if found is None else cls(found["task"], found["prefix"])

    @property
    def name(self) -> str:
        return f"{self.prefix}/task-{self.task}"

    @property
    def ref(self) -> str:
        return f"refs/heads/{self.name}"

    @property
    def folder(self) -> str:
        """A name without a slash, so that all folders stand side by side."""
        return f"{self.prefix}-task-{self.task}"
