"""Notifications of the board become turns of agents, whatever fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from delivery_stage import Stage, delivery_stage
from harness import Operator, Start

from agent_config_sync.cli.standin_gateway import Said


@pytest.fixture
async def stage(start: Start, operator: Operator, tmp_path: Path, port: int) -> AsyncIterator[Stage]:
    async with delivery_stage(start, operator, tmp_path, port) as stage:
        yield stage


async def test_an_assignment_becomes_a_turn_whose_reply_is_in_the_thread(stage: Stage) -> None:
    task = await stage.board.task()
    await stage.board.assign("user/ada", task, "coder")
    ended = await stage.delivered()
    assert (ended.agent, ended.outcome) == ("coder", "replied")
    assert await stage.thread(task) == [("coder", "It is done.")]
    assert await stage.board.status(task) == "in_progress"


async def test_tools_that_the_agent_calls_change_the_board_and_it_sees_what_came_of_it(stage: Stage) -> None:
    stage.script.replies[:] = [
        Said(calls=(("task_status", {"status": "review"}),)),
        Said("Please look."),
    ]
    task = await stage.board.task()
    await stage.board.assign("user/ada", task, "coder")
    await stage.delivered(lambda ended: ended.agent == "coder")
    assert await stage.board.status(task) == "review"
    [first, second] = [seen for seen in stage.gateway.seen if seen.agent == "coder"]
    assert "task_status" in first.tools
    assert '"success":true' in second.results[0][1]
