"""The rows: whatever they hold, are missing or may not be read, the file is whole and in step once that is over."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from harness import Operator, Running, Start, connected, eventually, make_settings

from agent_config_sync.cli.throwaway import ThrowawayServer
from agent_config_sync.events import Published, Reloaded, Reported, SnapshotTaken, Unchanged
from agent_config_sync.settings import Settings

BLOCKED = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = 'sync'"
SAID = "SELECT state = $1 AND error LIKE $2 FROM gateway_status"
UPDATE = "UPDATE agents SET model = 'a/after' WHERE name = 'lead'"

HOSTILE = {
    "NUL-like": "\\0\\u0000\u2400\x01",
    "a variable": "${HOME}",
    "a template": "{{ 7 * 7 }}{% raw %}",
    "a path": "../../../etc/passwd",
    "a megabyte": "x" * 1_000_000,
    "emoji": "👩\u200d👧 🦀",
    "right to left": "\u202eabc مرحبا\u2066",
    "a prototype": "__proto__",
    "an integer": "0",
    "JSON": '{"agents": {"list": []}}',
    "a file": "$include",
    "control characters": "\x1b[2J\r\n\x7f\x85\u2028",
    "SQL": "'; DROP TABLE agents; --",
}


@pytest.fixture
def settings(database: str, tmp_path: Path) -> Settings:
    return make_settings(database, tmp_path)


def agents_in(running: Running) -> set[str]:
    return set(orjson.loads(running.output.read_bytes())["agents"]["entries"])


async def told(running: Running, model: str) -> None:
    """Return when the gateway was told of a file in which `lead` has this model, and that has been reported."""
    last = await running.events.until(Published, lambda event: f'"{model}"'.encode() in event.after)
    await running.events.until(Reloaded, lambda event: event.content_hash == last.content_hash)
    await running.events.until(Reported, lambda event: event.state == "offered")
    assert running.output.read_bytes() == last.after


@pytest.mark.parametrize("table", ["agents", "agent_system_config"])
async def test_a_right_that_is_taken_away_in_the_middle_of_a_pass_is_named_until_it_is_given_back(
    start: Start, server: ThrowawayServer, table: str
) -> None:
    async with connected(server.dsn) as operator, connected(server.dsn) as holder:
        await operator.execute("CREATE ROLE sync LOGIN IN ROLE agent_config_reader")
        running = await start(wait=Reported, dsn=f"postgresql://sync@/postgres?host={server.folder}")
        good = running.output.read_bytes()
        async with holder.transaction():
            await holder.execute(f"LOCK {table} IN ACCESS EXCLUSIVE MODE")
            await operator.execute("NOTIFY agent_config_changed")
            await eventually(operator, BLOCKED)
            await holder.execute(f"REVOKE SELECT ON {table} FROM agent_config_reader")
            await holder.execute(UPDATE)
        why = (
            f"permission denied for table {table} (42501) in %: GRANT agent_config_reader TO the login of this gateway"
        )
        await eventually(operator, SAID, "pending", why)
        assert running.output.read_bytes() == good
        await operator.execute(f"GRANT SELECT ON {table} TO agent_config_reader")
        await told(running, "a/after")


async def test_a_table_that_is_renamed_away_is_named_until_it_is_back(
    start: Start, operator: Operator, lead: None
) -> None:
    running = await start(wait=Reported)
    good = running.output.read_bytes()
    await operator.execute("ALTER TABLE agents RENAME TO away")
    await operator.execute("NOTIFY agent_config_changed")
    await eventually(operator, SAID, "pending", "%agents%: run agent-config-sync migrate")
    assert running.output.read_bytes() == good
    await operator.execute("UPDATE away SET model = 'a/after'")
    await operator.execute("ALTER TABLE away RENAME TO agents")
    await told(running, "a/after")


async def test_a_roster_that_is_emptied_is_refused_until_there_is_one(
    start: Start, operator: Operator, lead: None
) -> None:
    running = await start(wait=Reported)
    good = running.output.read_bytes()
    await operator.execute("DELETE FROM agents")
    await eventually(operator, SAID, "refused", "the database shows no agent at all, so the last good roster stays%")
    assert running.output.read_bytes() == good
    await operator.execute("INSERT INTO agents (name, model, is_default) VALUES ('lead', 'a/after', true)")
    await told(running, "a/after")


async def test_hostile_values_are_text_or_cost_their_own_key_or_row(
    start: Start, operator: Operator, lead: None
) -> None:
    """In a table without our constraints, as an earlier system may have left it."""
    for name in ("name_is_an_id", "instance_type", "settings_is_an_object"):
        await operator.execute(f"ALTER TABLE agents DROP CONSTRAINT IF EXISTS agents_{name}")
    running = await start(wait=Reported)
    async with operator.transaction():
        for number, value in enumerate(HOSTILE.values()):
            settings = orjson.dumps({"params": {"text": value}, value: value}).decode()
            columns = "name, model, fallback_models, thinking, allowed_subagents, settings"
            values = "$1, $2, ARRAY[$2], $2, ARRAY[$2, 'lead'], $3"
            await operator.execute(f"INSERT INTO agents ({columns}) VALUES ({values})", f"a{number}", value, settings)
            await operator.execute("INSERT INTO agents (name, instance_type) VALUES ($1, $1)", value[:1000])
        await operator.execute("UPDATE agent_system_config SET value = $1", HOSTILE["JSON"])
        await operator.execute(UPDATE)
    await told(running, "a/after")
    entries = orjson.loads(running.output.read_bytes())["agents"]["entries"]
    assert entries.keys() == {"lead", "0", *(f"a{number}" for number in range(len(HOSTILE)))}
    for number, value in enumerate(HOSTILE.values()):
        entry = entries[f"a{number}"]
        assert entry.get("params") == ({"text": value} if "${" not in value else None), value[:100]
        assert entry["subagents"] == {"allowAgents": ["0", "lead"] if value == "0" else ["lead"]}, value[:100]
        assert entry.keys() <= {"model", "params", "subagents"}, value[:100]
    warnings = await operator.fetchval("SELECT warnings FROM gateway_status")
    assert max(map(len, warnings)) < 500


async def test_of_a_hundred_thousand_agents_the_thousand_of_ours_are_in_the_file_and_nobody_else_counts(
    start: Start, operator: Operator, lead: None
) -> None:
    """Of the others half are another account's, and half are another gateway's."""
    await operator.execute(
        "INSERT INTO agents (account_id, name, model, gateways)"
        " SELECT CASE WHEN n % 2 = 0 AND n > 1000 THEN 'other' ELSE 'default' END, 'many-' || n, 'p/m',"
        " CASE WHEN n > 1000 THEN '{elsewhere}'::text[] END FROM generate_series(2, 100000) AS n"
    )
    running = await start(wait=Reported)
    assert agents_in(running) == {"lead", *(f"many-{n}" for n in range(2, 1001))}
    running.events.forget()
    await operator.execute(UPDATE)
    taken = await running.events.until(SnapshotTaken)
    assert (taken.agents, taken.fetched) == (1000, 1)
    await told(running, "a/after")
    await operator.execute("UPDATE agents SET model = 'p/other' WHERE gateways = '{elsewhere}'")
    await running.events.until(Unchanged)
    await operator.execute("DELETE FROM agents WHERE gateways = '{elsewhere}'")
    await running.events.until(Unchanged)
    assert running.events.count(Published) == 2
