"""Rows, tables and neighbours that are not as one would wish: the pass goes on and the rest of the roster stands."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from harness import Operator, Running, Start, connected, eventually

from agent_config_sync.errors import ReloadError, SchemaError
from agent_config_sync.events import (
    Applied,
    NotApplied,
    PassFailed,
    Published,
    Refused,
    ReloadDeferred,
    Reloaded,
    Reported,
    SnapshotTaken,
    StatusContested,
    StatusUnwritable,
    Unchanged,
)
from agent_config_sync.gateway.running import Running as Said
from agent_config_sync.plugin import Plugin
from agent_config_sync.settings import Settings


def entries(running: Running) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(running.output.read_bytes())["agents"]["entries"]
    return found


async def test_a_rewritten_table_is_read_anew(start: Start, operator: Operator) -> None:
    await operator.execute("INSERT INTO agents (name) VALUES ('a'), ('b'), ('c')")
    running = await start(wait=Reported)
    await operator.execute("DELETE FROM agents WHERE name = 'a'")
    await running.events.until(Published)
    await running.events.until(Reported)
    await operator.execute("VACUUM FULL agents")
    await operator.execute("NOTIFY agent_config_changed")
    await running.events.until(Reported)
    assert list(entries(running)) == ["b", "c"]


async def test_a_rewritten_table_that_inherits_from_ours_is_read_anew(start: Start, operator: Operator) -> None:
    await operator.execute("CREATE TABLE team () INHERITS (agents)")
    await operator.execute("INSERT INTO team (name) VALUES ('a'), ('b'), ('c')")
    running = await start(wait=Reported)
    await operator.execute("DELETE FROM team WHERE name = 'a'; NOTIFY agent_config_changed")
    await running.events.until(Published)
    await running.events.until(Reported)
    await operator.execute("VACUUM FULL team")
    await operator.execute("NOTIFY agent_config_changed")
    await running.events.until(Reported)
    assert list(entries(running)) == ["b", "c"]


async def test_rows_of_two_partitions_at_the_same_place_are_two_rows(start: Start, operator: Operator) -> None:
    columns = "(LIKE agents INCLUDING DEFAULTS) PARTITION BY LIST (instance_type)"
    await operator.execute(
        f"CREATE TABLE parts {columns}; DROP TABLE agents CASCADE; ALTER TABLE parts RENAME TO agents"
    )
    for kind in ("primary", "subagent"):
        await operator.execute(f"CREATE TABLE {kind}s PARTITION OF agents FOR VALUES IN ('{kind}')")
    await operator.execute("INSERT INTO agents (name, instance_type) VALUES ('lead', 'primary'), ('coder', 'subagent')")
    running = await start(wait=Reported)
    assert sorted(entries(running)) == ["coder", "lead"]


async def test_a_nested_array_is_flattened(start: Start, operator: Operator) -> None:
    await operator.execute("INSERT INTO agents (name, model, fallback_models) VALUES ('a', 'p/m', '{{p/1},{p/2}}')")
    running = await start(wait=Reported)
    assert entries(running)["a"]["model"]["fallbacks"] == ["p/1", "p/2"]


async def test_a_row_without_a_name_costs_that_row(start: Start, operator: Operator) -> None:
    await operator.execute("ALTER TABLE agents DROP CONSTRAINT agents_pkey CASCADE")
    await operator.execute("ALTER TABLE agents ALTER name DROP NOT NULL")
    await operator.execute("INSERT INTO agents (name) VALUES ('good'), (NULL)")
    running = await start(wait=Reported)
    assert list(entries(running)) == ["good"]


async def test_a_missing_table_is_an_error_and_its_return_the_cure(start: Start, operator: Operator) -> None:
    await operator.execute("INSERT INTO agents (name) VALUES ('lead')")
    running = await start(wait=Reported)
    await operator.execute("ALTER TABLE agents RENAME TO elsewhere")
    await operator.execute("NOTIFY agent_config_changed")
    failed = await running.events.until(PassFailed)
    assert isinstance(failed.error, SchemaError)
    assert list(entries(running)) == ["lead"]
    await operator.execute("ALTER TABLE elsewhere RENAME TO agents")
    await operator.execute("NOTIFY agent_config_changed")
    await running.events.until(Reported, lambda event: event.state == "offered")


async def test_a_revoked_right_keeps_the_file_and_names_the_grant(
    start: Start, operator: Operator, database: str
) -> None:
    await operator.execute("INSERT INTO agents (name) VALUES ('lead')")
    await operator.execute("DROP ROLE IF EXISTS revoked_login")
    await operator.execute("CREATE ROLE revoked_login LOGIN IN ROLE agent_config_reader")
    try:
        running = await start(wait=Reported, dsn=database.replace("postgres@", "revoked_login@"))
        await operator.execute("REVOKE agent_config_reader FROM revoked_login")
        await operator.execute("UPDATE agents SET model = 'a/b'")
        failed = await running.events.until(PassFailed)
        assert "GRANT agent_config_reader" in str(failed.error)
        assert list(entries(running)) == ["lead"]
        await running.plugin.stop()
    finally:
        await operator.execute("DROP OWNED BY revoked_login; DROP ROLE revoked_login")


async def test_the_reader_role_is_enough_for_everything(start: Start, operator: Operator, database: str) -> None:
    await operator.execute("INSERT INTO agents (name) VALUES ('lead')")
    await operator.execute("DROP ROLE IF EXISTS reading_login")
    await operator.execute("CREATE ROLE reading_login LOGIN IN ROLE agent_config_reader")
    try:
        running = await start(wait=Reported, dsn=database.replace("postgres@", "reading_login@"))
        assert running.events.count(StatusUnwritable) == 0
        assert await operator.fetchval("SELECT reported_by FROM gateway_status") == "reading_login"
        await running.plugin.stop()
    finally:
        await operator.execute("DELETE FROM gateway_status; DROP ROLE reading_login")


async def test_a_roster_that_its_own_rows_exclude_may_be_empty(start: Start, operator: Operator) -> None:
    await operator.execute("INSERT INTO agents (name) VALUES ('lead')")
    running = await start(wait=Reported)
    await operator.execute("UPDATE agents SET status = 'retired'")
    await running.events.until(Published)
    assert "entries" not in orjson.loads(running.output.read_bytes())["agents"]


async def test_a_file_over_the_include_limit_is_refused_and_the_status_says_so(
    start: Start, operator: Operator
) -> None:
    await operator.execute("INSERT INTO agents (name) VALUES ('lead')")
    running = await start(wait=Reported)
    await operator.execute(
        "UPDATE agents SET settings = jsonb_build_object('params', jsonb_build_object('long', repeat('x', 3000000)))"
    )
    await running.events.until(Refused)
    await running.events.until(Reported)
    status = await operator.fetchrow("SELECT state, error FROM gateway_status")
    assert status is not None
    assert status["state"] == "refused"
    assert "2,097,152" in status["error"]
    assert entries(running) == {"lead": {}}


async def test_a_refusal_does_not_forget_an_older_debt(start: Start, operator: Operator) -> None:
    await operator.execute("INSERT INTO agents (name) VALUES ('lead')")
    first = await start(wait=Reported)
    await first.plugin.stop()
    first.plugin.pipeline.state.save(confirmed=None)
    await operator.execute("DELETE FROM agents")
    second = await start(wait=Refused)
    await second.events.until(Reloaded)


async def test_one_signal_is_sent_for_a_burst_of_publishes(start: Start, operator: Operator) -> None:
    await operator.execute("INSERT INTO agents (name) VALUES ('lead')")
    signals: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: signals.append(number))
    try:
        own = {"reload": "signal", "gateway_pid": os.getpid(), "gateway_version": None}
        running = await start(wait=Published, **own)
        for number in range(3):
            await operator.execute("UPDATE agents SET model = $1", f"a/m{number}")
            await running.events.until(Published)
        await running.events.until(Reloaded)
        await running.plugin.stop()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert running.events.count(Reloaded) == len(signals) == 1


async def test_an_unwritable_state_directory_costs_no_signal(start: Start, operator: Operator) -> None:
    await operator.execute("INSERT INTO agents (name) VALUES ('lead')")
    signals: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: signals.append(number))
    try:
        own = {"reload": "signal", "gateway_pid": os.getpid(), "gateway_version": None}
        running = await start(wait=PassFailed, state_dir="/proc/nowhere", **own)
        await running.events.until(PassFailed)
        await running.plugin.stop()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert signals == []


async def test_a_moved_away_configuration_does_not_change_the_layout(start: Start, operator: Operator) -> None:
    await operator.execute("INSERT INTO agents (name) VALUES ('lead')")
    running = await start(wait=Reported)
    config = running.plugin.settings.config_path
    config.write_text('{"agents": {"$include": ["./agents.json"]}}')
    await operator.execute("NOTIFY agent_config_changed")
    await running.events.until(Published)
    config.rename(config.with_suffix(".away"))
    await operator.execute("NOTIFY agent_config_changed")
    await running.events.until(Unchanged)
    assert "entries" in orjson.loads(running.output.read_bytes())


class Gateway:
    """A gateway that can be asked: it runs with whatever a test says."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self.runs: Mapping[str, Any] | None = {}

    def apply(self, running: Running) -> None:
        self.runs = orjson.loads(running.output.read_bytes())["agents"]
        self.changed.set()

    async def running(self) -> Said:
        if self.runs is None:
            raise ReloadError("it does not say")
        return Said(self.runs)


