"""`agent-config-sync board`: the board for people, from the database."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, TypeAlias

import typer

from agent_config_sync.board import finding, tasks, threads
from agent_config_sync.board.model import STATUSES, TaskStatus
from agent_config_sync.cli import board_deliveries, board_work
from agent_config_sync.cli.board_input import moment_named, priority_named, read_text, status_named, task_named
from agent_config_sync.cli.board_lines import (
    document_members,
    print_json,
    task_page,
    task_table,
    told_line,
    told_members,
    working,
)
from agent_config_sync.cli.options import AsJson, Config, Dsn, errors_end_the_command
from agent_config_sync.cli.person import Person
from agent_config_sync.errors import SettingsError
from agent_config_sync.runtime.tools.wire import task_document, thread_message

app = typer.Typer(help="The tasks of agents and people.", no_args_is_help=True)

TaskId: TypeAlias = Annotated[
    str, typer.Argument(metavar="TASK", help="Its id, or as much of its beginning as tells it.", show_default=False)
]

_MOST_LISTED = 1000


@app.callback()
def board() -> None:
    """The tasks of agents and people."""


@app.command("list")
def list_(
    status: Annotated[
        str | None, typer.Option(help=f"Those that have one: {', '.join(STATUSES)}.", show_default=False)
    ] = None,
    agent: Annotated[str | None, typer.Option(help="Those on which an agent works.", show_default=False)] = None,
    every: Annotated[bool, typer.Option("--all", help="Also those that are archived.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=_MOST_LISTED, help="How many at most.")] = finding.LISTED,
    dsn: Dsn = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show tasks in the order in which they go on."""
    with errors_end_the_command():
        wanted: Sequence[TaskStatus] = STATUSES if every else [each for each in STATUSES if each != "archived"]
        if status is not None:
            wanted = [status_named(status, "--status")]
        found, shown = board_work.asked(dsn, config, None, board_work.listed, wanted, agent, limit + 1)
    more = len(found) > limit
    found = found[:limit]
    if as_json:
        print_json([task_document(task) for task in found])
    elif found:
        print("\n".join(task_table(found, shown)))
    else:
        print("no such task")
    if more:
        print(f"there are more than {limit}: --limit", file=sys.stderr)


@app.command()
def show(
    task: TaskId,
    limit: Annotated[
        int, typer.Option(min=1, max=threads.MOST, help="How many messages of its thread at most.")
    ] = threads.LOADED,
    dsn: Dsn = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show a task, its documents, and the end of its thread."""
    with errors_end_the_command():
        said = task_named(task)
        found, documents, thread = board_work.asked(dsn, config, None, board_work.shown, said, limit)
    if as_json:
        print_json(
            {
                "task": task_document(found),
                "documents": [document_members(document) for document in documents],
                "thread": [thread_message(message) for message in thread],
            }
        )
    else:
        print("\n".join(task_page(found, documents, thread, limit=limit)))


@app.command()
def create(
    title: Annotated[str, typer.Argument(help="What is to be done, in one line.", show_default=False)],
    description: Annotated[
        str | None, typer.Option(help="All that somebody needs who does it; - reads it.", show_default=False)
    ] = None,
    priority: Annotated[str, typer.Option(help="1 (most urgent) to 5, or a word such as high.")] = "3",
    label: Annotated[list[str] | None, typer.Option(help="A label; may be said again.", show_default=False)] = None,
    due: Annotated[str | None, typer.Option(help="A day or a moment, as ISO 8601.", show_default=False)] = None,
    assign: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Who works on it; may be said again.", show_default=False),
    ] = None,
    person: Person = None,
    dsn: Dsn = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Create a task, and print its id."""
    with errors_end_the_command():
        new = tasks.NewTask(
            title,
            read_text(description, config) if description is not None else None,
            priority=priority_named(priority),
            labels=tuple(label or ()),
            due_at=moment_named(due) if due is not None else None,
        )
        made = board_work.asked(dsn, config, person, board_work.created, new, assign or ())
    if as_json:
        print_json(task_document(made))
    else:
        print(made.id)


@app.command()
def comment(
    task: TaskId,
    text: Annotated[
        str | None, typer.Argument(help="The message; without one, or with -, it is read.", show_default=False)
    ] = None,
    person: Person = None,
    dsn: Dsn = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Write into a thread, and print who is told of it.

    @NAME in the text means an agent or a person.
    """
    with errors_end_the_command():
        said, content = task_named(task), read_text(text, config)
        message, told = board_work.asked(dsn, config, person, board_work.commented, said, content)
    if as_json:
        print_json({"messageId": str(message), "told": told_members(told)})
    else:
        print(told_line(told))


@app.command()
def assign(
    task: TaskId,
    names: Annotated[
        list[str] | None, typer.Argument(help="Agents by name, people by user_id.", show_default=False)
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Who works on it no longer; may be said again.", show_default=False),
    ] = None,
    person: Person = None,
    dsn: Dsn = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Say who works on a task, and print who does now."""
    with errors_end_the_command():
        said = task_named(task)
        if not names and not remove:
            raise SettingsError("name an agent or a person, or take the task from one with --remove NAME")
        changed = board_work.asked(dsn, config, person, board_work.assigned, said, names or (), remove or ())
    if as_json:
        print_json(task_document(changed))
    else:
        print(working(changed))


@app.command()
def move(
    task: TaskId,
    status: Annotated[str, typer.Argument(help=f"One of {', '.join(STATUSES)}.", show_default=False)],
    reason: Annotated[
        str | None, typer.Option(help="Why it is blocked, which needs one, or archived.", show_default=False)
    ] = None,
    person: Person = None,
    dsn: Dsn = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Give a task another status.

    The inbox takes it from whoever is assigned; review opens again what is done.
    """
    with errors_end_the_command():
        said, wanted = task_named(task), status_named(status, "STATUS")
        if wanted == "blocked" and not (reason or "").strip():
            raise SettingsError("blocked needs a reason: --reason TEXT")
        moved, changed = board_work.asked(dsn, config, person, board_work.moved, said, wanted, reason)
    if as_json:
        print_json(task_document(moved))
    else:
        print(working(moved) if changed else f"{moved.status} already")


app.command()(board_deliveries.deliveries)
app.command()(board_deliveries.requeue)
