"""Tools for the tasks on which an agent works."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, Field

from agent_config_sync.board import tasks, threads
from agent_config_sync.board.actor import Agent
from agent_config_sync.board.model import PRIORITIES, TaskStatus
from agent_config_sync.errors import BoardArgumentsError, BoardInvalidError
from agent_config_sync.runtime.tools.definition import (
    Bench,
    Limit,
    OwnTaskId,
    Parameters,
    Result,
    TaskId,
    Tool,
    Whole,
    named,
    task_of,
)
from agent_config_sync.runtime.tools.wire import (
    TaskDocument,
    ThreadMessage,
    milliseconds,
    task_document,
    thread_message,
)

StatusOfAgents: TypeAlias = Literal["in_progress", "review", "done", "blocked"]

_Reason: TypeAlias = Annotated[str | None, Field(description="Why it is blocked; needed for blocked.")]
_DueDate: TypeAlias = Annotated[Whole | None, Field(description="When it is due, in milliseconds since 1970 (UTC).")]


def _priority(value: object) -> object:
    return PRIORITIES.get(value.strip().lower(), value) if isinstance(value, str) else value


_Priority: TypeAlias = Annotated[
    Whole | None,
    BeforeValidator(_priority),
    Field(description="1 (most urgent) to 5; a new task has 3."),
]


class StatusParameters(Parameters):
    taskId: OwnTaskId = None
    status: Annotated[StatusOfAgents, Field(description="What it becomes.")]
    blockedReason: _Reason = None
    expectedStatus: Annotated[
        TaskStatus | None, Field(description="Only if it has this status now; else nothing is changed.")
    ] = None


class StatusResult(Result):
    """status: what it has now; changed: whether this call changed it."""

    taskId: str
    requestedStatus: TaskStatus
    status: TaskStatus
    updatedAt: int
    changed: bool


async def _status(bench: Bench, agent: Agent, wanted: StatusParameters) -> StatusResult:
    task = task_of(wanted.taskId, agent)
    async with bench.lent() as connection:
        change = await tasks.set_status(
            connection, agent, task, wanted.status, reason=wanted.blockedReason, expected=wanted.expectedStatus
        )
    return StatusResult(
        taskId=str(change.task_id),
        requestedStatus=change.requested,
        status=change.status,
        updatedAt=milliseconds(change.updated_at),
        changed=change.changed,
    )


class UpdateParameters(Parameters):
    taskId: OwnTaskId = None
    title: Annotated[str | None, Field(description="Its new title.")] = None
    description: Annotated[str | None, Field(description="Its new description.")] = None
    priority: _Priority = None
    labels: Annotated[list[str] | None, Field(description="All of its labels.")] = None
    assignedAgentIds: Annotated[list[str] | None, Field(description="All agents who work on it.")] = None
    assignedUserIds: Annotated[list[str] | None, Field(description="All people who work on it.")] = None
    status: Annotated[StatusOfAgents | None, Field(description="What it becomes.")] = None
    blockedReason: _Reason = None
    dueDate: _DueDate = None


class UpdateResult(Result):
    """changedFields: those that are others now."""

    taskId: str
    changedFields: list[str]
    message: str


async def _update(bench: Bench, agent: Agent, wanted: UpdateParameters) -> UpdateResult:
    task = task_of(wanted.taskId, agent)
    if not wanted.model_fields_set - {"taskId", "blockedReason"}:
        raise BoardArgumentsError("Invalid arguments: say what to change")
    if wanted.status == "blocked" and not (wanted.blockedReason or "").strip():
        raise BoardInvalidError("Invalid status: blocked needs a reason (blockedReason)")
    changes = tasks.TaskChanges(
        title=wanted.title,
        description=wanted.description,
        priority=wanted.priority,
        labels=tuple(wanted.labels) if wanted.labels is not None else None,
        due_at=moment(wanted.dueDate),
        status=wanted.status,
        blocked_reason=wanted.blockedReason,
        agents=tuple(wanted.assignedAgentIds) if wanted.assignedAgentIds is not None else None,
        people=tuple(wanted.assignedUserIds) if wanted.assignedUserIds is not None else None,
    )
    async with bench.lent() as connection:
        _, changed = await tasks.update(connection, agent, task, changes)
    said = f"Changed: {', '.join(changed)}" if changed else "Nothing was different"
    return UpdateResult(taskId=str(task), changedFields=list(changed), message=said)


class CreateParameters(Parameters):
    title: Annotated[str, Field(description="What is to be done, in one line.")]
    description: Annotated[str | None, Field(description="All that somebody needs who does it.")] = None
    priority: _Priority = None
    labels: Annotated[list[str] | None, Field(description="Its labels.")] = None
    status: Annotated[TaskStatus | None, Field(description="What it begins as; inbox where nothing is said.")] = None
    blockedReason: _Reason = None
    dueDate: _DueDate = None
    assigneeSlugs: Annotated[
        list[str] | None, Field(description="Agents who are to work on it; only the orchestrator may name some.")
    ] = None


class TaskResult(Result):
    taskId: str


async def _create(bench: Bench, agent: Agent, wanted: CreateParameters) -> TaskResult:
    new = tasks.NewTask(
        wanted.title,
        wanted.description,
        priority=wanted.priority if wanted.priority is not None else 3,
        labels=tuple(wanted.labels or ()),
        status=wanted.status or "inbox",
        blocked_reason=wanted.blockedReason,
        due_at=moment(wanted.dueDate),
        agents=tuple(wanted.assigneeSlugs or ()),
    )
    async with bench.lent() as connection:
        made = await tasks.create(connection, agent, new)
    return TaskResult(taskId=str(made.id))


class LoadParameters(Parameters):
    taskId: TaskId
    messageLimit: Limit = None


class Loaded(Result):
    class Content(BaseModel):
        task: TaskDocument
        thread: list[ThreadMessage]

    data: Content


async def _load(bench: Bench, agent: Agent, wanted: LoadParameters) -> Loaded:
    limit = wanted.messageLimit if wanted.messageLimit is not None else threads.LOADED
    async with bench.lent() as connection:
        task, thread = await threads.load(connection, agent, named(wanted.taskId), limit=limit)
    return Loaded.model_construct(
        data=Loaded.Content.model_construct(
            task=task_document(task), thread=[thread_message(message) for message in thread]
        )
    )


def moment(milliseconds: int | None) -> datetime | None:
    """Return a time. Raises: BoardInvalidError for one that PostgreSQL or Python cannot hold."""
    if milliseconds is None:
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        raise BoardInvalidError("Invalid dueDate: milliseconds since 1970 are expected") from None


def _on_tasks(agent: Agent) -> bool:
    return agent.task is not None and agent.can_modify_task_status


TASK_STATUS = Tool(
    "task_status",
    "move a task on: in_progress, review, blocked, and done where you may",
    "Move a task to another status. Do it before you report. From assigned or blocked you may go to review at once. "
    "Blocked needs a reason. Only who reviews may mark a task as done, and only from review.",
    StatusParameters,
    StatusResult,
    _on_tasks,
    _status,
    adds=True,
)

TASK_UPDATE = Tool(
    "task_update",
    "change a task: title, description, priority, labels, assignees, status, due date",
    "Change what a task says. All of the change is made or nothing. Lists take the place of what was there.",
    UpdateParameters,
    UpdateResult,
    _on_tasks,
    _update,
    adds=True,
)

TASK_CREATE = Tool(
    "task_create",
    "create a task",
    "Create a task. Without a status it waits in the inbox. One that you begin as assigned or in_progress is yours.",
    CreateParameters,
    TaskResult,
    lambda agent: agent.can_create_tasks,
    _create,
    adds=True,
)

TASK_LOAD = Tool(
    "task_load",
    "read a task with the end of its thread",
    "Read a task and the last messages of its thread, oldest first.",
    LoadParameters,
    Loaded,
    lambda _: True,
    _load,
)