async def test_applied_is_said_when_the_gateway_runs_with_it_and_not_before(start: Start, operator: Operator) -> None:
    await operator.execute("INSERT INTO agents (name) VALUES ('lead')")
    gateway = Gateway()
    running = await start(wait=Reported, informant=gateway)
    assert await operator.fetchval("SELECT state FROM gateway_status") == "pending"
    gateway.apply(running)
    await running.events.until(Applied)
    await eventually(operator, "SELECT state = 'applied' FROM gateway_status")


async def test_a_gateway_that_runs_with_something_else_is_reported_with_the_difference(
    start: Start, operator: Operator
) -> None:
    await operator.execute("INSERT INTO agents (name, model) VALUES ('lead', 'a/b')")
    running = await start(wait=None, informant=Gateway())
    different = await running.events.until(NotApplied)
    assert different.reason == "agent lead is not there yet"
    await eventually(operator, "SELECT state = 'pending' AND error LIKE '%agent lead%' FROM gateway_status")


async def test_a_gateway_that_has_missed_a_touch_is_touched_once_more(start: Start, operator: Operator) -> None:
    await operator.execute("INSERT INTO agents (name) VALUES ('lead')")
    running = await start(wait=Reloaded, informant=Gateway(), gateway_version="2026.7.1")
    await running.events.until(NotApplied)
    await running.events.until(Reloaded)


