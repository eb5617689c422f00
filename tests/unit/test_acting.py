"""board/acting.py: what the database refuses where only a race could make it."""

from __future__ import annotations

import asyncpg
import pytest

from agent_config_sync.board.acting import refusals
from agent_config_sync.errors import BoardNotFoundError


def test_what_was_removed_while_somebody_wrote_of_it_is_not_found() -> None:
    with pytest.raises(BoardNotFoundError, match="removed meanwhile"), refusals():
        raise asyncpg.ForeignKeyViolationError("it is not present")
