"""A runtime says how it is, and ends for what operators ask in SQL."""

from __future__ import annotations

import asyncio
import shlex
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from daemon import Daemon, StartDaemon
from harness import DEADLINE, Operator, Running, Start, eventually, make_settings

from agent_config_sync import __version__
from agent_config_sync.events import LinkProven, Reported, StatusContested
from agent_config_sync.plugin import Plugin
from agent_config_sync.runtime.lifecycle import Lifecycle
from agent_config_sync.settings import Settings

IS = "SELECT count(*) = 1 FROM gateway_status WHERE runtime_status = $1"
ENDED = "SELECT outcome FROM runtime_requests WHERE finished_at IS NOT NULL"


@pytest.fixture
async def runtime(start: Start, operator: Operator, port: int, tmp_path: Path) -> Running:
    """A sync with a board, whose runtime is online."""
    await operator.execute("INSERT INTO agents (name, is_default) VALUES ('lead', true)")
    running = await start(wait=LinkProven, workspace_root=tmp_path / "ws", health_port=port)
    await eventually(operator, IS, "online")
    return running


def lifecycle_of(plugin: Plugin) -> Lifecycle:
    assert plugin._lifecycle is not None
    return plugin._lifecycle


async def ask(operator: Operator, running: Running, statement: str) -> None:
    await operator.execute(statement)
    lifecycle_of(running.plugin).wake()


# How it is ------------------------------------------------------------------------------------------------------------


async def test_a_runtime_says_that_it_is_online_with_which_version(runtime: Running, operator: Operator) -> None:
    found = await operator.fetchrow("SELECT runtime_version, runtime_error, runtime_started_at FROM gateway_status")
    assert found is not None
    assert (found["runtime_version"], found["runtime_error"]) == (__version__, None)
    lifecycle_of(runtime.plugin).wake()
    seen = "SELECT runtime_seen_at > runtime_started_at AND runtime_started_at = $1 FROM gateway_status"
    await eventually(operator, seen, found["runtime_started_at"])


async def test_what_it_is_told_of_its_condition_is_in_its_row_at_once(runtime: Running, operator: Operator) -> None:
    lifecycle = lifecycle_of(runtime.plugin)
    lifecycle.set_condition("degraded", "the gateway is away")
    await eventually(operator, f"{IS} AND runtime_error = 'the gateway is away'", "degraded")
    lifecycle.set_condition("online")
    await eventually(operator, f"{IS} AND runtime_error IS NULL", "online")


async def test_a_stop_leaves_it_offline(runtime: Running, operator: Operator) -> None:
    await runtime.plugin.stop()
    assert await operator.fetchval(IS, "offline")


async def test_it_marks_another_that_is_silent(runtime: Running, operator: Operator) -> None:
    await operator.execute("""
        INSERT INTO gateway_status (gateway, plugin_version, state, resync_interval, runtime_status, runtime_seen_at)
        VALUES ('other', '1', 'offered', '60 s', 'online', now() - interval '91 s')
    """)
    lifecycle_of(runtime.plugin).wake()
    await eventually(operator, "SELECT runtime_status = 'offline' FROM gateway_status WHERE gateway = 'other'")


async def test_a_row_that_the_runtime_writes_too_is_not_contested(runtime: Running, operator: Operator) -> None:
    for number in range(5):
        lifecycle_of(runtime.plugin).set_condition("degraded", str(number))
        await eventually(operator, "SELECT runtime_error = $1 FROM gateway_status", str(number))
        await operator.execute("UPDATE agents SET model = $1", f"x/{number}")
        await runtime.events.until(Reported, lambda event: event.state == "offered")
    assert runtime.events.count(StatusContested) == 0


