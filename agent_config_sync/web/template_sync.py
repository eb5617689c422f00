"""Syncs of workspaces that people ask for over HTTP: one after another, each to its end whoever still listens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from fastapi import HTTPException

from agent_config_sync.errors import SyncError
from agent_config_sync.events import Events, TemplateSyncAsked, TemplateSyncEnded

if TYPE_CHECKING:
    from agent_config_sync.sync.on_demand import OnDemand, Order, SyncReport

QUEUE = 4
"""Syncs that there may be at a time, with the one under way: each holds one of the server's connections."""


class TemplateSync:
    """Makes one sync at a time. on_demand: makes what does it, anew for each."""

    def __init__(self, on_demand: Callable[[], OnDemand], events: Events) -> None:
        self._on_demand = on_demand
        self._events = events
        self._turn = asyncio.Lock()
        self._running: set[asyncio.Task[SyncReport]] = set()

    async def make(self, order: Order, *, person: str) -> SyncReport:
        """Return what became of the workspaces; who stops waiting for it does not end it.

        Raises: HTTPException 429; as OnDemand.sync.
        """
        if len(self._running) >= QUEUE:
            raise HTTPException(429, f"{QUEUE} syncs are asked for already: wait until one of them is over")
        self._events.emit(TemplateSyncAsked(person, tuple(_options(order))))
        running = asyncio.create_task(self._in_turn(order, person), name="template sync")
        self._running.add(running)
        running.add_done_callback(self._over)
        return await asyncio.shield(running)

    async def close(self) -> None:
        """End what is under way; what is being written is whole."""
        for running in self._running:
            running.cancel()
        if self._running:
            await asyncio.wait(self._running)

    async def _in_turn(self, order: Order, person: str) -> SyncReport:
        async with self._turn:
            try:
                report = await self._on_demand().sync(order)
            except SyncError as error:
                self._events.emit(TemplateSyncEnded(person, 0, 0, str(error)))
                raise
        written, failed = (sum(each.became == became for each in report.agents) for became in ("written", "failed"))
        self._events.emit(TemplateSyncEnded(person, 0 if order.dry_run else written, failed))
        return report

    def _over(self, running: asyncio.Task[SyncReport]) -> None:
        self._running.discard(running)
        if not running.cancelled():
            running.exception()  # seen, also where nobody waits for it any more


def _options(order: Order) -> Iterator[str]:
    """Yield what is asked for beyond the plain sync of all."""
    if order.board_id is not None:
        yield f"board_id {order.board_id}"
    if not order.include_main:
        yield "not the main agent"
    wanted = {
        "reset_sessions": order.reset_sessions,
        "rotate_tokens": order.rotate_tokens,
        "force_bootstrap": order.demand.bootstrap,
        "overwrite": order.demand.overwrite,
        "prune": order.prune,
        "dry_run": order.dry_run,
    }
    yield from (name for name, is_wanted in wanted.items() if is_wanted)
