"""What must be true when all notifications have ended, whatever went wrong before: plain SQL, and nothing of ours."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg

OUTCOMES = """
    SELECT coalesce(outcome, 'none') AS outcome, count(*) AS ended FROM board_notifications
    WHERE agent IS NOT NULL GROUP BY 1 ORDER BY 1
"""

RULES: dict[str, str] = {
    "notifications that have not ended": """
        SELECT id, task_id, agent FROM board_notifications
        WHERE agent IS NOT NULL AND delivered_at IS NULL AND dead_at IS NULL""",
    "dead without a reason": """
        SELECT id FROM board_notifications WHERE dead_at IS NOT NULL AND coalesce(last_error, '') = ''""",
    "delivered without an outcome, or without a turn": """
        SELECT id FROM board_notifications
        WHERE agent IS NOT NULL AND delivered_at IS NOT NULL AND (outcome IS NULL OR attempts < 1)""",
    "notifications with two replies": """
        SELECT source_notification_id FROM board_messages WHERE source_notification_id IS NOT NULL
        GROUP BY 1 HAVING count(*) > 1""",
    "replied, or fallen back, without one reply of the agent": """
        SELECT told.id FROM board_notifications AS told
        WHERE told.outcome IN ('replied', 'fallback') AND NOT EXISTS (
            SELECT FROM board_messages AS said WHERE said.source_notification_id = told.id
              AND said.author_type = 'agent' AND said.author_id = told.agent AND said.task_id = told.task_id)""",
    "replies of those that were not replied to": """
        SELECT told.id, told.outcome FROM board_notifications AS told
        JOIN board_messages AS said ON said.source_notification_id = told.id
        WHERE told.outcome NOT IN ('replied', 'fallback')""",
    "replies to something else": """
        SELECT said.id, said.content FROM board_messages AS said
        JOIN board_notifications AS told ON told.id = said.source_notification_id
        WHERE told.outcome = 'replied' AND said.content NOT LIKE 'Reply to ' || told.id || ':%'""",
    "tasks that a tool made twice": """
        SELECT title FROM board_tasks WHERE title LIKE 'task %' GROUP BY 1 HAVING count(*) > 1""",
    "documents that a tool made twice": """
        SELECT title FROM board_documents WHERE title LIKE 'document %' GROUP BY 1 HAVING count(*) > 1""",
    "requests that a tool made twice": """
        SELECT body, agent FROM board_notifications WHERE type = 'response_request'
        GROUP BY 1, 2 HAVING count(*) > 1""",
    "effects of no tool": """
        SELECT notification_id FROM delivery_effects WHERE tool = 'task_create' AND NOT EXISTS (
            SELECT FROM board_tasks WHERE title = (arguments::json ->> 'title'))""",
    "tasks of no effect": """
        SELECT id FROM board_tasks WHERE title LIKE 'task %' AND NOT EXISTS (
            SELECT FROM delivery_effects WHERE tool = 'task_create' AND (arguments::json ->> 'title') = title)
          AND EXISTS (SELECT FROM board_notifications WHERE id::text = substr(title, 6, 36))""",
    "leases that are held": "SELECT session_id, gateway FROM session_leases WHERE holder IS NOT NULL",
    "more failures than are allowed": "SELECT id FROM board_notifications WHERE failures > 5",
    "agents who are busy with nothing": "SELECT agent FROM agent_presence WHERE status = 'busy'",
}

ORDER = """
    SELECT task_id, agent, id, delivered_at FROM board_notifications
    WHERE agent IS NOT NULL AND delivered_at IS NOT NULL ORDER BY task_id, agent, created_at, id
"""

REPLIES = """
    SELECT said.content, said.source_notification_id AS id FROM board_messages AS said
    JOIN board_notifications AS told ON told.id = said.source_notification_id WHERE told.outcome = 'replied'
"""


@dataclass
class Findings:
    """broken: rules that do not hold, each with rows against it."""

    broken: dict[str, list[str]] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)
    effects: int = 0
    sessions: int = 0

    def lines(self) -> list[str]:
        ended = ", ".join(f"{count:,} {outcome}" for outcome, count in self.outcomes.items())
        lines = [f"{sum(self.outcomes.values()):,} notifications in {self.sessions:,} sessions: {ended}"]
        lines.append(f"{self.effects:,} effects of tools, {len(self.broken)} rules broken")
        lines += [f"BROKEN {rule}: {len(rows):,}, such as {rows[:3]}" for rule, rows in self.broken.items()]
        return lines


async def judge(connection: asyncpg.Connection, *, requeued: Collection[UUID]) -> Findings:
    """Look at everything. requeued: what may have been delivered after its turn, because it was dead meanwhile."""
    found = Findings()
    found.outcomes = {row["outcome"]: row["ended"] for row in await connection.fetch(OUTCOMES)}
    found.sessions = await connection.fetchval(
        "SELECT count(DISTINCT (task_id, agent)) FROM board_notifications WHERE agent IS NOT NULL"
    )
    found.effects = await connection.fetchval("SELECT count(*) FROM delivery_effects")
    for rule, sql in RULES.items():
        if rows := await connection.fetch(sql):
            found.broken[rule] = [str(dict(row)) for row in rows]
    if late := [str(each) for each in await _out_of_order(connection, requeued)]:
        found.broken["notifications out of the order of their session"] = late
    if lost := await _lost(connection):
        found.broken["effects of which an agent was told, and that are not there"] = lost
    return found


async def _out_of_order(connection: asyncpg.Connection, requeued: Collection[UUID]) -> list[UUID]:
    late: list[UUID] = []
    session, latest = None, None
    for row in await connection.fetch(ORDER):
        if row["id"] in requeued:
            continue
        if session != (row["task_id"], row["agent"]):
            session, latest = (row["task_id"], row["agent"]), None
        if latest is not None and row["delivered_at"] < latest:
            late.append(row["id"])
        latest = row["delivered_at"]
    return late


async def _lost(connection: asyncpg.Connection) -> list[str]:
    """Return the effects that a reply names and that do not exist."""
    there = {
        row["name"]
        for row in await connection.fetch(
            "SELECT title AS name FROM board_tasks UNION SELECT title FROM board_documents"
        )
    }
    named = [
        f"{kind} {row['id']}/{number}"
        for row in await connection.fetch(REPLIES)
        for kind, number in re.findall(r"(task|document)/(\d)", row["content"])
    ]
    return [name for name in named if name not in there]
