"""What the board holds, as JSON has it: ids under _id, times in milliseconds since the epoch."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NotRequired

from typing_extensions import TypedDict  # pydantic takes no other before Python 3.12

from agent_config_sync.board.model import AgentSkills, FoundTask, Message, Task, TaskStatus


class TaskMetadata(TypedDict):
    prNumber: int


class TaskDocument(TypedDict):
    """A task. What is not set is not there."""

    _id: str
    accountId: str
    title: str
    description: NotRequired[str]
    status: TaskStatus
    priority: int
    labels: list[str]
    assignedAgentIds: list[str]
    assignedUserIds: list[str]
    dueDate: NotRequired[int]
    blockedReason: NotRequired[str]
    archivedAt: NotRequired[int]
    metadata: NotRequired[TaskMetadata]
    createdBy: str
    createdAt: int
    updatedAt: int
    lastMessageAt: NotRequired[int]


class FoundDocument(TypedDict):
    """A task that was found; the whole of it comes with task_get."""

    _id: str
    title: str
    status: TaskStatus
    priority: int
    assignedAgentIds: list[str]
    assignedUserIds: list[str]
    blockedReason: NotRequired[str]
    createdAt: int
    updatedAt: int
    relevanceScore: float


class ThreadMessage(TypedDict):
    messageId: str
    authorType: Literal["user", "agent", "system"]
    authorId: str
    authorName: str | None
    content: str
    createdAt: int


class SkillsDocument(TypedDict):
    """agentId, skillIds: ids and slugs as operators write them; lastUpdated: its last heartbeat, ISO 8601."""

    agentId: str
    skillIds: list[str]
    skillCount: int
    lastUpdated: str | None


def milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def task_document(task: Task) -> TaskDocument:
    document: TaskDocument = {
        "_id": str(task.id),
        "accountId": task.account_id,
        "title": task.title,
        "status": task.status,
        "priority": task.priority,
        "labels": list(task.labels),
        "assignedAgentIds": list(task.agents),
        "assignedUserIds": list(task.people),
        "createdBy": task.created_by,
        "createdAt": milliseconds(task.created_at),
        "updatedAt": milliseconds(task.updated_at),
    }
    if task.description is not None:
        document["description"] = task.description
    if task.due_at is not None:
        document["dueDate"] = milliseconds(task.due_at)
    if task.blocked_reason is not None:
        document["blockedReason"] = task.blocked_reason
    if task.archived_at is not None:
        document["archivedAt"] = milliseconds(task.archived_at)
    if task.pr_number is not None:
        document["metadata"] = {"prNumber": task.pr_number}
    if task.last_message_at is not None:
        document["lastMessageAt"] = milliseconds(task.last_message_at)
    return document


def found_document(found: FoundTask) -> FoundDocument:
    document: FoundDocument = {
        "_id": str(found.id),
        "title": found.title,
        "status": found.status,
        "priority": found.priority,
        "assignedAgentIds": list(found.agents),
        "assignedUserIds": list(found.people),
        "createdAt": milliseconds(found.created_at),
        "updatedAt": milliseconds(found.updated_at),
        "relevanceScore": round(found.relevance, 4),
    }
    if found.blocked_reason is not None:
        document["blockedReason"] = found.blocked_reason
    return document


def thread_message(message: Message) -> ThreadMessage:
    return {
        "messageId": str(message.id),
        "authorType": message.author_type,
        "authorId": message.author_id,
        "authorName": message.author_name,
        "content": message.content,
        "createdAt": milliseconds(message.created_at),
    }


def skills_document(skills: AgentSkills) -> SkillsDocument:
    return {
        "agentId": skills.agent,
        "skillIds": list(skills.skills),
        "skillCount": len(skills.skills),
        "lastUpdated": skills.seen_at.isoformat() if skills.seen_at is not None else None,
    }
