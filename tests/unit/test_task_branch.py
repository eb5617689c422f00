"""worktrees/task_branch.py: the names that a task's id gives to its branch and its folder."""

from __future__ import annotations

import re
import subprocess
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_config_sync.errors import SettingsError
from agent_config_sync.worktrees.task_branch import TaskBranch

ID = "7d0f3c5e-6b1a-4c54-9b2e-8c1f0a5d2e11"


def test_a_tasks_id_stands_in_both_names() -> None:
    names = TaskBranch.of(ID)
    assert (names.name, names.folder) == (f"feat/task-{ID}", f"feat-task-{ID}")


@pytest.mark.parametrize("task", [ID, "7", "_", "a-", "A_b-9", "a" * 64])
def test_an_id(task: str) -> None:
    assert TaskBranch.of(task, "fix").name == f"fix/task-{task}"


HOSTILE = [
    *("", ".", "..", "../x", "/x", "a/b", "a b", "a.lock", "a\n", "\na", "a\0", "\u00e9", "\u0661", "-x", "--force"),
    *("$(id)", "x;id", "@{u}", "a~1", "a^", "a:b", "a*", "a" * 65),
]


@pytest.mark.parametrize("task", HOSTILE)
def test_no_id(task: str) -> None:
    with pytest.raises(SettingsError, match="can be no task's id"):
        TaskBranch.of(task)


@pytest.mark.parametrize("prefix", [*HOSTILE, "_x", "a" * 33])
def test_no_prefix(prefix: str) -> None:
    with pytest.raises(SettingsError, match=r"--prefix .*: 1 to 32 letters"):
        TaskBranch.of(ID, prefix)


@given(
    task=st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}", fullmatch=True),
    prefix=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}", fullmatch=True),
)
def test_names_are_read_back_and_are_no_path_and_no_option(task: str, prefix: str) -> None:
    names = TaskBranch.of(task, prefix)
    assert TaskBranch.named(names.name) == names
    read = TaskBranch.in_folder(names.folder)
    assert read is not None
    assert read.folder == names.folder
    assert PurePosixPath(names.folder).name == names.folder
    assert re.match(r"[A-Za-z0-9]", names.name)


@pytest.mark.parametrize("name", [ID, "_-task-", "0" * 32 + "/task-" + "Z" * 64])
def test_git_takes_such_a_branch(name: str) -> None:
    branch = name if "/" in name else TaskBranch.of(name).name
    subprocess.run(["git", "check-ref-format", "--branch", branch], check=True, capture_output=True)


@pytest.mark.parametrize(
    "branch", [None, "main", "feat/task-", "feat/x", "a/feat/task-1", "feat/task-1/x", "feat/task-1\n"]
)
def test_other_branches_are_no_tasks(branch: str | None) -> None:
    assert TaskBranch.named(branch) is None
