"""Two connections with one life."""

from __future__ import annotations

import asyncio

from harness import DEADLINE, QUICK

from agent_config_sync.postgres.link import open_link
from agent_config_sync.postgres.server import Server


async def test_a_link_closes_even_while_its_probe_is_coming_back(database: str) -> None:
    async with asyncio.timeout(DEADLINE):
        for _ in range(10):
            async with open_link(Server("s", {"dsn": database}), gateway="g", on_change=print, timing=QUICK) as link:
                await link._echo.wait()
