"""Whatever ends on either side: no process is left, no half file, and the next start has everything."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import AsyncIterator

import pytest
from gateway.debugger import DebuggerWatch, listeners
from gateway.openclaw import Effective
from gateway.scene import ROSTER, Deployment, Scene, until
from harness import connected


@pytest.fixture
async def scene(shared: Deployment) -> AsyncIterator[Scene]:
    """An operator at the database of a gateway that runs with the roster, whatever the test before did to it."""
    if not shared.gateway.runs():
        shared.gateway.start()
    async with connected(shared.dsn) as operator:
        scene = Scene(shared.gateway, operator)
        await scene.reset()
        yield scene


async def _kill_python(scene: Scene) -> int:
    """Kill the Python process with SIGKILL and return the pid that it had."""
    victim = scene.gateway.sync_pid()
    assert victim is not None
    os.kill(victim, signal.SIGKILL)

    async def gone() -> bool | None:
        return True if victim not in scene.gateway.alive() else None

    await until(gone, "the killed process is gone", gateway=scene.gateway)
    return victim


async def test_a_killed_python_process_is_started_again_and_applies_later_changes(scene: Scene) -> None:
    victim = await _kill_python(scene)
    effective = await scene.change("UPDATE agents SET model = 'anthropic/claude-opus-4-6' WHERE name = 'writer'")
    assert effective.entries["writer"]["model"] == "anthropic/claude-opus-4-6"
    assert scene.gateway.sync_pid() not in (None, victim)


async def test_a_change_made_while_the_python_process_is_dead_is_applied_by_its_successor(scene: Scene) -> None:
    victim = scene.gateway.sync_pid()
    assert victim is not None
    os.kill(victim, signal.SIGSTOP)  # whatever is committed from here on, this process never sees
    transaction = await scene.commit("DELETE FROM agents WHERE name = 'writer'")
    os.kill(victim, signal.SIGKILL)
    async with scene.gateway.rpc() as rpc:
        effective = await scene.in_force(transaction, rpc)
    assert sorted(effective.entries) == ["coder", "lead"]


async def test_the_gateway_goes_on_with_the_last_good_config_while_the_python_process_is_dead(scene: Scene) -> None:
    await _kill_python(scene)
    effective = await scene.effective()
    assert effective.valid
    assert sorted(effective.entries) == ["coder", "lead", "writer"]


async def test_what_a_killed_process_left_half_written_is_gone_after_the_next_publish(scene: Scene) -> None:
    await _kill_python(scene)
    (state,) = (scene.gateway.folder / "agent-config-sync").glob("agents-*.json")
    halves = [path.with_name(f".{path.name}.0123456789ab.tmp") for path in (scene.gateway.output, state)]
    for half in halves:
        half.write_text('{"entries": {"half', encoding="utf-8")
    await scene.change("UPDATE agents SET model = 'anthropic/claude-opus-4-6' WHERE name = 'writer'")
    assert [half for half in halves if half.exists()] == []


async def test_the_config_stays_valid_through_kills_in_the_middle_of_publishes(scene: Scene) -> None:
    for number in range(3):
        for step in range(5):
            await scene.commit(f"UPDATE agents SET model = 'anthropic/m{number}-{step}' WHERE name = 'writer'")
        victim = scene.gateway.sync_pid()
        if victim is not None:  # else its successor has not started yet
            os.kill(victim, signal.SIGKILL)
        assert (await scene.effective()).valid
    effective = await scene.change("UPDATE agents SET model = 'anthropic/last' WHERE name = 'writer'")
    assert effective.entries["writer"]["model"] == "anthropic/last"
    assert list(scene.gateway.folder.glob(".agents.json.*.tmp")) == []


async def test_a_gateway_that_is_told_to_stop_ends_well_and_leaves_no_process(scene: Scene) -> None:
    assert scene.gateway.sync_pid() is not None
    assert scene.gateway.end(signal.SIGTERM) == 0
    assert scene.gateway.alive() == {}
    assert "[agent-config-sync] stopped" in scene.gateway.log()


async def test_a_killed_gateway_leaves_no_process_of_ours_nor_of_its_own(scene: Scene) -> None:
    assert scene.gateway.sync_pid() is not None

    async def settled() -> bool | None:
        return None if list(scene.gateway.folder.glob("cache/control-ui-assets/.staging-*")) else True

    # Killed while it first unpacks its web pages, OpenClaw 2026.9.6 hangs at its next start (measured).
    await until(settled, "the gateway has unpacked its web pages", gateway=scene.gateway)
    scene.gateway.end(signal.SIGKILL)

    async def gone() -> bool | None:
        return True if not scene.gateway.alive() else None

    await until(gone, "everything has ended", gateway=scene.gateway)


async def test_a_new_gateway_has_what_was_committed_while_there_was_none(shared: Deployment) -> None:
    if shared.gateway.runs():
        shared.gateway.end(signal.SIGTERM)
    async with connected(shared.dsn) as operator:
        scene = Scene(shared.gateway, operator)
        change = "UPDATE agents SET model = 'anthropic/claude-opus-4-6' WHERE name = 'writer'"
        transaction = await scene.commit("DELETE FROM agents", ROSTER, change)
        scene.gateway.start()
        async with scene.gateway.rpc() as rpc:
            effective = await scene.in_force(transaction, rpc)
    assert sorted(effective.entries) == ["coder", "lead", "writer"]
    assert effective.entries["writer"]["model"] == "anthropic/claude-opus-4-6"


async def test_a_gateway_that_was_restarted_is_reported_as_applied_although_nothing_changed(scene: Scene) -> None:
    before = (await scene.status())["seen_at"]
    scene.gateway.end(signal.SIGTERM)
    scene.gateway.start()

    async def look() -> Effective | None:
        status = await scene.status()
        return await scene.effective() if status["state"] == "applied" and status["seen_at"] > before else None

    effective = await until(look, "gateway_status says applied", gateway=scene.gateway)
    assert sorted(effective.entries) == ["coder", "lead", "writer"]
    assert (await scene.status())["content_hash"] == scene.content_hash()


def test_the_watch_of_the_debugger_port_sees_who_listens(debugger_watch: DebuggerWatch) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        assert list(listeners(listener.getsockname()[1])) == [os.getpid()]
    assert debugger_watch.looks > 0
