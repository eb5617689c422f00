"""Turns of agents: whatever ends in their middle, each is taken to its end, and each tool does its work once."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import pytest
from board_ground import ADA, Board, furnished
from chaos.delivery import SERVER_SETTINGS, Size, deliver
from daemon import Daemon, StartDaemon
from delivery_stage import DONE, TOKEN, settings_for
from harness import DEADLINE, Operator, Start, connected, eventually, make_settings, start_again

from agent_config_sync.cli.standin_gateway import Said, SeenRequest, StandinGateway
from agent_config_sync.cli.throwaway import ThrowawayServer, throwaway_server
from agent_config_sync.events import DeliveryStarted
from agent_config_sync.settings import Settings

CREATE = Said(calls=(("task_create", {"title": "Oil it"}),))

SETTLED = """
    SELECT count(*) > 0 AND bool_and(delivered_at IS NOT NULL) FROM board_notifications WHERE agent = 'coder'
"""
MADE = "SELECT count(*) FROM board_tasks WHERE title = 'Oil it'"
REPLIES = "SELECT count(*) FROM board_messages WHERE author_id = 'coder'"
HELD = "SELECT count(*) FROM session_leases WHERE agent = 'coder' AND holder IS NOT NULL"
COMMITS = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"

WAITS_FOR_A_STANDBY = """
    CREATE FUNCTION waits() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM set_config('synchronous_commit', 'on', true);
        RETURN NULL;
    END $$;
    CREATE TRIGGER waits AFTER INSERT ON board_messages FOR EACH ROW EXECUTE FUNCTION waits();
"""


@dataclass
class Model:
    """By the round of a turn what it says, and what happens before it does, the first time."""

    says: list[Said] = field(default_factory=lambda: [DONE])
    before: dict[int, Callable[[], Awaitable[None]]] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)

    async def __call__(self, seen: SeenRequest) -> Said:
        if seen.agent != "coder":
            return Said("NO_REPLY")
        self.asked.append(seen.round)
        if (happens := self.before.pop(seen.round, None)) is not None:
            await happens()
        return self.says[min(seen.round, len(self.says) - 1)]


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
async def gateway(model: Model) -> AsyncIterator[StandinGateway]:
    async with StandinGateway(model, token=TOKEN).serving() as gateway:
        yield gateway


@pytest.fixture
def settings(database: str, gateway: StandinGateway, tmp_path: Path, port: int) -> Settings:
    return make_settings(database, tmp_path, **settings_for(gateway, tmp_path, port))


@pytest.fixture
def free_port() -> int:
    """Another port that nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number: int = taken.getsockname()[1]
        return number


@pytest.fixture
async def board(operator: Operator) -> Board:
    return await with_maker(operator)


async def with_maker(operator: Operator) -> Board:
    """Return a board whose coder makes tasks."""
    board = await furnished(operator)
    await operator.execute("UPDATE agents SET can_create_tasks = true WHERE name = 'coder'")
    return board


async def assigned(board: Board) -> UUID:
    task = await board.task()
    await board.assign(ADA, task, "coder")
    return task


async def dealt_with_once(board: Board, *, made: int) -> None:
    """Return when the coder has nothing left to do; it replied once, and its tool has done its work so often."""
    await eventually(board.connection, SETTLED)
    assert await board.connection.fetchval(REPLIES) == 1
    assert await board.connection.fetchval(MADE) == made
    assert await board.connection.fetchval(HELD) == 0


async def test_a_process_that_is_killed_after_a_tool_and_before_the_reply(
    board: Board, model: Model, daemons: StartDaemon
) -> None:
    daemon = await daemons()

    async def killed() -> None:
        daemon.process.kill()

    model.says = [CREATE, DONE]
    model.before = {1: killed}
    await assigned(board)
    await daemon.ended()
    assert await board.connection.fetchval(MADE) == 1
    assert await board.connection.fetchval(REPLIES) == 0
    await daemons()
    await dealt_with_once(board, made=1)
    assert model.asked == [0, 1, 0, 1]