async def test_a_gateway_that_cannot_be_asked_is_offered_it(start: Start, operator: Operator) -> None:
    await operator.execute("INSERT INTO agents (name) VALUES ('lead')")
    gateway = Gateway()
    gateway.runs = None
    running = await start(wait=None, informant=gateway)
    await running.events.until(Reported, lambda event: event.state == "offered")


async def test_a_notification_while_the_status_is_being_written_is_not_stuck_behind_the_asking(
    start: Start, operator: Operator, database: str
) -> None:
    await operator.execute("INSERT INTO agents (name) VALUES ('lead')")
    running = await start(wait=Reported, informant=Gateway())
    async with connected(database) as holder, holder.transaction():
        await holder.execute("SELECT FROM gateway_status FOR UPDATE")
        await running.events.until(NotApplied)  # its report waits for the row now
        await operator.execute("UPDATE agents SET model = 'a/new'")
    await running.events.until(Published, lambda event: b"a/new" in event.after)


async def test_a_gateway_restarted_with_older_content_is_told_again(start: Start, operator: Operator) -> None:
    await operator.execute("INSERT INTO agents (name) VALUES ('lead')")
    gateway = Gateway()
    running = await start(wait=Reported, informant=gateway, resync_interval=1.0)
    gateway.apply(running)
    await running.events.until(Applied)
    gateway.runs = {}
    await running.events.until(Reloaded)


async def test_a_gateway_restarted_with_older_content_is_told_again_although_notifications_never_pause(
    start: Start, operator: Operator, database: str
) -> None:
    await operator.execute("INSERT INTO agents (name) VALUES ('lead')")
    gateway = Gateway()
    running = await start(wait=Reported, informant=gateway, resync_interval=1.0, settle=0.1)
    gateway.apply(running)
    await running.events.until(Applied)
    async with connected(database) as busy:
        notifying = asyncio.create_task(_notify_for_ever(busy))
        try:
            await running.events.until(SnapshotTaken)
            gateway.runs = {}
            await running.events.until(Reloaded)
        finally:
            notifying.cancel()
            await asyncio.wait([notifying])


async def _notify_for_ever(operator: Operator) -> None:
    while True:
        await operator.execute("NOTIFY agent_config_changed")


async def test_a_deferred_signal_is_reported_and_tried_again(start: Start, operator: Operator) -> None:
    await operator.execute("INSERT INTO agents (name) VALUES ('lead')")
    running = await start(wait=None, reload="signal")
    deferred = await running.events.until(ReloadDeferred)
    assert "gateway_pid_file" in deferred.reason
    await eventually(operator, "SELECT state = 'pending' AND error LIKE '%gateway_pid_file%' FROM gateway_status")


