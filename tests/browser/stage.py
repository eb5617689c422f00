"""What tests of pages begin with, and what a person does there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import orjson
from commands import command
from harness import Operator, Running, Start
from playwright.async_api import Browser, ConsoleMessage, Page, Request, Response

from agent_config_sync.events import CredentialRequested, HealthServed, SkillsReported
from agent_config_sync.skills.request_queue import FOLDER

DEADLINE = 30_000
"""Milliseconds; generous, because a page waits for what the gateway does."""

KEY = "sk-live-a1b2c3d4e5f6a7b8c9d0"
REF = "default/here/git-help/GIT_PAT"
REDIRECTS = range(300, 400)

SKILL = """---
name: {name}
description: {description}
metadata: {{"openclaw": {{"primaryEnv": "GIT_PAT"}}}}
---
Use it well.
"""


@dataclass
class Stage:
    """A running sync with pages. secrets: the file of keys; openclaw_json: the gateway's configuration."""

    running: Running
    operator: Operator
    url: str
    secrets: Path
    openclaw_json: Path

    async def link(self, person: str = "ada") -> str:
        """Return a link to log in, as the command prints it."""
        settings = self.running.plugin.settings
        ended = await command(
            *("admin", "--person", person),
            AGENT_CONFIG_SYNC_GATEWAY=settings.gateway,
            AGENT_CONFIG_SYNC_STATE_DIR=str(settings.state_dir),
            OPENCLAW_CONFIG_PATH=str(settings.config_path),
            OPENCLAW_WORKSPACE_ROOT=str(settings.workspace_root),
            HEALTH_PORT=str(settings.health_port),
        )
        assert ended.status == 0, ended.err
        return ended.out.strip()

    async def statuses(self) -> dict[str, str]:
        """Return the status of each key, by its reference."""
        rows = await self.operator.fetch("SELECT credential_ref, status FROM skill_credentials ORDER BY requested_at")
        return {row["credential_ref"]: row["status"] for row in rows}


async def set_stage(start: Start, operator: Operator, port: int, folder: Path) -> Stage:
    """Start a sync whose one agent has installed two skills and asks for a key."""
    root, secrets = folder / "workspaces", folder / "data" / "secrets.json"
    config = folder / "gateway" / "openclaw.json"
    provider = {"source": "file", "path": str(secrets), "mode": "json"}
    config.parent.mkdir(exist_ok=True)
    config.write_bytes(
        orjson.dumps(
            {
                "agents": {"$include": ["./agents.json"]},
                "skills": {"$include": ["./skills.json"]},
                "secrets": {"providers": {"agent_config_sync": provider}},
            }
        )
    )
    await operator.execute("""
        INSERT INTO agents (name, is_default) VALUES ('coder', true);
        UPDATE accounts SET skills_poc_enabled = true
    """)
    for slug, description in (("git-help", "Helps with git."), ("labels", "Prints labels.")):
        made = root / "coder" / "skills" / slug
        made.mkdir(parents=True)
        (made / "SKILL.md").write_text(SKILL.format(name=slug, description=description))
    requests = root / "coder" / FOLDER
    requests.mkdir(parents=True)
    (requests / "one.json").write_text('{"skillSlug": "git-help", "keyName": "GIT_PAT"}')
    running = await start(workspace_root=root, secrets_file=secrets, health_port=port)
    served = await running.events.until(HealthServed)
    running.events.rewind()
    await running.events.until(SkillsReported, lambda event: event.installed == 2)
    running.events.rewind()
    await running.events.until(CredentialRequested)
    return Stage(running, operator, served.url, secrets, config)


@dataclass
class Person:
    """Somebody before a browser. complaints: what it says on its console; foreign: what was asked of other hosts."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    bodies: list[asyncio.Task[bytes]] = field(default_factory=list)
    """Of all answers; a browser forgets them when it goes to another page."""

    @classmethod
    @contextlib.asynccontextmanager
    async def at(
        cls, browser: Browser, url: str, *, scheme: str = "light", javascript: bool = True
    ) -> AsyncIterator[Person]:
        """Sit down. scheme: light or dark."""
        context = await browser.new_context(
            color_scheme="dark" if scheme == "dark" else "light",
            java_script_enabled=javascript,
            viewport={"width": 1100, "height": 900},
        )
        context.set_default_timeout(DEADLINE)
        person = cls(await context.new_page(), url)
        person.page.on("console", person._console)
        person.page.on("pageerror", lambda error: person.complaints.append(str(error)))
        person.page.on("request", person._request)
        person.page.on("response", person._response)
        try:
            yield person
        finally:
            for body in person.bodies:
                body.cancel()
            await asyncio.gather(*person.bodies, return_exceptions=True)
            await context.close()

    async def log_in(self, stage: Stage, *, person: str = "ada", at: str = "Skills & Credentials") -> None:
        """Open the link that a command prints. at: the heading of the page to which it leads."""
        await self.page.goto(await stage.link(person))
        await self.page.get_by_role("button", name="Log in").click()
        await self.page.get_by_role("heading", name=at, exact=True).wait_for()

    async def enter(self, key: str = KEY) -> None:
        """Type a key into the first field and send it."""
        await self.page.get_by_label("Key GIT_PAT of skill git-help").fill(key)
        await self.page.get_by_role("button", name="Enter key GIT_PAT of skill git-help").click()

    async def told(self, kind: str = "status") -> str:
        """Return what the page says became of it."""
        message = self.page.get_by_role("alert" if kind == "alert" else "status")
        await message.wait_for()
        return await message.inner_text()

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _response(self, response: Response) -> None:
        self.bodies.append(asyncio.create_task(_body(response)))

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.url, "data:")):
            self.foreign.append(request.url)


async def _body(response: Response) -> bytes:
    """Return all that an answer says; a redirect has no body, and a stream no end."""
    headers = await response.all_headers()
    said = str(headers).encode()
    endless = headers.get("content-type", "").startswith("text/event-stream")
    return said if endless or response.status in REDIRECTS else said + await response.body()
