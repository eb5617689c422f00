"""What is on the board, as typed values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias
from uuid import UUID

import asyncpg

from agent_config_sync.board.actor import Kind

TaskStatus: TypeAlias = Literal["inbox", "assigned", "in_progress", "review", "done", "blocked", "archived"]

STATUSES: tuple[TaskStatus, ...] = ("inbox", "assigned", "in_progress", "review", "done", "blocked", "archived")
"""In the order in which a task passes through them."""

PRIORITIES: Mapping[str, int] = {"critical": 1, "highest": 1, "high": 2, "medium": 3, "low": 4, "lowest": 5}
"""Words for them."""

DocumentType: TypeAlias = Literal["deliverable", "note", "template", "reference"]

DOCUMENT_TYPES: tuple[DocumentType, ...] = ("deliverable", "note", "template", "reference")

ORCHESTRATOR_CHAT = "system:orchestrator-chat"
"""The label of the thread in which people speak with the orchestrator alone."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task. priority: 1 is the most urgent; agents, people: its assignees, by name and user_id."""

    id: UUID
    account_id: str
    title: str
    description: str | None
    status: TaskStatus
    priority: int
    labels: tuple[str, ...]
    due_at: datetime | None
    blocked_reason: str | None
    archived_at: datetime | None
    pr_number: int | None
    created_by_type: Kind
    created_by: str
    created_at: datetime
    updated_at: datetime
    last_message_at: datetime | None
    agents: tuple[str, ...]
    people: tuple[str, ...]

    @classmethod
    def of(cls, record: asyncpg.Record) -> Task:
        """Return the task of a row of board_cards."""
        values = {name: record[name] for name in cls.__slots__}
        return cls(**values | {name: tuple(values[name]) for name in ("labels", "agents", "people")})

    @classmethod
    def told(cls, record: Mapping[str, Any]) -> Task:
        """Return the task of a row of board_cards as JSON has it."""
        values = {name: record[name] for name in cls.__slots__} | {"id": UUID(record["id"])}
        times = {name: datetime.fromisoformat(values[name]) for name in _TIMES if values[name] is not None}
        return cls(**values | times | {name: tuple(values[name]) for name in ("labels", "agents", "people")})


_TIMES = ("due_at", "archived_at", "created_at", "updated_at", "last_message_at")


@dataclass(frozen=True, slots=True)
class FoundTask:
    """A task that a search found, without its description; relevance: 0 and more, only to be compared."""

    id: UUID
    title: str
    status: TaskStatus
    priority: int
    blocked_reason: str | None
    agents: tuple[str, ...]
    people: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    relevance: float


@dataclass(frozen=True, slots=True)
class Message:
    """A message in a thread. author_name: None for one who is no longer known."""

    id: UUID
    author_type: Kind
    author_id: str
    author_name: str | None
    content: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class StatusChange:
    """What became of a wish for a status. changed: False where the task had it already, or was not as expected."""

    task_id: UUID
    requested: TaskStatus
    status: TaskStatus
    updated_at: datetime
    changed: bool


@dataclass(frozen=True, slots=True)
class AgentSkills:
    """The skills that an operator gives an agent, by slug. seen_at: its last heartbeat."""

    agent: str
    skills: tuple[str, ...]
    seen_at: datetime | None
