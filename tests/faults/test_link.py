"""The link: whatever breaks between us and the server, nothing committed is lost and the way back is found."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import replace

import asyncpg
import pytest
from harness import QUICK, Operator, Running, Start, connected, eventually, start_again
from proxy import Proxy

from agent_config_sync.cli.throwaway import ThrowawayServer
from agent_config_sync.errors import (
    LoginError,
    PoolerError,
    ReadOnlyError,
    SilentError,
    UnreachableError,
)
from agent_config_sync.events import Event, LinkLost, LinkProven, Listening, PassFailed, Published, Reloaded, Reported

IMPATIENT = replace(QUICK, connect=0.5, answer=0.3, diagnosis=0.3)
"""Deadlines that a test can wait for."""


async def change(dsn: str, model: str) -> None:
    async with connected(dsn) as operator:
        await operator.execute("UPDATE agents SET model = $1 WHERE name = 'lead'", model)


async def published(running: Running, model: str) -> None:
    """Return when this model has been published, since the start or from now on, and the gateway was told of it."""
    running.events.rewind()
    last = await running.events.until(Published, lambda event: f'"{model}"'.encode() in event.after)
    await running.events.until(Reloaded, lambda event: event.content_hash == last.content_hash)
    assert running.output.read_bytes() == last.after


@pytest.mark.parametrize(
    "end",
    [
        lambda server: server.stop("fast"),
        lambda server: server.stop("immediate"),
        lambda server: os.kill(server.pid, signal.SIGKILL),
    ],
    ids=["fast", "immediate", "kill -9"],
)
async def test_in_step_after_a_restart_of_the_server(
    start: Start, server: ThrowawayServer, end: Callable[[ThrowawayServer], None]
) -> None:
    running = await start(wait=Reported)
    await asyncio.to_thread(end, server)
    await running.events.until(LinkLost)
    await start_again(server)
    await change(server.dsn, "a/after")
    await published(running, "a/after")


@pytest.mark.parametrize("which", ["% listen", "%/here"])
async def test_in_step_after_a_backend_is_killed(start: Start, server: ThrowawayServer, which: str) -> None:
    running = await start(wait=Reported, timing=replace(QUICK, silence=3600.0))
    async with connected(server.dsn) as operator:
        asked = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE $1"
        backend = await operator.fetchval(asked, f"agent-config-sync{which}")
    os.kill(backend, signal.SIGKILL)  # after the operator has left: the server ends every other session with it
    await running.events.until(LinkLost)
    await running.events.until(Listening)  # the server has recovered
    await change(server.dsn, "a/after")
    await published(running, "a/after")


async def test_a_network_that_swallows_everything_is_found_and_left(
    start: Start, server: ThrowawayServer, proxy: Proxy
) -> None:
    running = await start(wait=Reported, dsn=proxy.dsn(), timing=IMPATIENT)
    proxy.swallowing = True
    await change(server.dsn, "a/unheard")
    lost = await running.events.until(LinkLost)
    assert isinstance(lost.error, SilentError | UnreachableError)
    proxy.heal()
    await published(running, "a/unheard")


async def test_in_step_after_every_connection_is_reset(start: Start, server: ThrowawayServer, proxy: Proxy) -> None:
    running = await start(wait=Reported, dsn=proxy.dsn())
    proxy.reset()
    await running.events.until(LinkLost)
    await change(server.dsn, "a/after")
    await published(running, "a/after")


async def test_an_accept_that_never_answers_is_given_up(start: Start, server: ThrowawayServer, proxy: Proxy) -> None:
    running = await start(wait=Reported, dsn=proxy.dsn(), timing=IMPATIENT)
    proxy.deaf = True
    proxy.reset()
    await running.events.until(LinkLost, lambda event: "did not answer in time" in str(event.error))
    await change(server.dsn, "a/unheard")
    proxy.heal()
    await published(running, "a/unheard")


async def test_a_slow_network_is_no_fault(start: Start, server: ThrowawayServer, proxy: Proxy) -> None:
    """200 ms each way for each of the dozen questions of a pass."""
    running = await start(wait=Reported, dsn=proxy.dsn())
    proxy.delay = 0.2
    for number in range(2):
        await change(server.dsn, f"a/slow-{number}")
        await published(running, f"a/slow-{number}")
    assert running.events.count(LinkLost) == 0


@pytest.mark.parametrize("length", [0, 1, 4, 5, 6, 50, 300])
async def test_a_message_that_is_cut_loses_nothing(
    start: Start, server: ThrowawayServer, proxy: Proxy, length: int
) -> None:
    running = await start(wait=Reported, dsn=proxy.dsn())
    proxy.cut_after = length
    await change(server.dsn, "a/cut")
    await running.events.until(LinkLost)
    await published(running, "a/cut")


async def test_a_pooler_in_transaction_mode_is_named_and_never_trusted(start: Start, pooler_dsn: str) -> None:
    running = await start(wait=None, dsn=pooler_dsn)
    kinds = (PassFailed, LinkLost)
    told = await running.events.until(Event, lambda event: isinstance(event, kinds))
    assert isinstance(told, kinds)
    assert isinstance(told.error, PoolerError)
    assert "name the PostgreSQL server itself" in str(told.error)
    assert running.events.count(LinkProven) == 0


async def test_a_hot_standby_is_named_until_it_is_promoted(start: Start, standby: ThrowawayServer) -> None:
    running = await start(wait=None, dsn=standby.dsn)
    failed = await running.events.until(PassFailed)
    assert isinstance(failed.error, ReadOnlyError)
    await asyncio.to_thread(standby.control, "promote", "-w")
    await running.events.until(LinkProven)
    await change(standby.dsn, "a/promoted")
    await published(running, "a/promoted")


async def test_of_several_hosts_the_one_that_became_the_primary_is_followed(
    start: Start, server: ThrowawayServer, standby: ThrowawayServer
) -> None:
    both = f"postgresql://postgres@/postgres?host={server.folder},{standby.folder}&port=5432,5432"
    running = await start(wait=Reported, dsn=both)
    await change(server.dsn, "a/before")
    await published(running, "a/before")
    async with connected(standby.dsn) as operator:
        await eventually(operator, "SELECT model = 'a/before' FROM agents WHERE name = 'lead'")
    await asyncio.to_thread(os.kill, server.pid, signal.SIGKILL)
    await running.events.until(LinkLost)
    await asyncio.to_thread(standby.control, "promote", "-w")
    await change(standby.dsn, "a/after")
    await published(running, "a/after")


async def test_of_several_hosts_one_that_never_answers_does_not_keep_us_from_the_next(
    start: Start, server: ThrowawayServer, proxy: Proxy
) -> None:
    proxy.deaf = True
    both = f"postgresql://postgres@/postgres?host=127.0.0.1,{server.folder}&port={proxy.port},5432&sslmode=disable"
    running = await start(wait=Reported, dsn=both, timing=IMPATIENT)
    assert running.events.count(PassFailed) == 0


async def test_a_password_that_is_changed_is_asked_for_until_it_is_changed_back(
    start: Start, server: ThrowawayServer, proxy: Proxy
) -> None:
    async with connected(server.dsn) as operator:
        await operator.execute("CREATE ROLE sync LOGIN PASSWORD 'first' IN ROLE agent_config_reader")
    with (server.folder / "data" / "pg_hba.conf").open("r+") as rules:
        rest = rules.read()
        rules.seek(0)
        rules.write(f"local all sync scram-sha-256\n{rest}")
    async with connected(server.dsn) as operator:
        await operator.execute("SELECT pg_reload_conf()")
        running = await start(wait=Reported, dsn=f"postgresql://sync:first@/postgres?host={server.folder}")
        await operator.execute("ALTER ROLE sync PASSWORD 'second'")
        await operator.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'sync'")
        await running.events.until(LinkLost, lambda event: isinstance(event.error, LoginError))
        await operator.execute("ALTER ROLE sync PASSWORD 'first'")
    await change(server.dsn, "a/after")
    await published(running, "a/after")


async def test_a_server_that_is_full_is_named_until_there_is_room(start: Start, server: ThrowawayServer) -> None:
    async with connected(server.dsn) as operator:
        await operator.execute("CREATE ROLE sync LOGIN IN ROLE agent_config_reader")
    await asyncio.to_thread(server.stop, "fast")
    await asyncio.to_thread(server.start, settings={"max_connections": "6", "max_wal_senders": "0"})
    login = f"postgresql://sync@/postgres?host={server.folder}"  # three places are the superuser's
    async with connected(login), connected(login):
        running = await start(wait=None, dsn=login)
        failed = await running.events.until(PassFailed)
        assert "is full (too many connections)" in str(failed.error)
    await change(server.dsn, "a/after")
    await published(running, "a/after")


async def notify_for_ever(operator: Operator) -> None:
    while True:
        await operator.execute("SELECT pg_notify('anything', repeat('x', 7000) || random())")


async def test_a_full_notification_queue_is_named_and_freed_once_nobody_holds_it(
    start: Start, small_queue: ThrowawayServer
) -> None:
    """Without somebody who asks for its usage it would stay full, and every commit of an operator would fail."""
    running = await start(wait=Reported, dsn=small_queue.dsn)
    async with connected(small_queue.dsn) as careless, connected(small_queue.dsn) as operator:
        await careless.execute("LISTEN anything")
        async with careless.transaction():
            await careless.execute("SELECT 1")  # a session that listens and does not end its transaction
            with pytest.raises(asyncpg.ProgramLimitExceededError):
                await notify_for_ever(operator)
            lost = await running.events.until(LinkLost)
            assert "the notification queue" in str(lost.error)
        await running.events.until(LinkProven)
    await change(small_queue.dsn, "a/after")
    await published(running, "a/after")
