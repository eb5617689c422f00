"""A skill that needs a key, an agent that has it, and what its programs find."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.model_server import ModelServer
from gateway.openclaw import OpenClaw
from gateway.scene import NAME, Scene, until
from harness import psql

from agent_config_sync.render.skills_json import EMPTY, REFERENCES_SINCE, provider
from agent_config_sync.skills.request_queue import FOLDER

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


def prepare_for_keys(model_server: ModelServer, root: Path, secrets: Path) -> Callable[[OpenClaw, str], None]:
    """Return what makes a gateway one whose configuration is as install.sh leaves it, and whose agent has a skill."""

    def prepare(gateway: OpenClaw, dsn: str) -> None:
        model_server.offer_to(gateway, dsn)

        def change(config: dict[str, Any]) -> None:
            config["skills"] = {"$include": ["./skills.json"]}
            config.setdefault("tools", {})["exec"] = {"host": "gateway", "security": "full", "ask": "off"}
            if gateway.installation.version >= REFERENCES_SINCE:
                config["secrets"] = {"providers": {"agent_config_sync": provider(str(secrets))}}

        gateway.edit_config(change)
        (gateway.folder / "skills.json").write_bytes(EMPTY)
        (gateway.folder / "skills.json").chmod(0o600)
        ended = psql(dsn, "-c", ROWS)
        assert ended.returncode == 0, ended.stderr
        gateway.run_sync("--dsn", dsn, workspace_root=str(root), state_dir=str(gateway.home / "first"))
        folder = root / "coder" / "skills" / "git-help"
        folder.mkdir(parents=True)
        (folder / "SKILL.md").write_text(SKILL)

    return prepare


async def ask_for_the_key(scene: Scene, root: Path) -> None:
    """Ask as the agent does, and return when a person is asked."""
    requests = root / "coder" / FOLDER
    requests.mkdir(parents=True, exist_ok=True)
    (requests / "git.json").write_text('{"skillSlug": "git-help", "keyName": "GIT_PAT"}')

    async def asked() -> bool | None:
        said = await scene.operator.fetchval(
            "SELECT EXISTS (SELECT FROM skill_credentials WHERE credential_ref = $1 AND status = 'pending')", REF
        )
        return True if said else None

    await until(asked, "a person is asked for the key", gateway=scene.gateway)


async def seen_by_the_skill(gateway: OpenClaw, model: ModelServer) -> str:
    """Return the hash of the key that a program finds which the agent runs."""
    mark = uuid.uuid4().hex
    await gateway.ask("coder", f"{mark}\nCALL exec {json.dumps(EXEC)}", mark)
    while (found := re.search("hash ([0-9a-f]{64}) end", (await model.next_request()).prompt)) is None:
        pass
    return found[1]


def holding(key: str, *folders: Path) -> set[Path]:
    """Return the files below these folders that hold a key."""
    return {
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and key.encode() in path.read_bytes()
    }
