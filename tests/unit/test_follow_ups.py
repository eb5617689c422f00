"""runtime/follow_ups.py: which tasks are stale."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from agent_config_sync.board.model import TaskStatus
from agent_config_sync.runtime.follow_ups import FollowedTask, stale

FALLBACK = "## Summary\n\nNo answer came back from this agent to a mention in this thread."


def task(
    status: TaskStatus = "in_progress", changed: float = 0.0, *said: tuple[str, float], key: UUID | None = None
) -> FollowedTask:
    return FollowedTask(key or uuid4(), "Mend the kettle", status, ("coder",), changed, said)


@pytest.mark.parametrize(
    ("status", "patience"), [("in_progress", 900), ("review", 900), ("assigned", 900), ("blocked", 86_400)]
)
def test_a_task_is_stale_after_the_patience_that_its_status_has(status: TaskStatus, patience: float) -> None:
    fresh, old = task(status, patience - 1.0), task(status, patience + 1.0)
    assert stale([fresh, old]) == [old]


def test_what_its_agents_said_last_counts_and_not_what_says_nothing() -> None:
    told = task("review", 5000.0, ("Half of it is done.", 60.0))
    mute = task("review", 5000.0, ("HEARTBEAT_OK", 10.0), (FALLBACK, 20.0), ("Half of it is done.", 2000.0))
    assert stale([told, mute]) == [mute]
    assert mute.silent == 2000.0


def test_the_longest_silent_comes_first() -> None:
    tasks = [task("review", seconds) for seconds in (1000.0, 3000.0, 2000.0)]
    assert [each.changed for each in stale(tasks)] == [3000.0, 2000.0, 1000.0]
