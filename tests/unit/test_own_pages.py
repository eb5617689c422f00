"""Was a form sent from a page of ours? And what the pages show of the fleet."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from unit.builders import REPOSITORY

from agent_config_sync.postgres.status import FleetRow
from agent_config_sync.web.admin_pages import STATIC
from agent_config_sync.web.admission import is_of_own_page
from agent_config_sync.web.fleet_watch import KEPT, FleetWatch, plot

NOW = datetime(2026, 11, 30, tzinfo=UTC)
PAGES = REPOSITORY / "agent_config_sync" / "web"


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "127.0.0.1:3000", "origin": "http://127.0.0.1:3000"},
        {"host": "127.0.0.1:3000", "origin": "http://127.0.0.1:3000", "sec-fetch-site": "same-origin"},
        {"host": "box.example", "origin": "https://box.example"},
        {"host": "127.0.0.1:3000", "sec-fetch-site": "same-origin"},
    ],
)
def test_a_form_of_our_own_page_is_known(headers: dict[str, str]) -> None:
    assert is_of_own_page(headers)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"host": "127.0.0.1:3000"},
        {"origin": "http://127.0.0.1:3000"},
        {"host": "", "origin": "null"},
        {"host": "127.0.0.1:3000", "origin": "null"},
        {"host": "127.0.0.1:3000", "origin": "http://127.0.0.1:3001"},
        {"host": "127.0.0.1:3000", "origin": "http://127.0.0.1:3000.evil.example"},
        {"host": "127.0.0.1:3000", "origin": "http://evil.example/127.0.0.1:3000"},
        {"host": "127.0.0.1:3000", "origin": "http://127.0.0.1:3000", "sec-fetch-site": "cross-site"},
        {"host": "127.0.0.1:3000", "origin": "http://127.0.0.1:3000", "sec-fetch-site": "same-site"},
        {"host": "127.0.0.1:3000", "sec-fetch-site": "none"},
    ],
)
def test_what_another_page_or_a_program_sends_is_not(headers: dict[str, str]) -> None:
    assert not is_of_own_page(headers)


def row(gateway: str = "here", latency: float | None = 100.0, changed: int = 0) -> FleetRow:
    return FleetRow(
        gateway, "host", None, "1", None, "applied", None, (), None, latency, "login",
        NOW + timedelta(seconds=changed), NOW, stale=False,
    )  # fmt: skip


async def never() -> tuple[FleetRow, ...]:
    raise AssertionError


def test_a_lag_is_kept_once_for_each_change() -> None:
    watch = FleetWatch(never)
    for changed, latency in ((0, 100.0), (0, 100.0), (1, 100.0), (2, 300.0), (3, None)):
        watch.take([row(latency=latency, changed=changed)])
    assert watch.lags == {"here": (100.0, 100.0, 300.0)}


def test_only_the_last_lags_are_kept() -> None:
    watch = FleetWatch(never)
    for number in range(KEPT + 5):
        watch.take([row(latency=float(number), changed=number)])
    assert watch.lags["here"] == tuple(float(number) for number in range(5, KEPT + 5))


def test_a_gateway_that_is_no_more_leaves_no_lags() -> None:
    watch = FleetWatch(never)
    watch.take([row("one"), row("two")])
    watch.take([row("two")])
    assert watch.lags.keys() == {"two"}


def test_less_than_two_lags_make_no_line() -> None:
    assert [plot(()), plot((1.0,))] == ["", ""]


def test_the_highest_lag_is_at_the_top_and_the_picture_says_what_it_shows() -> None:
    drawn = plot((0.0, 500.0, 1000.0))
    points = [
        tuple(map(float, pair.split(","))) for pair in re.findall(r"[\d.]+,[\d.]+", drawn.partition("points=")[2])
    ]
    assert points == [(0.0, 23.0), (48.0, 12.0), (96.0, 1.0)]
    assert 'aria-label="Lag of the last 3 changes: 0 to 1,000 milliseconds"' in drawn


def test_every_script_that_is_not_ours_is_the_one_that_was_pinned() -> None:
    told = dict(
        re.findall(r"\| `([\w.-]+)` \| npm .* \| `([0-9a-f]{64})` \|", (PAGES / "static" / "VENDORED.md").read_text())
    )
    assert told == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (PAGES / "static").glob("*.js")
    }


def test_pages_load_what_is_served_and_nothing_else() -> None:
    loaded = set()
    for page in Path(PAGES / "pages").glob("*.j2"):
        text = page.read_text()
        loaded |= set(re.findall(r"/admin/static/([\w.-]+)", text))
        assert not re.search(r"<style|<script(?! src=\"/admin/static/)|\son\w+=|javascript:|\|\s*safe", text)
    assert loaded == set(STATIC)
