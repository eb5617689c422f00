"""A key that a person enters is in the environment of the skill that needs it, until it is taken back."""

from __future__ import annotations

import uuid
from hashlib import sha256
from pathlib import Path

import pytest
from commands import command
from gateway.keys import REF, ask_for_the_key, holding, prepare_for_keys, seen_by_the_skill
from gateway.model_server import ModelServer
from gateway.scene import NAME, Deploy, Deployment, Scene, until

from agent_config_sync.render.skills_json import REFERENCES_SINCE

KEY = f"sk-live-{uuid.uuid4().hex}"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clawd") / "agents"


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data") / "secrets.json"


@pytest.fixture(scope="module")
def shared(deploy: Deploy, model_server: ModelServer, root: Path, secrets: Path) -> Deployment:
    prepare = prepare_for_keys(model_server, root, secrets)
    return deploy(prepare=prepare, workspace_root=str(root), secrets_file=str(secrets))


async def decide(shared: Deployment, secrets: Path, *words: str, said: str = "") -> None:
    ended = await command(
        *("skills", *words, "--person", "ada"),
        said=said,
        AGENT_CONFIG_SYNC_DSN=shared.dsn,
        AGENT_CONFIG_SYNC_GATEWAY=NAME,
        AGENT_CONFIG_SYNC_CONFIG_PATH=str(shared.gateway.config_path),
        AGENT_CONFIG_SYNC_STATE_DIR=str(shared.gateway.folder / "agent-config-sync"),
        RUNTIME_SECRETS_FILE=str(secrets),
    )
    assert ended.status == 0, ended.err


async def test_a_key_reaches_the_skill_and_is_gone_when_it_is_taken_back(
    scene: Scene, shared: Deployment, model: ModelServer, root: Path, secrets: Path
) -> None:
    gateway, pid = scene.gateway, scene.gateway.pid
    nothing, key = (sha256(text.encode()).hexdigest() for text in ("", KEY))

    async def eligible() -> bool | None:
        return True if "Git help" in await gateway.skills_of("coder") else None

    async def not_eligible() -> bool | None:
        return True if "Git help" not in await gateway.skills_of("coder") else None

    await ask_for_the_key(scene, root)
    assert await seen_by_the_skill(gateway, model) == nothing
    await decide(shared, secrets, "enter", REF, said=KEY)
    await until(eligible, "the gateway has the key that the skill needs", gateway=gateway)
    assert await seen_by_the_skill(gateway, model) == key
    plain = set() if gateway.installation.version >= REFERENCES_SINCE else {gateway.folder / "skills.json"}
    assert holding(KEY, gateway.home, root, secrets.parent) == {secrets, *plain}
    await decide(shared, secrets, "revoke", REF)
    await until(not_eligible, "the gateway has the key no more", gateway=gateway)
    assert await seen_by_the_skill(gateway, model) == nothing
    assert holding(KEY, gateway.home, root, secrets.parent) == set()
    assert (gateway.pid, gateway.starts) == (pid, 1)
