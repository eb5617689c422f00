"""The pictures of the pages in README.md: `make screenshots`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import UUID

import pytest
from browser.stage import Person, Stage
from delivery_stage import TOKEN, settings_for
from harness import Operator, Start
from playwright.async_api import Browser

from agent_config_sync.cli.demo_board import _script
from agent_config_sync.cli.demo_model import DemoModel
from agent_config_sync.cli.standin_gateway import StandinGateway
from agent_config_sync.events import Delivered, DeliveryStarted, HealthServed

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"

pytestmark = pytest.mark.usefixtures("quick_looks")

FLEET = """
    INSERT INTO gateway_status
        (gateway, host, gateway_version, plugin_version, state, error, latency_ms, resync_interval, seen_at) VALUES
        ('berlin', 'berlin', '2026.9.6', '1.0.0', 'applied', NULL, 870, '60 s', now()),
        ('lisbon', 'lisbon', '2026.7.1', '1.0.0', 'refused',
         'refused: agents.list.3.model: invalid model reference', 1140, '60 s', now()),
        ('oslo', 'oslo', '2026.9.6', '1.0.0', 'applied', NULL, 910, '60 s', now() - interval '1 hour');
    INSERT INTO skill_credentials (gateway, skill, key_name, credential_ref, requested_by)
    VALUES ('oslo', 'maps', 'MAPS_API_KEY', 'default/oslo/maps/MAPS_API_KEY', 'scout')