async def test_a_configuration_that_is_broken_from_the_start_is_refused_in_the_status(
    start: Start, operator: Operator, settings: Settings
) -> None:
    settings.config_path.parent.mkdir()
    settings.config_path.write_text("{ broken")
    settings.output.write_text("{}")
    await start(wait=Refused)
    await eventually(operator, "SELECT state = 'refused' AND error LIKE '%is not valid JSON5%' FROM gateway_status")


async def test_a_status_that_somebody_else_writes_every_time_in_between_is_said_to_be_contested(
    start: Start, operator: Operator
) -> None:
    running = await start(wait=Reported)

    async def one_round() -> None:
        running.events.forget()
        await operator.execute("NOTIFY agent_config_changed")
        await running.events.until(Reported)

    for _ in range(3):
        await operator.execute("UPDATE gateway_status SET host = 'elsewhere'")
        await one_round()
    await operator.execute("UPDATE gateway_status SET host = 'elsewhere'")
    await one_round()
    assert running.events.count(StatusContested) == 1
    assert "another process reports as here too" in await operator.fetchval("SELECT warnings[1] FROM gateway_status")
    await one_round()
    await one_round()
    assert "another process" not in await operator.fetchval("SELECT warnings::text FROM gateway_status")


async def test_a_command_beside_a_run_is_no_namesake(start: Start, operator: Operator) -> None:
    running = await start(wait=Reported)
    for number in range(3):
        await operator.execute("INSERT INTO agents (name) VALUES ($1)", f"a{number}")
        await Plugin(running.plugin.settings).visit.resume()
        running.events.forget()
        for _ in range(2):
            await operator.execute("NOTIFY agent_config_changed")
            await running.events.until(Reported)
    assert running.events.count(StatusContested) == 0


async def test_a_pass_that_the_database_fails_is_in_the_status_although_the_link_stands(
    start: Start, operator: Operator
) -> None:
    await operator.execute("INSERT INTO agents (name) VALUES ('a')")
    running = await start(wait=Reported)
    await operator.execute("ALTER TABLE agents RENAME TO away")
    await operator.execute("NOTIFY agent_config_changed")
    failed = await running.events.until(PassFailed)
    status = await operator.fetchrow("SELECT state, error FROM gateway_status")
    assert status is not None
    assert (status["state"], status["error"]) == ("pending", str(failed.error))
    await operator.execute("ALTER TABLE away RENAME TO agents")
    await operator.execute("NOTIFY agent_config_changed")
    await eventually(operator, "SELECT state = 'offered' AND error IS NULL FROM gateway_status")


@pytest.mark.parametrize(
    ("before", "change", "expected"),
    [
        (
            "ALTER TABLE agents ADD model_v2 text; UPDATE agents SET model_v2 = 'a/second'",
            "ALTER TABLE agents RENAME model TO model_v1; ALTER TABLE agents RENAME model_v2 TO model",
            {"model": "a/second"},
        ),
        (
            "SELECT 1",
            "ALTER TABLE agents DROP thinking CASCADE; ALTER TABLE agents ADD thinking text DEFAULT 'high'",
            {"model": "a/first", "thinkingDefault": "high"},
        ),
        (
            "CREATE TYPE word AS ENUM ('a/first', 'b'); ALTER TABLE agents ALTER model TYPE word USING model::word",
            "ALTER TYPE word RENAME VALUE 'a/first' TO 'a/second'",
            {"model": "a/second"},
        ),
        (
            (
                "CREATE TYPE word AS ENUM ('b/first'); ALTER TABLE agents ALTER fallback_models TYPE word[] USING NULL;"
                "UPDATE agents SET fallback_models = '{b/first}'"
            ),
            "ALTER TYPE word RENAME VALUE 'b/first' TO 'b/second'",
            {"model": {"primary": "a/first", "fallbacks": ["b/second"]}},
        ),
    ],
    ids=["a renamed column", "a column made anew", "a renamed value", "a renamed value of a list"],
)
async def test_what_rows_say_otherwise_without_being_written_is_published(
    start: Start, operator: Operator, before: str, change: str, expected: dict[str, object]
) -> None:
    await operator.execute("INSERT INTO agents (name, model, is_default) VALUES ('lead', 'a/first', true)")
    await operator.execute(before)
    running = await start(wait=Reported)
    await operator.execute(change)
    running.events.forget()
    await operator.execute("NOTIFY agent_config_changed")
    await running.events.until(Published)
    assert entries(running)["lead"] == expected
