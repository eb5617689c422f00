"""`agent-config-sync wait`: until what is in the database is in force everywhere."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from commands import command
from harness import Operator, Start, connected, database_dsn

from agent_config_sync.cli.wait import is_done, sentence
from agent_config_sync.events import Notified, Published, Reported
from agent_config_sync.postgres.reached import current_snapshot, read_reached, wake

REPORT = """
INSERT INTO gateway_status (gateway, plugin_version, state, error, snapshot, resync_interval, seen_at)
VALUES ($1, '1', $2, $3, $4::text::pg_snapshot, '60 s', now() - $5::text::interval)
"""


async def report(
    operator: Operator,
    gateway: str,
    state: str = "applied",
    *,
    error: str | None = None,
    snapshot: str | None = None,
    ago: str = "0 s",
) -> None:
    """Let a gateway have reported; without a snapshot it has everything that is there now."""
    await operator.execute(REPORT, gateway, state, error, snapshot or await current_snapshot(operator), ago)


async def has_reached(operator: Operator, snapshot: str) -> bool:
    (gateway,) = await read_reached(operator, "default", snapshot)
    return gateway.reached


# Which snapshot contains which ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """A snapshot, and the transactions below 20 that are visible in it."""

    text: str
    visible: frozenset[int]

    @classmethod
    def any(cls, dice: random.Random) -> Seen:
        xmax = dice.randint(10, 16)
        running = sorted(number for number in range(10, xmax) if dice.random() < 0.4)
        xmin = running[0] if running else xmax
        text = f"{xmin}:{xmax}:{','.join(map(str, running))}"
        return cls(text, frozenset(range(xmax)) - frozenset(running))


async def test_a_snapshot_contains_another_if_it_sees_all_that_the_other_sees(operator: Operator) -> None:
    dice = random.Random(20_26)
    reported = {f"g{number:03}": Seen.any(dice) for number in range(300)}
    for name, theirs in reported.items():
        await report(operator, name, snapshot=theirs.text)
    for ours in [Seen.any(dice) for _ in range(30)]:
        fleet = await read_reached(operator, "default", ours.text)
        assert {gateway.gateway for gateway in fleet if gateway.reached} == {
            name for name, theirs in reported.items() if ours.visible <= theirs.visible
        }


async def test_a_commit_after_the_report_is_not_reached(operator: Operator) -> None:
    await report(operator, "here")
    await operator.execute("INSERT INTO agents (name) VALUES ('lead')")
    assert not await has_reached(operator, await current_snapshot(operator))


async def test_a_transaction_that_was_open_at_the_report_and_has_committed_is_not_reached(
    operator: Operator, database: str
) -> None:
    async with connected(database) as other:
        transaction = other.transaction()
        await transaction.start()
        await other.execute("INSERT INTO agents (name) VALUES ('lead')")
        await report(operator, "here")
        await transaction.commit()
    assert not await has_reached(operator, await current_snapshot(operator))


async def test_a_transaction_that_is_still_open_is_not_waited_for(operator: Operator, database: str) -> None:
    async with connected(database) as other, other.transaction():
        await other.execute("INSERT INTO agents (name) VALUES ('lead')")
        wanted = await current_snapshot(operator)
        await report(operator, "here", snapshot=wanted)
        assert await has_reached(operator, wanted)


async def test_what_other_databases_of_the_server_commit_meanwhile_is_not_waited_for(
    operator: Operator, database: str, server_dsn: str
) -> None:
    wanted = await current_snapshot(operator)
    async with connected(database_dsn(server_dsn, "postgres")) as other:
        await other.execute("SELECT pg_current_xact_id()")
    await report(operator, "here")
    assert await has_reached(operator, wanted)


@pytest.mark.parametrize("state", ["pending", "refused"])
async def test_what_is_not_in_force_is_not_reached_whatever_was_in_force_before(operator: Operator, state: str) -> None:
    wanted = await current_snapshot(operator)
    await report(operator, "here", state)
    assert not await has_reached(operator, wanted)


async def test_a_gateway_of_another_account_is_not_waited_for(operator: Operator) -> None:
    await report(operator, "here")
    assert await read_reached(operator, "elsewhere", await current_snapshot(operator)) == []


# The fleet -----------------------------------------------------------------------------------------------------------


async def fleet_of(operator: Operator) -> list[Any]:
    return await read_reached(operator, "default", "1:1:")


async def test_a_silent_gateway_is_named_and_not_waited_for(operator: Operator) -> None:
    await report(operator, "alive")
    await report(operator, "gone", "refused", ago="4 min")
    fleet = await fleet_of(operator)
    assert is_done(fleet)
    assert [sentence(gateway) for gateway in fleet] == ["alive: applied", "gone: silent, not waited for"]


async def test_silent_gateways_alone_are_nobody(operator: Operator) -> None:
    await report(operator, "gone", ago="4 min")
    assert not is_done(await fleet_of(operator))


async def test_no_gateway_at_all_is_not_done(operator: Operator) -> None:
    assert not is_done(await fleet_of(operator))


async def test_a_gateway_that_was_only_offered_it_says_so(operator: Operator) -> None:
    await report(operator, "here", "offered")
    assert [sentence(gateway) for gateway in await fleet_of(operator)] == [
        "here: offered; it cannot be asked what it runs with"
    ]


# The command ---------------------------------------------------------------------------------------------------------


async def test_wait_ends_when_the_gateway_has_the_change(start: Start, operator: Operator, database: str) -> None:
    await operator.execute("INSERT INTO agents (name) VALUES ('lead')")
    running = await start(wait=Reported)
    await operator.execute("UPDATE agents SET model = 'a/new'")
    ended = await command("wait", "--dsn", database, "--timeout", "30")
    assert (ended.status, ended.out, ended.err) == (0, "here: offered; it cannot be asked what it runs with\n", "")
    await running.events.until(Published, lambda event: b"a/new" in event.after)


async def test_wait_wakes_a_gateway_that_has_missed_a_change(start: Start, operator: Operator, database: str) -> None:
    await operator.execute("INSERT INTO agents (name) VALUES ('lead')")
    running = await start(wait=Reported)
    await operator.execute("SET session_replication_role = replica")  # its triggers stay silent
    await operator.execute("UPDATE agents SET model = 'a/new'")
    assert (await command("wait", "--dsn", database, "--timeout", "30")).status == 0
    assert b"a/new" in running.output.read_bytes()
    assert '"wait"' in (await running.events.until(Notified)).payload


async def test_wait_wakes_the_fleet_once_for_all_its_looking(operator: Operator, database: str) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    async with connected(database) as listener:
        await listener.add_listener("agent_config_changed", lambda *event: heard.put_nowait(str(event[3])))
        await command("wait", "--dsn", database, "--timeout", "0.5")
        await wake(operator, "end")
        assert [orjson.loads(await heard.get())["source"] for _ in range(2)] == ["wait", "end"]


async def test_wait_ends_with_3_and_the_reason_of_each_gateway_that_is_behind(
    operator: Operator, database: str
) -> None:
    await report(operator, "bad", "refused", error="no agent at all")
    await report(operator, "good", snapshot="1:999999999:")
    ended = await command("wait", "--dsn", database, "--timeout", "0")
    assert ended.status == 3
    assert ended.out == "bad: behind, refused: no agent at all\ngood: applied\n"
    assert ended.err == "agent-config-sync: one gateway or more is behind after 0 s\n"


async def test_wait_ends_with_3_when_nobody_is_there(database: str) -> None:
    ended = await command("wait", "--dsn", database, "--timeout", "0")
    assert (ended.status, ended.out, ended.err) == (3, "", "agent-config-sync: no live gateway after 0 s\n")


async def test_wait_in_json_says_who_is_behind(operator: Operator, database: str) -> None:
    await report(operator, "bad", "pending", error="held")
    told = orjson.loads((await command("wait", "--dsn", database, "--timeout", "0", "--json")).out)
    assert told["done"] is False
    assert [(one["gateway"], one["reached"], one["error"]) for one in told["gateways"]] == [("bad", False, "held")]


@pytest.mark.parametrize("role", ["agent_config_reader", "agent_config_operator"])
async def test_wait_needs_no_more_than_a_readers_or_an_operators_rights(
    operator: Operator, database: str, role: str
) -> None:
    await report(operator, "here", snapshot="1:999999999:")
    await operator.execute("DROP ROLE IF EXISTS waiting_login")
    await operator.execute(f"CREATE ROLE waiting_login LOGIN IN ROLE {role}")
    try:
        ended = await command("wait", "--dsn", database.replace("postgres@", "waiting_login@"), "--timeout", "5")
    finally:
        await operator.execute("DROP ROLE waiting_login")
    assert (ended.status, ended.err) == (0, "")


async def test_wait_on_a_database_without_our_tables_says_what_to_do(empty_database: str) -> None:
    ended = await command("wait", "--dsn", empty_database, "--timeout", "0")
    assert (ended.status, ended.err.count("\n")) == (1, 1)
    assert "run agent-config-sync migrate" in ended.err
