"""What somebody does to openclaw.json while we run is in gateway_status, and gone from it when it is mended."""

from __future__ import annotations

import pytest
from harness import Operator, Running, Start

from agent_config_sync.events import Reported, Warned

SECTION = '{"agents": {"$include": ["./agents.base.json5", "./agents.json"]}}'


async def warnings(running: Running, operator: Operator) -> list[str]:
    """Wake it and return what the status says then."""
    running.events.forget()
    await operator.execute("NOTIFY agent_config_changed")
    await running.events.until(Reported)
    found: list[str] = await operator.fetchval("SELECT warnings FROM gateway_status")
    return found


@pytest.fixture
async def running(start: Start, operator: Operator) -> Running:
    """A sync beside a configuration that includes its file as we set it up."""
    await operator.execute("INSERT INTO agents (name, model, is_default) VALUES ('lead', 'p/a', true)")
    waiting = await start()
    config = waiting.plugin.settings.config_path
    config.parent.mkdir(parents=True, exist_ok=True)
    config.with_name("agents.base.json5").write_text("{}")
    config.write_text(SECTION)
    await waiting.events.until(Reported)
    assert await warnings(waiting, operator) == []
    return waiting


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (
            SECTION.replace("]}", '], "defaults": {"subagents": {"maxSpawnDepth": 1}}}'),
            "agents.defaults.subagents.maxSpawnDepth is 1 there and 5 in the database",
        ),
        ('{"gateway": {}}', "does not include agents.json"),
        (
            '{"agents": {"entries": {"lead": {"model": "p/old"}}}}',
            'agents.entries.lead.model is "p/old" there and "p/a" in the database',
        ),
    ],
    ids=["shadowed", "missing", "flattened"],
)
async def test_an_include_that_does_not_work_is_named_until_it_is_mended(
    running: Running, operator: Operator, config: str, words: str
) -> None:
    path = running.plugin.settings.config_path
    path.write_text(config)
    (warning,) = await warnings(running, operator)
    assert words in warning
    path.write_text(SECTION)
    assert await warnings(running, operator) == []
    assert words in running.events.of(Warned)[-2].warnings[0]


@pytest.mark.parametrize(
    ("config", "words"),
    [('{"gateway": {}}', "does not include agents.json"), (SECTION.replace("{", '{"x": 1, ', 1), None)],
    ids=["not included", "included"],
)
async def test_what_the_gateway_cannot_see_is_offered_to_nobody(
    running: Running, operator: Operator, config: str, words: str | None
) -> None:
    running.plugin.settings.config_path.write_text(config)
    await warnings(running, operator)
    status = await operator.fetchrow("SELECT state, error FROM gateway_status")
    assert status is not None
    assert status["state"] == ("offered" if words is None else "pending")
    assert words is None or words in status["error"]
