"""Who acts, as the setting agent_config_sync.actor says, and who may not be believed."""

from __future__ import annotations

import asyncpg
import pytest
from board_ground import ADA, CODER, SYSTEM, Board


@pytest.mark.parametrize(
    "said", [None, "", "coder", "agent/", "root/coder", "AGENT/coder", " agent/coder", "/coder", "agent", "💥"]
)
async def test_whoever_says_nothing_sensible_acts_as_the_login(board: Board, said: str | None) -> None:
    [task] = await board.act(
        said, "INSERT INTO board_tasks (title) VALUES ('x') RETURNING id, created_by_type, created_by"
    )
    assert (task["created_by_type"], task["created_by"]) == ("user", "postgres")


@pytest.mark.parametrize("said", [CODER, ADA, SYSTEM, "agent/a/b", "user/auth0|7", "user/'; DROP TABLE agents; --"])
async def test_whoever_says_who_they_are_acts_as_that(board: Board, said: str) -> None:
    [task] = await board.act(
        said, "INSERT INTO board_tasks (title) VALUES ('x') RETURNING id, created_by_type, created_by"
    )
    assert f"{task['created_by_type']}/{task['created_by']}" == said
    assert (await board.history(task["id"]))[0][1] == said


async def test_a_name_lasts_as_long_as_its_transaction(board: Board) -> None:
    task = await board.task()
    await board.act(CODER, "SELECT 1")
    await board.connection.execute("UPDATE board_tasks SET priority = 1 WHERE id = $1", task)
    assert (await board.history(task))[-1][1] == "user/postgres"


@pytest.mark.parametrize("said", ["agent/ghost", "agent/lead\n", "agent/*", "agent/Lead"])
async def test_an_agent_that_is_not_there_may_nothing(board: Board, said: str) -> None:
    task = await board.task("done")
    with pytest.raises(asyncpg.PostgresError, match="Forbidden") as refused:
        await board.move(said, task, "archived")
    assert refused.value.sqlstate == "TB403"
