"""`history`, `restore` and `resume`: back to what was published, and held there."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from commands import Ended, command
from harness import Operator, Recorder, Running, Start, eventually
from pydantic import SecretStr

from agent_config_sync.errors import RefusedError, StoppedError
from agent_config_sync.events import (
    Applied,
    Event,
    Held,
    NotKept,
    PassFailed,
    Published,
    Refused,
    Reloaded,
    Renaming,
    Reported,
    SnapshotTaken,
    StatusUnwritable,
    Unchanged,
)
from agent_config_sync.gateway.running import Running as Said
from agent_config_sync.plugin import Plugin
from agent_config_sync.settings import Settings

HELD = "held at set 1 of "


@pytest.fixture
async def lead(operator: Operator) -> None:
    await operator.execute("INSERT INTO agents (name, model, is_default) VALUES ('lead', 'a/first', true)")


async def change(operator: Operator, running: Running, model: str) -> None:
    """Let a model reach the file, and its set the history."""
    await operator.execute("UPDATE agents SET model = $1", model)
    await running.events.until(Published, lambda event: model.encode() in event.after)
    await operator.execute("NOTIFY agent_config_changed")
    await running.events.until(SnapshotTaken)  # the pass before it is over


def beside(running: Running) -> Plugin:
    """Another process on the same output, as a command is."""
    return Plugin(running.plugin.settings)


def reasons(running: Running) -> list[str]:
    return [kept.reason for kept in running.plugin.pipeline.history.sets()]


async def the_first_again(start: Start, operator: Operator, **changes: Any) -> Running:
    """Publish two sets and restore the first."""
    running = await start(wait=Reported, **changes)
    await change(operator, running, "a/second")
    await beside(running).visit.restore(1)
    await running.events.until(Held)
    return running


# What is kept --------------------------------------------------------------------------------------------------------


async def test_each_published_set_is_kept_with_what_woke_its_pass(start: Start, operator: Operator, lead: None) -> None:
    running = await start(wait=Reported)
    await change(operator, running, "a/second")
    async with operator.transaction():
        await operator.execute("UPDATE agents SET model = 'a/third'")
        await operator.execute("UPDATE agent_system_config SET value = '2'")
    await running.events.until(Published)
    await eventually_kept(running, 3)
    assert reasons(running) == ["start", "UPDATE agents lead", "2 notifications"]


async def eventually_kept(running: Running, count: int) -> None:
    async with asyncio.timeout(30):
        while len(running.plugin.pipeline.history.sets()) < count:  # noqa: ASYNC110 - a file: it sends no event
            await asyncio.sleep(0.01)


async def test_a_missed_event_that_the_resync_finds_is_a_resync(start: Start, operator: Operator, lead: None) -> None:
    running = await start(wait=Reported, resync_interval=1.0)
    await operator.execute("SET session_replication_role = replica")  # its triggers stay silent
    await operator.execute("UPDATE agents SET model = 'a/second'")
    await running.events.until(Published)
    await eventually_kept(running, 2)
    assert reasons(running) == ["start", "resync"]


async def test_a_healed_drift_pushes_nothing_out(start: Start, operator: Operator, lead: None) -> None:
    running = await start(wait=Reported)
    running.output.write_bytes(b"somebody's own")
    await operator.execute("NOTIFY agent_config_changed")
    await running.events.until(Published)
    await operator.execute("NOTIFY agent_config_changed")
    await running.events.until(SnapshotTaken)
    assert reasons(running) == ["start"]


async def test_what_a_kill_kept_out_of_the_history_is_kept_by_the_next_pass(
    start: Start, operator: Operator, lead: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = await start(wait=None)
    monkeypatch.setattr(killed.plugin.pipeline, "keep", _killed)
    await killed.events.until(Published)
    await killed.plugin.stop()
    assert reasons(killed) == []
    running = await start(wait=Unchanged)
    await eventually_kept(running, 1)


def _killed(*_: object) -> None:
    raise StoppedError("killed")


async def test_a_history_that_cannot_be_kept_costs_nothing_else(
    start: Start, operator: Operator, lead: None, tmp_path: Path
) -> None:
    running = await start(wait=Reported)
    await eventually_kept(running, 1)
    folder = running.plugin.pipeline.history.folder
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    folder.touch()
    await operator.execute("UPDATE agents SET model = 'a/second'")
    await running.events.until(NotKept)
    await operator.execute("UPDATE agents SET model = 'a/third'")
    await running.events.until(Published, lambda event: b"a/third" in event.after)
    assert running.events.count(PassFailed) == 0
    assert running.events.count(NotKept) == 1


# The hold ------------------------------------------------------------------------------------------------------------


async def test_a_restored_set_is_the_file_again_and_the_gateway_is_told(
    start: Start, operator: Operator, lead: None
) -> None:
    running = await start(wait=Reported)
    first = running.output.read_bytes()
    await change(operator, running, "a/second")
    plugin, seen = beside(running), Recorder()
    plugin.events.subscribe(seen)
    await plugin.visit.restore(1)
    assert running.output.read_bytes() == first
    assert seen.count(Published) == seen.count(Reloaded) == 1
    assert reasons(running)[-1] == "restore of set 1"


async def test_while_it_is_held_a_change_is_not_published(start: Start, operator: Operator, lead: None) -> None:
    running = await the_first_again(start, operator)
    before = running.output.read_bytes()
    await operator.execute("UPDATE agents SET model = 'a/third'")
    await running.events.until(SnapshotTaken)
    await running.events.until(Unchanged)
    assert running.output.read_bytes() == before


async def test_while_it_is_held_the_status_is_pending_and_says_what_ends_it(
    start: Start, operator: Operator, lead: None
) -> None:
    await the_first_again(start, operator)
    await eventually(operator, "SELECT state = 'pending' FROM gateway_status")
    error = await operator.fetchval("SELECT error FROM gateway_status")
    assert error.startswith(HELD)
    assert error.endswith("by restore: agent-config-sync resume ends it")


async def test_while_it_is_held_no_newer_snapshot_counts_as_in_force(
    start: Start, operator: Operator, lead: None
) -> None:
    running = await the_first_again(start, operator)
    await running.events.until(Reported)
    before = await operator.fetchval("SELECT snapshot::text FROM gateway_status")
    await operator.execute("UPDATE agents SET model = 'a/third'")
    await running.events.until(Unchanged)
    await running.events.until(Reported)
    assert await operator.fetchval("SELECT snapshot::text FROM gateway_status") == before


async def test_while_it_is_held_drift_is_healed_to_the_held_set(start: Start, operator: Operator, lead: None) -> None:
    running = await the_first_again(start, operator)
    held = running.output.read_bytes()
    running.output.write_bytes(b"somebody's own")
    await operator.execute("NOTIFY agent_config_changed")
    await running.events.until(Published)
    assert running.output.read_bytes() == held


async def test_a_hold_outlives_the_process(start: Start, operator: Operator, lead: None) -> None:
    running = await the_first_again(start, operator)
    held = running.output.read_bytes()
    await running.plugin.stop()
    running.output.unlink()
    again = await start(wait=Published)
    assert again.output.read_bytes() == held


async def test_a_restore_that_was_killed_before_its_publish_is_finished_by_the_next_pass(
    start: Start, operator: Operator, lead: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = await start(wait=Reported)
    first = running.output.read_bytes()
    await change(operator, running, "a/second")
    killed = beside(running)
    monkeypatch.setattr(killed.pipeline, "publish", _killed)
    with pytest.raises(StoppedError):
        await killed.visit.restore(1)
    await operator.execute("NOTIFY agent_config_changed")
    await running.events.until(Published)
    assert running.output.read_bytes() == first


async def test_resume_publishes_what_the_database_says_and_so_does_every_later_pass(
    start: Start, operator: Operator, lead: None
) -> None:
    running = await the_first_again(start, operator)
    await operator.execute("UPDATE agents SET model = 'a/third'")
    await beside(running).visit.resume()
    assert b"a/third" in running.output.read_bytes()
    await operator.execute("UPDATE agents SET model = 'a/fourth'")
    await running.events.until(Published, lambda event: b"a/fourth" in event.after)
    await eventually(operator, "SELECT state = 'offered' AND error IS NULL FROM gateway_status")


async def test_a_set_for_another_version_is_not_restored_and_nothing_is_held(
    start: Start, operator: Operator, lead: None
) -> None:
    running = await start(wait=Reported)
    await change(operator, running, "a/second")
    other = Plugin(running.plugin.settings.model_copy(update={"gateway_version": "2026.7.1"}))
    with pytest.raises(RefusedError, match=r"made for OpenClaw 2026\.9\.6, and 2026\.7\.1 is what"):
        await other.visit.restore(1)
    await operator.execute("UPDATE agents SET model = 'a/third'")
    await running.events.until(Published, lambda event: b"a/third" in event.after)


async def test_a_gateway_that_is_upgraded_while_a_set_is_held_keeps_its_file_and_says_why(
    start: Start, operator: Operator, lead: None
) -> None:
    running = await the_first_again(start, operator)
    held = running.output.read_bytes()
    await running.plugin.stop()
    upgraded = await start(wait=None, gateway_version="2026.9.7")
    refused = await upgraded.events.until(Refused)
    assert "is held and it was made for OpenClaw 2026.9.6" in refused.reason
    assert refused.reason.endswith("agent-config-sync resume")
    assert running.output.read_bytes() == held


class Gateway:
    """A gateway that runs with whatever a test says."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self.runs: Mapping[str, Any] = {}

    async def running(self) -> Said:
        return Said(self.runs)


