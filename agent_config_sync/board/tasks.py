"""Tasks: seen, made, changed, moved, assigned and put away."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from agent_config_sync.board.acting import acting, settle
from agent_config_sync.board.actor import Actor, Agent, only_orchestrator, only_with
from agent_config_sync.board.model import PRIORITIES, StatusChange, Task, TaskStatus
from agent_config_sync.board.names import known_agents, known_people
from agent_config_sync.board.queries import query
from agent_config_sync.errors import BoardForbiddenError, BoardInvalidError, BoardNotFoundError

OF_AGENTS: tuple[TaskStatus, ...] = ("in_progress", "review", "done", "blocked")
"""What an agent may make of a task that is there."""

TO_GET = "get tasks"
TO_ASSIGN = "assign agents"
TO_DELETE = "archive/delete tasks"
TO_LINK = "link tasks to PRs"
"""What the orchestrator alone can do, of agents."""


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task to make. agents: ids of its assignees."""

    title: str
    description: str | None = None
    priority: int = 3
    labels: tuple[str, ...] = ()
    status: TaskStatus = "inbox"
    blocked_reason: str | None = None
    due_at: datetime | None = None
    agents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskChanges:
    """What of a task is to be another; None leaves it as it is. agents, people: all of its assignees."""

    title: str | None = None
    description: str | None = None
    priority: int | None = None
    labels: tuple[str, ...] | None = None
    due_at: datetime | None = None
    status: TaskStatus | None = None
    blocked_reason: str | None = None
    agents: tuple[str, ...] | None = None
    people: tuple[str, ...] | None = None


async def see(connection: asyncpg.Connection, actor: Actor, task: UUID) -> Task:
    """Return a task of the account. Raises: BoardNotFoundError."""
    record = await connection.fetchrow(query("task"), actor.account, task)
    if record is None:
        raise missing(task)
    return Task.of(record)


async def get(connection: asyncpg.Connection, actor: Actor, task: UUID) -> Task:
    """Return a task, to people and the orchestrator. Raises: BoardError."""
    only_orchestrator(actor, TO_GET)
    return await see(connection, actor, task)


async def create(connection: asyncpg.Connection, actor: Actor, new: NewTask) -> Task:
    """Make a task. One that begins assigned or in progress, with nobody to work on it, is the agent's own who makes it.

    Raises: BoardError.
    """
    agents = new.agents
    _only_a_priority(new.priority)
    if isinstance(actor, Agent):
        if agents and not actor.is_orchestrator:
            raise BoardForbiddenError("Forbidden: Only the orchestrator can assign agents during task creation")
        only_with(actor.can_create_tasks, "create tasks")
    agents = await known_agents(connection, actor.account, agents, "assignee")
    wanted = new.status
    if isinstance(actor, Agent) and actor.is_orchestrator:
        agents = tuple(name for name in agents if name != actor.name)
        wanted = "inbox" if wanted in ("assigned", "in_progress") else wanted
    elif isinstance(actor, Agent) and wanted in ("assigned", "in_progress"):
        agents = agents or (actor.name,)
    begun = wanted in ("assigned", "in_progress")
    async with acting(connection, actor):
        task: UUID = await connection.fetchval(
            query("task_create"),
            actor.account,
            new.title.strip(),
            new.description,
            "inbox" if begun else wanted,
            new.priority,
            list(new.labels),
            new.due_at,
            new.blocked_reason,
        )
        await _assign(connection, actor, task, agents)
        if wanted == "in_progress" or (begun and not agents):  # without anybody the database refuses it, and says why
            await _move(connection, actor, task, wanted, None)
        await settle(connection)
        return await see(connection, actor, task)


async def update(
    connection: asyncpg.Connection, actor: Actor, task: UUID, changes: TaskChanges
) -> tuple[Task, tuple[str, ...]]:
    """Change a task, all of it or nothing; return it, and which of its fields are others now.

    Raises: BoardError.
    """
    if isinstance(actor, Agent):
        if changes.status is not None:
            _only_of_agents(changes.status)
            if changes.status == "done":
                _may_end(actor)
        only_with(actor.can_modify_task_status, "modify tasks")
    if changes.priority is not None:
        _only_a_priority(changes.priority)
    agents = people = None
    if changes.agents is not None:
        agents = await known_agents(connection, actor.account, changes.agents, "agent")
    if changes.people is not None:
        people = await known_people(connection, actor.account, changes.people)
    async with acting(connection, actor):
        before = await _locked(connection, actor, task)
        fields: tuple[Any, ...] = (
            changes.title.strip() if changes.title is not None else None,
            changes.description,
            changes.priority,
            list(changes.labels) if changes.labels is not None else None,
            changes.due_at,
            None,
        )
        if any(field is not None for field in fields):
            await connection.execute(query("task_change"), actor.account, task, *fields)
        if agents is not None:
            await _assign(connection, actor, task, agents)
            await connection.execute(query("unassign_agents"), actor.account, task, list(agents))
        if people is not None:
            await connection.execute(query("assign_people"), actor.account, task, list(people))
            await connection.execute(query("unassign_people"), actor.account, task, list(people))
        if changes.status is not None:
            standing = await see(connection, actor, task)
            reason = changes.blocked_reason
            if standing.status != changes.status or (reason is not None and reason != standing.blocked_reason):
                _only_from_review(actor, standing.status, changes.status)
                await _move(connection, actor, task, changes.status, reason)
        await settle(connection)
        after = await see(connection, actor, task)
    return after, tuple(name for name, field in _FIELDS if getattr(before, field) != getattr(after, field))


