"""Notifications of agents that failed, wait, or have their turn, as a gateway would have left them."""

from __future__ import annotations

from uuid import UUID, uuid4

from harness import Operator

REASON = "the gateway answered 400: the model refuses this"

_OLDEST = """
    SELECT id FROM board_notifications
    WHERE task_id = $1 AND agent = $2 AND delivered_at IS NULL AND dead_at IS NULL ORDER BY created_at, id LIMIT 1
"""


async def give_up(operator: Operator, task: UUID, agent: str, *, reason: str = REASON) -> UUID:
    """Give up the oldest that an agent is to be told of a task; return its id."""
    notification: UUID = await operator.fetchval(
        f"""
        UPDATE board_notifications
        SET attempts = 5, failures = 5, read_at = now(), delivery_ended_at = now(), last_error = $3, outcome = 'dead',
            dead_at = clock_timestamp()
        WHERE id = ({_OLDEST}) RETURNING id
        """,
        task,
        agent,
        reason,
    )
    return notification


async def begin(operator: Operator, task: UUID, agent: str) -> UUID:
    """Let an agent begin its next turn; return the notification that it is about."""
    account = await operator.fetchval("SELECT account_id FROM board_tasks WHERE id = $1", task)
    await operator.execute("UPDATE session_leases SET not_before = NULL")
    rows = await operator.fetch(
        "SELECT * FROM begin_turns($1, 'here', $2, $3, '1 min', '1 min', 100)", account, uuid4(), [agent]
    )
    begun: UUID = next(row["notification_id"] for row in rows if row["task_id"] == task)
    return begun


async def fail(operator: Operator, notification: UUID, *, reason: str = REASON, pause: str | None = "1 hour") -> None:
    """Let a turn fail. pause: until the next one."""
    async with operator.transaction():
        await operator.execute(
            """
            UPDATE board_notifications
            SET failures = failures + 1, last_error = $2, delivery_ended_at = clock_timestamp() WHERE id = $1
            """,
            notification,
            reason,
        )
        await operator.execute(
            """
            SELECT end_turn(session_id, holder, fence, true, $2::text::interval)
            FROM session_leases WHERE notification_id = $1
            """,
            notification,
            pause,
        )
