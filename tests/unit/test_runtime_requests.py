"""What became of a request, told by the version of the process that came back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from agent_config_sync.runtime.requests import Ending, RuntimeRequest, at_once, come_back


def request(**changes: Any) -> RuntimeRequest:
    members: dict[str, Any] = {
        "id": UUID(int=1),
        "kind": "upgrade",
        "target_version": "2.0",
        "requested_by": "ada",
        "before_us": False,
        "taken": True,
        "taken_before_us": True,
        "expired": False,
    }
    return RuntimeRequest(**{**members, **changes})


RESTART = {"kind": "restart", "target_version": None}


@pytest.mark.parametrize(
    ("changes", "version", "outcome", "history"),
    [
        (RESTART, "1.0", "success", None),
        ({}, "2.0", "success", "success"),
        ({"expired": True}, "2.0", "success", "success"),
        ({}, "1.0", "failed", "failed"),
        ({"expired": True}, "1.0", "timeout", "timeout"),
        ({"kind": "rollback"}, "2.0", "success", "rolled_back"),
        ({"kind": "rollback"}, "3.0", "failed", "failed"),
    ],
)
def test_the_version_of_the_process_that_came_back_says_how_it_ended(
    changes: dict[str, Any], version: str, outcome: str, history: str | None
) -> None:
    ending = come_back(request(**changes), version)
    assert (ending.outcome, ending.history) == (outcome, history)


@pytest.mark.parametrize(
    ("changes", "ending"),
    [
        ({}, None),
        ({"target_version": "1.0"}, Ending("success")),
        (RESTART, None),
        ({**RESTART, "before_us": True}, Ending("success")),
    ],
)
def test_what_is_so_already_ends_without_a_restart(changes: dict[str, Any], ending: Ending | None) -> None:
    assert at_once(request(taken=False, taken_before_us=False, **changes), "1.0") == ending
