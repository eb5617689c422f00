"""Two connections with one life: one listens and does nothing else, one reads.

A backend delivers notifications only between transactions, so the LISTEN connection is never asked anything. It can
die without a sign (a cut cable, a firewall, a lost LISTEN, a pooler), so after a while of silence a notification is
sent on the *read* connection and must arrive on the LISTEN connection (PostgreSQL docs, LISTEN, Notes).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from agent_config_sync.errors import DatabaseError, PoolerError, ReadOnlyError, SilentError, UnreachableError
from agent_config_sync.postgres.failures import (
    CONNECT_FAILURES,
    OF_THIS_HOST,
    QUERY_FAILURES,
    connect_failure,
    query_failure,
)
from agent_config_sync.postgres.queries import query
from agent_config_sync.postgres.server import Server

CHANNEL = "agent_config_changed"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Timing:
    """Deadlines of a link, in seconds; silence, answer and diagnosis together are what a dead link may take to find."""

    connect: float = 10.0
    silence: float = 4.0
    answer: float = 4.0
    diagnosis: float = 1.0
    statement: float = 4.0
    lock: float = 3.0


async def connect(server: Server, *, application_name: str, timing: Timing) -> asyncpg.Connection:
    """Open one connection whose every statement has a lock and a statement timeout.

    Raises: SyncError that says why not.
    """
    return (await _reach(server, application_name=application_name, timing=timing))[0]


async def _reach(server: Server, *, application_name: str, timing: Timing) -> tuple[asyncpg.Connection, Server]:
    """Return a connection, and the server at the host to which it was made: the first that takes it.

    Raises: SyncError, of the last host.
    """
    *others, last = server.each()
    deadline = timing.connect / (len(others) + 1)
    try:
        for host in others:
            with contextlib.suppress(*OF_THIS_HOST):
                return await _open(host, deadline, application_name, timing), host
        return await _open(last, deadline, application_name, timing), last
    except CONNECT_FAILURES as error:
        raise connect_failure(error, server.name) from None


async def _open(server: Server, deadline: float, application_name: str, timing: Timing) -> asyncpg.Connection:
    connection: asyncpg.Connection = await asyncpg.connect(
        timeout=deadline,
        command_timeout=timing.statement + 1.0,
        target_session_attrs=SessionAttribute.primary,
        server_settings={
            "application_name": application_name[:63],
            "statement_timeout": str(int(timing.statement * 1000)),
            "lock_timeout": str(int(timing.lock * 1000)),
            "idle_in_transaction_session_timeout": "60000",
            "tcp_keepalives_idle": "30",
        },
        **server.keywords,
    )
    return connection


class Link:
    """The LISTEN connection and the read connection; whichever fails takes the other with it.

    `lost` is done, with the reason, as soon as the link is no good; `proof` as soon as a notification of its own has
    come back. Open one with `open_link`.
    """

    def __init__(self, server: Server, listen: asyncpg.Connection, read: asyncpg.Connection, timing: Timing) -> None:
        self.server = server
        self.lost: asyncio.Future[DatabaseError] = asyncio.get_running_loop().create_future()
        self.proof: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._listen = listen
        self._read = read
        self._reading = asyncio.Lock()
        self._timing = timing
        self._heard = asyncio.Event()
        self._echo = asyncio.Event()
        self._nonce = ""
        self._probe_channel = f"agent_config_probe_{secrets.token_hex(8)}"
        for connection in (listen, read):
            connection.add_termination_listener(self._terminated)

    async def listen(self, on_change: Callable[[str], None]) -> None:
        """Commit LISTEN; from now on `on_change` gets the payload of every notification.

        Raises: DatabaseError.
        """

        def heard(_: object, __: int, ___: str, payload: object) -> None:
            self._heard.set()
            on_change(str(payload))

        def echoed(_: object, __: int, ___: str, payload: object) -> None:
            self._heard.set()
            if payload == self._nonce:
                self._echo.set()

        try:
            await self._listen.add_listener(CHANNEL, heard)
            await self._listen.add_listener(self._probe_channel, echoed)
        except QUERY_FAILURES as error:
            raise query_failure(error, self.server.name) from None
        async with self.reading() as connection:
            await connection.execute(query("free_queue"))

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[asyncpg.Connection]:
        """Lend the read connection to one user at a time; what asyncpg raises leaves as a DatabaseError.

        A connection that failed to answer is no good any more and ends the link.
        """
        async with self._reading:
            if self.lost.done():
                raise self.lost.result()
            try:
                yield self._read
            except QUERY_FAILURES as error:
                failure = query_failure(error, self.server.name)
                if isinstance(failure, PoolerError) or not isinstance(error, asyncpg.PostgresError):
                    self.fail(failure)
                    raise self.lost.result() from None
                raise failure from None

    async def probe_for_ever(self) -> None:
        """Prove the link again and again; returns, with `lost` set, when it fails."""
        while not self.lost.done():
            try:
                await self._probe()
                if not self.proof.done():
                    self.proof.set_result(None)
                await self._silence()
            except DatabaseError as error:
                self.fail(error)
            except Exception as error:  # noqa: BLE001 - a link whose probe is dead must not live on unwatched
                _log.exception("the probe failed")
                self.fail(DatabaseError(f"the probe of {self.server.name} failed ({type(error).__name__})"))

    async def proven(self) -> None:
        """Return when the first probe has come back.

        Raises: DatabaseError when it does not.
        """
        either: tuple[asyncio.Future[Any], ...] = (self.proof, self.lost)
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if self.lost.done():
            raise self.lost.result()

    def fail(self, error: DatabaseError) -> None:
        """End both connections at once, without waiting for a server that may not answer."""
        if not self.lost.done():
            self.lost.set_result(error)
        self._listen.terminate()
        self._read.terminate()

    def _terminated(self, _: object) -> None:
        if not self.lost.done():
            self.lost.set_result(UnreachableError(f"the connection to {self.server.name} was lost"))
        self._listen.terminate()
        self._read.terminate()

    async def _silence(self) -> None:
        """Return after `silence` seconds without a notification."""
        while True:
            self._heard.clear()
            try:
                async with asyncio.timeout(self._timing.silence):
                    await self._heard.wait()
            except TimeoutError:
                return

    async def _probe(self) -> None:
        self._nonce = secrets.token_hex(8)
        self._echo.clear()
        async with self.reading() as connection:
            await connection.execute(query("probe"), self._probe_channel, self._nonce, timeout=self._timing.answer)
        try:
            async with asyncio.timeout(self._timing.answer):
                await self._echo.wait()
        except TimeoutError:
            raise await self._diagnose() from None

    async def _diagnose(self) -> DatabaseError:
        where = self.server.name
        try:
            async with self.reading() as connection:
                found = await connection.fetchrow(query("whereabouts"), timeout=self._timing.diagnosis)
                known_backend = connection.get_server_pid()
        except DatabaseError:
            return SilentError(f"{where} fell silent: no answer for {self._timing.answer:g} s")
        if found is not None and found["standby"]:
            return ReadOnlyError(f"{where} is a hot standby, which takes no LISTEN: name the primary in dsn or host")
        if found is not None and found["backend"] != known_backend:
            return PoolerError(
                f"{where} is behind a transaction-mode pooler, through which LISTEN hears nothing: "
                "name the PostgreSQL server itself in dsn or host"
            )
        return SilentError(f"{where} answers but delivers no notifications (LISTEN was lost)")


@contextlib.asynccontextmanager
async def open_link(
    server: Server, *, gateway: str, on_change: Callable[[str], None], timing: Timing
) -> AsyncIterator[Link]:
    """Open both connections and commit LISTEN before anything can be read.

    Raises: SyncError that says why there is no link.
    """
    name = f"agent-config-sync/{gateway}"
    listen, reached = await _reach(server, application_name=f"{name} listen", timing=timing)
    try:
        read = await connect(reached, application_name=name, timing=timing)
    except BaseException:
        listen.terminate()
        raise
    link = Link(server, listen, read, timing)
    try:
        await link.listen(on_change)
        probing = asyncio.create_task(link.probe_for_ever(), name="probe")
        try:
            yield link
        finally:
            link.fail(UnreachableError("the link was closed"))  # ends the probing too, cancelled or not
            probing.cancel()
            await asyncio.wait([probing])
    finally:
        link.fail(UnreachableError("the link was closed"))
