"""`agent-config-sync board deliveries` and `board requeue`: what agents were not told, and another try of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated
from uuid import UUID

import asyncpg
import typer

from agent_config_sync.board import deliveries as board
from agent_config_sync.board.actor import Person as Actor
from agent_config_sync.board.beginnings import SHORTEST, SHOWN, beginnings, task_beginning
from agent_config_sync.board.deliveries import Backlog, Undelivered
from agent_config_sync.cli.board_input import task_named
from agent_config_sync.cli.board_lines import fitting, print_json
from agent_config_sync.cli.board_work import asked
from agent_config_sync.cli.options import NOT_YET, AsJson, Config, Dsn, errors_end_the_command
from agent_config_sync.cli.person import Person
from agent_config_sync.cli.table import table
from agent_config_sync.errors import SettingsError
from agent_config_sync.model.moments import ago
from agent_config_sync.postgres.failures import QUERY_FAILURES
from agent_config_sync.runtime.tools.wire import milliseconds

SHOW = "agent-config-sync board deliveries"
"""How people see all of it."""


def deliveries(
    waiting: Annotated[bool, typer.Option("--waiting", help="Also what still waits, the oldest first.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=board.MOST_LISTED, help="How many of each at most.")] = board.LISTED,
    dsn: Dsn = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show what agents should have been told, and was given up. Ends with 3 if something was."""
    with errors_end_the_command():
        backlog, dead, late, shown = asked(dsn, config, None, _seen, waiting, limit)
    if as_json:
        print_json(_document(backlog, dead, late if waiting else None))
    else:
        print("\n".join(_page(backlog, dead, late, shown)))
    if backlog.given_up > len(dead) or (waiting and backlog.waiting > len(late)):
        print(f"there are more than {limit}: --limit", file=sys.stderr)
    if backlog.given_up:
        raise typer.Exit(NOT_YET)


def requeue(
    notification: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="What was given up, or as much of its id as tells it.", show_default=False),
    ] = None,
    task: Annotated[
        str | None, typer.Option(metavar="TASK", help="All that was given up of a task.", show_default=False)
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All that was given up.")] = False,
    person: Person = None,
    dsn: Dsn = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Let what was given up be tried again, from the beginning."""
    with errors_end_the_command():
        if (notification is not None) + (task is not None) + every != 1:
            raise SettingsError("say what is to be tried again: an ID, --task TASK or --all")
        if notification is not None and len(notification.strip()) < SHORTEST:
            raise SettingsError(f"ID takes an id, or {SHORTEST} characters of its beginning at least")
        said = task_named(task) if task is not None else None
        queued = asked(dsn, config, person, _requeued, notification, said)
    if as_json:
        print_json({"notificationIds": [str(each) for each in queued]})
    else:
        print(f"queued again: {len(queued)}" if queued else "nothing was given up")


async def late_line(connection: asyncpg.Connection, account: str) -> str | None:
    """Return what people should know of deliveries; None where all is well, or this login sees no board."""
    try:
        backlog = await board.counted(connection, account)
    except QUERY_FAILURES:
        return None
    told = []
    if backlog.given_up:
        told.append(f"{backlog.given_up:,} given up")
    if backlog.late and backlog.oldest is not None:
        told.append(f"{backlog.late:,} late, the oldest of {ago(backlog.oldest)}")
    options = "" if not backlog.late else " --waiting"
    return f"notifications of agents: {'; '.join(told)}: {SHOW}{options}" if told else None


async def _seen(
    connection: asyncpg.Connection, person: Actor, waiting: bool, limit: int
) -> tuple[Backlog, tuple[Undelivered, ...], tuple[Undelivered, ...], dict[UUID, str]]:
    """Return how much there is, what was given up, what waits, and of the id of each task as much as tells it."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        backlog = await board.counted(connection, person.account)
        dead = await board.given_up(connection, person, limit=limit)
        late = await board.waiting(connection, person, limit=limit) if waiting else ()
        return backlog, dead, late, await beginnings(connection, person, {each.task_id for each in (*dead, *late)})


async def _requeued(
    connection: asyncpg.Connection, person: Actor, notification: str | None, task: str | None
) -> tuple[UUID, ...]:
    """Raises: BoardError."""
    if notification is not None:
        found = await board.given_up_beginning(connection, person, notification)
        await board.requeue(connection, person, found)
        return (found,)
    if task is not None:
        return await board.requeue_of_task(connection, person, await task_beginning(connection, person, task))
    return await board.requeue_all(connection, person)


def _page(
    backlog: Backlog, dead: Sequence[Undelivered], late: Sequence[Undelivered], shown: Mapping[UUID, str]
) -> Iterator[str]:
    if dead:
        yield from _table(dead, shown, "GIVEN UP")
    else:
        yield "nothing was given up"
    if late:
        yield ""
        yield from _table(late, shown, "WAITS SINCE")
    elif backlog.oldest is not None:
        yield f"{backlog.waiting:,} wait, the oldest of {ago(backlog.oldest)}: --waiting"
    else:
        yield "nothing waits"


def _table(each: Sequence[Undelivered], shown: Mapping[UUID, str], since: str) -> Iterator[str]:
    """Return a line for each, and another one for why its last attempt failed."""
    rows = [
        (
            str(one.id)[:SHOWN],
            one.agent,
            shown.get(one.task_id, str(one.task_id)),
            one.type,
            ago(one.since),
            str(one.attempts),
            one.task_title,
        )
        for one in each
    ]
    head, *lines = fitting(table(("ID", "AGENT", "TASK", "TYPE", since, "ATTEMPTS", "TITLE"), rows))
    yield head
    for one, line in zip(each, lines, strict=True):
        yield line
        if one.last_error:
            yield from fitting([f"  {one.last_error}"])


def _document(backlog: Backlog, dead: Sequence[Undelivered], late: Sequence[Undelivered] | None) -> dict[str, object]:
    counts = {
        "givenUp": backlog.given_up,
        "waiting": backlog.waiting,
        "late": backlog.late,
        "oldestWaitingAt": milliseconds(backlog.oldest) if backlog.oldest is not None else None,
    }
    document: dict[str, object] = {"counts": counts, "givenUp": [_members(each, "givenUpAt") for each in dead]}
    if late is not None:
        document["waiting"] = [_members(each, "createdAt") for each in late]
    return document


def _members(each: Undelivered, since: str) -> dict[str, object]:
    return {
        "notificationId": str(each.id),
        "agent": each.agent,
        "taskId": str(each.task_id),
        "taskTitle": each.task_title,
        "type": each.type,
        since: milliseconds(each.since),
        "attempts": each.attempts,
        "lastError": each.last_error,
    }
