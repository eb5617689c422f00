"""Time: a change at the worst moment, many at once, a clock that is set back, a table altered under a statement."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time

from harness import DEADLINE, Running, Start, connected, psql

from agent_config_sync.cli.throwaway import ThrowawayServer
from agent_config_sync.events import (
    Event,
    Notified,
    PassFailed,
    Published,
    Reloaded,
    Renaming,
    Reported,
    Stopped,
)
from agent_config_sync.state import State

SET = "UPDATE agents SET model = $1 WHERE name = 'lead'"


class Held:
    """Stops the writer at an event until `go`, as a slow disk would."""

    def __init__(self, running: Running, kind: type[Event]) -> None:
        self._kind = kind
        self._go = threading.Event()
        running.plugin.events.subscribe(self)

    def __call__(self, event: Event) -> None:
        if isinstance(event, self._kind) and not self._go.wait(DEADLINE):
            raise TimeoutError

    def go(self) -> None:
        self._go.set()


async def last_published(running: Running, model: str) -> None:
    """Return when this model is published, stands in the file and the gateway was told of it."""
    last = await running.events.until(Published, lambda event: f'"{model}"'.encode() in event.after)
    await running.events.until(Reloaded, lambda event: event.content_hash == last.content_hash)
    assert running.output.read_bytes() == last.after


async def test_a_change_during_the_write_is_published_by_the_next_pass(start: Start, server: ThrowawayServer) -> None:
    running = await start(wait=Reported)
    held = Held(running, Renaming)
    async with connected(server.dsn) as operator:
        await operator.execute(SET, "a/first")
        await running.events.until(Renaming)
        await operator.execute(SET, "a/second")
        await running.events.until(Notified)
    held.go()
    await last_published(running, "a/second")


async def test_a_change_between_the_rename_and_the_reload_is_told_too(start: Start, server: ThrowawayServer) -> None:
    running = await start(wait=Reported)
    told, told_until_then = running.events.count(Reloaded), []

    def change(event: Event) -> None:
        """Hold the loop until it is committed, so that nobody is told meanwhile."""
        if isinstance(event, Published) and b'"a/first"' in event.after:
            told_until_then.append(running.events.count(Reloaded))
            psql(server.dsn, "-c", SET.replace("$1", "'a/second'"))

    running.plugin.events.subscribe(change)
    async with connected(server.dsn) as operator:
        await operator.execute(SET, "a/first")
    last = await running.events.until(Published, lambda event: b'"a/second"' in event.after)
    await running.events.until(Reloaded, lambda event: event.content_hash == last.content_hash)
    assert told_until_then == [told]


async def test_a_change_during_stop_is_found_by_the_next_start(start: Start, server: ThrowawayServer) -> None:
    running = await start(wait=Reported)
    held = Held(running, Renaming)
    async with connected(server.dsn) as operator:
        await operator.execute(SET, "a/first")
        await running.events.until(Renaming)
        stopping = asyncio.create_task(running.plugin.stop())
        await operator.execute(SET, "a/second")
    held.go()
    await stopping
    assert running.events.count(Stopped) == 1
    again = await start(wait=None)
    await last_published(again, "a/second")


async def test_of_forty_commits_the_last_one_stands(start: Start, server: ThrowawayServer) -> None:
    running = await start(wait=Reported, settle=0.2)
    async with connected(server.dsn) as operator:
        for number in range(40):
            await operator.execute(SET, f"a/number-{number}")
    await last_published(running, "a/number-39")


async def test_the_signal_of_a_burst_is_sent_although_the_server_ends_before_the_burst(
    start: Start, server: ThrowawayServer
) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: heard.append(number))
    try:
        running = await start(wait=Published, reload="signal", gateway_pid=os.getpid(), gateway_version=None)
        await asyncio.to_thread(server.stop, "immediate")
        await running.events.until(Reloaded)
        await running.plugin.stop()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert heard == [signal.SIGUSR1]


async def test_a_delete_of_a_thousand_rows_is_one_notification(start: Start, server: ThrowawayServer) -> None:
    async with connected(server.dsn) as operator:
        await operator.execute("INSERT INTO agents (name) SELECT 'many-' || n FROM generate_series(1, 1000) AS n")
        running = await start(wait=Reported)
        await operator.execute("DELETE FROM agents WHERE name LIKE 'many-%'")
        await running.events.until(Published, lambda event: b"many-" not in event.after)
        await operator.execute("NOTIFY agent_config_changed, 'end'")
        await running.events.until(Notified, lambda event: event.payload == "end")
    assert running.events.count(Notified) == 2


async def test_a_table_that_is_altered_under_a_cached_statement_is_read_anew(
    start: Start, server: ThrowawayServer
) -> None:
    running = await start(wait=Reported)
    async with connected(server.dsn) as operator:
        for column, kind in (("model", "varchar(80)"), ("thinking", "varchar(20)"), ("fallback_models", "varchar[]")):
            await operator.execute(f"ALTER TABLE agents ALTER {column} TYPE {kind}")
            await operator.execute(SET, f"a/{column}")
            await last_published(running, f"a/{column}")
    assert running.events.count(PassFailed) == 0


async def test_a_clock_that_is_set_back_holds_no_signal_back(start: Start, server: ThrowawayServer) -> None:
    """The last signal then seems to have been sent an hour from now."""
    heard: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: heard.append(number))
    try:
        first = await start(wait=Reported, reload="none")
        await first.plugin.stop()
        settings = first.plugin.settings
        State(settings.state_dir, settings.output).save(signalled_at=time.time() + 3600, confirmed=None)
        own = {"reload": "signal", "gateway_pid": os.getpid(), "gateway_version": None}
        running = await start(wait=None, **own)
        await running.events.until(Reloaded)
        await running.plugin.stop()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert heard == [signal.SIGUSR1]
