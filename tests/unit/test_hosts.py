"""postgres/server.py: a DSN that names several hosts is tried host by host, each with its share of the deadline."""

from __future__ import annotations

from typing import Any

import pytest

from agent_config_sync.errors import SettingsError
from agent_config_sync.postgres.link import Timing, connect
from agent_config_sync.postgres.server import server_of
from agent_config_sync.settings import Settings


def hosts_of(**members: object) -> list[tuple[Any, Any]]:
    server = server_of(Settings.model_validate({"gateway": "here", **members}))
    return [(each.keywords.get("host"), each.keywords.get("port")) for each in server.each()]


@pytest.mark.parametrize(
    ("dsn", "hosts"),
    [
        ("postgresql://me:secret@a:1,b:2/config", [("a", 1), ("b", 2)]),
        ("postgresql://a,b:2/config", [("a", None), ("b", 2)]),
        ("postgresql:///config?host=/run/a,/run/b&port=1,2", [("/run/a", 1), ("/run/b", 2)]),
        ("postgresql:///config?host=a,b&port=5", [("a", 5), ("b", 5)]),
        ("postgresql://me@/config?host=a:1,b", [("a", 1), ("b", None)]),
        ("postgresql://%2Frun,b/config", [("/run", None), ("b", None)]),
    ],
)
def test_each_host_of_a_dsn_is_a_server_of_its_own(dsn: str, hosts: list[tuple[str, int | None]]) -> None:
    assert hosts_of(dsn=dsn) == hosts


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://a:1/config",
        "postgresql://a,,b/c",
        "postgresql:///c?host=a,b&port=1,2,3",
        "postgresql://a:x,b/c",
        "?",
    ],
)
def test_a_dsn_of_one_host_or_one_that_cannot_be_read_is_left_to_the_driver(dsn: str) -> None:
    assert hosts_of(dsn=dsn) == [(None, None)]


def test_a_host_beside_the_dsn_wins_over_all_of_its_hosts() -> None:
    assert hosts_of(dsn="postgresql://a,b/config", host="c") == [("c", None)]


def test_a_list_of_ports_in_the_environment_is_left_to_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "1,2")
    assert hosts_of(dsn="postgresql://a,b/config") == [(None, None)]


async def test_a_list_with_a_host_missing_is_a_setting_to_mend() -> None:
    server = server_of(Settings.model_validate({"gateway": "here", "dsn": "postgresql://a,,b/config"}))
    with pytest.raises(SettingsError):
        await connect(server, application_name="test", timing=Timing())
