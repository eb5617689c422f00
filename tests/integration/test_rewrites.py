"""A table that is truncated or rewritten looks empty to a snapshot from before (PostgreSQL docs, MVCC, Caveats)."""

from __future__ import annotations

import asyncio

import pytest
from harness import Operator, Start, connected, eventually

from agent_config_sync.errors import DatabaseError
from agent_config_sync.events import PassFailed, Published, Refused, Reported, SnapshotTaken
from agent_config_sync.plugin import Plugin
from agent_config_sync.postgres.snapshot import SnapshotReader
from agent_config_sync.settings import Settings

BLOCKED = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name LIKE $1"

WAYS = {
    "emptied and filled": "CREATE TEMP TABLE kept AS TABLE {0}; TRUNCATE {0} CASCADE;"
    "INSERT INTO {0} SELECT * FROM kept",
    "rewritten": "ALTER TABLE {0} ADD COLUMN own uuid DEFAULT gen_random_uuid()",
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("table", ["agents", "agent_system_config"])
async def test_a_table_that_is_rewritten_while_a_snapshot_is_taken_is_never_seen_empty(
    start: Start, operator: Operator, database: str, table: str, way: str
) -> None:
    await operator.execute("INSERT INTO agents (name, is_default) VALUES ('lead', true)")
    running = await start(wait=Reported)
    good = running.output.read_bytes()
    running.events.seen.clear()
    running.events.forget()
    async with connected(database) as holder, holder.transaction():
        await holder.execute(f"LOCK {table} IN ACCESS EXCLUSIVE MODE")
        await operator.execute("NOTIFY agent_config_changed")
        await eventually(operator, BLOCKED, "agent-config-sync/%")
        await holder.execute(way.format(table))
    await running.events.until(SnapshotTaken)
    await running.events.until(Reported)
    assert (running.events.count(Refused), running.events.count(Published)) == (0, 0)
    assert running.output.read_bytes() == good


async def test_a_trial_beside_a_table_that_is_rewritten_says_to_try_again(
    settings: Settings, operator: Operator, database: str
) -> None:
    await operator.execute("INSERT INTO agents (name, is_default) VALUES ('lead', true)")
    async with connected(database) as holder:
        async with holder.transaction():
            await holder.execute("LOCK agents IN ACCESS EXCLUSIVE MODE")
            trial = asyncio.create_task(Plugin(settings).visit.preview("SELECT 1"))
            await eventually(operator, BLOCKED, "agent-config-sync/%")
            await holder.execute("TRUNCATE agents CASCADE")
        with pytest.raises(DatabaseError, match="since the trial began: try again"):
            await trial


async def test_a_table_that_is_rewritten_all_the_time_is_an_error_and_keeps_the_file(
    start: Start, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    await operator.execute("INSERT INTO agents (name, is_default) VALUES ('lead', true)")
    running = await start(wait=Reported)
    good = running.output.read_bytes()

    async def rewritten(*_: object) -> None:
        return None

    monkeypatch.setattr(SnapshotReader, "_read_in_transaction", rewritten)
    await operator.execute("UPDATE agents SET model = 'a/b'")
    failed = await running.events.until(PassFailed)
    assert "rewritten faster than they can be read" in str(failed.error)
    assert running.output.read_bytes() == good
