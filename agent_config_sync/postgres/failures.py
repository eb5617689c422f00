"""What asyncpg raises, told as our errors: what happened, where, and the way out. Never the driver's own words where
they could carry a secret (a malformed DSN is quoted in them)."""

from __future__ import annotations

import os
import ssl

import asyncpg

from agent_config_sync.errors import (
    DatabaseError,
    LoginError,
    PoolerError,
    ReadOnlyError,
    RightsError,
    RolledBackError,
    SchemaError,
    SettingsError,
    SyncError,
    UnreachableError,
)

_DRIVER_FAILURES = (asyncpg.InterfaceError, asyncpg.InternalClientError, EOFError, OSError, TimeoutError)

CONNECT_FAILURES = (asyncpg.PostgresError, *_DRIVER_FAILURES, ValueError, OverflowError, IndexError)
"""What connecting may raise: refusals of the server, of the driver, of the network, and unreadable DSNs (asyncpg looks
at the first character of each host)."""

OF_THIS_HOST = (
    OSError,
    TimeoutError,
    asyncpg.CannotConnectNowError,
    asyncpg.PostgresConnectionError,
    asyncpg.TargetServerAttributeNotMatched,
    asyncpg.TooManyConnectionsError,
)
"""What another host of the same server may not have; a wrong password is wrong on each."""

QUERY_FAILURES = (asyncpg.PostgresError, *_DRIVER_FAILURES)
"""What a statement may raise, on a live link or a dying one."""


def connect_failure(error: BaseException, server: str) -> SyncError:
    """Tell why a connection to `server` could not be made."""
    match error:
        case SyncError():
            return error
        case asyncpg.TargetServerAttributeNotMatched() | asyncpg.ReadOnlySQLTransactionError():
            return ReadOnlyError(f"{server} is a hot standby, which takes no LISTEN: name the primary in dsn or host")
        case asyncpg.InvalidPasswordError() | asyncpg.InvalidAuthorizationSpecificationError():
            return LoginError(
                f"{server} refused the login ({error.sqlstate}): check user and password "
                "(dsn, password, PGPASSWORD or .pgpass) and pg_hba.conf"
            )
        case asyncpg.InvalidCatalogNameError():
            return LoginError(
                f"the database of {server} does not exist: check database or dsn, or create it with createdb"
            )
        case asyncpg.InsufficientPrivilegeError():
            return LoginError(f"the login may not connect to {server}: GRANT CONNECT ON DATABASE to it")
        case asyncpg.TooManyConnectionsError():
            return UnreachableError(f"{server} is full (too many connections): raise max_connections or free some")
        case asyncpg.CannotConnectNowError():
            return UnreachableError(f"{server} is starting up or shutting down")
        case asyncpg.ProtocolViolationError() if "startup parameter" in str(error):
            return PoolerError(
                f"{server} is a connection pooler that takes no session settings; LISTEN needs a direct connection: "
                "name the PostgreSQL server itself in dsn or host"
            )
        case asyncpg.PostgresError():
            return UnreachableError(f"{server} refused the connection ({_server_words(error)}): look at its log")
        case ssl.SSLCertVerificationError():
            return UnreachableError(
                f"the certificate of {server} proves nothing ({error.verify_message.rstrip('.')}): check host and "
                "sslrootcert, or renew it there"
            )
        case ssl.SSLError():
            reason = getattr(error, "reason", None) or type(error).__name__  # not every one has a reason
            return UnreachableError(f"the TLS handshake with {server} failed ({reason}): check sslmode and sslrootcert")
        case ConnectionError() if "SSL" in str(error):
            return UnreachableError(f"{server} speaks no TLS, and sslmode asks for it: set ssl = on there")
        case TimeoutError():
            return UnreachableError(f"{server} did not answer in time: check host, port and firewall")
        case OSError():
            return UnreachableError(f"{server} cannot be reached ({_reason(error)}): is it running there?")
        case asyncpg.ClientConfigurationError() | ValueError() | OverflowError() | IndexError():
            return SettingsError(
                "the database settings cannot be read: a dsn looks like postgresql://user:password@host:5432/database, "
                "special characters are percent-encoded, and the certificate files that it names must exist"
            )
        case _:
            return UnreachableError(f"the connection to {server} failed ({type(error).__name__})")


def query_failure(error: BaseException, server: str) -> DatabaseError:
    """Tell why a statement failed on a connection to `server`."""
    match error:
        case DatabaseError():
            return error
        case asyncpg.UndefinedTableError() | asyncpg.UndefinedColumnError() | asyncpg.UndefinedFunctionError():
            return SchemaError(f"{_server_words(error)} in {server}: run agent-config-sync migrate")
        case asyncpg.InsufficientPrivilegeError():
            return RightsError(
                f"{_server_words(error)} in {server}: GRANT agent_config_reader TO the login of this gateway"
            )
        case asyncpg.ReadOnlySQLTransactionError():
            return ReadOnlyError(f"{server} is a hot standby, which takes no LISTEN: name the primary in dsn or host")
        case asyncpg.LockNotAvailableError():
            return UnreachableError(f"a table in {server} is locked by another session: end its transaction")
        case asyncpg.QueryCanceledError():
            return UnreachableError(
                f"a statement in {server} took too long and was cancelled: look for what burdens it"
            )
        case asyncpg.DeadlockDetectedError() | asyncpg.SerializationError():
            return RolledBackError(f"a transaction in {server} stood against another one: try again")
        case asyncpg.OperatorInterventionError():
            return UnreachableError(f"{server} ended the session: it is shutting down, or somebody asked it to")
        case asyncpg.InvalidSQLStatementNameError() | asyncpg.DuplicatePreparedStatementError():
            return PoolerError(
                f"{server} is behind a transaction-mode pooler, through which LISTEN hears nothing: "
                "name the PostgreSQL server itself in dsn or host"
            )
        case asyncpg.ProgramLimitExceededError() if "NOTIFY" in str(error):
            return DatabaseError(
                f"the notification queue of {server} is full: end the session that listens inside an open transaction "
                "(pg_stat_activity, state idle in transaction)"
            )
        case TimeoutError():
            return UnreachableError(f"{server} did not answer in time: look for what burdens it, or the network")
        case asyncpg.PostgresConnectionError() | asyncpg.InterfaceError() | EOFError() | OSError():
            return UnreachableError(f"the connection to {server} was lost: is it still running?")
        case asyncpg.PostgresError():
            return DatabaseError(f"{server} failed a statement ({_server_words(error)}): look at its log")
        case _:
            return DatabaseError(f"a statement in {server} failed ({type(error).__name__})")


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno is not None and error.errno > 0 else type(error).__name__


def _server_words(error: asyncpg.PostgresError) -> str:
    words = str(error).splitlines()
    return f"{words[0] if words else type(error).__name__} ({error.sqlstate})"