async def test_a_process_that_is_killed_when_its_reply_is_committed_and_it_does_not_know_it(
    server: ThrowawayServer, gateway: StandinGateway, daemons: StartDaemon, model: Model, tmp_path: Path, port: int
) -> None:
    """A commit that waits for a standby is durable and not answered."""
    async with connected(server.dsn) as connection:
        await connection.execute("DELETE FROM agents")
        board = await with_maker(connection)
        for statement in (
            "ALTER SYSTEM SET synchronous_standby_names = 'nobody'",
            "ALTER SYSTEM SET synchronous_commit = 'local'",
        ):
            await connection.execute(statement)
        await connection.execute("SELECT pg_reload_conf()")
        await connection.execute("SET synchronous_commit = 'local'")
        await connection.execute(WAITS_FOR_A_STANDBY)
        chosen = dict(make_settings(server.dsn, tmp_path, **settings_for(gateway, tmp_path, port)))
        daemon = await daemons(**chosen)
        await assigned(board)
        await eventually(connection, COMMITS)
        daemon.process.kill()
        await daemon.ended()
        await connection.execute("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
        await connection.execute("DROP TRIGGER waits ON board_messages")
        await eventually(connection, SETTLED)
        await daemons(**chosen)
        await board.say(ADA, (await connection.fetchval("SELECT id FROM board_tasks")), "@coder and now?")
        await eventually(connection, f"SELECT ({REPLIES}) = 2")
        await eventually(connection, SETTLED)
        assert model.asked == [0, 0]


async def test_a_database_that_restarts_while_an_agent_thinks_costs_no_second_question(
    server: ThrowawayServer, gateway: StandinGateway, start: Start, model: Model, tmp_path: Path, port: int
) -> None:
    async with connected(server.dsn) as connection:
        await connection.execute("DELETE FROM agents")
        await with_maker(connection)

    async def restarted() -> None:
        async with connected(server.dsn) as connection:  # who thinks does so for longer than that reaches the disk
            await connection.execute("CHECKPOINT")
        await asyncio.to_thread(server.stop)
        await start_again(server)
        back.set()

    back = asyncio.Event()
    model.before = {0: restarted}
    running = await start(**{"dsn": server.dsn, **settings_for(gateway, tmp_path, port)})
    await running.events.until(DeliveryStarted)
    async with connected(server.dsn) as connection:
        await assigned(Board(connection))
    async with asyncio.timeout(DEADLINE):
        await back.wait()
    async with connected(server.dsn) as connection:
        await dealt_with_once(Board(connection), made=0)
    assert model.asked == [0]


async def test_a_gateway_that_is_killed_in_a_round_after_tools_ran(
    board: Board, model: Model, gateway: StandinGateway, daemons: StartDaemon
) -> None:
    async def killed() -> None:
        killing.append(asyncio.create_task(_killed_and_started_again(gateway)))
        await asyncio.Event().wait()  # it never answers

    killing: list[asyncio.Task[None]] = []
    model.says = [CREATE, DONE]
    model.before = {1: killed}
    await daemons()
    await assigned(board)
    await dealt_with_once(board, made=1)
    assert model.asked == [0, 1, 0, 1]


async def _killed_and_started_again(gateway: StandinGateway) -> None:
    await gateway.go_away()
    await gateway.listen()


async def test_a_turn_whose_lease_is_lost_between_two_tools_does_and_says_nothing_more(
    board: Board, database: str, model: Model, daemons: StartDaemon
) -> None:
    async def lost() -> None:
        async with connected(database) as connection:
            await connection.execute(
                "UPDATE session_leases SET holder = gen_random_uuid(), fence = fence + 1, expires_at = now()"
                " WHERE holder IS NOT NULL"
            )

    model.says = [CREATE, Said(calls=(("task_create", {"title": "Wash it"}),)), DONE]
    model.before = {1: lost}
    await daemons()
    await assigned(board)
    await dealt_with_once(board, made=1)
    assert await board.connection.fetchval("SELECT count(*) FROM board_tasks WHERE title = 'Wash it'") == 1
    assert model.asked == [0, 1, 0, 1, 2]


async def test_two_processes_of_one_gateways_name_deal_with_each_notification_once(
    board: Board, model: Model, gateway: StandinGateway, daemons: StartDaemon, tmp_path: Path, free_port: int
) -> None:
    model.says = [CREATE, DONE]
    await daemons()
    other = tmp_path / "other"
    await daemons(
        config_path=other / "openclaw.json",
        state_dir=other / "state",
        workspace_root=other / "workspaces",
        health_port=free_port,
    )
    tasks = [await assigned(board) for _ in range(10)]
    await eventually(
        board.connection,
        "SELECT count(*) = 10 AND bool_and(delivered_at IS NOT NULL) FROM board_notifications"
        " WHERE agent = 'coder' AND type = 'assignment'",
    )
    assert await board.connection.fetchval(REPLIES) == len(tasks)
    assert await board.connection.fetchval(MADE) == len(tasks)


async def test_a_second_process_that_waits_for_the_first_leaves_it_its_turns(
    board: Board, model: Model, daemons: StartDaemon, free_port: int
) -> None:
    """It has the same folders: a gateway starts it before the one of before has ended."""
    second: list[Daemon] = []

    async def started() -> None:
        second.append(await daemons(health_port=free_port))
        await second[0].says("another process keeps this output")

    model.before = {0: started}
    await daemons()
    await assigned(board)
    await dealt_with_once(board, made=0)
    assert model.asked == [0]


@pytest.mark.timeout(400)
async def test_whatever_fails_each_notification_is_dealt_with_once_and_in_its_order(tmp_path: Path) -> None:
    """`make chaos-delivery` does more of it."""
    size = Size(notifications=150, processes=2, every=5.0, still=0, agents=4, tasks=12, limit=240.0)
    with throwaway_server(SERVER_SETTINGS) as server:
        outcome = await deliver(server, size, 1, tmp_path)
    assert outcome.sound, "\n".join(outcome.lines())
    assert outcome.kills > 0
