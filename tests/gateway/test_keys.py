"""A key that a person enters is in the environment of the skill that needs it, until it is taken back."""

from __future__ import annotations

import json
import re
import uuid
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from commands import command
from gateway.model_server import ModelServer
from gateway.openclaw import OpenClaw
from gateway.scene import NAME, Deploy, Deployment, Scene, until
from harness import psql

from agent_config_sync.render.skills_json import REFERENCES_SINCE, provider

KEY = f"sk-live-{uuid.uuid4().hex}"
REF = f"default/{NAME}/git-help/GIT_PAT"
ROWS = """
    DELETE FROM agents;
    INSERT INTO agents (name, is_default, model) VALUES ('coder', true, 'fake/scripted-1');
    UPDATE accounts SET skills_poc_enabled = true;
"""
SKILL = """---
name: Git help
description: Helps with git.
metadata: {"openclaw": {"primaryEnv": "GIT_PAT", "requires": {"env": ["GIT_PAT"]}}}
---
Use $GIT_PAT.
"""
EXEC = {"command": 'printf "hash %s end" "$(printf %s "$GIT_PAT" | sha256sum | cut -c1-64)"'}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clawd") / "agents"


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data") / "secrets.json"


@pytest.fixture(scope="module")
def shared(deploy: Deploy, model_server: ModelServer, root: Path, secrets: Path) -> Deployment:
    """A gateway whose configuration is as install.sh leaves it, and whose agent has installed a skill."""

    def prepare(gateway: OpenClaw, dsn: str) -> None:
        model_server.offer_to(gateway, dsn)

        def change(config: dict[str, Any]) -> None:
            config["skills"] = {"$include": ["./skills.json"]}
            config.setdefault("tools", {})["exec"] = {"host": "gateway", "security": "full", "ask": "off"}
            if gateway.installation.version >= REFERENCES_SINCE:
                config["secrets"] = {"providers": {"agent_config_sync": provider(str(secrets))}}

        gateway.edit_config(change)
        (gateway.folder / "skills.json").write_text('{"entries": {}}')
        (gateway.folder / "skills.json").chmod(0o600)
        ended = psql(dsn, "-c", ROWS)
        assert ended.returncode == 0, ended.stderr
        gateway.run_sync("--dsn", dsn, workspace_root=str(root), state_dir=str(gateway.home / "first"))
        folder = root / "coder" / "skills" / "git-help"
        folder.mkdir(parents=True)
        (folder / "SKILL.md").write_text(SKILL)

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


async def seen_by_the_skill(gateway: OpenClaw, model: ModelServer) -> str:
    """Return the hash of the key that a program finds which the agent runs."""
    mark = uuid.uuid4().hex
    await gateway.ask("coder", f"{mark}\nCALL exec {json.dumps(EXEC)}", mark)
    while True:
        request = await model.next_request()
        if found := re.search("hash ([0-9a-f]{64}) end", request.prompt):
            return found[1]


async def test_a_key_reaches_the_skill_and_is_gone_when_it_is_taken_back(
    scene: Scene, shared: Deployment, model: ModelServer, root: Path, secrets: Path
) -> None:
    gateway, pid = scene.gateway, scene.gateway.pid
    nothing, key = (sha256(text.encode()).hexdigest() for text in ("", KEY))
    requests = root / "coder" / "requests" / "skill-credentials"
    requests.mkdir(parents=True)
    (requests / "git.json").write_text('{"skillSlug": "git-help", "keyName": "GIT_PAT"}')

    async def asked() -> bool | None:
        said = await scene.operator.fetchval("SELECT status FROM skill_credentials WHERE credential_ref = $1", REF)
        return True if said == "pending" else None

    async def eligible() -> bool | None:
        return True if "Git help" in await gateway.skills_of("coder") else None

    async def not_eligible() -> bool | None:
        return True if "Git help" not in await gateway.skills_of("coder") else None

    await until(asked, "a person is asked for the key", gateway=gateway)
    assert await seen_by_the_skill(gateway, model) == nothing
    await decide(shared, secrets, "enter", REF, said=KEY)
    await until(eligible, "the gateway has the key that the skill needs", gateway=gateway)
    assert await seen_by_the_skill(gateway, model) == key
    holding = {
        path
        for folder in (gateway.home, root, secrets.parent)
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and KEY.encode() in path.read_bytes()
    }
    plain = set() if gateway.installation.version >= REFERENCES_SINCE else {gateway.folder / "skills.json"}
    assert holding == {secrets, *plain}
    await decide(shared, secrets, "revoke", REF)
    await until(not_eligible, "the gateway has the key no more", gateway=gateway)
    assert await seen_by_the_skill(gateway, model) == nothing
    assert KEY.encode() not in secrets.read_bytes()
    assert (gateway.pid, gateway.starts) == (pid, 1)
