"""Twenty agents and three people at work on a few tasks at once, each on a connection of their own."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from uuid import UUID, uuid5

import asyncpg
from board_ground import reply
from harness import Operator, connected
from hypothesis import strategies as st

from agent_config_sync.board import documents, requests, tasks, threads
from agent_config_sync.board.actor import Actor, Agent, Person
from agent_config_sync.board.model import TaskStatus
from agent_config_sync.board.tasks import NewTask, TaskChanges
from agent_config_sync.errors import BoardError

LEAD = Agent("default", "lead", is_orchestrator=True, can_create_tasks=True, can_mark_done=True)
REVIEWERS = tuple(Agent("default", f"qa-{number}", can_review_tasks=True) for number in range(2))
SILENT = Agent("default", "silent", can_mention_agents=False)
WORKERS = tuple(Agent("default", f"worker-{number}", can_create_tasks=number % 2 == 0) for number in range(16))
AGENTS = (LEAD, *REVIEWERS, SILENT, *WORKERS)
PEOPLE = tuple(Person("default", name) for name in ("ada", "bob", "eve"))
ACTORS: tuple[Actor, ...] = (*AGENTS, *PEOPLE)
GUESTS = ("guest-0", "guest-1", "guest-2")
"""Agents who are given tasks and are deleted, and members who are removed, while all others work."""

EVERYBODY = """
INSERT INTO agents (name, is_orchestrator, can_review_tasks, can_mark_done, can_mention_agents, can_create_tasks, role)
SELECT name, name = 'lead', name LIKE 'qa-%', name = 'lead', name <> 'silent', true,
       CASE WHEN name LIKE 'qa-%' THEN 'QA' END
