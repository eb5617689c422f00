"""An account with an admin, an owner and a member, and a gateway that serves its endpoints to them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from harness import Operator, Running, Start
from oidc import ISSUER, PARTY, OpenIdProvider
from web_client import Answer, exchange

from agent_config_sync.events import CredentialRequested, HealthServed, SkillsReported
from agent_config_sync.skills.request_queue import FOLDER

KEY = "sk-live-a1b2c3d4e5f6a7b8c9d0"
REF = "default/here/git-help/GIT_PAT"
ENTER = "/admin/skills/credentials"
REVOKE = "/admin/skills/credentials/revoke"
SKILL = '---\nname: git-help\ndescription: Helps.\nmetadata: {"openclaw": {"primaryEnv": "GIT_PAT"}}\n---\n'


@dataclass
class Site:
    """A sync that serves its endpoints, and the provider whose people it lets in."""

    running: Running
    operator: Operator
    provider: OpenIdProvider
    port: int
    folder: Path

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes | dict[str, Any] | None = None,
        *,
        token: str | None = None,
        kind: str = "application/json",
        **headers: str,
    ) -> Answer:
        """Ask as a web application does."""
        content = orjson.dumps(body) if isinstance(body, dict) else body
        lines = {"host": f"127.0.0.1:{self.port}", **{name.replace("_", "-"): value for name, value in headers.items()}}
        if token is not None:
            lines["authorization"] = f"Bearer {token}"
        if content is not None:
            lines |= {"content-type": kind, "content-length": str(len(content))}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return await exchange(self.port, f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + (content or b""))

    async def enter(self, token: str | None = None, **changes: Any) -> Answer:
        """Enter the key that is asked for, as an admin does."""
        body = {"accountId": "default", "credentialRef": REF, "secret": KEY, **changes}
        return await self.ask("POST", ENTER, body, token=self.provider.token() if token is None else token)

    async def nothing_was_stored(self) -> bool:
        """Return whether the key is asked for still, and nowhere."""
        status = await self.operator.fetchval("SELECT status FROM skill_credentials WHERE credential_ref = $1", REF)
        files = [path for path in self.folder.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
        return status == "pending" and files == []

    def token_of_coder(self) -> str:
        """Return the agent's own token."""
        lines = (self.folder / "ws" / "coder" / "TOOLS.md").read_text().splitlines()
        return next(line for line in lines if line.startswith("AUTH_TOKEN=")).removeprefix("AUTH_TOKEN=")


async def open_site(
    start: Start, operator: Operator, port: int, tmp_path: Path, provider: OpenIdProvider, **changes: Any
) -> Site:
    """An account with an admin, an owner and a member, and an agent who asks for a key."""
    await operator.execute("""
        INSERT INTO agents (name, is_default) VALUES ('coder', true);
        UPDATE accounts SET skills_poc_enabled = true;
        INSERT INTO memberships (account_id, user_id, role) VALUES
            ('default', 'ada', 'admin'), ('default', 'olga', 'owner'), ('default', 'max', 'member'),
            ('other', 'eve', 'owner')
    """)
    root, secrets, config = tmp_path / "ws", tmp_path / "data" / "secrets.json", tmp_path / "gateway" / "openclaw.json"
    config.parent.mkdir()
    config.write_bytes(
        orjson.dumps(
            {
                "agents": {"$include": ["./agents.json"]},
                "skills": {"$include": ["./skills.json"]},
                "secrets": {
                    "providers": {"agent_config_sync": {"source": "file", "path": str(secrets), "mode": "json"}}
                },
            }
        )
    )
    (root / "coder" / "skills" / "git-help").mkdir(parents=True)
    (root / "coder" / "skills" / "git-help" / "SKILL.md").write_text(SKILL)
    (root / "coder" / FOLDER).mkdir(parents=True)
    (root / "coder" / FOLDER / "one.json").write_text('{"skillSlug": "git-help", "keyName": "GIT_PAT"}')
    running = await start(
        workspace_root=root,
        secrets_file=secrets,
        health_port=port,
        jwks_url=provider.url,
        token_issuer=ISSUER,
        token_parties=f"{PARTY}, panel",
        **changes,
    )
    for kind in (HealthServed, SkillsReported, CredentialRequested):
        running.events.rewind()
        await running.events.until(kind)
    return Site(running, operator, provider, port, tmp_path)
