"""The pages of the board out of what the database says. What agents and people wrote stays text in them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from agent_config_sync.board.actor import Person
from agent_config_sync.board.model import STATUSES, Task, TaskStatus
from agent_config_sync.board.model import Message as Said
from agent_config_sync.board.showing import Colleague
from agent_config_sync.board.threads import MOST
from agent_config_sync.errors import BoardNotFoundError
from agent_config_sync.model.moments import ago
from agent_config_sync.web.board_desk import BoardDesk, BoardSeen, TaskSeen
from agent_config_sync.web.page_maker import BOARD, Message, PageMaker
from agent_config_sync.web.sessions import Session

ON_BOARD: tuple[TaskStatus, ...] = ("inbox", "assigned", "in_progress", "review", "blocked", "done")
"""The columns, in their order."""

AT_FIRST, OF_ONE = 20, 100
"""Tasks that are shown of each column, and of one that somebody wants to see alone."""

LONGEST = 500_000
"""Characters of a thread that a page shows; to make one of all that 200 messages can say would hold up the sync."""

WORDS: Mapping[str, str] = {
    "inbox": "Inbox",
    "assigned": "Assigned",
    "in_progress": "In progress",
    "review": "Review",
    "blocked": "Blocked",
    "done": "Done",
    "archived": "Archived",
}
"""Statuses as people read them."""

URGENCIES: Mapping[int, str] = {1: "critical", 2: "high", 3: "medium", 4: "low", 5: "lowest"}

CAUSES: Mapping[str, str] = {
    "assignment": "assigned to it",
    "mention": "mentioned",
    "thread_update": "a new message",
    "status_change": "a new status",
    "response_request": "asked to respond",
}
"""Types of notifications, as what they tell an agent."""

REASONED: frozenset[TaskStatus] = frozenset({"blocked", "archived"})
"""Statuses for which a person says why."""

PEOPLED: frozenset[TaskStatus] = frozenset({"assigned", "in_progress"})
"""Statuses that need somebody who works on it."""


@dataclass(frozen=True, slots=True)
class View:
    """What somebody sees of the board: all columns, or a page of one. page: from 1."""

    status: TaskStatus | None = None
    page: int = 1

    @classmethod
    def of(cls, status: str, page: int) -> View:
        """Return what an address asks for. Raises: BoardNotFoundError."""
        wanted = next((each for each in STATUSES if each == status), None)
        if wanted is None and status:
            raise BoardNotFoundError(f"Not found: tasks that are {status[:100]}")
        return cls(wanted, page)

    @property
    def limit(self) -> int:
        return AT_FIRST if self.status is None else OF_ONE

    @property
    def skip(self) -> int:
        return (self.page - 1) * self.limit if self.status is not None else 0

    @property
    def address(self) -> str:
        """What follows the path, so that the same is seen again."""
        return f"?status={self.status}&page={self.page}" if self.status is not None else ""


class BoardPageMaker:
    """Makes the pages of the board."""

    def __init__(self, pages: PageMaker, desk: BoardDesk) -> None:
        self._pages = pages
        self._desk = desk

    async def board(
        self, session: Session, view: View, message: Message | None = None, *, draft: Mapping[str, Any] | None = None
    ) -> str:
        """Return the page of the board. draft: a new task that was refused. Raises: DatabaseError."""
        seen = await self._seen(session, view)
        return self._pages.page("board.html.j2", BOARD, session, message, draft=draft or {}, **_board(view, seen))

    async def board_parts(self, session: Session, view: View) -> str:
        """Return what changes of it. Raises: DatabaseError."""
        seen = await self._seen(session, view)
        return self._pages.part("board_parts.html.j2", session=session, **_board(view, seen))

    async def task(self, session: Session, task: UUID, message: Message | None = None, *, draft: str = "") -> str:
        """Return the page of a task. draft: a comment that was refused. Raises: BoardNotFoundError, DatabaseError."""
        seen = await self._desk.task(self._desk.person(session.person), task)
        return self._pages.page("task.html.j2", BOARD, session, message, **_task(seen, draft))

    async def task_parts(self, session: Session, task: UUID) -> str:
        """Return what changes of it. Raises: DatabaseError."""
        try:
            seen = await self._desk.task(self._desk.person(session.person), task)
        except BoardNotFoundError:
            return '<p class="none">This task is no longer there.</p>'
        return self._pages.part("task_parts.html.j2", session=session, **_task(seen, ""))

    async def document(self, session: Session, document: UUID) -> str:
        """Return the page of a document. Raises: BoardNotFoundError, DatabaseError."""
        seen = await self._desk.document(self._desk.person(session.person), document)
        return self._pages.page("document.html.j2", BOARD, session, None, document=seen, moment=moment)

    def empty(self, session: Session, message: Message) -> str:
        """Return a page that says why there is nothing else."""
        return self._pages.page("board_empty.html.j2", BOARD, session, message)

    async def _seen(self, session: Session, view: View) -> BoardSeen:
        person: Person = self._desk.person(session.person)
        wanted = ON_BOARD if view.status is None else (view.status,)
        return await self._desk.board(
            person, wanted, limit=view.limit, skip=view.skip, with_given_up=view.status is None
        )


def moment(when: datetime) -> str:
    """Return a moment to the minute."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def age(when: datetime) -> str:
    """Return how long ago it was; what is new is not so many seconds old, or the page would never be at rest."""
    return "just now" if datetime.now(UTC) - when < timedelta(minutes=1) else ago(when)