async def test_a_database_that_knows_nothing_of_runtimes_yet_keeps_no_agent_from_the_gateway(
    start: Start, operator: Operator, port: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await operator.execute("""
        INSERT INTO agents (name, is_default) VALUES ('lead', true);
        ALTER TABLE gateway_status DROP COLUMN runtime_status CASCADE;
        DROP TABLE runtime_requests
    """)
    running = await start(wait=Reported, workspace_root=tmp_path / "ws", health_port=port)
    lifecycle = lifecycle_of(running.plugin)
    async with asyncio.timeout(DEADLINE):
        while "how this runtime is could not be told" not in caplog.text:
            lifecycle.wake()
            await asyncio.sleep(0.01)
    assert "run agent-config-sync migrate" in caplog.text
    await operator.execute("UPDATE agents SET model = 'x/y'")
    await running.events.until(Reported)
    await running.plugin.stop()


# What is asked of it --------------------------------------------------------------------------------------------------


async def test_what_is_under_way_ends_before_the_process_does(runtime: Running, operator: Operator) -> None:
    draining, drained = asyncio.Event(), asyncio.Event()

    async def drain() -> None:
        draining.set()
        await drained.wait()

    lifecycle_of(runtime.plugin)._drain = drain
    ended = asyncio.create_task(runtime.plugin.wait())
    await ask(operator, runtime, "SELECT request_restart('here')")
    async with asyncio.timeout(DEADLINE):
        await draining.wait()
    assert await operator.fetchval("SELECT taken_at IS NOT NULL AND finished_at IS NULL FROM runtime_requests")
    assert (runtime.plugin.exit_status, ended.done()) == (None, False)
    drained.set()
    async with asyncio.timeout(DEADLINE):
        await ended
    assert runtime.plugin.exit_status == 75


async def test_whatever_goes_wrong_with_what_is_under_way_the_process_ends(
    runtime: Running, operator: Operator
) -> None:
    async def drain() -> None:
        raise RuntimeError

    lifecycle_of(runtime.plugin)._drain = drain
    await ask(operator, runtime, "SELECT request_restart('here')")
    async with asyncio.timeout(DEADLINE):
        await runtime.plugin.wait()
    assert runtime.plugin.exit_status == 75


async def test_a_runtime_that_stops_begins_with_no_request(runtime: Running, operator: Operator) -> None:
    lifecycle = lifecycle_of(runtime.plugin)
    lifecycle.cease()
    await ask(operator, runtime, "SELECT request_restart('here')")
    for _ in range(3):  # looks, of which the first would begin with it
        seen = await operator.fetchval("SELECT clock_timestamp()")
        lifecycle.wake()
        await eventually(operator, "SELECT runtime_seen_at > $1 FROM gateway_status", seen)
    assert await operator.fetchval("SELECT taken_at IS NULL FROM runtime_requests")


async def test_the_version_that_it_is_already_is_a_success_at_once(runtime: Running, operator: Operator) -> None:
    await ask(operator, runtime, f"SELECT request_upgrade('here', '{__version__}')")
    await eventually(operator, f"SELECT ({ENDED}) = 'success'")
    assert runtime.plugin.exit_status is None
    assert await operator.fetchval("SELECT count(*) FROM upgrade_history") == 0


async def with_command(start: Start, operator: Operator, port: int, folder: Path, command: str) -> Running:
    await operator.execute("INSERT INTO agents (name, is_default) VALUES ('lead', true) ON CONFLICT DO NOTHING")
    running = await start(wait=LinkProven, workspace_root=folder, health_port=port, upgrade_command=command)
    await eventually(operator, IS, "online")
    return running


async def test_a_command_that_is_not_there_is_refused_before_anything_ends(
    start: Start, operator: Operator, port: int, tmp_path: Path
) -> None:
    running = await with_command(start, operator, port, tmp_path / "ws", "no-such-program --now")
    await ask(operator, running, "SELECT request_upgrade('here', '9.9')")
    await eventually(operator, f"SELECT ({ENDED}) = 'refused'")
    assert running.plugin.exit_status is None


async def test_a_command_that_fails_is_in_the_history_and_the_process_begins_anew_once(
    start: Start, operator: Operator, port: int, tmp_path: Path
) -> None:
    command = f"sh -c {shlex.quote('echo no disk; exit 7')}"
    running = await with_command(start, operator, port, tmp_path / "ws", command)
    await ask(operator, running, "SELECT request_upgrade('here', '9.9')")
    async with asyncio.timeout(DEADLINE):
        await running.plugin.wait()
    await running.plugin.stop()
    told = await operator.fetchrow("SELECT from_version, to_version, status, error FROM upgrade_history")
    assert told is not None
    assert tuple(told) == (__version__, "9.9", "failed", "upgrade_command ended with 7: no disk")
    again = await with_command(start, operator, port, tmp_path / "ws", command)
    assert again.plugin.exit_status is None
    assert await operator.fetchval("SELECT count(*) FROM upgrade_history") == 1


async def test_while_it_is_upgraded_it_goes_on_to_say_so(
    start: Start, operator: Operator, port: int, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    command = f"sh -c 'while [ ! -e {go} ]; do sleep 0.05; done'"
    running = await with_command(start, operator, port, tmp_path / "ws", command)
    await ask(operator, running, "SELECT request_upgrade('here', '9.9')")
    await eventually(operator, IS, "upgrading")
    seen = await operator.fetchval("SELECT clock_timestamp()")
    lifecycle_of(running.plugin).wake()
    await eventually(operator, f"{IS} AND runtime_seen_at > $2", "upgrading", seen)
    go.touch()
    async with asyncio.timeout(DEADLINE):
        await running.plugin.wait()


async def test_a_process_that_comes_back_too_late_with_the_same_version_has_timed_out(
    start: Start, operator: Operator, port: int, tmp_path: Path
) -> None:
    await operator.execute("""
        INSERT INTO runtime_requests (gateway, kind, target_version, from_version, taken_at, expires_at)
        VALUES ('here', 'upgrade', '9.9', '0.9', now() - interval '1 h', now() - interval '1 min')
    """)
    await with_command(start, operator, port, tmp_path / "ws", "true")
    await eventually(operator, f"SELECT ({ENDED}) = 'timeout'")
    assert await operator.fetchval("SELECT status FROM upgrade_history") == "timeout"


# The process ----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def daemon() -> AsyncIterator[StartDaemon]:
    """Start a process; ended at the end."""
    started: list[Daemon] = []

    async def start_one(settings: Settings) -> Daemon:
        started.append(await Daemon.start(settings))
        return started[-1]

    yield start_one
    for each in started:
        if each.process.returncode is None:
            each.process.kill()
            await each.ended()


async def test_a_restart_that_is_asked_for_in_sql_ends_the_process_with_75_and_the_next_one_says_it_is_done(
    daemon: StartDaemon, database: str, operator: Operator, port: int, tmp_path: Path
) -> None:
    await operator.execute("INSERT INTO agents (name, is_default) VALUES ('lead', true)")
    settings = make_settings(
        database, tmp_path, workspace_root=tmp_path / "ws", health_port=port, health_check_interval=5
    )
    first = await daemon(settings)
    await eventually(operator, IS, "online")
    await operator.execute("SELECT request_restart('here')")
    assert await first.ended() == 75
    assert await operator.fetchval(IS, "offline")
    second = await daemon(settings)
    await eventually(operator, f"SELECT ({ENDED}) = 'success'")
    await eventually(operator, IS, "online")
    second.process.send_signal(signal.SIGTERM)
    assert await second.ended() == 0
    assert await operator.fetchval(IS, "offline")