"""

LOGIN = "00000000-0000-4000-8000-000000000001"

BOARD = f"""
    INSERT INTO agents (name, display_name, role) VALUES
        ('lead', 'Lead', 'Squad Lead'), ('writer', 'Writer', 'Writer'), ('qa', 'Reviewer', 'QA');
    UPDATE agents SET is_orchestrator = true WHERE name = 'lead';
    INSERT INTO memberships (account_id, user_id, role, name) VALUES
        ('default', 'ada', 'owner', 'Ada Lovelace'), ('default', 'max', 'member', 'Max');
    BEGIN;
    INSERT INTO board_tasks (id, title, description, status, blocked_reason, labels, priority, due_at, created_by_type,
                             created_by) VALUES
        ('{LOGIN}', 'Refuse tokens of a session that has ended',
         'After a logout the old token still opens /admin for up to an hour.' || chr(10) || chr(10)
         || '1. Log in twice, log out once.' || chr(10)
         || '2. Ask with the first token: 200, and it should be 401.',
         'review', NULL, '{{security,login}}', 1, now() + interval '2 days', 'user', 'ada'),
        (gen_random_uuid(), 'Choose a name for the second region', NULL, 'inbox', NULL, '{{}}', 4, NULL, 'user',
         'max'),
        (gen_random_uuid(), 'Collect what users say about the search', NULL, 'inbox', NULL, '{{research}}', 3, NULL,
         'agent', 'lead'),
        (gen_random_uuid(), 'Write the notes of release 0.3', NULL, 'review', NULL, '{{docs}}', 3, NULL, 'user',
         'ada'),
        (gen_random_uuid(), 'Mend the deploy script: it gives up after one retry', NULL, 'assigned', NULL, '{{ops}}',
         2, now() - interval '3 days', 'user', 'ada'),
        (gen_random_uuid(), 'Answer the questions of the auditors', NULL, 'assigned', NULL, '{{}}', 3, NULL, 'user',
         'ada'),
        (gen_random_uuid(), 'Move the nightly jobs to the new host', NULL, 'review', NULL, '{{ops}}', 3, NULL, 'agent',
         'lead'),
        (gen_random_uuid(), 'Deploy to production', NULL, 'blocked', 'The key for the registry is missing.', '{{ops}}',
         1, NULL, 'user', 'max'),
        (gen_random_uuid(), 'Draw the picture for the handbook', NULL, 'done', NULL, '{{docs}}', 5, NULL, 'user',
         'ada'),
        (gen_random_uuid(), 'Let the search find words in quotes', NULL, 'done', NULL, '{{}}', 3, NULL, 'agent',
         'lead');
    UPDATE board_tasks SET status = 'in_progress' WHERE title LIKE 'Move the nightly%' OR title LIKE 'Write the notes%';
    INSERT INTO board_assignees (task_id, agent)
    SELECT board_tasks.id, works.agent FROM board_tasks JOIN (VALUES
        ('Refuse tokens%', 'coder'), ('Mend the deploy%', 'coder'), ('Answer the%', 'writer'), ('Move the%', 'coder'),
        ('Write the notes%', 'writer'), ('Deploy to%', 'lead'), ('Draw the%', 'writer'), ('Let the search%', 'coder')
    ) AS works (title, agent) ON board_tasks.title LIKE works.title;
    INSERT INTO board_assignees (task_id, user_id)
    SELECT id, 'max' FROM board_tasks WHERE title LIKE 'Answer%' OR title LIKE 'Deploy%';
    INSERT INTO board_messages (task_id, author_type, author_id, content) VALUES
        ('{LOGIN}', 'user', 'ada', '@coder, a customer saw this yesterday. Can you have a look?'),
        ('{LOGIN}', 'agent', 'coder', 'The cache keeps a session for an hour, whatever becomes of it.'
         || chr(10) || 'It asks the database now; the test logs out in another window.'),
        ('{LOGIN}', 'agent', 'qa', 'I tried it with three sessions: the other two are let in, as they should be.');
    INSERT INTO board_messages (task_id, author_type, author_id, content)
    SELECT id, 'agent', 'coder', 'I am on it.' FROM board_tasks WHERE title LIKE 'Move the%' OR title LIKE 'Mend%';
    INSERT INTO board_documents (task_id, title, content, type, author_type, author_id) VALUES
        ('{LOGIN}', 'How sessions end', 'Three ways lead out of a session.', 'deliverable', 'agent', 'coder'),
        ('{LOGIN}', 'What the customer wrote', 'It still opened.', 'reference', 'user', 'ada');
    COMMIT
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_pictures_of_the_board(chromium: Browser, stage: Stage, scheme: str) -> None:
    await stage.operator.execute(BOARD)
    async with Person.at(chromium, stage.url, scheme=scheme) as person:
        await person.log_in(stage)
        await person.page.set_viewport_size({"width": 1280, "height": 620})
        await person.page.get_by_role("link", name="Board").click()
        await person.page.get_by_role("heading", name="Blocked 1 task").wait_for()
        await person.page.screenshot(path=PICTURES / f"board-{scheme}.png", full_page=True)
        await person.page.get_by_role("link", name="Refuse tokens").click()
        await person.page.get_by_role("heading", name="Thread").wait_for()
        await person.page.screenshot(path=PICTURES / f"task-{scheme}.png", full_page=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_pictures_of_a_task_that_agents_have_brought_to_its_review(
    chromium: Browser, start: Start, operator: Operator, port: int, tmp_path: Path, scheme: str
) -> None:
    """As the demo of the board plays it."""
    one_at_a_time = asyncio.Lock()

    async def actor(notification: str) -> tuple[str, str]:
        async with one_at_a_time:
            told = "SELECT agent, type FROM board_notifications WHERE id = $1"
            found = await operator.fetchrow(told, UUID(notification))
        assert found is not None
        return found["agent"], found["type"]

    people, task = _script()
    await operator.execute(people)
    async with StandinGateway(DemoModel(actor), token=TOKEN).serving() as gateway:
        running = await start(**settings_for(gateway, tmp_path, port))
        served = await running.events.until(HealthServed)
        await running.events.until(DeliveryStarted)
        await operator.execute(task)
        await running.events.until(Delivered, lambda ended: ended.agent == "reviewer" and ended.outcome == "replied")
        async with Person.at(chromium, served.url, scheme=scheme) as person:
            stage = Stage(running, operator, served.url, tmp_path / "secrets.json", tmp_path / "openclaw.json")
            await person.log_in(stage, at="Board")
            await person.page.set_viewport_size({"width": 1100, "height": 620})
            await person.page.get_by_role("link", name="Mend the deploy script").click()
            await person.page.get_by_text("It can be marked as done.").wait_for()
            await person.page.get_by_role("link", name="What broke the deploy").wait_for()
            await person.page.screenshot(path=PICTURES / f"review-{scheme}.png", full_page=True)
        await running.plugin.stop()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_pictures(chromium: Browser, stage: Stage, scheme: str) -> None:
    await stage.operator.execute(FLEET)
    async with Person.at(chromium, stage.url, scheme=scheme) as person:
        await person.log_in(stage)
        await person.page.screenshot(path=PICTURES / f"skills-{scheme}.png", full_page=True)
        await person.page.get_by_role("link", name="Fleet").click()
        for milliseconds in (910, 870, 1020, 640, 890):
            change = "UPDATE gateway_status SET latency_ms = $1 + length(gateway) * 10, changed_at = now()"
            await stage.operator.execute(change, float(milliseconds))
            await person.page.get_by_text(f"{milliseconds + 60:,} ms").first.wait_for()
        await person.page.set_viewport_size({"width": 1100, "height": 400})
        await person.page.screenshot(path=PICTURES / f"fleet-{scheme}.png")