FROM unnest($1::text[]) AS name
"""

CLEARED = ("board_tasks", "board_documents", "agents", "accounts", "memberships", "activities")

CONTENTS = (
    "Steam!",
    "@all hands",
    "@qa look",
    "@worker-1 and @ada",
    "@guest-0 @guest-1",
    "`@all` is code",
    "@lead @bob",
)

WANTED: tuple[TaskStatus, ...] = (
    *("in_progress", "in_progress", "in_progress", "review", "review", "done"),
    *("blocked", "blocked", "assigned", "assigned", "inbox", "archived"),
)

REPLIES = 6
"""Notifications to which everybody replies."""


@dataclass(frozen=True, slots=True)
class Step:
    """What somebody does. who: among agents and people; task, what, whom: chosen among those that there are."""

    who: int
    deed: str
    task: int
    what: int
    whom: tuple[int, ...]


DEEDS = (
    "move",
    "move",
    "move",
    "say",
    "say",
    "reply",
    "reply",
    "assign",
    "change",
    "ask",
    "write",
    "create",
    "away",
    "leave",
)

steps = st.builds(
    Step,
    who=st.integers(0, len(ACTORS) - 1),
    deed=st.sampled_from(DEEDS),
    task=st.integers(0, 3),
    what=st.integers(0, 11),
    whom=st.lists(st.integers(0, len(AGENTS) + len(GUESTS) - 1), min_size=1, max_size=3, unique=True).map(tuple),
)

NAMES = (*(agent.name for agent in AGENTS), *GUESTS)


@dataclass
class Crowd:
    """All of them. replies: the ids that were answered to each reply."""

    connections: list[Operator]
    tasks: list[UUID] = field(default_factory=list)
    replies: defaultdict[UUID, set[UUID]] = field(default_factory=lambda: defaultdict(set))
    written: list[UUID] = field(default_factory=list)
    refused: int = 0
    done: int = 0
    delivered: int = 0

    @property
    def owner(self) -> Operator:
        return self.connections[-1]

    async def gather(self) -> None:
        """Begin anew, with some tasks at work and some in the inbox."""
        for table in CLEARED:
            await self.owner.execute(f"DELETE FROM {table}")
        await self.owner.execute(EVERYBODY, list(NAMES))
        await self.owner.execute(
            "INSERT INTO memberships (account_id, user_id, role) SELECT 'default', who, 'member'"
            " FROM unnest($1::text[]) AS who",
            [*(person.id for person in PEOPLE), *GUESTS],
        )
        made = [
            await tasks.create(self.owner, PEOPLE[0], NewTask(f"task {number}", agents=agents))
            for number, agents in enumerate(
                [(), ("worker-0", "worker-1"), ("guest-0",), ("guest-0", "guest-1", "lead")]
            )
        ]
        self.tasks = [task.id for task in made]
        for task in self.tasks[1:3]:
            await tasks.set_status(self.owner, PEOPLE[0], task, "in_progress")
        self.written = [await documents.upsert(self.owner, LEAD, title="x", content="0", kind="note")]

    async def work(self, plan: Iterable[Step]) -> None:
        """Let everybody do their steps at the same time as the others, while somebody delivers what they are told."""
        of_each: defaultdict[int, list[Step]] = defaultdict(list)
        for step in plan:
            of_each[step.who].append(step)
        over = asyncio.Event()
        deliveries = [asyncio.create_task(self._deliver(place, over)) for place in (-2, -4)]
        try:
            async with asyncio.TaskGroup() as group:
                for who, theirs in of_each.items():
                    group.create_task(self._do_all(who, theirs))
        finally:
            over.set()
            await asyncio.gather(*deliveries)

    async def _do_all(self, who: int, theirs: Iterable[Step]) -> None:
        actor = ACTORS[who]
        for step in theirs:
            try:
                await self._do(self.connections[who], actor, step)
                self.done += 1
            except (BoardError, asyncpg.ForeignKeyViolationError):  # the latter: who is assigned is just being deleted
                self.refused += 1

    async def _do(self, connection: Operator, actor: Actor, step: Step) -> None:
        task = self.tasks[step.task]
        names = tuple(NAMES[place] for place in step.whom)
        content = CONTENTS[step.what % len(CONTENTS)]
        match step.deed:
            case "move":
                status = WANTED[step.what]
                await tasks.set_status(
                    connection, actor, task, status, reason="No steam" if status == "blocked" else None
                )
            case "say":
                if isinstance(actor, Agent) and not actor.is_orchestrator:
                    await self._reply(connection, actor, task, uuid5(task, repr(step)), content)
                else:
                    await threads.post(connection, actor, task, content)
            case "reply":
                await self._reply(connection, actor, task, uuid5(task, str(step.what % REPLIES)), content)
            case "assign":
                await tasks.assign(connection, actor, task, names)
            case "change":
                people = (PEOPLE[step.what % 3].id, GUESTS[step.what % 3]) if step.what % 2 else None
                await tasks.update(
                    connection, actor, task, TaskChanges(priority=1 + step.what % 5, agents=names, people=people)
                )
            case "ask" if isinstance(actor, Agent):
                await requests.request_responses(connection, actor, task, names, "Well?")
            case "write":
                await documents.upsert(
                    connection,
                    actor,
                    title="x",
                    content=str(step.what % 3),
                    kind="note",
                    document=self.written[0],
                    task=task,
                )
            case "create":
                await tasks.create(connection, actor, NewTask("another", status="assigned"))
            case "away" if step.what == 0:
                await tasks.archive(connection, actor, task, "Enough")
            case "leave" if step.what < 6:
                statement = "DELETE FROM {}".format(
                    "agents WHERE name = $1" if step.what % 2 else "memberships WHERE user_id = $1"
                )
                await connection.execute(statement, GUESTS[step.what % 3])
            case _:
                await tasks.see(connection, actor, task)

    async def _reply(self, connection: Operator, actor: Actor, task: UUID, notification: UUID, content: str) -> None:
        self.replies[notification].add(
            await reply(connection, actor, task, content, notification, quiet=content == CONTENTS[0])
        )

    async def _deliver(self, place: int, over: asyncio.Event) -> None:
        """Read what agents are told, oldest first, reply to it, twice at once, and call it delivered."""
        first, second = self.connections[place], self.connections[place - 1]
        while True:
            last = over.is_set()
            told = await first.fetchrow(CLAIMED)
            if told is None:
                if last:
                    return
                continue
            if told["type"] == "assignment":
                actor = Agent("default", told["agent"])
                with contextlib.suppress(BoardError, asyncpg.ForeignKeyViolationError):
                    await asyncio.gather(
                        *(self._reply(each, actor, told["task_id"], told["id"], "Done") for each in (first, second))
                    )
            await first.execute(
                "UPDATE board_notifications SET delivered_at = clock_timestamp() WHERE id = $1", told["id"]
            )
            self.delivered += 1


CLAIMED = """
UPDATE board_notifications SET read_at = clock_timestamp()
WHERE id = (SELECT id FROM board_notifications WHERE agent IS NOT NULL AND read_at IS NULL
            ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, type, agent, task_id
"""


@contextlib.asynccontextmanager
async def crowd(dsn: str) -> AsyncIterator[Crowd]:
    """A connection for each of them, four for those who deliver, and one for the owner."""
    async with contextlib.AsyncExitStack() as stack:
        count = len(ACTORS) + 5
        yield Crowd([await stack.enter_async_context(connected(dsn)) for _ in range(count)])
