"""People use the board on its pages, in a real browser, while agents work on it."""

from __future__ import annotations

from pathlib import Path

import pytest
from board_site import ASSIGNED, DONE, INBOX, NOTE, REVIEW, open_board
from browser.findings import findings
from browser.stage import Person, Stage
from given_up import REASON, begin, fail, give_up
from harness import Operator, Start, eventually
from playwright.async_api import Browser, expect

from agent_config_sync.runtime import presence

NARROW = {"width": 390, "height": 800}

HOSTILE = (
    "<img src=x onerror=alert(1)><script>alert(2)</script> [click](javascript:alert(3)) {{ 7 * 7 }} https://x.example "
)


@pytest.fixture
async def stage(start: Start, operator: Operator, port: int, tmp_path: Path) -> Stage:
    """A sync that serves its board; its agents may not install skills."""
    site = await open_board(start, operator, port, tmp_path)
    await site.pool.close()
    return Stage(site.running, operator, f"http://127.0.0.1:{port}", tmp_path, tmp_path)


@pytest.fixture
async def ada(person: Person, stage: Stage) -> Person:
    """Somebody who looks at the board."""
    await person.log_in(stage, person="u-ada", at="Board")
    return person


async def by_agent(stage: Stage, agent: str, statement: str, *arguments: object) -> None:
    """Do something in an agent's name."""
    async with stage.operator.transaction():
        await stage.operator.execute(f"SET LOCAL agent_config_sync.actor = 'agent/{agent}'")
        await stage.operator.execute(statement, *arguments)


async def at_task(person: Person, stage: Stage, task: object, heading: str) -> None:
    await person.page.goto(f"{stage.url}/admin/board/{task}")
    await person.page.get_by_role("heading", name=heading).wait_for()


async def says(person: Person, text: str) -> None:
    """Return when the page says what became of what was done."""
    await expect(person.page.get_by_role("status")).to_have_text(text)


async def test_a_task_goes_over_the_board(ada: Person, stage: Stage) -> None:
    page = ada.page
    await page.get_by_text("New task").click()
    await page.get_by_label("Title").fill("Mend the login")
    await page.get_by_label("Description").fill("Two lines\nof text.")
    await page.get_by_label("Priority").select_option("1, critical")
    await page.get_by_label("coder").check()
    await page.get_by_role("button", name="Create").click()
    await says(ada, "The task is on the board.")
    await expect(page.get_by_role("heading", name="Mend the login")).to_be_visible()

    task = await stage.operator.fetchval("SELECT id FROM board_tasks WHERE title = 'Mend the login'")
    await by_agent(stage, "coder", "UPDATE board_tasks SET status = 'in_progress' WHERE id = $1", task)
    await by_agent(stage, "coder", "INSERT INTO board_messages (task_id, content) VALUES ($1, 'Which login?')", task)
    await expect(page.get_by_role("listitem").filter(has_text="Which login?")).to_contain_text("coder")
    await expect(page.locator(".status")).to_have_text("In progress")

    await page.get_by_label("Write into the thread").fill("@coder, that of the admins. Ask @qa.")
    await page.get_by_role("button", name="Post").click()
    await says(ada, "Posted. Told: coder (mentioned), qa (mentioned).")
    await expect(page.get_by_role("listitem").filter(has_text="that of the admins")).to_contain_text("Ada Lovelace")

    await page.get_by_label("Let somebody work on it").select_option("qa, agent")
    await page.get_by_role("button", name="Assign", exact=True).click()
    await says(ada, "One more works on it.")
    await expect(page.get_by_role("button", name="Remove qa")).to_be_visible()
    await page.get_by_role("button", name="Remove coder").click()
    await says(ada, "One less works on it.")
    await expect(page.get_by_role("button", name="Remove coder")).to_have_count(0)

    await page.get_by_text("Move to Blocked").click()
    await page.get_by_label("Why is it blocked?").fill("The key is missing")
    await page.get_by_role("button", name="Block it").click()
    await says(ada, "It is moved: Blocked.")
    await expect(page.get_by_text("Blocked: The key is missing")).to_be_visible()
    row = await stage.operator.fetchrow("SELECT status, created_by, description FROM board_tasks WHERE id = $1", task)
    assert row is not None
    assert tuple(row) == ("blocked", "u-ada", "Two lines\nof text.")
    assert ada.complaints == []


async def test_the_board_is_shown_as_it_changes(ada: Person, stage: Stage) -> None:
    await by_agent(stage, "lead", "INSERT INTO board_tasks (title) VALUES ('Count the stars')")
    await expect(ada.page.locator("section#inbox")).to_contain_text("Count the stars")
    await by_agent(stage, "coder", "UPDATE board_tasks SET status = 'in_progress' WHERE id = $1", ASSIGNED)
    await expect(ada.page.locator("section#in_progress")).to_contain_text("Mend the deploy script")
    await expect(ada.page.locator("section#assigned")).not_to_contain_text("Mend the deploy script")