async def test_a_held_set_that_the_gateway_does_not_run_with_is_told_with_the_hold(
    start: Start, operator: Operator, lead: None
) -> None:
    running = await start(wait=Reported, informant=(gateway := Gateway()))
    await beside(running).visit.restore(1)
    await eventually(
        operator, "SELECT error LIKE 'held at %; the gateway runs with something else%' FROM gateway_status"
    )
    gateway.runs = orjson.loads(running.output.read_bytes())["agents"]
    gateway.changed.set()
    await running.events.until(Applied)
    await eventually(operator, "SELECT error LIKE '%resume ends it' AND state = 'pending' FROM gateway_status")


async def test_a_held_set_that_is_lost_keeps_what_stands_and_says_so(
    start: Start, operator: Operator, lead: None
) -> None:
    running = await the_first_again(start, operator)
    await running.plugin.stop()
    for path in running.plugin.pipeline.history.folder.iterdir():
        path.unlink()
    running.output.write_bytes(b'{"agents": {}}')
    again = await start(wait=None)
    refused = await again.events.until(Refused)
    assert "its content is lost" in refused.reason


async def test_a_restore_without_a_run_beside_it_signals_at_once(
    settings: Settings, operator: Operator, lead: None
) -> None:
    await Plugin(settings).visit.once()
    await operator.execute("UPDATE agents SET model = 'a/second'")
    await Plugin(settings).visit.once()
    visitor = Plugin(settings.model_copy(update={"reload": "signal", "gateway_pid": os.getpid()}))
    signals: list[int] = []
    before = signal.signal(signal.SIGUSR2, lambda number, _: signals.append(number))
    try:
        await visitor.visit.restore(1)
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert len(signals) == 1
    assert await operator.fetchval("SELECT state FROM gateway_status") == "pending"


