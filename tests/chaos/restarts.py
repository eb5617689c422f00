"""How the sync itself comes and goes: in turns, in pairs, by a kill, and without its memory."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import shutil
import signal
from typing import Any

from chaos.steps import Machine, alone, runs, step
from harness import DEADLINE
from hypothesis import strategies as st

from agent_config_sync.errors import StoppedError, SyncError
from agent_config_sync.events import Event, Listening, Published, Renaming, WaitingForOther


class Restarts(Machine):
    """The sync's own lives."""

    @step("restart", runs)
    async def stop(self) -> None:
        await self.world.stop()

    @step("restart", lambda machine: not runs(machine))
    async def start(self) -> None:
        await self.world.start()

    @step("restart", alone)
    async def start_a_second_one(self) -> None:
        """It waits until the first one is stopped."""
        world = self.world
        world.events.forget()
        await world.commit()
        await world.rest()
        world.events.forget()
        await world.start_another()
        kinds = (WaitingForOther, Listening)
        told = await world.events.until(Event, lambda event: isinstance(event, kinds))
        assert isinstance(told, WaitingForOther)

    @step("restart")
    async def make_a_pass_beside_it(self) -> None:
        """While something is committed, so that the two race for the file."""
        world = self.world
        visit = asyncio.create_task(world.visit())
        for _ in range(5):
            await world.commit()
        with contextlib.suppress(SyncError):  # whatever else is broken now
            await visit

    @step("restart", running=st.booleans())
    async def lose_the_state_directory(self, running: bool) -> None:
        world = self.world
        if not running and world.plugin is not None:
            await world.stop()
        await asyncio.to_thread(shutil.rmtree, world.settings.state_dir, ignore_errors=True)
        world.unannounced = True

    @step("restart", alone, moment=st.sampled_from((Renaming, Published)))
    async def kill_before_the_gateway_is_told(self, moment: type[Renaming | Published]) -> None:
        """Just before the rename, or just after it."""
        world = self.world
        await world.rest()
        plugin = world.plugin
        assert plugin is not None
        world.events.forget()
        if moment is Renaming:
            plugin.events.subscribe(lambda event: plugin.gate.close() if isinstance(event, Renaming) else None)
        else:
            setattr(plugin.pipeline, "tell", killed)  # noqa: B010 - no method is assigned to elsewhere
        await world.commit()
        await world.events.until(moment)
        await world.stop()

    @step("restart", alone)
    async def go_back_before_the_gateway_is_told(self) -> None:
        """To what it was told last; it may have read what was there in between."""
        world = self.world
        await world.rest()
        plugin = world.plugin
        assert plugin is not None
        world.events.forget()
        setattr(plugin.pipeline, "tell", killed)  # noqa: B010 - no method is assigned to elsewhere
        await world.operator.execute("INSERT INTO agents (name) VALUES ('passing')")
        await world.events.until(Published)
        await world.stop()
        await world.operator.execute("DELETE FROM agents WHERE name = 'passing'")

    @step("restart", lambda machine: not machine.killed)
    async def kill_a_process_when_the_file_is_new(self) -> None:
        """With the real command and SIGKILL; once a world, for a process takes a second to start."""
        self.killed = True
        world = self.world
        while world.plugin is not None:
            await world.stop()
        await world.commit()
        await world.rest()
        await world.stop()
        await world.commit()
        process = await world.process()
        world.witness.once = functools.partial(os.kill, process.pid, signal.SIGKILL)
        try:
            assert await asyncio.to_thread(process.wait, DEADLINE) == -signal.SIGKILL
        finally:
            process.kill()
            process.wait()
        await world.start()

    @step("rest")
    async def change_and_come_to_rest(self) -> None:
        """The first of the steps that draw nothing, so Hypothesis takes it most often."""
        await self.world.commit()
        await self.world.rest()


def killed(_: object) -> Any:
    raise StoppedError("killed")