async def test_what_was_given_up_appears_and_goes_when_it_is_queued_again(ada: Person, stage: Stage) -> None:
    section = ada.page.get_by_role("region", name="Given up")
    await expect(section).to_have_count(0)
    notification = await give_up(stage.operator, ASSIGNED, "coder")
    await expect(section).to_contain_text("Mend the deploy script")
    await expect(section).to_contain_text(REASON)
    await give_up(stage.operator, REVIEW, "coder")
    await expect(ada.page.get_by_role("heading", name="Given up 2 notifications")).to_be_visible()
    await section.get_by_role("button", name="was to be told of Mend the deploy script").click()
    await says(ada, "It is queued again.")
    await expect(section.get_by_role("listitem")).to_have_count(1)
    await eventually(stage.operator, f"SELECT dead_at IS NULL FROM board_notifications WHERE id = '{notification}'")
    await stage.operator.execute("SELECT requeue_notification(id) FROM board_notifications")  # by somebody else
    await expect(section).to_have_count(0)
    assert ada.complaints == []


async def test_a_task_shows_how_it_stands_with_its_agents_as_it_changes(ada: Person, stage: Stage) -> None:
    await at_task(ada, stage, ASSIGNED, "Mend the deploy script")
    section = ada.page.get_by_role("region", name="Turns of agents")
    coder = section.get_by_role("listitem").filter(has_text="coder")
    await expect(coder).to_contain_text("waits for its turn")
    await ada.page.get_by_label("Write into the thread").press_sequentially("half a sent")
    notification = await begin(stage.operator, ASSIGNED, "coder")
    await presence.report(stage.operator, "default", ["coder"], news=True)
    await expect(coder).to_contain_text("works on it now")
    await fail(stage.operator, notification)
    await expect(coder).to_contain_text("failed 1 time")
    await expect(coder).to_contain_text(REASON)
    await expect(coder).to_contain_text("next try at")
    await give_up(stage.operator, ASSIGNED, "coder")
    await expect(ada.page.get_by_label("Write into the thread")).to_have_value("half a sent")
    await section.get_by_role("button", name="Requeue").click()
    await says(ada, "It is queued again.")
    await expect(coder).to_contain_text("waits for its turn")
    assert ada.complaints == []


async def test_a_page_stays_live_when_its_connection_is_lost(ada: Person, stage: Stage) -> None:
    ended = "SELECT bool_or(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'LISTEN%work_changed%'"
    await eventually(stage.operator, ended)
    await by_agent(stage, "lead", "INSERT INTO board_tasks (title) VALUES ('Count the stars')")
    await expect(ada.page.locator("section#inbox")).to_contain_text("Count the stars", timeout=30_000)


async def test_what_somebody_types_stays_while_the_page_changes(ada: Person, stage: Stage) -> None:
    await at_task(ada, stage, ASSIGNED, "Mend the deploy script")
    await ada.page.get_by_text("Move to Blocked").click()
    await ada.page.get_by_label("Why is it blocked?").fill("half a reas")
    await ada.page.get_by_label("Write into the thread").press_sequentially("half a sent")
    await by_agent(stage, "coder", "INSERT INTO board_messages (task_id, content) VALUES ($1, 'Seen.')", ASSIGNED)
    await by_agent(stage, "coder", "UPDATE board_tasks SET status = 'in_progress' WHERE id = $1", ASSIGNED)
    await expect(ada.page.locator(".status")).to_have_text("In progress")
    await expect(ada.page.get_by_text("Seen.", exact=True)).to_be_visible()
    await ada.page.keyboard.type("ence")
    await expect(ada.page.get_by_label("Write into the thread")).to_have_value("half a sentence")
    await expect(ada.page.get_by_label("Why is it blocked?")).to_have_value("half a reas")


async def test_who_is_chosen_stays_chosen_while_others_come(ada: Person, stage: Stage) -> None:
    await at_task(ada, stage, INBOX, "Write the changelog")
    choice = ada.page.get_by_label("Let somebody work on it")
    await choice.select_option("qa, agent")
    await by_agent(stage, "lead", "INSERT INTO board_assignees (task_id, agent) VALUES ($1, 'coder')", INBOX)
    await expect(ada.page.get_by_role("button", name="Remove coder")).to_be_visible()
    await expect(choice).to_have_value("qa")