# The commands --------------------------------------------------------------------------------------------------------


async def ours(database: str, tmp_path: Path, *words: str) -> Ended:
    """Run a command of this test's own output."""
    dsn = () if words[0] == "history" else ("--dsn", database)
    return await command(
        *words, *dsn, "--output", str(tmp_path / "agents.json"), AGENT_CONFIG_SYNC_GATEWAY_VERSION="2026.9.6"
    )


@pytest.fixture
async def two_sets(operator: Operator, database: str, tmp_path: Path, lead: None) -> None:
    await ours(database, tmp_path, "sync")
    await operator.execute("UPDATE agents SET model = 'a/second'")
    await ours(database, tmp_path, "sync")


async def test_history_lists_the_newest_first(database: str, tmp_path: Path, two_sets: None) -> None:
    ended = await ours(database, tmp_path, "history")
    assert ended.status == 0
    head, newest, oldest = ended.out.splitlines()
    assert head.split() == ["SET", "PUBLISHED", "(UTC)", "BYTES", "REASON"]
    assert (newest.split()[0], newest.split()[4:]) == ("2", ["sync", "in", "place"])
    assert (oldest.split()[0], oldest.split()[4:]) == ("1", ["sync"])


async def test_history_in_json_says_what_is_in_place_and_held(database: str, tmp_path: Path, two_sets: None) -> None:
    await ours(database, tmp_path, "restore", "1")
    sets = orjson.loads((await ours(database, tmp_path, "history", "--json")).out)
    assert [(one["number"], one["in_place"], one["held"]) for one in sets] == [
        (3, True, False), (2, False, False), (1, False, True),
    ]  # fmt: skip


async def test_history_without_a_set_names_the_folder(database: str, tmp_path: Path) -> None:
    ended = await ours(database, tmp_path, "history")
    assert ended.status == 0
    assert "state_dir" in ended.out


