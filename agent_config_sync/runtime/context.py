"""What a turn of an agent is about: a notification, and all that is told with it, as of one instant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from agent_config_sync.board.actor import Agent, Kind
from agent_config_sync.board.model import ORCHESTRATOR_CHAT, Message, Task, TaskStatus

NotificationType: TypeAlias = Literal["mention", "assignment", "thread_update", "status_change", "response_request"]


@dataclass(frozen=True, slots=True)
class Notification:
    """What an agent is told. actor: who caused it; attempts: turns that were begun for it, with this one."""

    id: UUID
    type: NotificationType
    actor_type: Kind
    actor_id: str
    actor_name: str | None
    task_id: UUID
    message_id: UUID | None
    title: str
    body: str
    created_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class Colleague:
    """Another agent of the account. assigned: to the task."""

    name: str
    display_name: str
    role: str | None
    assigned: bool


@dataclass(frozen=True, slots=True)
class Reference:
    """A document that is told along."""

    title: str
    content: str


@dataclass(frozen=True, slots=True)
class Headline:
    """A task as an overview names it."""

    id: UUID
    title: str
    priority: int
    agents: tuple[str, ...]
    people: int


@dataclass(frozen=True, slots=True)
class Effect:
    """What an earlier attempt at the same notification has done already, which is not to be done again.

    arguments, result: JSON texts.
    """

    tool: str
    arguments: str
    result: str


@dataclass(frozen=True, slots=True)
class Context:
    """All that one turn is about.

    agent: as it acts in the session of the task; message: that the notification is of; thread: its end, oldest message
    first, and older, how many came before; superseded: a person has written later than the message; source: the type of
    the notification to which the message replied, None where it replied to none; orchestrator: its name; person: whom to
    ask, a name; overview: of the board by status with how many there are, for the thread with the orchestrator alone;
    effects: of earlier attempts.
    """

    notification: Notification
    agent: Agent
    display_name: str
    role: str | None
    task: Task
    message: Message | None = None
    thread: tuple[Message, ...] = ()
    older: int = 0
    superseded: bool = False
    source: NotificationType | None = None
    orchestrator: str | None = None
    colleagues: tuple[Colleague, ...] = ()
    person: str | None = None
    repository: Reference | None = None
    briefing: Reference | None = None
    overview: Mapping[TaskStatus, tuple[int, tuple[Headline, ...]]] | None = None
    effects: tuple[Effect, ...] = ()

    @property
    def in_chat(self) -> bool:
        """Whether it is the thread in which people speak with the orchestrator alone."""
        return ORCHESTRATOR_CHAT in self.task.labels

    @property
    def assigned(self) -> bool:
        """Whether the agent works on the task."""
        return self.agent.name in self.task.agents

    @property
    def shared(self) -> bool:
        """Whether it does so with other agents."""
        return self.assigned and len(self.task.agents) > 1
