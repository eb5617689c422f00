"""runtime/heartbeat_schedule.py: when a heartbeat is due."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agent_config_sync.runtime.heartbeat_schedule import Beat, interval_of, until_due

LAST = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LONG = 1e9
"""Seconds since an agent could have one, where that does not matter."""


@pytest.mark.parametrize(
    ("every", "seconds"),
    [
        (None, 900.0),
        (" ", 900.0),
        ("soon", 900.0),
        ("30", 1800.0),
        ("30m", 1800.0),
        ("1h30m", 5400.0),
        ("1.5H", 5400.0),
        ("1d", 86_400.0),
        ("20s", 20.0),
        ("5ms", 1.0),
        ("0m", None),
        ("0", None),
    ],
)
def test_an_interval_is_what_the_gateway_takes_it_for(every: str | None, seconds: float | None) -> None:
    assert interval_of(every) == seconds


def waits(names: list[str], every: str, here: float = 0.0) -> list[float]:
    return [wait for name in names if (wait := until_due(Beat(name, every), here)) is not None]


def test_the_first_ones_are_spread_and_always_alike() -> None:
    names = [f"agent-{number}" for number in range(50)]
    spread = waits(names, "10m")
    assert spread == waits(names, "10m")
    assert len(set(spread)) == 50
    assert 0.0 <= min(spread) < 24.0
    assert 96.0 < max(spread) <= 120.0


def test_the_first_ones_of_a_short_interval_come_within_two_fifths_of_it() -> None:
    assert max(waits([f"agent-{number}" for number in range(50)], "10s")) <= 4.0


def test_the_next_one_is_due_an_interval_after_the_last_and_a_little_later() -> None:
    wait = until_due(Beat("coder", "15m", LAST, idle=0.0), LONG)
    assert wait is not None
    assert 900.0 <= wait <= 930.0
    short = until_due(Beat("coder", "10s", LAST, idle=0.0), LONG)
    assert short is not None
    assert 10.0 <= short <= 11.0


def test_time_that_has_passed_is_taken_off() -> None:
    fresh, old = (until_due(Beat("coder", "15m", LAST, idle=idle), LONG) for idle in (0.0, 600.0))
    assert fresh is not None
    assert old is not None
    assert fresh - old == pytest.approx(600.0)


def test_however_many_were_missed_one_is_due_and_in_its_turn() -> None:
    [missed] = {until_due(Beat("coder", "15m", LAST, idle=idle), 0.0) for idle in (3600.0, 1e7)}
    assert missed == until_due(Beat("coder", "15m"), 0.0)
    due = until_due(Beat("coder", "15m", LAST, idle=1e7), 121.0)
    assert due is not None
    assert due <= 0.0


def test_a_clock_that_went_back_puts_none_off_for_longer_than_its_interval() -> None:
    wait = until_due(Beat("coder", "15m", LAST, idle=-86_400.0), LONG)
    assert wait is not None
    assert wait <= 930.0


def test_a_pause_holds_back_what_is_due() -> None:
    assert until_due(Beat("coder", "15m", LAST, idle=1e7, pause=40.0), LONG) == 40.0


def test_an_agent_that_wants_none_is_never_due() -> None:
    assert until_due(Beat("coder", "0m", LAST, idle=1e7), LONG) is None
