"""postgres/failures.py: what asyncpg raises, told as our errors and without its own words about a DSN."""

from __future__ import annotations

import socket
import ssl

import asyncpg
import pytest

from agent_config_sync.errors import (
    DatabaseError,
    LoginError,
    PoolerError,
    ReadOnlyError,
    RightsError,
    SchemaError,
    SettingsError,
    SyncError,
    UnreachableError,
)
from agent_config_sync.postgres.failures import connect_failure, query_failure
from agent_config_sync.postgres.link import Timing, connect
from agent_config_sync.postgres.server import Server

SECRET = "hunter2"
QUICK = Timing(connect=2.0)

MALFORMED = [
    f"postgresql://me:{SECRET}@127.0.0.1:port/config",
    f"postgresql://me:{SECRET}@127.0.0.1:1:2/config",
    f"postgresql://me:{SECRET}@[::1/config",
    f"postgresql://me:{SECRET}@127.0.0.1:99999/config",
    f"postgresql://me:{SECRET}@127.0.0.1:-1/config",
    f"postgresql://me:{SECRET}@127.0.0.1:1/config?sslmode={SECRET}",
    f"postgresql://me:{SECRET}@127.0.0.1:1/config?sslmode=verify-full&sslrootcert=/{SECRET}",
    f"postgresql://me:{SECRET}@127.0.0.1:1/config?target_session_attrs={SECRET}",
    f"postgresql://me:{SECRET}@127.0.0.1,127.0.0.1:1,2/config?port=1,2,3",
    f"postgresql://me:{SECRET}@127.0.0.1:1/config?port={SECRET}",
    f"postgresql://me:1/{SECRET}@127.0.0.1/config",
    f"postgresql://127.0.0.1:{SECRET}/config",
    f"http://me:{SECRET}@127.0.0.1/config",
    f"me:{SECRET}@127.0.0.1/config",
    f"host=127.0.0.1 password={SECRET}",
    f"postgresql://me:{SECRET}@{'a' * 300}/config",
    f"postgresql://me:{SECRET}@127.0.0.1:1/config?service={SECRET}",
    f"postgresql://me:{SECRET}@127.0.0.1:1/config?passfile=/{SECRET}",
    f"postgresql://me:{SECRET}@127.0.0.1:1/config?krbsrvname={SECRET}&x={SECRET}",
    f"postgresql://me:%zz{SECRET}@127.0.0.1:1/config",
    SECRET,
]


@pytest.mark.parametrize("dsn", MALFORMED)
async def test_no_error_of_a_malformed_dsn_quotes_it(dsn: str) -> None:
    """Port 1 is closed, so a DSN that the driver understands after all is refused at once."""
    with pytest.raises(SyncError) as caught:
        await connect(Server("the server", {"dsn": dsn}), application_name="test", timing=QUICK)
    assert SECRET not in f"{caught.value!r} {caught.value}"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


async def test_a_closed_port_is_said_to_be_unreachable() -> None:
    with pytest.raises(UnreachableError, match="the server cannot be reached"):
        await connect(
            Server("the server", {"dsn": f"postgresql://me:{SECRET}@127.0.0.1:1/x"}),
            application_name="test",
            timing=QUICK,
        )


def tls_error() -> ssl.SSLError:
    """A real one: such errors know their reason only when the TLS library made them."""
    with pytest.raises(ssl.SSLError) as caught:
        ssl.create_default_context(cadata=b"no certificate")
    return caught.value


def server_error(kind: type[asyncpg.PostgresError], words: str = "words\nmore") -> asyncpg.PostgresError:
    return kind(words)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (server_error(asyncpg.InvalidPasswordError), LoginError),
        (server_error(asyncpg.InvalidAuthorizationSpecificationError), LoginError),
        (server_error(asyncpg.InvalidCatalogNameError), LoginError),
        (server_error(asyncpg.InsufficientPrivilegeError), LoginError),
        (server_error(asyncpg.TooManyConnectionsError), UnreachableError),
        (server_error(asyncpg.CannotConnectNowError), UnreachableError),
        (server_error(asyncpg.ReadOnlySQLTransactionError), ReadOnlyError),
        (asyncpg.TargetServerAttributeNotMatched("x"), ReadOnlyError),
        (server_error(asyncpg.ProtocolViolationError, "unsupported startup parameter: x"), PoolerError),
        (server_error(asyncpg.ProtocolViolationError, "else"), UnreachableError),
        (server_error(asyncpg.InternalServerError), UnreachableError),
        (tls_error(), UnreachableError),
        (TimeoutError(), UnreachableError),
        (ConnectionRefusedError(111, "Connection refused"), UnreachableError),
        (socket.gaierror(-2, "Name or service not known"), UnreachableError),
        (asyncpg.ClientConfigurationError(f"invalid dsn {SECRET}"), SettingsError),
        (ValueError(f"invalid literal {SECRET}"), SettingsError),
        (asyncpg.InterfaceError(SECRET), UnreachableError),
    ],
)
def test_why_there_is_no_connection_is_told_by_the_kind_of_error(error: Exception, kind: type[SyncError]) -> None:
    told = connect_failure(error, "the server")
    assert type(told) is kind
    assert SECRET not in str(told)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (server_error(asyncpg.UndefinedTableError), SchemaError),
        (server_error(asyncpg.UndefinedColumnError), SchemaError),
        (server_error(asyncpg.InsufficientPrivilegeError), RightsError),
        (server_error(asyncpg.ReadOnlySQLTransactionError), ReadOnlyError),
        (server_error(asyncpg.LockNotAvailableError), UnreachableError),
        (server_error(asyncpg.QueryCanceledError), UnreachableError),
        (server_error(asyncpg.InvalidSQLStatementNameError), PoolerError),
        (server_error(asyncpg.DuplicatePreparedStatementError), PoolerError),
        (TimeoutError(), UnreachableError),
        (asyncpg.ConnectionDoesNotExistError("x"), UnreachableError),
        (asyncpg.InterfaceError("x"), UnreachableError),
        (ConnectionResetError(), UnreachableError),
        (server_error(asyncpg.DivisionByZeroError), DatabaseError),
        (RuntimeError(SECRET), DatabaseError),
    ],
)
def test_why_a_statement_failed_is_told_by_the_kind_of_error(error: Exception, kind: type[DatabaseError]) -> None:
    told = query_failure(error, "the server")
    assert type(told) is kind
    assert "the server" in str(told) or "a table in" in str(told)
    assert SECRET not in str(told)


def test_the_servers_own_words_are_one_line_with_their_code() -> None:
    assert "words (42P01) in the server" in str(query_failure(server_error(asyncpg.UndefinedTableError), "the server"))


def test_an_error_that_is_ours_already_stays_as_it_is() -> None:
    ours = SchemaError("x")
    assert connect_failure(ours, "s") is ours
    assert query_failure(ours, "s") is ours


def test_a_server_without_words_is_told_by_the_name_of_its_error() -> None:
    assert "InternalServerError (XX000)" in str(connect_failure(asyncpg.InternalServerError(""), "the server"))
