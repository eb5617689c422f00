"""What the pages of the board make of what the database says."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from agent_config_sync.board.model import Message
from agent_config_sync.web.board_page_maker import LONGEST, end_of


def thread(*lengths: int) -> tuple[Message, ...]:
    """Return messages of so many characters."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    return tuple(
        Message(UUID(int=key), "agent", "coder", None, "x" * length, moment) for key, length in enumerate(lengths)
    )


SHOWN: dict[str, tuple[tuple[int, ...], int]] = {
    "none": ((), 0),
    "a short one": ((10, 20), 2),
    "one that just fits": ((1, LONGEST - 1), 2),
    "one that is too long": ((1, 1, LONGEST - 1), 2),
    "a message that is too long by itself": ((1, LONGEST + 1), 1),
}


@pytest.mark.parametrize(("lengths", "count"), SHOWN.values(), ids=SHOWN)
def test_the_end_of_a_thread_is_shown_as_far_as_a_page_can(lengths: tuple[int, ...], count: int) -> None:
    whole = thread(*lengths)
    assert tuple(end_of(whole)) == whole[len(whole) - count :]
