"""What notifies, and what does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import orjson
import pytest
from harness import DEADLINE, Operator, connected

Heard = Callable[[], Awaitable[list[dict[str, Any]]]]


@pytest.fixture
async def heard(database: str, operator: Operator) -> AsyncIterator[Heard]:
    """Return all notifications since the last call: a sentinel of our own marks the end."""
    arrived: asyncio.Queue[str] = asyncio.Queue()
    async with connected(database) as listener:
        await listener.add_listener("agent_config_changed", lambda *event: arrived.put_nowait(str(event[3])))

        async def since() -> list[dict[str, Any]]:
            await operator.execute("NOTIFY agent_config_changed, 'end'")
            payloads: list[str] = []
            async with asyncio.timeout(DEADLINE):
                while (payload := await arrived.get()) != "end":
                    payloads.append(payload)
            return [orjson.loads(payload) for payload in payloads]

        yield since


async def _with_agents(operator: Operator, heard: Heard, count: int = 2) -> None:
    await operator.execute(
        "INSERT INTO agents (name) SELECT 'a' || number FROM generate_series(1, $1) AS number", count
    )
    await heard()


async def test_one_changed_agent_is_named(operator: Operator, heard: Heard) -> None:
    await _with_agents(operator, heard)
    await operator.execute("UPDATE agents SET model = 'x/y' WHERE name = 'a1'")
    assert await heard() == [{"source": "agents", "key": "a1", "operation": "UPDATE"}]


async def test_many_changed_agents_are_one_notification_without_a_key(operator: Operator, heard: Heard) -> None:
    await _with_agents(operator, heard, 1000)
    await operator.execute("UPDATE agents SET model = 'x/y'")
    assert await heard() == [{"source": "agents", "key": None, "operation": "UPDATE"}]


@pytest.mark.parametrize(
    ("statement", "operation", "key"),
    [
        ("UPDATE agents SET name = 'renamed' WHERE name = 'a1'", "UPDATE", "renamed"),
        ("UPDATE agents SET is_default = true WHERE name = 'a1'", "UPDATE", "a1"),
        ("UPDATE agents SET status = 'retired' WHERE name = 'a1'", "UPDATE", "a1"),
        ("UPDATE agents SET settings = '{\"tools\": {}}' WHERE name = 'a1'", "UPDATE", "a1"),
        ("UPDATE agents SET gateways = '{here}' WHERE name = 'a1'", "UPDATE", "a1"),
        ("DELETE FROM agents WHERE name = 'a1'", "DELETE", "a1"),
        (
            "INSERT INTO agents (name) VALUES ('a1') ON CONFLICT (account_id, name) DO UPDATE SET model = 'x/y'",
            "UPDATE",
            "a1",
        ),
    ],
)
async def test_a_change_of_an_agent_notifies(
    operator: Operator, heard: Heard, statement: str, operation: str, key: str | None
) -> None:
    await _with_agents(operator, heard)
    await operator.execute(statement)
    assert await heard() == [{"source": "agents", "key": key, "operation": operation}]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE agents SET model = model",
        "UPDATE agents SET model = 'x/y' WHERE name = 'nobody'",
        "INSERT INTO agents (name) VALUES ('a1') ON CONFLICT DO NOTHING",
        "DELETE FROM agents WHERE name = 'nobody'",
        "UPDATE agent_system_config SET value = value",
        "INSERT INTO agent_system_config (key, value) VALUES ('max_spawn_depth', '9') ON CONFLICT DO NOTHING",
        "UPDATE gateways SET name = name",
    ],
)
async def test_a_statement_that_changes_nothing_is_silent(operator: Operator, heard: Heard, statement: str) -> None:
    await _with_agents(operator, heard)
    await operator.execute("INSERT INTO gateways (name) VALUES ('here')")
    await heard()
    await operator.execute(statement)
    assert await heard() == []


async def test_emptying_agents_notifies_for_each_table_that_goes_with_them(operator: Operator, heard: Heard) -> None:
    await _with_agents(operator, heard)
    await operator.execute("TRUNCATE agents CASCADE")
    assert sorted(payload["source"] for payload in await heard()) == ["agent_skills", "agents"]


WORKSPACE = """
    INSERT INTO people (id, name) VALUES ('00000000-0000-4000-8000-00000000000a', 'Ada');
    INSERT INTO boards (id, name) VALUES ('00000000-0000-4000-8000-00000000000b', 'Move');
    INSERT INTO skills (slug, name) VALUES ('labels', 'Labels'), ('stock', 'Stock');
    INSERT INTO agent_skills (agent, skill) VALUES ('a1', 'labels');
