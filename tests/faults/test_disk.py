"""The disk: whatever it refuses, the last good file stays, and once it gives way the file is in step and told of."""

from __future__ import annotations

import contextlib
import itertools
import resource
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import command
from daemon import StartDaemon, environment, forget_status, strace
from harness import DEADLINE, Operator, Running, Start, eventually, make_settings, model_in, temporaries
from mounts import full, read_only, small_disk

from agent_config_sync.events import PassFailed, Published, Reloaded, Reported
from agent_config_sync.publish.lock import pass_lock
from agent_config_sync.settings import Settings

UPDATE = "UPDATE agents SET model = 'a/after'"
STAT = "stat,lstat,fstat,newfstatat,statx"
OF_THE_WORKER = ("openat", STAT, "flock", "write", "fchmod", "fsync", "rename,renameat,renameat2")
OF_THE_LOOP = ("openat", STAT, "flock")
IN_STEP = "SELECT state = 'offered' AND error IS NULL FROM gateway_status"
FAILED = "SELECT state = 'pending' AND error LIKE $1 FROM gateway_status"


@pytest.fixture
def settings(database: str, tmp_path: Path) -> Settings:
    """A gateway that is told by a touch."""
    settings = make_settings(database, tmp_path, gateway_version="2026.7.1")
    settings.config_path.parent.mkdir()
    settings.state_dir.mkdir()
    include(settings)
    return settings


def include(settings: Settings) -> None:
    settings.config_path.write_text('{"agents": {"$include": ["./agents.json"]}}')


@pytest.fixture
def output_disk(settings: Settings) -> Iterator[Path]:
    with small_disk(settings.output.parent) as folder:
        include(settings)
        yield folder


@pytest.fixture
def state_disk(settings: Settings) -> Iterator[Path]:
    with small_disk(settings.state_dir) as folder:
        yield folder


async def healed(running: Running, operator: Operator) -> None:
    """Return when the row says that all is well; nobody has started anything again or changed a row."""
    await eventually(operator, IN_STEP)
    assert model_in(running.output) == "a/after"
    owed = running.plugin.pipeline.state.owes
    assert [owed(event.content_hash) for event in running.events.of(Reloaded)][-1:] == [False]


async def left_behind(settings: Settings) -> list[str]:
    """Return the temporary files that are there between two passes: the next one may be writing its own by now."""
    async with pass_lock(settings.output).held(DEADLINE):
        return temporaries(settings.output.parent, settings.state_dir)


async def test_a_full_disk_keeps_the_old_file_until_there_is_room(
    output_disk: Path, start: Start, operator: Operator, lead: None
) -> None:
    running = await start(wait=Reported)
    with full(output_disk):
        await operator.execute(UPDATE)
        await running.events.until(PassFailed)
        await eventually(operator, FAILED, f"{running.output} cannot be written: %; free some space on that disk")
        assert model_in(running.output) == "a/before"
        assert await left_behind(running.plugin.settings) == []
    await healed(running, operator)


async def test_a_full_disk_for_the_state_leaves_what_was_published_owed_until_there_is_room(
    state_disk: Path, start: Start, operator: Operator, lead: None
) -> None:
    running = await start(wait=Reported)
    with full(state_disk):
        await operator.execute(UPDATE)
        await running.events.until(PassFailed)
        await eventually(operator, FAILED, f"{running.plugin.pipeline.state.path} cannot be written: %; free some%")
        assert model_in(running.output) == "a/after"
        assert await left_behind(running.plugin.settings) == []
    await healed(running, operator)


async def test_a_disk_that_is_read_only_at_the_start_is_said_to_be_and_waited_for(
    output_disk: Path, start: Start, operator: Operator, lead: None
) -> None:
    with read_only(output_disk):
        running = await start(wait=None)
        await running.events.until(PassFailed)
        await eventually(operator, FAILED, "the lock file % cannot be used (Read-only file system): mount that%")
        await operator.execute(UPDATE)
    await healed(running, operator)


async def test_a_command_on_a_read_only_disk_says_so_and_keeps_the_old_file(
    output_disk: Path, operator: Operator, lead: None, settings: Settings
) -> None:
    assert (await command("sync", **environment(settings))).status == 0
    with read_only(output_disk):
        await operator.execute(UPDATE)
        ended = await command("sync", **environment(settings))
    assert (ended.status, ended.out) == (1, "")
    assert "(Read-only file system): mount that file system for writing" in ended.err
    assert model_in(settings.output) == "a/before"


async def test_a_write_that_stops_short_keeps_the_old_file_until_more_is_allowed(
    daemons: StartDaemon, operator: Operator, lead: None, settings: Settings
) -> None:
    daemon = await daemons()
    assert await daemon.offers(operator)
    before = resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (150, resource.RLIM_INFINITY))
    await operator.execute(UPDATE)
    await daemon.says("cannot be written: File too large; raise the file size limit of this process (ulimit -f)")
    assert model_in(settings.output) == "a/before"
    assert await left_behind(settings) == []
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, before)
    await daemon.says("the gateway was told by a touch")
    assert model_in(settings.output) == "a/after"


async def test_a_lost_state_costs_one_more_reload_and_nothing_else(
    start: Start, operator: Operator, lead: None, settings: Settings
) -> None:
    first = await start(wait=Reported)
    await first.plugin.stop()
    shutil.rmtree(settings.state_dir)
    second = await start(wait=Reported)
    assert second.events.count(Published) == 0
    assert second.events.count(Reloaded) == 1
    async with pass_lock(settings.output).held(DEADLINE):  # while it runs, but not while it writes there
        shutil.rmtree(settings.state_dir)
    await operator.execute(UPDATE)
    await second.events.until(Published)
    await second.events.until(Reported)
    await healed(second, operator)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("calls", [OF_THE_WORKER, OF_THE_LOOP], ids=["of the worker", "of the loop"])
async def test_at_whatever_call_of_a_publish_the_disk_fails_once_the_next_pass_makes_up_for_it(
    daemons: StartDaemon, operator: Operator, lead: None, settings: Settings, tmp_path: Path, calls: tuple[str, ...]
) -> None:
    daemon, log, changes = await daemons(), tmp_path / "strace.log", itertools.count(1)
    await daemon.says("listening to")
    failures: Counter[str] = Counter()
    # A loop that is never ahead of its worker starts no second one.
    slow = strace([daemon.pid], "epoll_wait,epoll_pwait:delay_exit=3000")
    async with slow if calls is OF_THE_WORKER else contextlib.nullcontext():
        assert await daemon.offers(operator)
        for call in calls:
            while True:
                here, new = f"{call} {failures[call] + 1}", f"a/{next(changes)}"
                await forget_status(operator)
                threads = daemon.workers if calls is OF_THE_WORKER else [daemon.pid]
                async with strace(threads, f"{call}:error=EIO:when={failures[call] + 1}", log=log):
                    await operator.execute("UPDATE agents SET model = $1", new)
                    assert await daemon.offers(operator), here
                assert model_in(settings.output) == new, here
                assert temporaries(tmp_path) == [], here
                assert settings.config_path.stat().st_mtime_ns >= settings.output.stat().st_ctime_ns, here
                await forget_status(operator)
                await operator.execute("NOTIFY agent_config_changed")
                assert await daemon.offers(operator), here
                assert await operator.fetchval("SELECT warnings FROM gateway_status") == [], here
                if "INJECTED" not in log.read_text():
                    break
                failures[call] += 1
    assert failures.keys() == set(calls)
