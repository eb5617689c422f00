"""A gateway, its database and an operator between them: change a row, and see what the gateway runs with."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import asyncpg
import pytest
from gateway.openclaw import Effective, Installation, Layout, OpenClaw, Rpc, agent_config_sync
from harness import Operator, connected, database_dsn

from agent_config_sync.postgres.migrate import migrate

DEADLINE = 45.0
"""Seconds to wait for the gateway; it takes one to apply a change and ten to be reported as not having done so."""

LOOK = 0.05
"""Seconds between two looks."""

NAME = "here"
"""The gateway's name in the database."""

ROSTER = """
    INSERT INTO agents (name, instance_type, is_default, model, fallback_models, allowed_subagents, settings) VALUES
        ('lead', 'primary', true, 'anthropic/claude-opus-4-5',
         '{anthropic/claude-haiku-4-5,anthropic/claude-sonnet-4-5}', '{coder,writer}', NULL),
        ('coder', 'subagent', false, 'anthropic/claude-sonnet-4-5', NULL, NULL, '{"tools": {"profile": "coding"}}'),
        ('writer', 'subagent', false, 'anthropic/claude-haiku-4-5', NULL, NULL, NULL)
"""
"""The agents that every test begins with."""

_numbers = itertools.count(1)

T = TypeVar("T")


async def until(
    look: Callable[[], Awaitable[T | None]], what: str, *, gateway: OpenClaw, deadline: float = DEADLINE
) -> T:
    """Look again and again until there is something to see, so many seconds. The only place where a test waits without
    being told: neither gateway_status nor the gateway's processes notify."""
    try:
        async with asyncio.timeout(deadline):
            while True:
                found = await look()
                if found is not None:
                    return found
                await asyncio.sleep(LOOK)
    except TimeoutError:
        pytest.fail(f"{what}: not within {deadline:g} s; the gateway's log ends with\n{gateway.log()[-3000:]}")


@dataclass(frozen=True, slots=True)
class Deployment:
    """A gateway and the DSN of the database that our plugin in it reads."""

    gateway: OpenClaw
    dsn: str


Deploy: TypeAlias = Callable[..., Deployment]
"""`deployed` for the rest of a module."""


@contextlib.contextmanager
def deployed(
    installation: Installation,
    server_dsn: str,
    home: Path,
    *,
    layout: Layout = "section",
    gateway_config: dict[str, Any] | None = None,
    synced: bool = False,
    prepare: Callable[[OpenClaw, str], None] | None = None,
    **plugin_config: Any,
) -> Iterator[Deployment]:
    """Make a database with a roster, and beside it a gateway that runs; both are gone at the end.

    synced: the gateway finds the roster in its agents.json when it starts, instead of an empty file; prepare: gets the
    gateway and the DSN before the gateway starts for the first time.
    """
    database = f"gateway_{os.getpid()}_{next(_numbers)}"
    dsn = database_dsn(server_dsn, database)
    config = {"command": agent_config_sync(), "dsn": dsn, "gateway": NAME, "log_level": "debug", **plugin_config}
    gateway = OpenClaw(installation, home, config, layout, gateway_config or {})
    asyncio.run(_make_database(server_dsn, database, dsn))
    try:
        gateway.set_up()
        if synced:
            gateway.run_sync("--dsn", dsn)
        if prepare is not None:
            prepare(gateway, dsn)
        gateway.start()
        yield Deployment(gateway, dsn)
    finally:
        try:
            gateway.stop()
        finally:
            asyncio.run(_drop_database(server_dsn, database))


async def _make_database(server_dsn: str, name: str, dsn: str) -> None:
    async with connected(server_dsn) as server:
        await server.execute(f"CREATE DATABASE {name}")
    async with connected(dsn) as connection:
        await migrate(connection)
        await connection.execute(ROSTER)


async def _drop_database(server_dsn: str, name: str) -> None:
    async with connected(server_dsn) as server:
        await server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@dataclass(frozen=True, slots=True)
class Scene:
    """What one test works with."""

    gateway: OpenClaw
    operator: Operator

    async def reset(self) -> Effective:
        """Begin with the roster, in force."""
        return await self.change(
            "DELETE FROM agents",
            ROSTER,
            "DELETE FROM agent_system_config",
            "INSERT INTO agent_system_config VALUES ('max_spawn_depth', '5', 'integer')",
        )

    async def commit(self, *statements: str) -> str:
        """Commit statements as one transaction and return its id."""
        async with self.operator.transaction():
            for statement in statements:
                await self.operator.execute(statement)
            transaction: str = await self.operator.fetchval("SELECT pg_current_xact_id()::text")
        return transaction

    async def change(self, *statements: str) -> Effective:
        """Commit statements, and return what the gateway runs with at the moment when the status says `applied`."""
        async with self.gateway.rpc() as rpc:
            return await self.in_force(await self.commit(*statements), rpc)

    async def in_force(self, transaction: str, rpc: Rpc) -> Effective:
        """Return what the gateway runs with at the moment when the status says that this transaction is applied."""
        await self.until_applied(transaction)
        return await rpc.effective()

    async def until_applied(self, transaction: str) -> asyncpg.Record:
        """Return the status as soon as it says that what this transaction committed is in force."""
        return await until(lambda: self.applied(transaction), "gateway_status says applied", gateway=self.gateway)

    async def applied(self, transaction: str) -> asyncpg.Record | None:
        """Return the status if it says now that what this transaction committed is in force."""
        return await self.operator.fetchrow(
            "SELECT * FROM gateway_status WHERE gateway = $1 AND state = 'applied'"
            " AND pg_visible_in_snapshot($2::text::xid8, snapshot)",
            NAME,
            transaction,
        )

    async def status(self) -> asyncpg.Record:
        found = await self.operator.fetchrow("SELECT * FROM gateway_status WHERE gateway = $1", NAME)
        assert found is not None, "there is no row in gateway_status"
        return found

    async def until_status(self, state: str, *, with_error: bool = False) -> asyncpg.Record:
        """Return the status as soon as it is this one."""

        async def look() -> asyncpg.Record | None:
            return await self.operator.fetchrow(
                "SELECT * FROM gateway_status WHERE gateway = $1 AND state = $2 AND (error IS NOT NULL OR NOT $3)",
                NAME,
                state,
                with_error,
            )

        return await until(look, f"gateway_status says {state}", gateway=self.gateway)

    async def effective(self) -> Effective:
        async with self.gateway.rpc() as rpc:
            return await rpc.effective()

    def content_hash(self) -> str:
        """Return the hash of the file as it stands."""
        return sha256(self.gateway.output.read_bytes()).hexdigest()
