"""Small builders of what a turn is about."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from agent_config_sync.board.actor import Agent, Kind
from agent_config_sync.board.model import Message, Task, TaskStatus
from agent_config_sync.runtime.context import Context, Notification, NotificationType

TASK = UUID("00000000-0000-4000-8000-000000000001")
NOTIFICATION = UUID("00000000-0000-4000-8000-000000000002")
MESSAGE = UUID("00000000-0000-4000-8000-000000000003")
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

CODER = Agent("default", "coder", task=TASK)
REVIEWER = Agent("default", "reviewer", can_review_tasks=True, task=TASK)
LEAD = Agent("default", "lead", is_orchestrator=True, can_create_tasks=True, can_mark_done=True, task=TASK)

TYPES: tuple[NotificationType, ...] = ("mention", "assignment", "thread_update", "status_change", "response_request")


def task(status: TaskStatus = "in_progress", **members: Any) -> Task:
    plain = Task(
        id=TASK,
        account_id="default",
        title="Mend the kettle",
        description=None,
        status=status,
        priority=3,
        labels=(),
        due_at=None,
        blocked_reason="No steam" if status == "blocked" else None,
        archived_at=NOW if status == "archived" else None,
        pr_number=None,
        created_by_type="user",
        created_by="ada",
        created_at=NOW,
        updated_at=NOW,
        last_message_at=None,
        agents=("coder",),
        people=(),
    )
    return replace(plain, **members)


def notification(kind: NotificationType = "assignment", by: str = "user/ada", **members: Any) -> Notification:
    """by: who caused it, such as agent/lead."""
    actor_type, _, actor = by.partition("/")
    plain = Notification(
        id=NOTIFICATION,
        type=kind,
        actor_type=_kind(actor_type),
        actor_id=actor,
        actor_name=actor.title(),
        task_id=TASK,
        message_id=None,
        title="Ada assigned you",
        body="Mend the kettle",
        created_at=NOW,
        attempts=1,
    )
    return replace(plain, **members)


def message(content: str = "It leaks.", by: str = "user/ada", **members: Any) -> Message:
    author_type, _, author = by.partition("/")
    return replace(Message(MESSAGE, _kind(author_type), author, author.title(), content, NOW), **members)


def context(
    kind: NotificationType = "assignment",
    by: str = "user/ada",
    *,
    agent: Agent = CODER,
    status: TaskStatus = "in_progress",
    **members: Any,
) -> Context:
    """A turn of an agent about a task on which coder works."""
    plain = Context(
        notification=notification(kind, by),
        agent=agent,
        display_name=agent.name.title(),
        role=None,
        task=task(status),
        message=message(by=by) if kind in ("mention", "thread_update") else None,
        orchestrator="lead",
    )
    return replace(plain, **members)


def _kind(said: str) -> Kind:
    match said:
        case "user" | "agent" | "system":
            return said
    raise AssertionError(said)
