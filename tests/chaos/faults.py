"""What breaks around the sync: sessions, the network, the server, the file, rights and locks."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from chaos.steps import Machine, runs, step
from chaos.world import LOGIN
from harness import DEADLINE, eventually
from hypothesis import strategies as st

from agent_config_sync.events import Event, LinkLost, PassFailed

BLOCKED = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = $1"
TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE $1"


class Faults(Machine):
    """Some are over at once, some last until the world comes to rest."""

    @step("fault", which=st.sampled_from(("%", "% listen", "%/here")))
    async def end_our_sessions(self, which: str) -> None:
        await self.world.operator.execute(TERMINATE, f"agent-config-sync{which}")

    @step("fault")
    async def reset_every_connection(self) -> None:
        self.world.proxy.reset()

    @step("fault", runs)
    async def swallow_everything(self) -> None:
        """Until the sync has noticed; what is committed meanwhile is heard by nobody."""
        world = self.world
        world.events.forget()
        world.proxy.swallowing = True
        await world.commit()
        noticed = (LinkLost, PassFailed)
        await world.events.until(Event, lambda event: isinstance(event, noticed))
        world.proxy.heal()

    @step("fault")
    async def leave_us_without_an_answer(self) -> None:
        """Until it comes to rest."""
        self.world.proxy.deaf = True
        self.world.proxy.reset()

    @step("fault", length=st.sampled_from((0, 1, 4, 5, 6, 50, 300)))
    async def cut_a_message(self, length: int) -> None:
        self.world.proxy.cut_after = length
        await self.world.commit()

    @step("fault", seconds=st.sampled_from((0.001, 0.01, 0.03)))
    async def slow_the_network_down(self, seconds: float) -> None:
        """Until it comes to rest."""
        self.world.proxy.delay = seconds

    @step("fault")
    async def restart_the_server(self) -> None:
        await self.world.restart_server()

    @step("fault", runs)
    async def unlisten_behind_our_back(self) -> None:
        plugin = self.world.plugin
        assert plugin is not None
        contact = plugin.session._contact
        if contact is not None and plugin.session.stands:
            with contextlib.suppress(Exception):  # another fault may be there already
                async with asyncio.timeout(DEADLINE):
                    await contact.link._listen.execute("UNLISTEN *")
        await self.world.commit()

    @step("fault", drift=st.sampled_from(("delete", "truncate", "edit", "replace", "garbage")))
    async def meddle_with_the_file(self, drift: str) -> None:
        world = self.world
        world.witness.forgives = world.unannounced = True
        await asyncio.to_thread(meddle, world.settings.output, drift)

    @step("fault", runs)
    async def take_the_rights_away(self) -> None:
        """Until it comes to rest."""
        await self.world.operator.execute(f"REVOKE agent_config_reader FROM {LOGIN}")
        await self.world.commit()

    @step(
        "fault",
        runs,
        then_rest=st.just(True),
        table=st.sampled_from(("agents", "agents", "agent_system_config")),
        also=st.sampled_from(((), (), ("truncate",), ("widen",), ("truncate", "widen"))),
    )
    async def lock_a_table_in_a_pass(self, table: str, also: tuple[str, ...]) -> None:
        """The change is committed while a snapshot that does not see it is being read."""
        world = self.world
        holder = await world.connect()
        try:
            async with holder.transaction():
                await holder.execute(f"LOCK {table} IN ACCESS EXCLUSIVE MODE")
                await world.operator.execute("NOTIFY agent_config_changed")
                with contextlib.suppress(TimeoutError):  # another fault may keep it away
                    async with asyncio.timeout(0.3):
                        await eventually(world.operator, BLOCKED, LOGIN)
                if "truncate" in also:
                    await holder.execute(f"TRUNCATE {table} CASCADE")
                if "widen" in also:
                    kind = "uuid DEFAULT gen_random_uuid()"
                    await holder.execute(f"ALTER TABLE {table} ADD COLUMN own_{len(self.story)} {kind}")
                await world.stamp(holder)
        finally:
            await holder.close(timeout=DEADLINE)


def meddle(path: Path, drift: str) -> None:
    match drift:
        case "delete":
            path.unlink(missing_ok=True)
        case "truncate":
            path.write_bytes(b"")
        case "edit" if path.exists():
            path.write_bytes(path.read_bytes().replace(b"age/", b"own/"))
        case "replace":
            other = path.with_name("other")
            other.write_bytes(b'{"agents": {"list": []}}\n')
            other.rename(path)
        case _:
            path.write_bytes(b"somebody's own")
