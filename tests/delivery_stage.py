"""A board whose notifications become turns at a stand-in for the gateway."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from board_ground import Board, furnished
from harness import DEADLINE, Operator, Running, Start, eventually

from agent_config_sync.cli.standin_gateway import Said, SeenRequest, StandinGateway
from agent_config_sync.events import Delivered, DeliveryStarted
from agent_config_sync.runtime.silence import NOTHING_TO_ADD

TOKEN = "token-of-the-gateway"

DONE = Said("It is done.")


@dataclass
class Script:
    """What the model says for all but the orchestrator, who has nothing to say: to each request the next of its
    replies, and then always the last one. It waits while it is told to hold."""

    replies: list[Said] = field(default_factory=lambda: [DONE])
    holding: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by each request."""

    def __post_init__(self) -> None:
        self.holding.set()

    async def __call__(self, seen: SeenRequest) -> Said:
        if seen.agent == "lead":
            return Said(NOTHING_TO_ADD)
        said = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        self.asked.set()
        async with asyncio.timeout(DEADLINE):
            await self.holding.wait()
        return said


@dataclass
class Stage:
    """running: what delivers; gateway: what it asks; script: what agents say."""

    running: Running
    gateway: StandinGateway
    script: Script
    board: Board

    @property
    def operator(self) -> Operator:
        return self.board.connection

    async def delivered(self, when: Callable[[Delivered], bool] = lambda _: True) -> Delivered:
        """Return the next notification that is dealt with."""
        return await self.running.events.until(Delivered, when)

    async def assigned(self, agent: str = "coder", task: UUID | None = None) -> UUID:
        """Let ada assign a task to an agent; return it."""
        task = task or await self.board.task()
        await self.board.assign("user/ada", task, agent)
        return task

    def asked(self, agent: str = "coder") -> list[SeenRequest]:
        """Return what the gateway was asked of an agent."""
        return [seen for seen in self.gateway.seen if seen.agent == agent]

    async def settled(self) -> None:
        """Return when no notification of an agent waits any more."""
        await eventually(
            self.operator,
            "SELECT NOT EXISTS (SELECT FROM board_notifications"
            " WHERE agent IS NOT NULL AND delivered_at IS NULL AND dead_at IS NULL)",
        )

    async def thread(self, task: UUID) -> list[tuple[str, str]]:
        """Return the messages of a task, with their authors."""
        rows = await self.operator.fetch(
            "SELECT author_id, content FROM board_messages WHERE task_id = $1 ORDER BY seq", task
        )
        return [(row["author_id"], row["content"]) for row in rows]

    async def outcomes(self) -> list[tuple[str, str | None]]:
        """Return of each notification of an agent, oldest first, its agent and how it ended."""
        rows = await self.operator.fetch(
            "SELECT agent, outcome FROM board_notifications WHERE agent IS NOT NULL ORDER BY created_at, id"
        )
        return [(row["agent"], row["outcome"]) for row in rows]


@contextlib.asynccontextmanager
async def delivery_stage(
    start: Start, operator: Operator, folder: Path, port: int, *, gateway: StandinGateway | None = None, **changes: Any
) -> AsyncIterator[Stage]:
    """Start all of it: an orchestrator, two agents, a reviewer and two people, and a gateway that takes turns."""
    script = Script()
    board = await furnished(operator)
    standin = gateway or StandinGateway(script, token=TOKEN)
    async with standin.serving():
        running = await start(**{**settings_for(standin, folder, port), **changes})
        await running.events.until(DeliveryStarted)
        running.events.rewind()
        yield Stage(running, standin, script, board)
        await running.plugin.stop()


def settings_for(gateway: StandinGateway, folder: Path, port: int) -> Mapping[str, Any]:
    return {
        "workspace_root": folder / "workspaces",
        "health_port": port,
        "gateway_url": gateway.url,
        "gateway_token": TOKEN,
        "delivery_interval": 1.0,
        "delivery_backoff_base": 1.0,
        "delivery_backoff_max": 1.0,
    }
