"""From an agent's request to the environment of its program, by a person and a page: a real gateway, a real browser."""

from __future__ import annotations

import socket
import uuid
from hashlib import sha256
from pathlib import Path

import pytest
from browser.stage import Person
from commands import command
from gateway.keys import REF, ask_for_the_key, holding, prepare_for_keys, seen_by_the_skill
from gateway.model_server import ModelServer
from gateway.scene import NAME, Deploy, Deployment, Scene, until
from harness import dump
from playwright.async_api import Browser, expect

KEY = f"sk-live-{uuid.uuid4().hex}"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clawd") / "agents"


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data") / "secrets.json"


@pytest.fixture(scope="module")
def health_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number: int = taken.getsockname()[1]
        return number


@pytest.fixture(scope="module")
def shared(deploy: Deploy, model_server: ModelServer, root: Path, secrets: Path, health_port: int) -> Deployment:
    prepare = prepare_for_keys(model_server, root, secrets)
    return deploy(prepare=prepare, workspace_root=str(root), secrets_file=str(secrets), health_port=health_port)


async def test_a_key_that_is_typed_into_the_page_reaches_the_skill_and_is_gone_when_it_is_revoked(
    scene: Scene, shared: Deployment, model: ModelServer, chromium: Browser, root: Path, secrets: Path, health_port: int
) -> None:
    gateway, pid = scene.gateway, scene.gateway.pid
    nothing, key = (sha256(text.encode()).hexdigest() for text in ("", KEY))
    url = f"http://127.0.0.1:{health_port}"
    await ask_for_the_key(scene, root)
    async with Person.at(chromium, url) as person:
        page = person.page
        await page.goto(await link_of(shared, health_port, root))
        await page.get_by_role("button", name="Log in").click()
        await expect(page.get_by_role("row", name="Git help")).to_contain_text("loaded")
        await expect(page.get_by_text("Agent coder at gateway here asked")).to_be_visible()
        await person.enter(KEY)
        assert await person.told() == "The key is kept on this machine, and the gateway runs with it."
        assert await scene.operator.fetchval("SELECT status FROM skill_credentials WHERE credential_ref = $1", REF) == (
            "active"
        )
        assert await seen_by_the_skill(gateway, model) == key
        assert holding(KEY, gateway.home, root, secrets.parent) == {secrets}
        assert KEY not in await dump(shared.dsn)
        assert not [process for process in processes_of(pid) if KEY.encode() in process]
        await page.get_by_text("Replace or revoke").click()
        await page.get_by_role("button", name="Revoke").click()
        await expect(page.get_by_role("status")).to_have_text("Taken back.")

    async def not_eligible() -> bool | None:
        return True if "Git help" not in await gateway.skills_of("coder") else None

    await until(not_eligible, "the gateway has the key no more", gateway=gateway)
    assert await seen_by_the_skill(gateway, model) == nothing
    assert holding(KEY, gateway.home, root, secrets.parent) == set()
    assert (gateway.pid, gateway.starts) == (pid, 1)


async def link_of(shared: Deployment, port: int, root: Path) -> str:
    gateway = shared.gateway
    ended = await command(
        *("admin", "--person", "ada"),
        AGENT_CONFIG_SYNC_GATEWAY=NAME,
        AGENT_CONFIG_SYNC_STATE_DIR=str(gateway.folder / "agent-config-sync"),
        AGENT_CONFIG_SYNC_CONFIG_PATH=str(gateway.config_path),
        OPENCLAW_WORKSPACE_ROOT=str(root),
        HEALTH_PORT=str(port),
    )
    assert ended.status == 0, ended.err
    return ended.out.strip()


def processes_of(parent: int) -> list[bytes]:
    """Return the arguments and the environment of our process, which the gateway has started."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(status.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append((status.parent / "cmdline").read_bytes() + (status.parent / "environ").read_bytes())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found
