"""What agents say and do, the same in each attempt at a notification, and what goes wrong with their gateway.

Each effect bears the notification in its title, so that one that is there twice is seen; each reply says which effects
the agent was told of, so that one that is lost is seen too.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from agent_config_sync.cli.standin_gateway import Fault, Said, SeenRequest, StandinGateway

TURN = """
    SELECT told.id, told.type, told.actor_type
    FROM session_leases AS held JOIN board_notifications AS told ON told.id = held.notification_id
    WHERE held.session_key = $1
"""

POISONED, SILENT, BLANK, ASKING, REVIEWING = 61, 11, 13, 3, 5
"""One of so many cannot be delivered; is answered with NO_REPLY, with nothing; asks others; ends in a review."""

FAULTS: tuple[Fault, ...] = ("error", "busy", "refused", "silent", "stalled", "cut", "garbage", "huge")


@dataclass(frozen=True, slots=True)
class Subject:
    """A notification, as the script knows it."""

    id: UUID
    type: str
    actor_type: str

    def is_one_of(self, many: int, what: str) -> bool:
        digest = hashlib.sha256(f"{self.id}/{what}".encode()).digest()
        return int.from_bytes(digest[:4]) % many == 0

    @property
    def rounds(self) -> int:
        """Rounds of tools; none where agents answer agents, or they would go on for ever."""
        if self.type in ("response_request", "status_change") or self.actor_type == "agent":
            return 0
        return 1 + self.id.int % 3


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two requests of one session at a time. earlier, later: processes; excused: the earlier fell or stood still."""

    session: str
    earlier: str
    later: str
    excused: bool


@dataclass
class Script:
    """Use it as the model and the fault of a stand-in gateway. rate: the share of requests that go wrong."""

    pool: asyncpg.Pool
    drawn: random.Random
    agents: tuple[str, ...]
    rate: float = 0.12
    is_excused: Callable[[str], bool] = lambda _: False
    faults: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    overlaps: list[Overlap] = field(default_factory=list)
    _subjects: dict[str, Subject] = field(default_factory=dict)
    _done: dict[str, list[str]] = field(default_factory=dict)
    _calls: dict[str, list[str]] = field(default_factory=dict)
    _under_way: dict[str, list[str]] = field(default_factory=dict)

    def fault(self, seen: SeenRequest) -> Fault | None:
        others = self._under_way.get(seen.session_key)
        if others:
            self.overlaps.append(Overlap(seen.session_key, others[-1], process_of(seen), self.is_excused(others[-1])))
        if self.drawn.random() >= self.rate:
            return None
        chosen = self.drawn.choice(FAULTS)
        self.faults[chosen] += 1
        return chosen

    async def __call__(self, seen: SeenRequest) -> Said:
        key = seen.session_key
        under_way = self._under_way.setdefault(key, [])
        under_way.append(process_of(seen))
        try:
            await asyncio.sleep(self.drawn.choice((0.0, 0.0, 0.02, 0.1, 0.4)))
            return await self._says(key, seen)
        finally:
            under_way.remove(process_of(seen))

    async def _says(self, key: str, seen: SeenRequest) -> Said:
        if seen.round == 0:
            record = await self.pool.fetchrow(TURN, key)
            if record is None:  # its task was deleted, or its lease is lost
                return Said("Too late.")
            self._subjects[key] = Subject(*record)
            self._done[key] = []
        elif key not in self._subjects:
            return Said("Too late.")
        subject = self._subjects[key]
        if seen.round > 0:
            for name, (_, output) in zip(self._calls[key], seen.results, strict=False):
                if orjson.loads(output).get("success") is True:
                    self._done[key].append(name)
        self.asked[subject.type] += 1
        if subject.is_one_of(POISONED, "poison") and seen.round == min(1, subject.rounds):
            return Said(status="failed")
        if seen.round < subject.rounds and seen.tools:
            calls = self._calls_of(subject, seen)
            self._calls[key] = [name for name, _, _ in calls]
            return Said(calls=tuple((tool, arguments) for _, tool, arguments in calls))
        if subject.is_one_of(SILENT, "no reply"):
            return Said("NO_REPLY")
        if subject.is_one_of(BLANK, "blank"):
            return Said("")
        return Said(f"Reply to {subject.id}: {' '.join(self._done[key])}")

    def _calls_of(self, subject: Subject, seen: SeenRequest) -> list[tuple[str, str, Mapping[str, Any]]]:
        """Return the calls of a round: a name for each, the tool, and its arguments."""
        number = seen.round
        task = seen.session_key.split(":task:")[1].partition(":")[0]
        name = f"{subject.id}/{number}"
        calls: list[tuple[str, str, Mapping[str, Any]]] = [
            (f"task/{number}", "task_create", {"title": f"task {name}"}),
            (
                f"document/{number}",
                "document_upsert",
                {"title": f"document {name}", "content": "As asked.", "type": "note", "taskId": task},
            ),
        ]
        if number == 0 and subject.is_one_of(ASKING, "request"):
            others = [agent for agent in self.agents if agent != seen.agent]
            asked = others[subject.id.int % len(others)]
            calls.append(
                ("request/0", "response_request", {"recipientSlugs": [asked], "message": f"request {name}"}),
            )
        if subject.is_one_of(REVIEWING, "review"):
            calls.append(("status", "task_status", {"status": "review"}))
        return calls


def process_of(seen: SeenRequest) -> str:
    """Return which process asks: each has a token of its own."""
    return seen.headers.get("authorization", "").removeprefix("Bearer ")


async def come_and_go(gateway: StandinGateway, drawn: random.Random, faults: Counter[str], *, every: float) -> None:
    """Let the gateway be killed and started again, until cancelled."""
    try:
        while True:
            await asyncio.sleep(drawn.uniform(0.5, 1.5) * every)
            await gateway.go_away()
            faults["gone"] += 1
            await asyncio.sleep(drawn.uniform(0.2, 1.2))
            await gateway.listen()
    finally:
        if gateway._server is None:
            with contextlib.suppress(OSError):
                await gateway.listen()