async def test_a_move_that_is_refused_says_why(chromium: Browser, stage: Stage) -> None:
    async with Person.at(chromium, stage.url, javascript=False) as person:  # so that the page gets old
        await person.log_in(stage, person="u-ada", at="Board")
        await at_task(person, stage, REVIEW, "Review the parser")
        await stage.operator.execute("UPDATE board_tasks SET status = 'in_progress' WHERE id = $1", REVIEW)
        await person.page.get_by_role("button", name="Move to Done").click()
        assert await person.told("alert") == "Not moved: somebody made it in_progress meanwhile."
        await expect(person.page.locator(".status")).to_have_text("In progress")


async def test_a_comment_that_is_refused_is_not_lost(ada: Person, stage: Stage) -> None:
    await at_task(ada, stage, ASSIGNED, "Mend the deploy script")
    await stage.operator.execute("""
        ALTER TABLE board_messages DROP CONSTRAINT board_messages_content,
            ADD CONSTRAINT board_messages_content CHECK (char_length(content) < 9) NOT VALID
    """)
    await ada.page.get_by_label("Write into the thread").fill("longer than that")
    await ada.page.get_by_role("button", name="Post").click()
    assert "Invalid content" in await ada.told("alert")
    await by_agent(stage, "coder", "INSERT INTO board_messages (task_id, content) VALUES ($1, 'Seen.')", ASSIGNED)
    await expect(ada.page.get_by_text("Seen.", exact=True)).to_be_visible()
    await expect(ada.page.get_by_label("Write into the thread")).to_have_value("longer than that")


async def test_everything_can_be_done_by_keyboard(ada: Person, stage: Stage) -> None:
    page = ada.page

    async def reach(what: str) -> None:
        for _ in range(60):
            await page.keyboard.press("Tab")
            if await page.evaluate("document.activeElement.name || document.activeElement.textContent.trim()") == what:
                return
        pytest.fail(f"no {what} can be reached")

    await reach("New task")
    await page.keyboard.press("Enter")
    await reach("title")
    await page.keyboard.type("Typed")
    await page.keyboard.press("Enter")
    await says(ada, "The task is on the board.")
    await reach("content")
    await page.keyboard.type("Said")
    await reach("Post")
    await page.keyboard.press("Enter")
    await says(ada, "Posted. Told: lead (follows).")
    await reach("Move to Archived")
    await page.keyboard.press("Enter")
    await reach("reason")
    await page.keyboard.type("Not wanted")
    await reach("Archive it")
    await page.keyboard.press("Enter")
    await expect(page.locator(".status")).to_have_text("Archived")


async def test_everything_can_be_done_without_javascript(chromium: Browser, stage: Stage) -> None:
    async with Person.at(chromium, stage.url, javascript=False) as person:
        page = person.page
        await person.log_in(stage, person="u-ada", at="Board")
        await page.get_by_text("New task").click()
        await page.get_by_label("Title").fill("By hand")
        await page.get_by_role("button", name="Create").click()
        await page.get_by_label("Write into the thread").fill("@coder, look")
        await page.get_by_role("button", name="Post").click()
        await says(person, "Posted. Told: coder (mentioned).")
        await page.get_by_label("Let somebody work on it").select_option("coder, agent")
        await page.get_by_role("button", name="Assign", exact=True).click()
        await says(person, "One more works on it.")
        await page.get_by_role("button", name="Move to In progress").click()
        await says(person, "It is moved: In progress.")
        await page.get_by_text("Move to Archived").click()
        await page.get_by_label("Why? It cannot come back.").fill("A test")
        await page.get_by_role("button", name="Archive it").click()
        await page.get_by_role("link", name="Board").first.click()
        await page.get_by_role("link", name="Archived tasks").click()
        await expect(page.get_by_role("link", name="By hand")).to_be_visible()
        await give_up(stage.operator, ASSIGNED, "coder")
        await page.get_by_role("link", name="Board").first.click()
        await page.get_by_role("button", name="Requeue").click()
        await says(person, "It is queued again.")


