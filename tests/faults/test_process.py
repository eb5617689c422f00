"""The process: whatever ends it, at whatever call, the file is whole and the next one makes up for what is owed."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import orjson
import pytest
from commands import command
from daemon import Daemon, StartDaemon, environment, forget_status, strace
from harness import DEADLINE, Operator, Start, connected, eventually, make_settings, model_in, temporaries
from proxy import Proxy

from agent_config_sync.cli.throwaway import ThrowawayServer
from agent_config_sync.events import Event, Published, Reloaded, Reported, Unchanged
from agent_config_sync.publish.output import content_hash
from agent_config_sync.settings import Settings
from agent_config_sync.state import State

BLOCKED = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name LIKE 'agent-%'"
RENAME = "rename,renameat,renameat2"

LASTING = ("write", "fchown", "fchmod", "fsync", RENAME, "utimensat", "unlink,unlinkat")
"""The calls of a publish that change what is on disk."""

FLEETING = ("openat", "flock", "pwrite64", "ftruncate", "close")
"""Those between them."""

OF_THE_LOOP = ("openat", "flock", "pwrite64", "ftruncate", "write", "sendto", "close")
"""Those for the pass lock, the log and the server."""


@pytest.fixture
def settings(database: str, tmp_path: Path) -> Settings:
    """A gateway that is told by a touch, and a file of another user, which needs every call."""
    settings = make_settings(database, tmp_path, gateway_version="2026.7.1")
    settings.config_path.parent.mkdir()
    settings.config_path.write_text('{"agents": {"$include": ["./agents.json"]}}')
    os.chown(settings.config_path, 65534 if os.geteuid() == 0 else -1, -1)
    return settings


class Sweep:
    """Changes the row again and again while strace ends the process at one call after another."""

    def __init__(self, daemons: StartDaemon, operator: Operator, number: signal.Signals, *, worker: bool) -> None:
        self.ends: Counter[str] = Counter()
        self._daemons = daemons
        self._operator = operator
        self._number = number
        self._worker = worker
        self._tracing = contextlib.AsyncExitStack()
        self._daemon: Daemon | None = None
        self._changes = 0

    async def over(self, calls: Iterable[str]) -> None:
        """End it at the first of these calls that a publish makes, then at the second, and so on."""
        await self._start()
        for call in calls:
            while await self._ends_at(call, self.ends[call] + 1):
                self.ends[call] += 1
        await self._tracing.aclose()

    async def _start(self) -> None:
        """Start a process and let it make up for what the one before it left."""
        await self._tracing.aclose()
        await forget_status(self._operator)
        self._daemon = await self._daemons()
        if self._worker:  # a loop that is never ahead of its worker starts no second one
            await self._daemon.says("listening to")
            slow = strace([self._daemon.pid], "epoll_wait,epoll_pwait:delay_exit=3000")
            await self._tracing.enter_async_context(slow)
        assert await self._daemon.offers(self._operator), "it ended by itself"

    async def _ends_at(self, call: str, count: int) -> bool:
        """Change the row; return whether the process ended at this call. Another one then makes up for it."""
        daemon, here = self._daemon, f"{self._number.name} at {call} {count}"
        assert daemon is not None
        settings = daemon.settings
        old = model_in(settings.output)
        self._changes += 1
        new = f"a/{self._changes}"
        await forget_status(self._operator)
        threads = daemon.workers if self._worker else [daemon.pid]
        faults = [f"{call}:signal={self._number.name}:when={count}"]
        if self._number == signal.SIGTERM and self._worker:  # the loop hears of it before the worker's next step
            faults += [f"{other}:delay_enter=50000" for other in LASTING if other != call]
        async with strace(threads, *faults):
            await self._operator.execute("UPDATE agents SET model = $1", new)
            alive = await daemon.offers(self._operator)
        if alive:  # unless the very last call is the one
            await forget_status(self._operator)
            await self._operator.execute("NOTIFY agent_config_changed")
            alive = await daemon.offers(self._operator)
        if not alive:
            assert model_in(settings.output) in (old, new), here
            await self._look_after(daemon, here, several=len(threads) > 1)
            await self._start()
        assert model_in(settings.output) == new, here
        assert temporaries(settings.output.parent, settings.state_dir) == [], here
        assert settings.config_path.stat().st_mtime_ns >= settings.output.stat().st_ctime_ns, f"unpaid after {here}"
        assert not State(settings.state_dir, settings.output).owes(content_hash(settings.output.read_bytes())), here
        return not alive

    async def _look_after(self, daemon: Daemon, here: str, *, several: bool) -> None:
        """A process that was asked to end has tidied up, and leaves no child. several: threads, each with a count of
        its own: where a second one comes to this call too, the process is told twice, and ends at once."""
        status = await daemon.ended()
        if several and status == -self._number:
            return
        if self._number == signal.SIGKILL:
            assert status == -signal.SIGKILL, here
            return
        assert status == 0, here
        assert temporaries(daemon.settings.output.parent, daemon.settings.state_dir) == [], here
        with pytest.raises(ProcessLookupError):
            os.killpg(daemon.pid, 0)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["kill -9", "SIGTERM"])
async def test_at_whatever_call_of_the_loop_it_ends_the_file_is_whole_and_the_next_one_pays(
    daemons: StartDaemon, operator: Operator, lead: None, number: signal.Signals
) -> None:
    sweep = Sweep(daemons, operator, number, worker=False)
    await sweep.over(OF_THE_LOOP)
    assert set(sweep.ends) == set(OF_THE_LOOP)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("number", "calls"),
    [(signal.SIGKILL, (*LASTING, *FLEETING)), (signal.SIGTERM, LASTING)],
    ids=["kill -9", "SIGTERM"],
)
async def test_at_whatever_call_of_the_worker_it_ends_the_file_is_whole_and_the_next_one_pays(
    daemons: StartDaemon, operator: Operator, lead: None, number: signal.Signals, calls: tuple[str, ...]
) -> None:
    sweep = Sweep(daemons, operator, number, worker=True)
    await sweep.over(calls)
    assert set(sweep.ends) == set(calls) - ({"fchown"} if os.geteuid() else set())


@pytest.mark.parametrize("table", ["agents", "gateway_status"])
async def test_a_sigterm_ends_one_that_waits_for_a_lock_in_the_database_at_once(
    daemons: StartDaemon, operator: Operator, lead: None, database: str, table: str
) -> None:
    daemon = await daemons()
    assert await daemon.offers(operator)
    async with connected(database) as holder, holder.transaction():
        await holder.execute(f"LOCK {table} IN ACCESS EXCLUSIVE MODE")
        await operator.execute(
            "UPDATE agents SET model = 'a/new'" if table != "agents" else "NOTIFY agent_config_changed"
        )
        await eventually(operator, BLOCKED)
        assert "PassFailed" not in await told_to_end(daemon)


async def test_a_sigterm_ends_one_that_waits_for_another_daemon_at_once(
    daemons: StartDaemon, operator: Operator, lead: None
) -> None:
    first = await daemons()
    assert await first.offers(operator)
    second = await daemons()
    await second.says("another process keeps this output")
    await told_to_end(second)
    assert await first.offers(operator)


async def test_a_sigterm_ends_one_that_connects_to_a_server_that_does_not_answer_at_once(
    daemons: StartDaemon, server: ThrowawayServer, proxy: Proxy
) -> None:
    daemon = await daemons(dsn=proxy.dsn())
    await daemon.says("listening to")
    proxy.deaf = True
    proxy.reset()
    await daemon.says("LinkLost")
    assert "PassFailed" not in await told_to_end(daemon)


async def told_to_end(daemon: Daemon) -> str:
    """Return what a process says that was told to end."""
    daemon.process.terminate()
    assert await daemon.ended() == 0
    assert daemon.process.stderr is not None
    return (await daemon.process.stderr.read()).decode()


async def test_a_second_daemon_says_who_has_the_output_and_takes_over_when_that_one_is_killed(
    daemons: StartDaemon, operator: Operator, lead: None, settings: Settings
) -> None:
    first = await daemons()
    assert await first.offers(operator)
    second = await daemons()
    said = await second.says("another process keeps this output")
    assert f"pid {first.pid} on " in said
    assert "waiting until it ends" in said
    first.process.kill()
    await second.says("listening to")
    await operator.execute("UPDATE agents SET model = 'a/after'")
    await second.says("published")
    assert model_in(settings.output) == "a/after"


async def test_commands_beside_a_daemon_publish_nothing_twice_tear_nothing_and_lose_nothing(
    start: Start, operator: Operator, lead: None, settings: Settings
) -> None:
    running = await start(wait=Reported)

    async def sync() -> list[str]:
        ended = [await command("sync", "--json", **environment(settings)) for _ in range(2)]
        assert [each.status for each in ended] == [0, 0], ended
        summaries = [orjson.loads(each.out) for each in ended]
        return [summary["content_hash"] for summary in summaries if summary["changed"]]

    commands = [asyncio.create_task(sync()) for _ in range(2)]
    for number in itertools.count(1):
        running.events.forget()
        await operator.execute("UPDATE agents SET model = $1", f"a/{number}")
        async with asyncio.timeout(DEADLINE):
            while model_in(settings.output) != f"a/{number}":  # noqa: ASYNC110 - whoever publishes it
                await asyncio.sleep(0.01)
        await running.events.until(Event, lambda event: isinstance(event, Published | Unchanged))
        if all(each.done() for each in commands):
            break
    of_commands = [hashed for each in commands for hashed in await each]
    of_daemon = [event.content_hash for event in running.events.of(Published)]
    published = of_commands + of_daemon
    assert len(published) == len(set(published))


async def test_what_a_command_published_the_daemon_neither_publishes_nor_tells_again(
    start: Start, operator: Operator, lead: None, settings: Settings
) -> None:
    running = await start(wait=Reported)
    await operator.execute("SET session_replication_role = replica")  # the daemon does not hear of it
    await operator.execute("UPDATE agents SET model = 'a/new'")
    ended = await command("sync", **environment(settings))
    assert (ended.status, ended.err) == (0, "")
    assert "published; the gateway was told (touch)" in ended.out
    running.events.forget()
    await operator.execute("NOTIFY agent_config_changed")
    await running.events.until(Unchanged)
    await running.events.until(Reported)
    assert running.events.count(Published) == running.events.count(Reloaded) == 1
