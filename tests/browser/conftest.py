"""A real Chromium, and a person who sits before it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from browser.stage import Person, Stage, set_stage

# The gateway's own fixtures, by their names.
from gateway.conftest import (  # noqa: F401
    _no_debugger,
    debugger_watch,
    deploy,
    installation,
    model,
    model_server,
    scene,
)
from harness import Operator, Start
from playwright.async_api import Browser, async_playwright

AXE = Path(__file__).parents[2] / ".axe" / "node_modules" / "axe-core" / "axe.min.js"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(180))


@pytest.fixture(scope="session")
def axe() -> str:
    """The text of axe-core."""
    if not AXE.exists():
        pytest.fail(f"there is no axe-core in {AXE.parent}: run `make test-browser`, which installs it")
    return AXE.read_text(encoding="utf-8")


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """The system's own browser; Playwright would download another one."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.fail("there is no Chromium: apt install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest.fixture
async def stage(start: Start, operator: Operator, port: int, tmp_path: Path) -> Stage:
    """A sync that serves its pages, an agent who has installed skills and asks for a key."""
    return await set_stage(start, operator, port, tmp_path)


@pytest.fixture
async def person(chromium: Browser, stage: Stage) -> AsyncIterator[Person]:
    """Somebody who is not logged in yet."""
    async with Person.at(chromium, stage.url) as person:
        yield person
