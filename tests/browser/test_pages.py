"""A person enters keys on a page, in a real browser."""

from __future__ import annotations

import asyncio

import orjson
import pytest
from browser.findings import findings
from browser.stage import KEY, REF, Person, Stage
from harness import eventually
from playwright.async_api import Browser, expect

from agent_config_sync.events import KeysGiven

pytestmark = pytest.mark.usefixtures("quick_looks")


async def test_a_key_that_is_typed_into_the_page_is_given_to_the_gateway(person: Person, stage: Stage) -> None:
    await person.log_in(stage)
    await person.enter()
    assert (await person.told()).startswith("The key is kept on this machine")
    assert await stage.statuses() == {REF: "active"}
    assert list(orjson.loads(stage.secrets.read_bytes())["values"].values()) == [KEY]
    await expect(person.page.get_by_text("Nobody is asked for a key.")).to_be_visible()
    await expect(person.page.get_by_text("entered by ada")).to_be_visible()


async def test_the_field_shows_nobody_what_is_typed(person: Person, stage: Stage) -> None:
    await person.log_in(stage)
    field = person.page.get_by_label("Key GIT_PAT of skill git-help")
    assert (await field.get_attribute("type"), await field.get_attribute("autocomplete")) == ("password", "off")


async def test_no_answer_ever_holds_the_key(person: Person, stage: Stage) -> None:
    await person.log_in(stage)
    await person.enter()
    await person.told()
    said = await asyncio.gather(*person.bodies)
    assert any(b"entered by ada" in each for each in said)
    assert not any(KEY.encode() in each for each in said)


async def test_everything_can_be_done_by_keyboard(person: Person, stage: Stage) -> None:
    page = person.page
    await page.goto(await stage.link())
    await expect(page.get_by_role("button", name="Log in")).to_be_focused()  # a browser sees to it after it has loaded
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="Skills & Credentials").wait_for()
    for _ in range(20):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.name") == "key":
            break
    await page.keyboard.type(KEY)
    await page.keyboard.press("Enter")
    await person.told()
    assert await stage.statuses() == {REF: "active"}


async def test_everything_can_be_done_without_javascript(chromium: Browser, stage: Stage) -> None:
    async with Person.at(chromium, stage.url, javascript=False) as person:
        await person.log_in(stage)
        await person.enter()
        await person.told()
        await person.page.get_by_text("Replace or revoke").click()
        await person.page.get_by_role("button", name="Revoke").click()
        await expect(person.page.get_by_role("status")).to_have_text("Taken back.")
        assert await stage.statuses() == {REF: "revoked"}


async def test_a_key_that_is_taken_back_is_gone(person: Person, stage: Stage) -> None:
    await person.log_in(stage)
    await person.enter()
    await person.told()
    await person.page.get_by_text("Replace or revoke").click()
    await person.page.get_by_role("button", name="Revoke").click()
    await expect(person.page.get_by_role("status")).to_have_text("Taken back.")
    await stage.running.events.until(KeysGiven, lambda event: event.keys == 0)
    assert await stage.statuses() == {REF: "revoked"}


async def test_a_request_can_be_refused(person: Person, stage: Stage) -> None:
    await person.log_in(stage)
    await person.page.get_by_role("button", name="Refuse key GIT_PAT of skill git-help").click()
    await expect(person.page.get_by_role("status")).to_have_text("Taken back.")
    assert await stage.statuses() == {REF: "revoked"}


async def test_what_can_be_no_key_is_told_and_not_shown(person: Person, stage: Stage) -> None:
    await person.log_in(stage)
    await person.enter("a${HOME}b")
    assert "A key must not hold ${, where the gateway would put another variable." in await person.told("alert")
    assert "HOME" not in await person.page.content()
    assert await stage.statuses() == {REF: "pending"}


async def test_a_key_that_the_gateway_does_not_take_is_told_with_a_way_out(person: Person, stage: Stage) -> None:
    stage.openclaw_json.write_text('{"agents": {"$include": ["./agents.json"]}}')
    await person.log_in(stage)
    await person.enter()
    said = await person.told()
    assert "does not include skills.json" in said
    assert await person.page.get_by_role("button", name="Reload the gateway").is_visible()


async def test_a_skill_that_no_gateway_loads_is_shown_with_the_reason(person: Person, stage: Stage) -> None:
    root = stage.running.plugin.settings.workspaces
    assert root is not None
    (root / "coder" / "skills" / "labels" / "SKILL.md").write_text("no front matter")
    await eventually(stage.operator, "SELECT EXISTS (SELECT FROM installed_skills WHERE problem IS NOT NULL)")
    await person.log_in(stage)
    await expect(person.page.get_by_role("row", name="labels")).to_contain_text(
        "not loaded SKILL.md has no front matter"
    )


async def test_a_silent_gateway_takes_no_key(person: Person, stage: Stage) -> None:
    await asked_elsewhere(stage, seen="now() - interval '1 hour'")
    await person.log_in(stage)
    field = person.page.get_by_label("Key MAPS_KEY of skill maps")
    await expect(person.page.get_by_text("runtime offline")).to_be_visible()
    await expect(field).to_be_disabled()


