"""web/bodies.py, where no server can be made to fail at will."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import HTTPException, Request
from starlette.types import Message

from agent_config_sync.web.bodies import read


async def test_a_body_that_ends_in_the_middle_is_no_fault_of_ours() -> None:
    coming: Iterator[Message] = iter(
        [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    )

    async def receive() -> Message:
        return next(coming)

    with pytest.raises(HTTPException) as caught:
        await read(Request({"type": "http", "headers": []}, receive))
    assert caught.value.status_code == 400
