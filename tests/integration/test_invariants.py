"""The fourteen invariants of the pipeline; `make mutants` takes each out and expects its test to fail."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from harness import DEADLINE, QUICK, Operator, Running, Start, connected, eventually

from agent_config_sync.errors import LockedError, SilentError, StoppedError
from agent_config_sync.events import (
    Event,
    LinkLost,
    Listening,
    Notified,
    PassFailed,
    Published,
    Refused,
    Reloaded,
    Renaming,
    Reported,
    SnapshotTaken,
    Stopped,
    Unchanged,
    WaitingForOther,
)
from agent_config_sync.publish import atomic
from agent_config_sync.publish.gate import Gate
from agent_config_sync.publish.lock import pass_lock
from agent_config_sync.sync import passes

OURS = "application_name LIKE 'agent-config-sync/%'"


def section(running: Running) -> dict[str, Any]:
    """Return what is in the file now."""
    found: dict[str, Any] = orjson.loads(running.output.read_bytes())["agents"]
    return found


def depth(published: Published) -> int:
    """Return maxSpawnDepth in what was published."""
    found: int = orjson.loads(published.after)["agents"]["defaults"]["subagents"]["maxSpawnDepth"]
    return found


@pytest.fixture
async def agent(operator: Operator) -> None:
    await operator.execute("INSERT INTO agents (name, model, is_default) VALUES ('lead', 'a/old', true)")


@contextlib.asynccontextmanager
async def agents_locked(dsn: str) -> AsyncIterator[Operator]:
    """Hold the second table that a snapshot reads, so that a pass stops in its middle."""
    async with connected(dsn) as holder, holder.transaction():
        await holder.execute("LOCK agents IN ACCESS EXCLUSIVE MODE")
        yield holder


async def until_blocked(operator: Operator) -> None:
    """Return when a session of ours waits for a lock."""
    waiting = f"SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND {OURS}"
    await eventually(operator, waiting)


async def test_01_a_change_between_listen_and_snapshot_is_not_lost(
    start: Start, operator: Operator, database: str, agent: None
) -> None:
    async with agents_locked(database):
        running = await start(wait=None)
        await until_blocked(operator)  # the settings of this snapshot are read
        await operator.execute("UPDATE agent_system_config SET value = '2'")
    await running.events.until(Published, lambda event: depth(event) == 2)


async def test_02_a_thousand_notifications_of_one_transaction_cause_at_most_two_publishes(
    start: Start, operator: Operator, agent: None
) -> None:
    running = await start(wait=Reported)
    before = running.events.count(Published)
    async with operator.transaction():
        for number in range(1000):
            await operator.execute(f"INSERT INTO agents (name, model) VALUES ('a{number:04}', 'a/b')")
    await running.events.until(Published, lambda event: b"a0999" in event.after)
    await operator.execute("NOTIFY agent_config_changed, 'end'")
    await running.events.until(Notified, lambda event: event.payload == "end")
    await running.events.until(Reported)
    assert running.events.count(Published) - before <= 2


async def test_02_a_thousand_commits_within_one_settle_window_cause_at_most_two_publishes(
    start: Start, operator: Operator, agent: None
) -> None:
    running = await start(wait=Reported, settle=4.0)
    before = running.events.count(Published)
    for number in range(1000):
        await operator.execute(f"UPDATE agents SET model = 'a/new{number}'")
    await running.events.until(Published, lambda event: b"a/new999" in event.after)
    assert running.events.count(Published) - before <= 2


async def test_02_a_change_during_the_snapshot_is_published_by_the_next_pass(
    start: Start, operator: Operator, database: str, agent: None
) -> None:
    running = await start(wait=Reported)
    async with agents_locked(database):
        await operator.execute("UPDATE agent_system_config SET value = '3'")
        await running.events.until(Notified)
        await until_blocked(operator)
        await operator.execute("UPDATE agent_system_config SET value = '2'")
        await running.events.until(Notified)  # while the snapshot is still being taken
    await running.events.until(Published, lambda event: depth(event) == 2)


async def test_03_a_snapshot_is_one_instant_of_all_tables(
    start: Start, operator: Operator, database: str, agent: None
) -> None:
    running = await start(wait=Reported)
    async with agents_locked(database) as holder:
        await operator.execute("UPDATE agent_system_config SET value = '4'")
        await until_blocked(operator)
        await holder.execute("UPDATE agents SET model = 'a/both'")
        await holder.execute("UPDATE agent_system_config SET value = '2'")
    await running.events.until(Published, lambda event: b"a/both" in event.after)
    for published in running.events.of(Published):
        assert (b"a/both" in published.after) is (depth(published) == 2)


async def test_03_only_rows_that_changed_are_fetched(start: Start, operator: Operator, agent: None) -> None:
    await operator.execute("INSERT INTO agents (name) SELECT 'a' || number FROM generate_series(1, 50) AS number")
    running = await start(wait=Reported)
    await operator.execute("UPDATE agents SET model = 'a/new' WHERE name = 'a7'")
    taken = await running.events.until(SnapshotTaken)
    assert (taken.agents, taken.fetched) == (51, 1)


async def test_04_whichever_connection_fails_takes_the_other_with_it(
    start: Start, operator: Operator, agent: None
) -> None:
    for which in ("%listen", "%here"):
        running = await start(wait=Reported, timing=replace(QUICK, silence=3600.0))
        before = [record["pid"] for record in await operator.fetch(f"SELECT pid FROM pg_stat_activity WHERE {OURS}")]
        await operator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE $1",
            f"agent-config-sync/{which}",
        )
        await running.events.until(LinkLost)
        await running.events.until(Listening)
        gone = "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = ANY ($1)"
        await eventually(operator, gone, before)
        await running.plugin.stop()


async def test_05_a_lost_listen_is_found_and_nothing_is_missed(start: Start, operator: Operator, agent: None) -> None:
    running = await start(wait=Reported)
    link = (await running.plugin.session.connect()).link
    await link._listen.execute("UNLISTEN *")
    await operator.execute("UPDATE agents SET model = 'a/unheard'")
    lost = await running.events.until(LinkLost)
    assert isinstance(lost.error, SilentError)
    await running.events.until(Published, lambda event: b"a/unheard" in event.after)


async def test_06_the_backoff_grows_while_connecting_works_and_the_pass_does_not(
    start: Start, operator: Operator, agent: None
) -> None:
    await operator.execute("ALTER TABLE agents RENAME TO elsewhere")
    running = await start(wait=None)
    *pauses, last = [(await running.events.until(PassFailed)).retry_in for _ in range(11)]
    assert pauses == [*[0.25] * 8, 1, 2]
    assert last is not None
    assert 5 <= last <= 6


async def test_07_a_drifted_file_is_healed_without_a_notification(
    start: Start, operator: Operator, agent: None
) -> None:
    running = await start(wait=Reported, resync_interval=1.0)
    good = running.output.read_bytes()
    running.output.write_bytes(b"somebody's own")
    await running.events.until(Published)
    assert running.output.read_bytes() == good


async def test_08_an_empty_roster_does_not_replace_a_full_one(start: Start, operator: Operator, agent: None) -> None:
    running = await start(wait=Reported)
    await operator.execute("DELETE FROM agents")
    await running.events.until(Refused)
    assert "lead" in section(running)["entries"]


async def test_09_the_bytes_are_durable_before_the_rename_and_the_rename_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, rename = os.fsync, os.rename

    def traced_fsync(descriptor: int) -> None:
        steps.append("fsync directory" if Path(f"/proc/self/fd/{descriptor}").is_dir() else "fsync file")
        fsync(descriptor)

    def traced_rename(*words: Any, **names: Any) -> None:
        steps.append("rename")
        rename(*words, **names)

    monkeypatch.setattr(os, "fsync", traced_fsync)
    monkeypatch.setattr(os, "rename", traced_rename)
    atomic.replace(tmp_path / "file", b"x", gate=Gate(), like=None)
    assert steps == ["fsync file", "rename", "fsync directory"]


async def test_09_the_same_bytes_are_not_written_again(start: Start, operator: Operator, agent: None) -> None:
    running = await start(wait=Reported)
    before = running.output.stat()
    await operator.execute("NOTIFY agent_config_changed")
    await running.events.until(Unchanged)
    after = running.output.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


async def test_10_a_reload_that_a_kill_prevented_is_made_up_for_at_the_next_start(
    start: Start, operator: Operator, agent: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await start(wait=Reported)
    await first.plugin.stop()
    await operator.execute("UPDATE agents SET model = 'a/new'")
    killed = await start(wait=None)  # published, then killed before the gateway was told
    monkeypatch.setattr(killed.plugin.pipeline, "tell", _killed)
    await killed.events.until(Published)
    await killed.plugin.stop()
    second = await start(wait=Unchanged)
    await second.events.until(Reloaded)


async def test_10_it_is_made_up_for_although_the_database_is_away(
    start: Start, operator: Operator, agent: None, monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    killed = await start(wait=None)
    monkeypatch.setattr(killed.plugin.pipeline, "tell", _killed)
    await killed.events.until(Published)
    await killed.plugin.stop()
    second = await start(wait=PassFailed, dsn=f"postgresql://postgres@127.0.0.1:{port}/away")
    second.events.rewind()
    await second.events.until(Reloaded)
    for _ in range(3):
        await second.events.until(PassFailed)
    assert second.events.count(Reloaded) == 1


async def test_10_a_file_that_somebody_broke_while_the_database_is_away_is_told_to_nobody(
    start: Start, operator: Operator, agent: None, port: int
) -> None:
    first = await start(wait=Reported)
    await first.plugin.stop()
    first.output.write_bytes(b"{ broken")
    second = await start(wait=None, dsn=f"postgresql://postgres@127.0.0.1:{port}/away")
    for _ in range(3):
        await second.events.until(PassFailed)
    assert second.events.count(Reloaded) == 0


async def test_10_going_back_to_what_was_confirmed_is_owed_too(
    start: Start, operator: Operator, agent: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await start(wait=Reported)
    await first.plugin.stop()
    for model in ("a/new", "a/old"):
        await operator.execute("UPDATE agents SET model = $1", model)
        killed = await start(wait=None)
        monkeypatch.setattr(killed.plugin.pipeline, "tell", _killed)
        await killed.events.until(Published)
        await killed.plugin.stop()
    second = await start(wait=Unchanged)
    await second.events.until(Reloaded)


def _killed(_: object) -> Any:
    raise StoppedError("killed")


async def test_11_a_second_run_says_who_has_the_output_and_takes_over(
    start: Start, operator: Operator, agent: None
) -> None:
    first = await start(wait=Reported)
    second = await start(wait=None)
    waiting = await second.events.until(WaitingForOther)
    assert f"pid {os.getpid()} " in waiting.holder
    assert second.events.count(SnapshotTaken) == 0
    await first.plugin.stop()
    await second.events.until(Reported)


async def test_11_a_pass_waits_for_another_process_and_then_names_it(
    start: Start, operator: Operator, agent: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passes, "LOCK_DEADLINE", 0.2)
    running = await start(wait=Reported)
    async with pass_lock(running.output).held(DEADLINE):
        await operator.execute("UPDATE agents SET model = 'a/new'")
        failed = await running.events.until(PassFailed)
        assert isinstance(failed.error, LockedError)
        assert f"pid {os.getpid()} " in str(failed.error)
    await running.events.until(Published)


async def test_12_nothing_is_renamed_once_stop_was_called(start: Start, operator: Operator, agent: None) -> None:
    running = await start(wait=Reported)
    before = running.output.read_bytes()

    def stop_at_the_last_moment(event: Event) -> None:
        if isinstance(event, Renaming):
            running.plugin.gate.close()

    running.plugin.events.subscribe(stop_at_the_last_moment)
    await operator.execute("UPDATE agents SET model = 'a/new'")
    await running.events.until(Renaming)
    await running.plugin.stop()
    assert running.output.read_bytes() == before
    assert [path.name for path in running.output.parent.iterdir() if path.suffix == ".tmp"] == []


async def test_12_stop_returns_when_the_writer_has_finished(start: Start, operator: Operator, agent: None) -> None:
    running = await start(wait=Reported)
    stopped = threading.Event()
    stopped_while_writing: list[bool] = []

    def linger(event: Event) -> None:
        if isinstance(event, Renaming):
            stopped_while_writing.append(stopped.wait(1.0))
        elif isinstance(event, Stopped):
            stopped.set()

    running.plugin.events.subscribe(linger)
    await operator.execute("UPDATE agents SET model = 'a/new'")
    await running.events.until(Renaming)
    await running.plugin.stop()
    assert stopped_while_writing == [False]


async def test_13_what_we_write_ourselves_wakes_nobody(start: Start, operator: Operator, agent: None) -> None:
    running = await start(wait=Reported)
    await operator.execute("UPDATE agents SET model = 'a/new'")
    await running.events.until(Reported)
    await operator.execute("UPDATE gateway_status SET seen_at = now()")
    await operator.execute("NOTIFY agent_config_changed, 'end'")
    await running.events.until(Notified, lambda event: event.payload == "end")
    payloads = [event.payload for event in running.events.of(Notified)]
    assert [orjson.loads(payload)["source"] for payload in payloads[:-1]] == ["agents"]


async def test_14_files_are_written_outside_the_event_loop(start: Start, operator: Operator, agent: None) -> None:
    threads: list[int] = []
    running = await start(wait=Reported)
    running.plugin.events.subscribe(
        lambda event: threads.append(threading.get_ident()) if isinstance(event, Renaming) else None
    )
    await operator.execute("UPDATE agents SET model = 'a/new'")
    await running.events.until(Published)
    assert threads
    assert threading.get_ident() not in threads
