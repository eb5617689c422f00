"""A PostgreSQL for the bats tests: prints its DSN and lives until standard input ends."""

from __future__ import annotations

import sys

from agent_config_sync.cli.throwaway import throwaway_server

with throwaway_server(settings={"fsync": "off"}) as server:
    print(server.dsn, flush=True)
    sys.stdin.read()
