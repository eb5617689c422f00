"""Parts of pages, sent again whenever they are others: server-sent events, of which htmx swaps each in."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager

from fastapi.responses import StreamingResponse

from agent_config_sync.errors import SyncError

STREAM = 8.0
"""Seconds of one stream: less than a connection may live, and the page asks again at once."""

AGAIN = 500
"""Milliseconds until it does."""

SETTLE = 0.2
"""Seconds after which the next change is looked at: many come together."""

OPENING = f"retry: {AGAIN}\n\n"

_LINE_END = re.compile(r"\r\n|\r|\n")


def answer(events: AsyncIterator[str]) -> StreamingResponse:
    return StreamingResponse(events, media_type="text/event-stream")


def event(text: str, *, name: str | None = None) -> str:
    """Return an event that says a text. name: by which the page says, when it asks again, that it has it."""
    head = f"id: {name}\n" if name is not None else ""
    return head + "".join(f"data: {line}\n" for line in _LINE_END.split(text)) + "\n"


async def changes(
    read: Callable[[], Awaitable[str]],
    watching: Callable[[], AbstractAsyncContextManager[asyncio.Event]],
    seen: str | None,
) -> AsyncIterator[str]:
    """Yield what is read whenever it is another than what was seen last, which `seen` names.

    watching: lends what is set when there may be something new.
    """
    yield OPENING
    end = asyncio.get_running_loop().time() + STREAM
    with contextlib.suppress(TimeoutError):
        async with watching() as news:
            while True:
                news.clear()
                text = None
                # Around what is waited for here and nothing else: while a browser is slow to take an event, the end of
                # the stream would interrupt the server.
                async with asyncio.timeout_at(end):
                    with contextlib.suppress(SyncError):  # the next look may have more luck
                        text = await read()
                if text is not None and (name := hashlib.sha256(text.encode()).hexdigest()) != seen:
                    seen = name
                    yield event(text, name=name)
                async with asyncio.timeout_at(end):
                    await news.wait()
                    await asyncio.sleep(SETTLE)