async def test_restore_says_what_is_held_and_how_it_ends(database: str, tmp_path: Path, two_sets: None) -> None:
    ended = await ours(database, tmp_path, "restore", "1")
    assert ended.status == 0
    assert "published" in ended.out
    assert HELD in ended.out
    assert b"a/first" in (tmp_path / "agents.json").read_bytes()


async def test_sync_while_a_set_is_held_says_so_and_ends_with_3(database: str, tmp_path: Path, two_sets: None) -> None:
    await ours(database, tmp_path, "restore", "1")
    ended = await ours(database, tmp_path, "sync")
    assert (ended.status, ended.err) == (3, "")
    assert HELD in ended.out
    assert HELD in orjson.loads((await ours(database, tmp_path, "sync", "--json")).out)["held"]


async def test_diff_while_a_set_is_held_shows_what_resume_would_write(
    database: str, tmp_path: Path, two_sets: None
) -> None:
    await ours(database, tmp_path, "restore", "1")
    ended = await ours(database, tmp_path, "diff")
    assert ended.status == 3
    assert '+        "model": "a/second"' in ended.out
    assert f"warning: {HELD}" in ended.err


async def test_resume_ends_with_0_and_a_second_one_finds_it_up_to_date(
    database: str, tmp_path: Path, two_sets: None
) -> None:
    await ours(database, tmp_path, "restore", "1")
    first, second = [await ours(database, tmp_path, "resume") for _ in range(2)]
    assert (first.status, second.status) == (0, 0)
    assert "published" in first.out
    assert "up to date" in second.out
    assert (first.err, "no set was held in place here" in second.err) == ("", True)
    assert (await ours(database, tmp_path, "sync")).status == 0


async def test_restore_of_a_number_that_is_not_there_ends_with_1(database: str, tmp_path: Path, two_sets: None) -> None:
    ended = await ours(database, tmp_path, "restore", "7")
    assert (ended.status, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert "holds no set 7: agent-config-sync history lists them" in ended.err


async def test_a_restore_needs_no_table_that_can_be_read(start: Start, operator: Operator, lead: None) -> None:
    running = await start(wait=Reported)
    first = running.output.read_bytes()
    await change(operator, running, "a/second")
    await operator.execute("ALTER TABLE agents RENAME TO away")
    await beside(running).visit.restore(1)
    assert running.output.read_bytes() == first
    await operator.execute("ALTER TABLE away RENAME TO agents")
    await eventually(operator, "SELECT error LIKE 'held at %' FROM gateway_status")
    assert running.output.read_bytes() == first


async def test_a_restore_needs_no_database(settings: Settings, operator: Operator, lead: None) -> None:
    await Plugin(settings).visit.once()
    first = settings.output.read_bytes()
    await operator.execute("UPDATE agents SET model = 'a/second'")
    await Plugin(settings).visit.once()
    config = settings.config_path
    config.write_text('{"$include": "./agents.json"}')
    os.utime(config, (1, 1))
    alone = Plugin(
        settings.model_copy(update={"dsn": SecretStr("postgresql://nobody@127.0.0.1:1/x"), "reload": "touch"})
    )
    seen: list[Event] = []
    alone.events.subscribe(seen.append)
    await alone.visit.restore(1)
    assert settings.output.read_bytes() == first
    assert config.stat().st_mtime > 1  # the gateway was told
    assert [type(event) for event in seen] == [Renaming, Held, Published, Reloaded, StatusUnwritable]
    assert alone.pipeline.state.remembered.held is not None


async def test_what_another_process_could_not_tell_is_told_although_we_had_told_the_same_before(
    start: Start, operator: Operator, lead: None
) -> None:
    running = await start(wait=Reported, gateway_version="2026.7.1")
    await operator.execute("SET session_replication_role = replica")  # its triggers stay silent
    await operator.execute("UPDATE agents SET model = 'a/second'")
    await beside(running).visit.once()
    await operator.execute("UPDATE agents SET model = 'a/first'")
    killed = beside(running)
    killed.events.subscribe(lambda event: killed.gate.close() if isinstance(event, Published) else None)
    with pytest.raises(StoppedError):
        await killed.visit.once()
    running.events.forget()
    await operator.execute("NOTIFY agent_config_changed")
    await running.events.until(Unchanged)
    await running.events.until(Reloaded)
