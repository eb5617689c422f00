"""cli/demo_model.py: what the agents of the demo say. That it ends in a review: tests/integration."""

from __future__ import annotations

import pytest

from agent_config_sync.cli import demo_model
from agent_config_sync.cli.demo_model import DemoModel

TASK, NOTIFICATION = "112d32e8-3b3c-4021-9b22-41a2bc5cbaa9", "3f0c92d1-3b3c-4021-9b22-41a2bc5cbaa9"
PROMPT = f"Task ID: {TASK}\n\nNotification ID: {NOTIFICATION}"


async def test_whatever_the_coder_does_is_about_the_task_of_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_model, "PACE", 0.0)

    async def actor(_: str) -> tuple[str, str]:
        return "coder", "assignment"

    model = DemoModel(actor)
    calls = [call for _ in demo_model.CODER for call in (await model._next(PROMPT)).calls]
    assert [(name, arguments["taskId"]) for name, arguments in calls] == [
        ("task_status", TASK),
        ("document_upsert", TASK),
        ("task_status", TASK),
    ]
