"""Ask the gateway what it runs with, so that "applied" is a fact and not a hope."""

from __future__ import annotations

import asyncio
from typing import Protocol

from agent_config_sync.errors import NotAppliedError, ReloadError
from agent_config_sync.gateway.running import Running, difference, keys_difference
from agent_config_sync.render.agents_json import MANAGED
from agent_config_sync.sync.prepared import Prepared

PATIENCE = 10.0
"""Seconds after which a gateway that still runs with something else is reported; it takes about 1 to apply a change."""

_FIRST_LOOK = 0.1
_LONGEST_PAUSE = 2.0


class Informant(Protocol):
    """Somebody who can ask the gateway: the door, or its RPC."""

    changed: asyncio.Event
    """Set whenever the gateway may run with something new."""

    async def running(self) -> Running:
        """Return what the gateway runs with.

        Raises: NotAppliedError while it has not applied what is on its disk, ReloadError when it cannot be asked.
        """
        ...


async def in_force(informant: Informant, prepared: Prepared) -> str | None:
    """Ask once; return None if the gateway runs with it, else what is different.

    Raises: ReloadError when it cannot be asked.
    """
    site = prepared.neighbour.site
    try:
        running = await informant.running()
    except NotAppliedError as error:
        return str(error)
    problem = await asyncio.to_thread(
        difference, prepared.content, running.agents, layout=site.layout, base=site.base, managed=MANAGED
    )
    return problem or keys_difference(prepared.keys, running.keys)


async def until_in_force(informant: Informant, prepared: Prepared, patience: float) -> str | None:
    """Ask until the gateway runs with it; return None then, or what is different after `patience` seconds.

    Raises: ReloadError when it could not be asked at the end of that time.
    """
    give_up = asyncio.get_running_loop().time() + patience
    pause = _FIRST_LOOK
    while True:
        informant.changed.clear()
        rest = give_up - asyncio.get_running_loop().time()
        try:
            problem = await in_force(informant, prepared)
        except ReloadError:
            if rest <= 0:
                raise
            problem = "the gateway could not be asked"
        if problem is None or rest <= 0:
            return problem
        try:
            async with asyncio.timeout(min(pause, rest)):
                await informant.changed.wait()
            pause = _FIRST_LOOK  # it is about to run with something new, if it does not yet
        except TimeoutError:
            pause = min(pause * 2, _LONGEST_PAUSE)
