"""The pictures of the pages in README.md: `make screenshots`."""

from __future__ import annotations

from pathlib import Path

import pytest
from browser.stage import Person, Stage
from playwright.async_api import Browser

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"

pytestmark = pytest.mark.usefixtures("quick_looks")

FLEET = """
    INSERT INTO gateway_status
        (gateway, host, gateway_version, plugin_version, state, error, latency_ms, resync_interval, seen_at) VALUES
        ('berlin', 'berlin', '2026.9.6', '0.1.0', 'applied', NULL, 870, '60 s', now()),
        ('lisbon', 'lisbon', '2026.7.1', '0.1.0', 'refused',
         'refused: agents.list.3.model: invalid model reference', 1140, '60 s', now()),
        ('oslo', 'oslo', '2026.9.6', '0.1.0', 'applied', NULL, 910, '60 s', now() - interval '1 hour');
    INSERT INTO skill_credentials (gateway, skill, key_name, credential_ref, requested_by)
    VALUES ('oslo', 'maps', 'MAPS_API_KEY', 'default/oslo/maps/MAPS_API_KEY', 'scout')
"""


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
