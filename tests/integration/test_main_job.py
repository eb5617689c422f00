"""The main job: a row becomes the file."""

from __future__ import annotations

import orjson
from harness import Operator, Start

from agent_config_sync.events import Published, Reloaded


async def test_the_file_stands_after_the_start_before_any_change(start: Start, operator: Operator) -> None:
    await operator.execute("INSERT INTO agents (name, model) VALUES ('lead', 'anthropic/opus')")
    running = await start(wait=Reloaded)
    entries = orjson.loads(running.output.read_bytes())["agents"]["entries"]
    assert entries == {"lead": {"model": "anthropic/opus"}}


async def test_an_update_of_a_model_is_in_the_file_after_one_publish(start: Start, operator: Operator) -> None:
    await operator.execute("INSERT INTO agents (name, model) VALUES ('lead', 'anthropic/opus')")
    running = await start(wait=Reloaded)
    await operator.execute("UPDATE agents SET model = 'anthropic/haiku'")
    published = await running.events.until(Published)
    assert b"anthropic/haiku" in running.output.read_bytes()
    assert published.after == running.output.read_bytes()