def day(when: datetime) -> str:
    """Return a day as briefly as a card has room for."""
    when = when.astimezone(UTC)
    return f"{when.day} {when:%b}" if when.year == datetime.now(UTC).year else f"{when.day} {when:%b %Y}"


def is_overdue(task: Task) -> bool:
    """Return whether it should be done by now, and is not."""
    return task.due_at is not None and task.due_at < datetime.now(UTC) and task.status not in ("done", "archived")


def clock(when: datetime) -> str:
    """Return when something is done that is not far off: to the second, or a minute may be over before it begins."""
    return f"{when.astimezone(UTC):%H:%M:%S} UTC"


def _board(view: View, seen: BoardSeen) -> dict[str, object]:
    return {
        **_words(seen.colleagues),
        "view": view,
        "columns": seen.columns,
        "pages_of": {column.status: max(1, -(-column.count // OF_ONE)) for column in seen.columns},
        "offered": _offered(seen.colleagues),
        "given_up": seen.given_up,
        "given_up_count": seen.given_up_count,
    }


def _task(seen: TaskSeen, draft: str) -> dict[str, object]:
    task, thread = seen.task, end_of(seen.thread)
    working = {("agent", each) for each in task.agents} | {("user", each) for each in task.people}
    return {
        **_words(seen.colleagues),
        "task": task,
        "working": [*(("agent", each) for each in task.agents), *(("user", each) for each in task.people)],
        "moves": [status for status in seen.next if status not in REASONED and (working or status not in PEOPLED)],
        "reasoned": [status for status in seen.next if status in REASONED],
        "offered": [each for each in _offered(seen.colleagues) if (each.kind, each.id) not in working],
        "agents": [each for each in seen.colleagues if each.kind == "agent"],
        "documents": seen.documents,
        "turns": seen.turns,
        "given_up": seen.given_up,
        "thread": thread,
        "shortened": len(seen.thread) == MOST or len(thread) < len(seen.thread),
        "draft": draft,
    }


def end_of(thread: Sequence[Said]) -> Sequence[Said]:
    """Return the last messages of a thread, as many as a page can show at once: one has 100,000 characters at most."""
    length = 0
    for count, message in enumerate(reversed(thread)):
        length += len(message.content)
        if count and length > LONGEST:
            return thread[-count:]
    return thread


def _offered(colleagues: Sequence[Colleague]) -> list[Colleague]:
    """Return who can be assigned by name: of an agent and a person of one name the agent is meant."""
    agents = {each.id for each in colleagues if each.kind == "agent"}
    return [each for each in colleagues if each.kind == "agent" or each.id.strip().lower() not in agents]


def _words(colleagues: Sequence[Colleague]) -> dict[str, object]:
    """Return what the templates say things with."""
    names = {(each.kind, each.id): each.name for each in colleagues}
    return {
        "words": WORDS,
        "urgencies": URGENCIES,
        "moment": moment,
        "day": day,
        "age": age,
        "clock": clock,
        "causes": CAUSES,
        "is_overdue": is_overdue,
        "called": lambda kind, id_: names.get((kind, id_), id_),
        "key": lambda *parts: hashlib.sha256("/".join(parts).encode()).hexdigest()[:12],
    }
