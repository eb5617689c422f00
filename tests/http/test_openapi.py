"""What the OpenAPI document allows, and what it does not, asked at random: no answer is a failure of ours."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from admin_site import Site, open_site
from harness import Operator, Start
from oidc import OpenIdProvider

from agent_config_sync.runtime.tools.catalog import TOOLS

EXAMPLES = 60
"""Cases of each operation and phase."""

PATIENCE = 280
"""Seconds; on two cores it takes about one minute."""


@pytest.fixture
async def site(start: Start, operator: Operator, port: int, tmp_path: Path) -> AsyncIterator[Site]:
    async with OpenIdProvider().open() as provider:
        yield await open_site(start, operator, port, tmp_path, provider)


@pytest.mark.timeout(PATIENCE + 20)
@pytest.mark.parametrize("who", ["admin", "stranger", "agent"])
async def test_nothing_that_anybody_asks_makes_it_fail(site: Site, who: str, tmp_path: Path) -> None:
    words = ["run", f"http://127.0.0.1:{site.port}/openapi.json", "--max-examples", str(EXAMPLES)]
    words += ["--checks", "not_a_server_error", "--workers", "1", "--no-color", "--request-timeout", "20"]
    if who != "stranger":
        token = site.provider.token(exp=int(time.time()) + 3600) if who == "admin" else site.token_of_coder()
        words += ["--header", f"Authorization: Bearer {token}"]
    if who == "agent":
        await site.operator.execute("UPDATE agents SET is_orchestrator = true, can_create_tasks = true")
        words += ["--header", "x-openclaw-session-key: agent:coder:default"]
    process = await asyncio.create_subprocess_exec(
        *(str(Path(sys.executable).with_name("schemathesis")), *words),
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(PATIENCE):
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()[-6000:]
    assert (await site.ask("GET", "/live")).status == 200


async def test_the_document_names_each_endpoint_with_what_it_may_answer(site: Site) -> None:
    document = orjson.loads((await site.ask("GET", "/openapi.json")).body)
    asked = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    assert asked >= {
        "GET /admin/skills/credentials",
        "POST /admin/skills/credentials",
        "POST /admin/skills/credentials/revoke",
        "POST /admin/reload",
        "POST /agent/skill-credential-request",
        *(f"POST {tool.path}" for tool in TOOLS),
        "POST /api/v1/gateways/{gateway_id}/templates/sync",
        "GET /health",
    }
    enter = document["paths"]["/admin/skills/credentials"]["post"]
    assert set(enter["requestBody"]["content"]["application/json"]["schema"]["properties"]) == {
        "accountId",
        "credentialRef",
        "secret",
    }
    assert {"401", "403", "404", "409", "413", "415", "422", "503"} <= set(enter["responses"])
