"""What the logins of gateways and of operators do on the board, with nothing granted beside their role."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import asyncpg
import pytest
from board_ground import ADA, CODER, LEAD, Board
from harness import connected


@contextlib.asynccontextmanager
async def _login(board: Board, dsn: str, role: str) -> AsyncIterator[Board]:
    """The board as a login of a role sees it."""
    login = f"board_{role}"
    await board.connection.execute(
        f"DROP ROLE IF EXISTS {login}; CREATE ROLE {login} LOGIN IN ROLE agent_config_{role}"
    )
    async with connected(dsn.replace("postgres@", f"{login}@")) as connection:
        yield Board(connection)
    await board.connection.execute(f"DROP OWNED BY {login}; DROP ROLE {login}")


async def _work(board: Board) -> list[str]:
    """Do what agents and people do on the board; return the statuses through which a task went."""
    [made] = await board.act(LEAD, "INSERT INTO board_tasks (title) VALUES ('Engine') RETURNING id")
    task = made["id"]
    went = [await board.status(task)]
    await board.assign(LEAD, task, "coder")
    went.append(await board.status(task))
    await board.move(CODER, task, "review")
    await board.say(CODER, task, "Look, @reviewer")
    await board.act(CODER, "INSERT INTO board_documents (task_id, title, type) VALUES ($1, 'x', 'note')", task)
    await board.act(CODER, "UPDATE board_documents SET content = 'y'")
    await board.act(
        CODER,
        "INSERT INTO board_notifications (account_id, type, agent, actor_type, actor_id, task_id, title, body)"
        " VALUES ('default', 'response_request', 'writer', 'agent', 'coder', $1, 'x', 'y')",
        task,
    )
    await board.act(ADA, "INSERT INTO board_assignees (task_id, user_id) VALUES ($1, 'ada')", task)
    await board.act(ADA, "DELETE FROM board_assignees WHERE task_id = $1 AND user_id = 'ada'", task)
    went.append(await board.status(task))
    await board.move(ADA, task, "done")
    await board.move(LEAD, task, "archived")
    return [*went, await board.status(task)]


@pytest.mark.parametrize("role", ["runtime", "operator"])
async def test_a_login_of_the_role_does_what_is_done_on_the_board(board: Board, board_database: str, role: str) -> None:
    async with _login(board, board_database, role) as theirs:
        assert await _work(theirs) == ["inbox", "assigned", "review", "archived"]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM board_tasks",
        "DELETE FROM board_messages",
        "UPDATE board_messages SET content = 'x'",
        "UPDATE board_assignees SET agent = 'coder'",
        "INSERT INTO board_subscriptions (account_id, task_id, agent) SELECT 'default', id, 'coder' FROM board_tasks",
        "TRUNCATE board_tasks CASCADE",
        "UPDATE agents SET is_orchestrator = true",
        "UPDATE accounts SET can_mark_done = true",
        "SELECT board_record('default', 'x', 'task', 'x', '{}')",
    ],
)
async def test_a_gateway_does_no_more_than_its_agents_need(board: Board, board_database: str, statement: str) -> None:
    async with _login(board, board_database, "runtime") as theirs:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await theirs.act(None, statement)
