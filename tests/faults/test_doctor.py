"""What stands between us and the server is found by the doctor, and gone where the dsn names the server itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import make_settings

from agent_config_sync.cli.throwaway import ThrowawayServer
from agent_config_sync.doctor.database import examine_database
from agent_config_sync.doctor.finding import Finding
from agent_config_sync.postgres.server import server_of


async def examined(dsn: str, folder: Path) -> tuple[Finding, ...]:
    return await examine_database(server_of(make_settings(dsn, folder)), account="default", gateway="here")


@pytest.mark.timeout(60)
async def test_a_transaction_mode_pooler_in_the_way_is_found(
    pooler_dsn: str, server: ThrowawayServer, tmp_path: Path
) -> None:
    (finding,) = await examined(pooler_dsn, tmp_path)
    assert finding.name == "pooler", finding
    assert "name the PostgreSQL server itself in dsn or host" in finding.cure.text
    assert await examined(server.dsn, tmp_path) == ()


async def test_a_hot_standby_is_found(standby: ThrowawayServer, server: ThrowawayServer, tmp_path: Path) -> None:
    (finding,) = await examined(standby.dsn, tmp_path)
    assert finding.name == "replica"
    assert "name the primary in dsn or host" in finding.cure.text
    assert await examined(server.dsn, tmp_path) == ()
