"""gateway/log_relay.py: what a gateway prints, as lines of our log."""

from __future__ import annotations

import asyncio
import logging

import pytest

from agent_config_sync.gateway.log_relay import LONGEST, MOST, LogRelay


def relayed(caplog: pytest.LogCaptureFixture, *chunks: bytes, seconds: float = 0.0) -> list[str]:
    """Return the lines of the log that these chunks become, which come so many seconds apart."""
    caplog.set_level(logging.INFO, logger="agent_config_sync.gateway")
    now = 0.0
    relay = LogRelay(lambda: now)
    for chunk in chunks:
        relay.take(chunk)
        now += seconds
    relay.finish()
    return [message.removeprefix("gateway: ") for message in caplog.messages]


def test_each_line_is_one_whatever_the_chunks_are(caplog: pytest.LogCaptureFixture) -> None:
    assert relayed(caplog, b"one\ntw", b"o\n", b"\nthree\nfo", b"ur") == ["one", "two", "three", "four"]


def test_what_is_no_utf_8_and_what_colours_is_no_obstacle(caplog: pytest.LogCaptureFixture) -> None:
    assert relayed(caplog, b"\x1b[1;31mred\x1b[0m \xff\r\n") == ["red \ufffd"]


def test_a_character_that_two_chunks_share_is_whole(caplog: pytest.LogCaptureFixture) -> None:
    first, second = "é".encode()[:1], "é".encode()[1:]
    assert relayed(caplog, first, second + b"\n") == ["é"]


def test_a_line_without_an_end_is_bounded_and_says_how_much_more_there_was(caplog: pytest.LogCaptureFixture) -> None:
    [line] = relayed(caplog, b"x" * LONGEST, *[b"y" * LONGEST] * 100)
    assert line == "x" * LONGEST + f" … and {100 * LONGEST:,} bytes more"


def test_after_a_line_that_was_cut_the_next_one_is_whole(caplog: pytest.LogCaptureFixture) -> None:
    assert relayed(caplog, b"x" * (LONGEST + 1) + b"\nwhole\n")[1] == "whole"


def test_too_many_lines_of_a_second_are_dropped_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    lines = relayed(caplog, b"x\n" * (MOST + 7), b"later\n", seconds=1.0)
    assert lines[MOST:] == ["7 lines of the gateway were dropped: it prints too many", "later"]


def test_lines_that_are_dropped_at_the_end_are_counted_too(caplog: pytest.LogCaptureFixture) -> None:
    assert relayed(caplog, b"x\n" * (MOST + 7))[MOST:] == ["7 lines of the gateway were dropped: it prints too many"]


async def test_it_follows_until_nobody_can_print_any_more(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="agent_config_sync.gateway")
    reader = asyncio.StreamReader()
    reader.feed_data(b"one\nlast")
    reader.feed_eof()
    await LogRelay().follow(reader)
    assert caplog.messages == ["gateway: one", "gateway: last"]
