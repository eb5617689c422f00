"""`agent-config-sync worktree`: one git worktree and one branch a task."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import orjson
import typer

from agent_config_sync.cli.options import NOT_YET, AsJson, complain, errors_end_the_command
from agent_config_sync.cli.table import table
from agent_config_sync.errors import UnkeptWorkError
from agent_config_sync.logs import printable
from agent_config_sync.worktrees.clone import Clone, Removed, TaskWorktree
from agent_config_sync.worktrees.task_branch import PREFIX, TaskBranch

app = typer.Typer(help="One git worktree and one branch a task.", no_args_is_help=True)

Task = Annotated[str, typer.Argument(help="The task's id, as the board has it.", show_default=False)]
Repo = Annotated[Path, typer.Option(help="The main clone of the repository.", show_default=False)]
Prefix = Annotated[str, typer.Option(help="How the branch begins: <prefix>/task-<id>.")]
Fetch = Annotated[bool, typer.Option("--fetch/--no-fetch", help="Ask the remote first.")]


@app.command()
def add(
    task: Task,
    repo: Repo,
    root: Annotated[
        Path | None,
        typer.Option(help="The folder of the worktrees; default: worktrees, beside the clone.", show_default=False),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            help="The branch that the task starts from and goes to; default: the remote's default branch, else the one "
            "that the clone is on.",
            show_default=False,
        ),
    ] = None,
    prefix: Prefix = PREFIX,
    fetch: Fetch = True,
) -> None:
    """Make the worktree of a task unless it stands, and print its folder."""
    with errors_end_the_command():
        print(asyncio.run(_add(TaskBranch.of(task, prefix), repo, root, base, fetch=fetch)))


@app.command("list")
def list_(repo: Repo, as_json: AsJson = False) -> None:
    """Show the worktrees of all tasks, and what each holds that is nowhere else."""
    with errors_end_the_command():
        found = asyncio.run(_tasks(repo))
    if as_json:
        print(orjson.dumps([_members(each) for each in found], option=orjson.OPT_INDENT_2).decode())
    elif found:
        heads = ("TASK", "BRANCH", "BASE", "CHANGES", "COMMITS", "NOTES", "FOLDER")
        print("\n".join(printable(line) for line in table(heads, [_row(each) for each in found])))
    else:
        print("no task has a worktree")


@app.command()
def remove(
    task: Task,
    repo: Repo,
    force: Annotated[
        bool, typer.Option("--force", help="Also with work that is nowhere else: changes are lost, commits stay.")
    ] = False,
    prefix: Prefix = PREFIX,
    fetch: Fetch = True,
) -> None:
    """Remove the worktree of a task, and its branch once it is merged. Ends with 3 if work would be lost."""
    with errors_end_the_command():
        names = TaskBranch.of(task, prefix)
        try:
            removed = asyncio.run(_remove(names, repo, force=force, fetch=fetch))
        except UnkeptWorkError as error:
            complain(error)
            raise typer.Exit(NOT_YET) from None
    print(_sentence(names, removed))


async def _add(task: TaskBranch, repo: Path, root: Path | None, base: str | None, *, fetch: bool) -> Path:
    return await (await Clone.at(repo)).add(task, root=root, base=base, fetch=fetch)


async def _tasks(repo: Path) -> list[TaskWorktree]:
    return await (await Clone.at(repo)).tasks()


async def _remove(task: TaskBranch, repo: Path, *, force: bool, fetch: bool) -> Removed:
    return await (await Clone.at(repo)).remove(task, force=force, fetch=fetch)


def _members(each: TaskWorktree) -> dict[str, object]:
    work = each.work
    return {
        "task": each.task.task,
        "branch": each.task.name,
        "folder": printable(str(each.tree.folder)),
        "base": None if work is None else work.base,
        "changes": None if work is None else work.changes,
        "commits": None if work is None else work.commits,
        "merged": None if work is None else work.merged,
        "problem": each.problem,
    }


def _row(each: TaskWorktree) -> tuple[str, ...]:
    work = each.work
    counts = ("?", "?") if work is None else (str(work.changes or ""), str(work.commits or ""))
    notes = [each.problem] if each.problem is not None else []
    if work is not None and work.merged:
        notes.append(f"all in {work.base}")
    base = (work.base if work is not None else None) or ""
    return (each.task.task, each.task.name, base, *counts, "; ".join(notes), str(each.tree.folder))


def _sentence(task: TaskBranch, removed: Removed) -> str:
    if removed.folder is None and removed.tip is None:
        return f"nothing to remove: task {task.task} has neither a worktree nor a branch {task.name}"
    parts = [f"removed {removed.folder}" if removed.folder is not None else f"task {task.task} has no worktree"]
    if removed.branch_deleted:
        parts.append(f"deleted the branch {task.name}: all of it is in {removed.base} (it was {removed.tip})")
    elif removed.tip is not None:
        parts.append(f"kept the branch {task.name}: it is not merged{f' into {removed.base}' if removed.base else ''}")
    return "; ".join(parts)