"""
ADA, MOVE = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"


@pytest.mark.parametrize(
    ("statement", "source", "key"),
    [
        ("UPDATE agents SET soul_content = 'x' WHERE name = 'a1'", "agents", "a1"),
        ("UPDATE agents SET soul_template = 'x' WHERE name = 'a1'", "agents", "a1"),
        ("UPDATE agents SET identity_profile = '{}' WHERE name = 'a1'", "agents", "a1"),
        ("UPDATE agents SET identity_template = 'x' WHERE name = 'a1'", "agents", "a1"),
        (f"UPDATE agents SET board_id = '{MOVE}' WHERE name = 'a1'", "agents", "a1"),
        ("UPDATE agents SET is_board_lead = true WHERE name = 'a1'", "agents", "a1"),
        ("UPDATE agents SET skills_exclusive = true WHERE name = 'a1'", "agents", "a1"),
        ("UPDATE agents SET heartbeat_every = '1h' WHERE name = 'a1'", "agents", "a1"),
        ("UPDATE agents SET heartbeat_target = 'last' WHERE name = 'a1'", "agents", "a1"),
        ("UPDATE agents SET heartbeat_model = 'x/y' WHERE name = 'a1'", "agents", "a1"),
        ("UPDATE agents SET heartbeat_prompt = 'x' WHERE name = 'a1'", "agents", "a1"),
        ("UPDATE people SET timezone = 'UTC'", "people", ADA),
        ("UPDATE people SET context = 'x'", "people", ADA),
        ("UPDATE boards SET success_metrics = '{\"a\": 1}'", "boards", MOVE),
        ("UPDATE boards SET target_date = now()", "boards", MOVE),
        (f"UPDATE boards SET person_id = '{ADA}'", "boards", MOVE),
        ("UPDATE skills SET content = 'x' WHERE slug = 'stock'", "skills", "stock"),
        ("UPDATE skills SET enabled = false WHERE slug = 'stock'", "skills", "stock"),
        ("INSERT INTO skills (slug) VALUES ('new')", "skills", "new"),
        ("DELETE FROM skills WHERE slug = 'stock'", "skills", "stock"),
        ("UPDATE agent_skills SET position = 3", "agent_skills", "a1"),
        ("INSERT INTO agent_skills (agent, skill) VALUES ('a2', 'stock')", "agent_skills", "a2"),
        ("TRUNCATE agent_skills", "agent_skills", None),
        ("UPDATE model_aliases SET model = 'openai/gpt-9' WHERE alias = 'gpt-4o'", "model_aliases", "gpt-4o"),
        ("DELETE FROM model_aliases", "model_aliases", None),
        (f"UPDATE gateways SET person_id = '{ADA}'", "gateways", "here"),
    ],
)
async def test_a_change_of_what_workspaces_are_made_of_notifies(
    operator: Operator, heard: Heard, statement: str, source: str, key: str | None
) -> None:
    await _with_agents(operator, heard)
    await operator.execute(WORKSPACE)
    await operator.execute("INSERT INTO gateways (name) VALUES ('here')")
    await heard()
    await operator.execute(statement)
    assert await heard() == [{"source": source, "key": key, "operation": statement.split(maxsplit=1)[0]}]


@pytest.mark.parametrize("table", ["people", "boards", "skills", "agent_skills", "model_aliases"])
async def test_a_column_of_somebody_else_wakes_nobody(operator: Operator, heard: Heard, table: str) -> None:
    await _with_agents(operator, heard)
    await operator.execute(WORKSPACE)
    await operator.execute(f"ALTER TABLE {table} ADD COLUMN theirs integer")
    await heard()
    await operator.execute(f"UPDATE {table} SET theirs = 1")
    assert await heard() == []


async def test_where_a_compared_column_is_gone_every_statement_notifies(operator: Operator, heard: Heard) -> None:
    await _with_agents(operator, heard)
    await operator.execute(WORKSPACE)
    await operator.execute("ALTER TABLE skills DROP COLUMN description")
    await heard()
    await operator.execute("UPDATE skills SET name = name")
    assert await heard() == [{"source": "skills", "key": None, "operation": "UPDATE"}]


async def test_a_token_of_an_agent_wakes_nobody(operator: Operator, heard: Heard) -> None:
    await _with_agents(operator, heard)
    await operator.execute("INSERT INTO agent_tokens (agent, gateway, token_hash) VALUES ('a1', 'here', 'x')")
    await operator.execute("UPDATE agent_tokens SET revoked_at = now()")
    assert await heard() == []


async def test_a_rolled_back_change_is_silent(operator: Operator, heard: Heard) -> None:
    await _with_agents(operator, heard)
    transaction = operator.transaction()
    await transaction.start()
    await operator.execute("UPDATE agents SET model = 'x/y'")
    await transaction.rollback()
    assert await heard() == []


@pytest.mark.parametrize(
    ("statement", "operation", "key"),
    [
        ("INSERT INTO agent_system_config (key, value) VALUES ('other', 'x')", "INSERT", "other"),
        ("UPDATE agent_system_config SET value = '3'", "UPDATE", "max_spawn_depth"),
        ("UPDATE agent_system_config SET key = 'renamed'", "UPDATE", "renamed"),
        ("UPDATE agent_system_config SET value_type = 'text'", "UPDATE", "max_spawn_depth"),
        ("DELETE FROM agent_system_config", "DELETE", "max_spawn_depth"),
        ("TRUNCATE agent_system_config", "TRUNCATE", None),
        (
            "INSERT INTO agent_system_config VALUES ('max_spawn_depth', 1) ON CONFLICT (key) DO UPDATE SET value = '1'",
            "UPDATE",
            "max_spawn_depth",
        ),
    ],
)
async def test_a_change_of_a_setting_notifies_as_the_seed_has_it(
    operator: Operator, heard: Heard, statement: str, operation: str, key: str | None
) -> None:
    await operator.execute(statement)
    assert await heard() == [{"source": "agent_system_config", "key": key, "operation": operation}]


@pytest.mark.parametrize("key", ["k" * 10_000, "\x01" * 1500, "😀" * 2500])
async def test_a_key_too_long_for_a_payload_does_not_fail_the_insert(
    operator: Operator, heard: Heard, key: str
) -> None:
    await operator.execute("INSERT INTO agent_system_config (key, value) VALUES ($1, 'x')", key)
    assert await heard() == [{"source": "agent_system_config", "key": None, "operation": "INSERT"}]
