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
        ("TRUNCATE agents", "TRUNCATE", None),
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