async def test_what_agents_and_people_wrote_is_shown_as_text(ada: Person, stage: Stage) -> None:
    text = f"{HOSTILE}\nnext line \u202e{'x' * 3000}"
    await stage.operator.execute(
        """
        UPDATE board_tasks SET title = left($2, 2000), description = $2, labels = ARRAY[left($2, 300), 'b']
        WHERE id = $1
        """,
        ASSIGNED,
        text,
    )
    await stage.operator.execute(
        "UPDATE board_documents SET title = left($2, 900), content = $2 WHERE id = $1", NOTE, text
    )
    await stage.operator.execute("UPDATE agents SET display_name = $1 WHERE name = 'coder'", HOSTILE)
    await give_up(stage.operator, ASSIGNED, "coder", reason=text)
    await by_agent(stage, "coder", "INSERT INTO board_messages (task_id, content) VALUES ($1, $2)", ASSIGNED, text)
    for path in ("", f"/{ASSIGNED}", f"/documents/{NOTE}", "?status=assigned"):
        for size in ({"width": 1280, "height": 800}, NARROW):
            await ada.page.set_viewport_size(size)  # type: ignore[arg-type]
            await ada.page.goto(f"{stage.url}/admin/board{path}")
            await expect(ada.page.get_by_text("<script>alert(2)</script>").filter(visible=True).first).to_be_visible()
            overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert (path, size, await ada.page.evaluate(overflow)) == (path, size, 0)
    await ada.page.goto(f"{stage.url}/admin/board/{ASSIGNED}")
    shown = ada.page.locator(".thread .text").last
    assert await shown.inner_text() == text
    assert await ada.page.locator(".thread a, .thread img, .text a, .text script").count() == 0
    assert (ada.foreign, ada.complaints) == ([], [])


async def test_the_pages_load_nothing_from_elsewhere_and_the_browser_has_no_complaint(
    ada: Person, stage: Stage
) -> None:
    for path in ("", f"/{ASSIGNED}"):
        async with ada.page.expect_response("**/events"):
            await ada.page.goto(f"{stage.url}/admin/board{path}")
    await ada.page.get_by_role("link", name="Log", exact=True).click()
    await ada.page.get_by_role("heading", name="Log").wait_for()
    await ada.page.goto(f"{stage.url}/docs")
    await ada.page.get_by_role("heading", name="POST /agent/task-create").wait_for()
    assert (ada.foreign, ada.complaints) == ([], [])


async def test_a_board_of_1000_tasks_is_shown_in_pieces(ada: Person, stage: Stage) -> None:
    await stage.operator.execute(
        "INSERT INTO board_tasks (title, priority) SELECT 'Task ' || number, 3 FROM generate_series(1, 1000) AS number"
    )
    inbox = ada.page.locator("section#inbox")
    await expect(inbox.get_by_role("listitem")).to_have_count(20)
    await inbox.get_by_role("link", name="981 more").click()
    await expect(ada.page.get_by_role("heading", name="1,001 tasks")).to_be_visible()
    for _ in range(10):
        await ada.page.get_by_role("link", name="Next").click()
    await expect(ada.page.get_by_text("Page 11 of 11")).to_be_visible()
    await expect(ada.page.get_by_role("link", name="Write the changelog")).to_be_visible()


async def test_what_is_overdue_says_so(ada: Person, stage: Stage) -> None:
    await stage.operator.execute(
        "UPDATE board_tasks SET due_at = '2026-01-05T12:00Z' WHERE id = ANY ($1)", [INBOX, DONE]
    )
    await expect(ada.page.locator("section#inbox")).to_contain_text("overdue: 5 Jan")
    await expect(ada.page.locator("section#done")).to_contain_text("due 5 Jan")
    await expect(ada.page.locator("section#done")).not_to_contain_text("overdue")


async def test_a_task_that_is_removed_is_said_to_be_gone(ada: Person, stage: Stage) -> None:
    await at_task(ada, stage, INBOX, "Write the changelog")
    await stage.operator.execute("DELETE FROM board_tasks WHERE id = $1", INBOX)
    await expect(ada.page.get_by_text("This task is no longer there.")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_keeps_people_from_using_the_pages(
    chromium: Browser, stage: Stage, axe: str, scheme: str
) -> None:
    await stage.operator.execute("UPDATE board_tasks SET due_at = '2026-01-05' WHERE id = $1", INBOX)
    await give_up(stage.operator, ASSIGNED, "coder")
    await give_up(stage.operator, REVIEW, "coder")
    await begin(stage.operator, ASSIGNED, "lead")
    found: dict[str, list[str]] = {}
    async with Person.at(chromium, stage.url, scheme=scheme) as person:
        await person.log_in(stage, person="u-ada", at="Board")
        await person.page.get_by_text("New task").click()
        found["board"] = await findings(person, axe)
        await at_task(person, stage, ASSIGNED, "Mend the deploy script")
        for summary in await person.page.locator("summary").all():
            await summary.click()
        found["task"] = await findings(person, axe)
        for name, path in {
            "document": f"/admin/board/documents/{NOTE}",
            "column": "/admin/board?status=assigned",
            "told": f"/admin/board/{ASSIGNED}?did=created",
            "unknown": "/admin/board/nowhere",
            "docs": "/docs",
        }.items():
            await person.page.goto(stage.url + path)
            found[name] = await findings(person, axe)
    assert {name: each for name, each in found.items() if each} == {}
    assert len(found) == 7
