"""Where the database is."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

from agent_config_sync.dsn import hosts_in, parts_to_show
from agent_config_sync.settings import Settings


@dataclass(frozen=True, slots=True)
class Server:
    """Where the database is: keywords for asyncpg, only those that the user set, and a name without secrets.

    hosts: of several, the keywords of each.
    """

    name: str
    keywords: dict[str, Any]
    hosts: tuple[dict[str, Any], ...] = ()

    def each(self) -> tuple[Server, ...]:
        """Return the server at each of its hosts. asyncpg would wait for the first to its deadline and ask no other."""
        return tuple(replace(self, keywords=self.keywords | host, hosts=()) for host in self.hosts) or (self,)

    def __repr__(self) -> str:
        return f"Server({self.name!r})"


def server_of(settings: Settings) -> Server:
    """Return the server of these settings; of a DSN its name has only what is surely host and database."""
    host, port, database = settings.host, settings.port, settings.database
    if settings.dsn is not None:
        parts = parts_to_show(settings.dsn.get_secret_value())
        host = host or (parts.host if parts else "the server in dsn")
        database = database or (parts.database if parts else None)
    name = "PostgreSQL" + (f" {database}" if database else "") + (f" on {host}" if host else "")
    return Server(name + (f":{port}" if port else ""), settings.database_keywords(), _hosts(settings))


def _hosts(settings: Settings) -> tuple[dict[str, Any], ...]:
    """Return the keywords of each host where the DSN names several, and nothing else says where."""
    if settings.dsn is None or settings.host is not None or settings.port is not None:
        return ()
    hosts = hosts_in(settings.dsn.get_secret_value())
    if "," in os.environ.get("PGPORT", ""):  # a list fits all hosts together
        return ()
    return tuple({"host": host} | ({"port": port} if port is not None else {}) for host, port in hosts)