async def test_the_page_of_another_gateway_is_linked(person: Person, stage: Stage) -> None:
    await asked_elsewhere(stage, seen="now()")
    await stage.operator.execute("INSERT INTO gateways (name, base_url) VALUES ('far', 'https://far.example/')")
    await person.log_in(stage)
    link = person.page.get_by_role("link", name="enter it at far")
    assert await link.get_attribute("href") == "https://far.example/admin/skills"


async def test_an_address_that_is_none_is_not_linked(person: Person, stage: Stage) -> None:
    await asked_elsewhere(stage, seen="now()")
    await stage.operator.execute("INSERT INTO gateways (name, base_url) VALUES ('far', 'javascript:alert(1)')")
    await person.log_in(stage)
    assert "javascript:" not in await person.page.content()


async def asked_elsewhere(stage: Stage, *, seen: str) -> None:
    await stage.operator.execute(f"""
        INSERT INTO gateway_status (gateway, host, plugin_version, state, resync_interval, seen_at)
        VALUES ('far', 'far', '1', 'applied', '60 s', {seen});
        INSERT INTO skill_credentials (gateway, skill, key_name, credential_ref)
        VALUES ('far', 'maps', 'MAPS_KEY', 'default/far/maps/MAPS_KEY')
    """)


async def test_a_link_is_good_once(chromium: Browser, person: Person, stage: Stage) -> None:
    link = await stage.link()
    await person.page.goto(link)
    await person.page.get_by_role("button", name="Log in").click()
    await person.page.get_by_role("heading", name="Skills & Credentials").wait_for()
    async with Person.at(chromium, stage.url) as other:
        await other.page.goto(link)
        await other.page.get_by_role("button", name="Log in").click()
        assert "This link is used already, or too old." in await other.told("alert")


async def test_who_logs_out_is_out(person: Person, stage: Stage) -> None:
    await person.log_in(stage)
    cookies = await person.page.context.cookies()
    await person.page.get_by_role("button", name="Log out ada").click()
    await person.page.get_by_role("heading", name="Log in").wait_for()
    await person.page.context.add_cookies(cookies)  # type: ignore[arg-type]
    await person.page.goto(f"{stage.url}/admin/skills")
    await person.page.get_by_role("heading", name="Log in").wait_for()


async def test_what_agents_write_is_shown_as_text(person: Person, stage: Stage) -> None:
    root = stage.running.plugin.settings.workspaces
    assert root is not None
    text = '---\nname: "<img src=x onerror=alert(1)>"\ndescription: "<script>alert(2)</script>"\n---\nx\n'
    (root / "coder" / "skills" / "labels" / "SKILL.md").write_text(text)
    await eventually(stage.operator, "SELECT EXISTS (SELECT FROM installed_skills WHERE name LIKE '<img%')")
    await person.log_in(stage)
    await expect(person.page.get_by_text("<script>alert(2)</script>")).to_be_visible()
    assert person.complaints == []


async def test_the_pages_load_nothing_from_elsewhere_and_the_browser_has_no_complaint(
    person: Person, stage: Stage
) -> None:
    await person.log_in(stage)
    await person.enter()
    await person.told()
    await person.page.get_by_role("link", name="Fleet").click()
    await expect(person.page.get_by_role("row", name="here")).to_be_visible()
    assert (person.foreign, person.complaints) == ([], [])


async def test_the_fleet_is_shown_as_it_changes(person: Person, stage: Stage) -> None:
    await person.log_in(stage)
    await person.page.get_by_role("link", name="Fleet").click()
    row = person.page.get_by_role("row", name="here")
    await expect(row).to_contain_text("offered")
    await stage.operator.execute("DELETE FROM agents")
    await expect(row).to_contain_text("refused", timeout=30_000)
    await expect(row).to_contain_text("the database shows no agent at all")


async def test_the_lag_of_a_gateway_is_plotted(person: Person, stage: Stage) -> None:
    await person.log_in(stage)
    await person.page.get_by_role("link", name="Fleet").click()
    for milliseconds in (100, 900):
        change = "UPDATE gateway_status SET latency_ms = $1, changed_at = now()"
        await stage.operator.execute(change, float(milliseconds))
        await expect(person.page.get_by_role("row", name="here")).to_contain_text(f"{milliseconds} ms", timeout=30_000)
    await expect(person.page.get_by_role("img", name="Lag of the last")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_keeps_people_from_using_the_pages(
    chromium: Browser, stage: Stage, axe: str, scheme: str
) -> None:
    await asked_elsewhere(stage, seen="now() - interval '1 hour'")
    async with Person.at(chromium, stage.url, scheme=scheme) as person:
        await person.page.goto(f"{stage.url}/admin/login")
        found = {"login": await findings(person, axe)}
        await person.log_in(stage)
        found["asked"] = await findings(person, axe)
        await person.enter()
        await person.told()
        await person.page.get_by_text("Replace or revoke").click()
        found["entered"] = await findings(person, axe)
        await person.page.get_by_role("link", name="Fleet").click()
        await person.page.get_by_role("row", name="here").wait_for()
        found["fleet"] = await findings(person, axe)
    assert found == {"login": [], "asked": [], "entered": [], "fleet": []}
