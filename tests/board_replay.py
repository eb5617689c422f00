"""The history of each task, played again: who must have been told of what, by rules that were not read from the SQL."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
from board_crowd import GUESTS, LEAD, PEOPLE, REVIEWERS, SILENT
from harness import Operator

NEXT = {
    "inbox": {"assigned", "archived"},
    "assigned": {"in_progress", "blocked", "inbox", "archived"},
    "in_progress": {"review", "blocked", "archived"},
    "review": {"done", "in_progress", "blocked", "archived"},
    "done": {"archived"},
    "blocked": {"assigned", "in_progress", "archived"},
    "archived": set[str](),
}

MORE = {("agent", "assigned", "review"), ("agent", "blocked", "review"), ("user", "done", "review")}

Who = tuple[str, str]
"""agent or user, and the id."""

GONE = {(kind, name) for kind in ("agent", "user") for name in GUESTS}
"""Whose notifications went with them, perhaps."""


@dataclass
class Replay:
    """A task as its history has it so far, and all that somebody must have been told."""

    task: UUID
    status: str = ""
    assignees: set[Who] = field(default_factory=set)
    followers: set[Who] = field(default_factory=lambda: {("agent", LEAD.name)})
    told: Counter[tuple[str, Who]] = field(default_factory=Counter)
    mentioned: set[tuple[UUID, Who]] = field(default_factory=set)
    news: list[tuple[UUID, Who]] = field(default_factory=list)

    def moved(self, actor: Who, meta: dict[str, Any]) -> None:
        old, new = meta["oldStatus"], meta["newStatus"]
        assert old == self.status, f"a task that was {self.status} became {new} from {old}"
        assert new in NEXT[old] or (actor[0], old, new) in MORE, f"{actor} made {new} of {old}"
        self.status = new
        if new == "inbox" or (old, new) == ("inbox", "assigned"):
            return
        hear = set(self.assignees)
        if new == "review":
            hear |= {("agent", each.name) for each in (LEAD, *REVIEWERS)}
        self.told.update(
            ("status_change", who) for who in hear if who != actor and not (new == "archived" and who[0] == "agent")
        )

    def changed(self, actor: Who, meta: dict[str, Any]) -> None:
        if "assigned" in meta:
            who = meta["assigned"]["type"], meta["assigned"]["id"]
            assert who not in self.assignees
            self.assignees.add(who)
            self.followers.add(who)
            if who != actor:
                self.told["assignment", who] += 1
        if "unassigned" in meta:
            who = meta["unassigned"]["type"], meta["unassigned"]["id"]
            self.assignees.remove(who)
            self.followers -= {who} - {("agent", LEAD.name)}

    def said(self, message: Any) -> None:
        author: Who = message["author_type"], message["author_id"]
        reaches = not message["quiet"] and author != ("agent", SILENT.name)
        meant = {(each["type"], each["id"]) for each in orjson.loads(message["mentions"])} - {author}
        meant = {who for who in meant if who[0] == "user" or reaches}
        self.followers |= {author} | meant
        self.mentioned |= {(message["id"], who) for who in meant}
        agents_hear = (
            not any(kind == "agent" for kind, _ in meant)
            and not message["quiet"]
            and self.status not in ("done", "archived")
        )
        may_unblock = self.status != "blocked" or author[0] != "agent" or author[1] == LEAD.name
        for who in self.followers - meant - {author}:
            if who[0] == "user" or (agents_hear and (may_unblock or who[1] == LEAD.name)):
                self.news.append((message["id"], who))


async def replayed(owner: Operator) -> list[Replay]:
    """Play the history of every task again. Fails where a move was none that is allowed."""
    messages = {str(row["id"]): row for row in await owner.fetch("SELECT * FROM board_messages")}
    replays: dict[str, Replay] = {}
    for row in await owner.fetch("SELECT * FROM activities ORDER BY id"):
        actor, meta = (row["actor_type"], row["actor_id"]), orjson.loads(row["meta"])
        match row["type"]:
            case "task_created":
                replays[row["target_id"]] = Replay(UUID(row["target_id"]), meta["status"])
            case "task_status_changed":
                replays[row["target_id"]].moved(actor, meta)
            case "task_updated":
                replays[row["target_id"]].changed(actor, meta)
            case "message_created":
                replays[meta["taskId"]].said(messages[row["target_id"]])
    return list(replays.values())


async def check(owner: Operator) -> None:
    """Compare what is on the board with its history. Fails with what is lost, twice or not allowed."""
    replays = await replayed(owner)
    await _counters(owner, replays)
    notifications = await owner.fetch(
        "SELECT board_notifications.*, seq, board_messages.created_at AS said_at FROM board_notifications"
        " LEFT JOIN board_messages ON board_messages.id = message_id"
    )
    seq = {row["id"]: (row["seq"], row["created_at"]) for row in await owner.fetch("SELECT * FROM board_messages")}
    for replay in replays:
        of_task = [row for row in notifications if row["task_id"] == replay.task]
        _moves_and_assignments(replay, of_task)
        _mentions(replay, of_task)
        _news(replay, of_task, seq)
    await _requests(owner)


def _who(row: Any) -> Who:
    return ("agent", row["agent"]) if row["agent"] is not None else ("user", row["user_id"])


def _moves_and_assignments(replay: Replay, rows: Iterable[Any]) -> None:
    found = Counter((row["type"], _who(row)) for row in rows if row["type"] in ("status_change", "assignment"))
    assert _staying(found) == _staying(replay.told)


def _staying(told: Counter[tuple[str, Who]]) -> dict[tuple[str, Who], int]:
    return {key: count for key, count in told.items() if key[1] not in GONE}


def _mentions(replay: Replay, rows: Iterable[Any]) -> None:
    found = Counter((row["message_id"], _who(row)) for row in rows if row["type"] == "mention")
    assert set(found.values()) <= {1}
    assert {key for key in found if key[1] not in GONE} == {key for key in replay.mentioned if key[1] not in GONE}


def _news(replay: Replay, rows: list[Any], said: dict[UUID, Any]) -> None:
    found = [row for row in rows if row["type"] == "thread_update"]
    per_cause = Counter((row["message_id"], _who(row)) for row in found)
    assert set(per_cause.values()) <= {1}
    assert set(per_cause) <= set(replay.news), "somebody was told what was not for them"
    for message, who in replay.news:
        if who in GONE:
            continue
        theirs = [row for row in found if _who(row) == who]
        seq, at = said[message]
        if who[0] == "user":
            assert any(row["message_id"] == message for row in theirs), f"{who} never heard of {message}"
        else:
            assert any(row["seq"] >= seq and (row["read_at"] is None or row["read_at"] >= at) for row in theirs), (
                f"{who} never heard of {message}"
            )


async def _counters(owner: Operator, replays: list[Replay]) -> None:
    counts = Counter(row["type"] for row in await owner.fetch("SELECT type FROM activities"))
    assert counts["message_created"] == await owner.fetchval("SELECT count(*) FROM board_messages")
    assert counts["document_created"] == await owner.fetchval("SELECT count(*) FROM board_documents")
    assert counts["task_created"] == await owner.fetchval("SELECT count(*) FROM board_tasks")
    for row in await owner.fetch("SELECT * FROM board_documents"):
        versions = [
            orjson.loads(meta["meta"])["version"]
            for meta in await owner.fetch(
                "SELECT meta FROM activities WHERE target_id = $1 ORDER BY id", str(row["id"])
            )
        ]
        assert versions[0] == 1
        assert versions[-1] == row["version"]
        assert {later - earlier for earlier, later in itertools.pairwise(versions)} <= {0, 1}
    for replay in replays:
        task = await owner.fetchrow("SELECT status, blocked_reason FROM board_tasks WHERE id = $1", replay.task)
        assert task is not None
        assert task["status"] == replay.status
        assert (task["status"] == "blocked") == (task["blocked_reason"] is not None)
        assigned = {
            _who(row) for row in await owner.fetch("SELECT * FROM board_assignees WHERE task_id = $1", replay.task)
        }
        assert assigned == replay.assignees
        assert bool(assigned) or replay.status not in ("assigned", "in_progress")
        assert not assigned or replay.status != "inbox"
        followers = {
            _who(row) for row in await owner.fetch("SELECT * FROM board_subscriptions WHERE task_id = $1", replay.task)
        }
        known = {("agent", LEAD.name), *(("user", person.id) for person in PEOPLE)}
        assert followers - GONE == {who for who in replay.followers - GONE if who[0] == "agent" or who in known}


async def _requests(owner: Operator) -> None:
    """Nobody is asked twice who has not answered in between: four hours have not gone by."""
    assert await owner.fetch(ASKED_TWICE) == []


ASKED_TWICE = """
SELECT earlier.task_id, earlier.agent FROM board_notifications AS earlier JOIN board_notifications AS later
    ON later.task_id = earlier.task_id AND later.agent = earlier.agent AND later.created_at > earlier.created_at
WHERE earlier.type = 'response_request' AND later.type = 'response_request' AND NOT EXISTS (
    SELECT FROM board_messages
    WHERE task_id = earlier.task_id AND author_type = 'agent' AND author_id = earlier.agent
      AND board_messages.created_at BETWEEN earlier.created_at AND later.created_at)
"""
