"""Twenty agents and three people work at once: no deadlock, no forbidden move, nothing is lost and nothing is twice."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest
from board_crowd import Crowd, Step, crowd, steps
from board_replay import check
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("AGENT_CONFIG_SYNC_TEST_CROWDS", "30"))
"""Schedules; hundreds where the rules of the board are touched."""


@pytest.fixture
async def everybody(board_database: str) -> AsyncIterator[Crowd]:
    async with crowd(board_database) as gathered:
        yield gathered


@pytest.mark.timeout(120 + 5 * EXAMPLES)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.generate],  # a race that is lost is not lost again
    suppress_health_check=list(HealthCheck),
)
@given(plan=st.lists(steps, min_size=60, max_size=150))
async def test_a_crowd_at_work_breaks_no_rule_and_loses_nothing(everybody: Crowd, plan: list[Step]) -> None:
    everybody.replies.clear()
    await everybody.gather()
    await everybody.work(plan)
    assert all(len(answers) == 1 for answers in everybody.replies.values())
    await check(everybody.owner)
