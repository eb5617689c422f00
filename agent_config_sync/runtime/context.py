"""What a turn of an agent is about: a notification, and all that is told with it, as of one instant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias
from uuid import UUID

import orjson

from agent_config_sync.board.actor import Agent, Kind
from agent_config_sync.board.model import ORCHESTRATOR_CHAT, Message, Task, TaskStatus
from agent_config_sync.board.threads import message_of

SHOWN = 25
"""Messages of a thread that are told along."""

MAY = (
    "is_orchestrator",
    "can_create_tasks",
    "can_modify_task_status",
    "can_create_documents",
    "can_mention_agents",
    "can_review_tasks",
    "can_mark_done",
)

NotificationType: TypeAlias = Literal["mention", "assignment", "thread_update", "status_change", "response_request"]


@dataclass(frozen=True, slots=True)
class Notification:
    """What an agent is told. actor: who caused it; attempts: turns that were begun for it, with this one; silences:
    those in which nothing was said, though somebody waits for it."""

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
    silences: int = 0


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
    first, and older, how many came before; superseded: the agent is told of a person's later message too; source: the
    type of the notification to which the message replied, None where it replied to none; orchestrator: its name;
    person: whom to ask, a name; overview: of the board by status with how many there are, for the thread with the
    orchestrator alone; effects: of earlier attempts; base_url: of our HTTP interface, where operators say.
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
    base_url: str | None = None

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


def context_of(account: str, told: str | None) -> Context | None:
    """Return what a turn is about, as turn_context() of the database tells it; None where its agent is gone, or works
    on the board no more."""
    if told is None:
        return None
    found = orjson.loads(told)
    task = UUID(found["task_id"])
    thread = tuple(message_of(*said) for said in found["thread"] or ())
    return Context(
        notification=Notification(
            UUID(found["notification_id"]),
            found["type"],
            found["actor_type"],
            found["actor_id"],
            found["actor_name"],
            task,
            UUID(found["message_id"]) if found["message_id"] is not None else None,
            found["told_title"],
            found["body"],
            datetime.fromisoformat(found["told_at"]),
            found["attempts"],
            found["silences"],
        ),
        agent=Agent(account, found["agent"], **{name: found[name] for name in MAY}, task=task),
        display_name=found["display_name"],
        role=found["role"],
        task=Task.told(found),
        message=message_of(*found["message"]) if found["message"] is not None else None,
        thread=thread,
        older=found["said"] - len(thread),
        superseded=found["superseded"],
        source=found["source"],
        orchestrator=found["orchestrator"],
        colleagues=tuple(Colleague(*each) for each in found["colleagues"] or ()),
        person=found["person"],
        repository=Reference(*found["repository"]) if found["repository"] is not None else None,
        briefing=Reference(*found["briefing"]) if found["briefing"] is not None else None,
        overview=_overview(found["overview"]) if found["overview"] is not None else None,
        effects=tuple(Effect(*each) for each in found["effects"] or ()),
        base_url=found["base_url"],
    )


def _overview(found: Mapping[TaskStatus, Any]) -> Mapping[TaskStatus, tuple[int, tuple[Headline, ...]]]:
    return {
        status: (
            count,
            tuple(
                Headline(UUID(key), title, priority, tuple(agents), people)
                for key, title, priority, agents, people in urgent or ()
            ),
        )
        for status, (count, urgent) in found.items()
    }
