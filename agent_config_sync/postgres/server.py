"""Where the database is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agent_config_sync.dsn import parts_to_show
from agent_config_sync.settings import Settings


@dataclass(frozen=True, slots=True)
class Server:
    """Where the database is: keywords for asyncpg, only those that the user set, and a name without secrets."""

    name: str
    keywords: dict[str, Any]

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
    return Server(name + (f":{port}" if port else ""), settings.database_keywords())
