"""web/streams.py: parts of pages, sent whenever they are others."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from agent_config_sync.web import streams


@contextlib.asynccontextmanager
async def _watching() -> AsyncIterator[asyncio.Event]:
    yield asyncio.Event()


async def _part() -> str:
    return "<p>new</p>"


async def test_the_end_of_a_stream_interrupts_nobody_who_is_slow_to_take_an_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "STREAM", 0.0)
    came = []
    async for each in streams.changes(_part, _watching, None):
        await asyncio.sleep(0)
        came.append(each)
    assert came[0] == streams.OPENING
    assert came[-1].endswith("data: <p>new</p>\n\n")