async def set_status(
    connection: asyncpg.Connection,
    actor: Actor,
    task: UUID,
    status: TaskStatus,
    *,
    reason: str | None = None,
    expected: TaskStatus | None = None,
) -> StatusChange:
    """Move a task. reason: of one that is blocked; expected: only if it has this status now.

    A person may move it to the inbox, which takes it from all who were assigned.

    Raises: BoardError.
    """
    if isinstance(actor, Agent):
        _only_of_agents(status)
        if status == "done":
            _may_end(actor)
        only_with(actor.can_modify_task_status, "change task status")
    if status == "blocked" and not (reason or "").strip():
        raise BoardInvalidError("Invalid status: blocked needs a reason (blockedReason)")
    async with acting(connection, actor, reason=(reason or "").strip()):
        before = await _locked(connection, actor, task)
        due = before.status != status and expected in (None, before.status)
        if due:
            _only_from_review(actor, before.status, status)
            if status == "inbox":
                await connection.execute(query("unassign_agents"), actor.account, task, [])
                await connection.execute(query("unassign_people"), actor.account, task, [])
            if status != "inbox" or before.status != "assigned":
                await _move(connection, actor, task, status, reason)
        await settle(connection)
        after = await see(connection, actor, task) if due else before
    return StatusChange(task, status, after.status, after.updated_at, changed=due)


async def assign(connection: asyncpg.Connection, actor: Actor, task: UUID, agents: Sequence[str]) -> tuple[str, ...]:
    """Let agents work on a task as well; return those who are new to it. Raises: BoardError."""
    only_orchestrator(actor, TO_ASSIGN)
    names = await known_agents(connection, actor.account, agents, "assignee")
    if not names:
        raise BoardInvalidError("Invalid assigneeSlugs: name an agent at least")
    async with acting(connection, actor):
        await _locked(connection, actor, task)
        return await _assign(connection, actor, task, names)


async def archive(connection: asyncpg.Connection, actor: Actor, task: UUID, reason: str) -> None:
    """Put a task away, with its thread and its documents; it cannot come back. Raises: BoardError."""
    only_orchestrator(actor, TO_DELETE)
    said = reason.strip()
    if not said or len(said) > LONGEST_REASON:
        raise BoardInvalidError("Invalid reason: 1 to 2,000 characters")
    async with acting(connection, actor, reason=said):
        before = await _locked(connection, actor, task)
        if before.status != "archived":
            await _move(connection, actor, task, "archived", None)


async def link(connection: asyncpg.Connection, actor: Actor, task: UUID, pr_number: int) -> None:
    """Say which pull request does a task. Raises: BoardError."""
    only_orchestrator(actor, TO_LINK)
    if not 0 < pr_number <= _MOST:
        raise BoardInvalidError("Invalid prNumber: it begins at 1")
    async with acting(connection, actor):
        await _locked(connection, actor, task)
        await connection.execute(query("task_change"), actor.account, task, *[None] * 5, pr_number)


LONGEST_REASON = 2000

_MOST = 2**31 - 1

_FIELDS = (
    ("title", "title"),
    ("description", "description"),
    ("priority", "priority"),
    ("labels", "labels"),
    ("dueDate", "due_at"),
    ("assignedAgentIds", "agents"),
    ("assignedUserIds", "people"),
    ("status", "status"),
    ("blockedReason", "blocked_reason"),
)
"""Of each field that may change: its name on the wire, and ours."""


def missing(task: UUID | str) -> BoardNotFoundError:
    """Say that there is no such task; what can be no id is as unknown as any other."""
    return BoardNotFoundError(f"Not found: task {str(task).strip()[:100]}")


def within(limit: int, most: int) -> int:
    """Return a limit between 1 and the most."""
    return max(1, min(limit, most))


async def _locked(connection: asyncpg.Connection, actor: Actor, task: UUID) -> Task:
    """Return a task that nobody else changes until the transaction ends. Raises: BoardNotFoundError."""
    await connection.execute(query("task_locked"), actor.account, task)
    return await see(connection, actor, task)


async def _move(
    connection: asyncpg.Connection, actor: Actor, task: UUID, status: TaskStatus, reason: str | None
) -> None:
    await connection.execute(query("task_move"), actor.account, task, status, reason.strip() if reason else None)


async def _assign(connection: asyncpg.Connection, actor: Actor, task: UUID, agents: Collection[str]) -> tuple[str, ...]:
    if not agents:
        return ()
    records = await connection.fetch(query("assign_agents"), actor.account, task, list(agents))
    return tuple(record["agent"] for record in records)


def _only_a_priority(priority: int) -> None:
    """Turn away what the column could not even be asked about. Raises: BoardInvalidError."""
    if priority not in PRIORITIES.values():
        raise BoardInvalidError("Invalid priority: 1 (highest) to 5 (lowest)")


def _only_of_agents(status: TaskStatus) -> None:
    if status not in OF_AGENTS:
        raise BoardInvalidError(f"Invalid status: agents give {', '.join(OF_AGENTS)}")


def _may_end(actor: Agent) -> None:
    if not actor.may_end_reviews:
        raise BoardForbiddenError("Forbidden: Not allowed to mark tasks as done")


def _only_from_review(actor: Actor, standing: TaskStatus, status: TaskStatus) -> None:
    if isinstance(actor, Agent) and status == "done" and standing not in ("review", "done"):
        raise BoardForbiddenError("Forbidden: Only a task in review can be marked as done")
