"""The board as people read it on a terminal, and its documents as JSON."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import orjson

from agent_config_sync.board.model import Message, Task
from agent_config_sync.board.overview import DocumentHead, Told
from agent_config_sync.cli.table import table
from agent_config_sync.logs import printable
from agent_config_sync.model.moments import ago
from agent_config_sync.runtime.tools.wire import milliseconds

_NAMED = 3
"""Assignees that are named in a table."""


def task_table(tasks: Sequence[Task], shown: Mapping[UUID, str]) -> list[str]:
    """Return one line for each task; on a terminal none is wider than that. shown: of each id as much as tells it."""
    rows = [
        (shown[task.id], str(task.priority), task.status, ago(task.created_at), _briefly(task), task.title)
        for task in tasks
    ]
    # The title is last: it is what may be cut, and nothing has to stand in line behind it.
    return fitting(table(("TASK", "PRIORITY", "STATUS", "CREATED", "ASSIGNED", "TITLE"), rows))


def fitting(lines: Sequence[str]) -> list[str]:
    """Return lines that can be printed; on a terminal none is wider than that."""
    shown = [printable(line) for line in lines]
    if not sys.stdout.isatty():
        return shown
    width = shutil.get_terminal_size().columns
    return [line if len(line) <= width else f"{line[: width - 1]}…" for line in shown]


def print_json(value: object) -> None:
    print(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def task_page(task: Task, documents: Sequence[DocumentHead], thread: Sequence[Message], *, limit: int) -> Iterator[str]:
    """Return all of a task, line by line. limit: messages that were asked for."""
    yield printable(task.title)
    for name, text in _facts(task):
        yield f"  {name:12}  {printable(text)}"
    if task.description:
        yield ""
        yield from _indented(task.description)
    if documents:
        yield from ("", "Documents")
        for each in documents:
            yield f"  {each.id}  {each.type}, version {each.version}: {printable(each.title)}"
    if thread:
        yield from ("", "Thread" if len(thread) < limit else f"Thread, its last {limit} (--limit)")
    for message in thread:
        yield f"  {_when(message.created_at)}  {printable(_author(message))}"
        yield from _indented(message.content, by=4)


def working(task: Task) -> str:
    """Return who works on a task, and what has become of it."""
    return printable(f"{', '.join((*task.agents, *task.people)) or 'nobody'} ({task.status})")


def told_line(told: Sequence[Told]) -> str:
    """Return whom a message reaches."""
    names = [f"{each.agent or each.user_id}{' (mention)' if each.type == 'mention' else ''}" for each in told]
    return printable(f"told: {', '.join(names) or 'nobody'}")


def told_members(told: Sequence[Told]) -> list[dict[str, str]]:
    return [
        {"type": each.type, "recipientType": "agent", "recipientId": each.agent}
        if each.agent is not None
        else {"type": each.type, "recipientType": "user", "recipientId": str(each.user_id)}
        for each in told
    ]


def document_members(document: DocumentHead) -> dict[str, object]:
    return {
        "documentId": str(document.id),
        "title": document.title,
        "type": document.type,
        "version": document.version,
        "updatedAt": milliseconds(document.updated_at),
    }


def _facts(task: Task) -> Iterator[tuple[str, str]]:
    yield "id", str(task.id)
    yield "status", f"{task.status}: {task.blocked_reason}" if task.blocked_reason else task.status
    yield "priority", str(task.priority)
    yield "assigned", ", ".join((*task.agents, *task.people)) or "nobody"
    if task.labels:
        yield "labels", ", ".join(task.labels)
    if task.due_at is not None:
        yield "due", _when(task.due_at)
    if task.pr_number is not None:
        yield "pull request", str(task.pr_number)
    yield "created", f"{_when(task.created_at)} by {task.created_by}"
    if task.archived_at is not None:
        yield "archived", _when(task.archived_at)


def _author(message: Message) -> str:
    """Return how somebody is called, and their name on the board where that is another one."""
    name = message.author_name
    return message.author_id if name in (None, message.author_id) else f"{name} ({message.author_id})"


def _briefly(task: Task) -> str:
    names = (*task.agents, *task.people)
    return ", ".join(names[:_NAMED]) + (f" +{len(names) - _NAMED}" if len(names) > _NAMED else "")


def _when(moment: datetime) -> str:
    try:
        return moment.astimezone().strftime("%Y-%m-%d %H:%M")
    except (OverflowError, ValueError):  # the first or the last moment that there is, or PostgreSQL's infinity
        return str(moment)


def _indented(text: str, *, by: int = 2) -> Iterator[str]:
    for line in text.splitlines():
        yield f"{'':{by}}{printable(line)}".rstrip()
