"""What a DSN says itself, what it leaves to the environment of libpq, and what of it a person may be shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, unquote, urlsplit

LIBPQ = {"host": "PGHOST", "port": "PGPORT", "database": "PGDATABASE", "user": "PGUSER"}
"""Variables that settings have a name for."""

TLS = {
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslcrl": "PGSSLCRL",
    "sslnegotiation": "PGSSLNEGOTIATION",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
    "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
}
"""Variables for which only a DSN has one."""

_PLAIN = re.compile(
    r"postgres(?:ql)?://(?:(?P<user>[^@/?#:]*)(?::[^@/?#]*)?@)?"
    r"(?P<host>[\w.-]+(?::\d+)?(?:,[\w.-]+(?::\d+)?)*)?(?:/(?P<database>[\w.-]*))?(?P<query>\?[^@]*)?",
    re.ASCII,
)
_HOST = re.compile(r"(?:\[(?P<address>[^\]]+)\]|(?P<name>/.*|[^:/\[]+))(?::(?P<port>\d+))?", re.ASCII)
_PASSWORD = re.compile(r"(?<=://)([^/?#@:]*):[^/?#@]*(?=@)")
_PARAMETER = re.compile(r"(?<=[?&])password=[^&#]*(?:&|$)")


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a DSN without its password, as they are written there; what it leaves out is empty.

    host: with ports, and all of several. query: with its question mark, None where it holds a password.
    """

    user: str
    host: str
    database: str
    query: str | None


def parts_to_show(dsn: str) -> Parts | None:
    """Return what a person may be shown, None where that is in doubt: with a stray @, / or : a part of the password
    could be taken for the host.
    """
    found = _PLAIN.fullmatch(dsn)
    if found is None:
        return None
    query = found["query"] or ""
    shown = None if "password" in query else query
    return Parts(found["user"] or "", found["host"] or "", found["database"] or "", shown)


def without_password(dsn: str) -> str:
    """Return the DSN without its password; the rest stays as it is written."""
    bare = _PASSWORD.sub(r"\1", dsn, count=1)
    found = _PARAMETER.sub("", bare)
    return found.rstrip("?&") if found != bare else bare


def password_in(dsn: str) -> str | None:
    """Return the DSN's password, None where it has none or cannot be read."""
    try:
        parts = urlsplit(dsn)
        return unquote(parts.password or "") or parse_qs(parts.query).get("password", [None])[-1]
    except ValueError:
        return None


def with_password(dsn: str, password: str) -> str:
    """Return the DSN with this password where it has another one; the rest stays as it is written."""
    if password_in(dsn) in (None, "", password):
        return dsn
    quoted = quote(password, safe="")
    dsn = _PASSWORD.sub(lambda found: f"{found[1]}:{quoted}", dsn, count=1)
    return _PARAMETER.sub(lambda found: f"password={quoted}{'&' if found[0].endswith('&') else ''}", dsn)


def hosts_in(dsn: str) -> tuple[tuple[str, int | None], ...]:
    """Return the hosts of a DSN that names several, as asyncpg reads them, each with its port (None: the default).
    A DSN that names one, or cannot be read, gives none.
    """
    try:
        parts = urlsplit(dsn)
        query = parse_qs(parts.query)
        authority = parts.netloc.partition("@")[2] if "@" in parts.netloc else parts.netloc
        named = (unquote(authority) or query.get("host", [""])[-1]).split(",")
        found = [host for name in named if (host := _HOST.fullmatch(name))]
        said = [] if authority else [int(port) for port in query.get("port", [""])[-1].split(",") if port]
        ports = said * len(found) if len(said) == 1 else said or [int(host["port"] or 0) for host in found]
        hosts = zip([host["address"] or host["name"] for host in found], ports, strict=True)
        return tuple((host, port or None) for host, port in hosts) if len(named) == len(found) > 1 else ()
    except ValueError:
        return ()


def said_in(dsn: str) -> frozenset[str]:
    """Return the names, as in `LIBPQ` and `TLS`, of what the DSN says; one that cannot be read says everything."""
    try:
        parts = urlsplit(dsn)
        query = parse_qs(parts.query)
    except ValueError:
        return frozenset({*LIBPQ, *TLS})
    user, at, hosts = parts.netloc.rpartition("@")
    host = hosts or query.get("host", [""])[-1]
    said = {
        "host": host,
        "port": "port" in query or re.search(r":\d+(?:,|$)", host),
        "database": parts.path.strip("/") or query.keys() & {"dbname", "database"},
        "user": (at and user.partition(":")[0]) or "user" in query,
    }
    # A socket knows no TLS.
    tls = TLS if host.startswith("/") else query.keys() & TLS.keys()
    return frozenset({*(name for name, value in said.items() if value), *tls})
