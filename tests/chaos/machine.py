"""Operators, faults and restarts in any order: whatever happens, the file ends up as the oracle says."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import shutil
import signal
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal, TypeAlias

import hypothesis
import orjson
from chaos import rows
from chaos.tally import Tally
from chaos.witness import CLOCK
from chaos.world import LOGIN, NEVER, Site, World, in_haste, prepare
from harness import DEADLINE, eventually
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from agent_config_sync.cli.throwaway import ThrowawayServer
from agent_config_sync.errors import StoppedError, SyncError
from agent_config_sync.events import Event, LinkLost, Listening, Published, Refused, Renaming, WaitingForOther

Kind: TypeAlias = Literal["operator", "fault", "restart", "rest"]
Step: TypeAlias = Callable[..., Awaitable[None]]
When: TypeAlias = Callable[["Machine"], bool]

BLOCKED = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = $1"
TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE $1"
LENGTH = 25
"""Steps of an example: a world of its own, and at its end nothing may be left of it."""


def step(kind: Kind, when: When = lambda _: True, /, **drawn: st.SearchStrategy[Any]) -> Callable[[Step], Any]:
    """Make a rule of a coroutine: counted, run in the machine's loop, and told of when it fails."""

    def decorate(method: Step) -> Any:
        @functools.wraps(method)
        def counted(self: Machine, **values: Any) -> None:
            words = ", ".join(f"{name}={value!r}" for name, value in values.items())
            self.story.append(f"{method.__name__}({words})")
            self.tally.steps[kind, method.__name__.replace("_", " ")] += 1
            try:
                self.runner.run(method(self, **values))
            except BaseException as error:
                self.sound = False
                error.add_note("\n".join(("the steps:", *self.story)))
                raise

        return precondition(when)(rule(**drawn)(counted))

    return decorate


def runs(machine: Machine) -> bool:
    return machine.world.plugin is not None


def alone(machine: Machine) -> bool:
    return runs(machine) and machine.world.waiting is None


class Machine(RuleBasedStateMachine):
    """One world, and all that may happen to it. What is drawn follows from the seed; the timing is the machine's."""

    world: World

    def __init__(self, server: ThrowawayServer, tally: Tally) -> None:
        super().__init__()
        self.server = server
        self.tally = tally
        self.sound = True
        self.story: list[str] = []
        self.before = left_open()
        self.killed = False
        self.runner = asyncio.Runner()

    @initialize(
        site=st.builds(Site, version=st.sampled_from(("2026.9.6", "2026.7.1")), resync=st.sampled_from((NEVER, 1.0)))
    )
    def begin(self, site: Site) -> None:
        self.story.append(f"begin({site})")
        self.tally.steps["restart", "begin"] += 1
        self.world = World(self.server, self.tally, site)
        self.runner.run(self.world.begin())

    def teardown(self) -> None:
        try:
            if hasattr(self, "world"):
                self.runner.run(self.world.end(sound=self.sound))
        except BaseException as error:
            error.add_note("\n".join(("the steps:", *self.story)))
            raise
        finally:
            self.runner.close()
        if self.sound:
            after = left_open()
            self.tally.left_over += sum(map(len, (after[0] - self.before[0], after[1] - self.before[1])))
            assert after == self.before

    # The operator ----------------------------------------------------------------------------------------------------

    @step("operator", account=st.sampled_from(("default", "default", "other")), name=rows.names, row=rows.rows)
    async def insert_an_agent(self, account: str, name: str, row: tuple[object, ...]) -> None:
        await self.world.commit((rows.INSERT, account, name, *row))

    @step("operator", name=rows.names, cell=rows.cells)
    async def change_a_column(self, name: str, cell: tuple[str, object]) -> None:
        await self.world.commit((rows.UPDATES[cell[0]], name, cell[1]))

    @step("operator", names=st.lists(rows.names, min_size=1, max_size=3))
    async def delete_agents(self, names: list[str]) -> None:
        await self.world.commit(("DELETE FROM agents WHERE name = ANY ($1)", names))

    @step("operator", old=rows.names, new=rows.names)
    async def rename_an_agent(self, old: str, new: str) -> None:
        free = "NOT EXISTS (SELECT FROM agents WHERE name = $2)"
        await self.world.commit((f"UPDATE agents SET name = $2 WHERE name = $1 AND {free}", old, new))

    @step("operator", name=rows.names, gateways=rows.COLUMNS["gateways"])
    async def move_the_default(self, name: str, gateways: list[str] | None) -> None:
        await self.world.commit(
            ("UPDATE agents SET is_default = name = $1 WHERE name <> $2", name, CLOCK),
            ("UPDATE agents SET gateways = $2 WHERE name = $1", name, gateways),
        )

    @step("operator", key=rows.keys, value=rows.numbers, kind=rows.kinds)
    async def change_a_system_setting(self, key: str, value: str, kind: str) -> None:
        sql = (
            "INSERT INTO agent_system_config (key, value, value_type) VALUES ($1, $2, $3) "
            "ON CONFLICT (key) DO UPDATE SET value = excluded.value, value_type = excluded.value_type"
        )
        await self.world.commit((sql, key, value, kind))

    @step("operator", key=rows.keys)
    async def delete_a_system_setting(self, key: str) -> None:
        await self.world.commit(("DELETE FROM agent_system_config WHERE key = $1", key))

    @step("operator", count=st.integers(1, 300), model=rows.models)
    async def insert_many_agents(self, count: int, model: str) -> None:
        sql = (
            "INSERT INTO agents (name, model) SELECT 'many-' || number, $2 FROM generate_series(1, $1) AS number "
            "ON CONFLICT (account_id, name) DO UPDATE SET model = excluded.model"
        )
        await self.world.commit((sql, count, model))

    @step("operator")
    async def delete_many_agents(self) -> None:
        await self.world.commit(("DELETE FROM agents WHERE name LIKE 'many-%'",))

    @step("operator", status=st.sampled_from(("draft", "active")))
    async def change_the_status_of_all(self, status: str) -> None:
        await self.world.commit(("UPDATE agents SET status = $1", status))

    @step("operator", count=st.integers(2, 30), name=rows.names, model=rows.models)
    async def commit_in_a_burst(self, count: int, name: str, model: str) -> None:
        for _ in range(count):
            await self.world.commit((rows.UPDATES["model"], name, model))

    @step("operator", name=rows.names, row=rows.rows)
    async def roll_back(self, name: str, row: tuple[object, ...]) -> None:
        await self.world.roll_back(
            ("DELETE FROM agents WHERE name = $1", name), (rows.INSERT, "default", name, *row), ("NOTIFY other",)
        )

    @step("operator", table=st.sampled_from(("agents", "agent_system_config")))
    async def truncate(self, table: str) -> None:
        """The clock goes with it and comes back in the same transaction."""
        world = self.world
        async with world.operator.transaction():
            await world.operator.execute(f"TRUNCATE {table}")
            await world.stamp(world.operator)

    @step("operator")
    async def change_what_is_not_ours(self) -> None:
        await self.world.operator.execute("UPDATE agents SET display_name = 'x'")
        await self.world.operator.execute("UPDATE agents SET model = model")
        await self.world.operator.execute("UPDATE gateway_status SET seen_at = now()")

    @step("operator", runs)
    async def empty_the_roster(self) -> None:
        """Once by mistake, which changes nothing."""
        world = self.world
        await world.rest()
        good = world.settings.output.read_bytes()
        world.events.forget()
        await world.operator.execute("DELETE FROM agents WHERE account_id = 'default'")
        if has_agents(good):
            await world.events.until(Refused)
        assert world.settings.output.read_bytes() == good
        await world.commit()

    @step("operator", runs)
    async def take_the_default_away(self) -> None:
        """The last one stays."""
        world = self.world
        await world.commit()
        await world.rest()
        last = await world.oracle.default(world.operator)
        await world.commit(("UPDATE agents SET is_default = false",))
        await world.rest(last_default=last)
        await world.commit()

    @step("operator", kind=st.sampled_from(("text", "int DEFAULT 7", "uuid DEFAULT gen_random_uuid()")))
    async def add_a_column(self, kind: str) -> None:
        await self.world.operator.execute(f"ALTER TABLE agents ADD COLUMN own_{len(self.story)} {kind}")
        await self.world.commit()

    @step("operator", sql=st.sampled_from(("VACUUM FULL agents", "CLUSTER agents USING agents_pkey", "VACUUM agents")))
    async def rewrite_the_table(self, sql: str) -> None:
        await self.world.operator.execute(sql)

    # Faults ----------------------------------------------------------------------------------------------------------

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
        if world.site.resync == NEVER:
            await world.events.until(LinkLost)
        world.proxy.heal()

    @step("fault")
    async def accept_and_never_answer(self) -> None:
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
        table=st.sampled_from(("agents", "agent_system_config")),
        truncated=st.booleans(),
        column=st.booleans(),
    )
    async def lock_a_table_in_a_pass(self, table: str, truncated: bool, column: bool) -> None:
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
                if truncated:
                    await holder.execute(f"TRUNCATE {table}")
                if column:
                    kind = "uuid DEFAULT gen_random_uuid()"
                    await holder.execute(f"ALTER TABLE {table} ADD COLUMN own_{len(self.story)} {kind}")
                await world.stamp(holder)
        finally:
            await holder.close(timeout=DEADLINE)

    # Restarts --------------------------------------------------------------------------------------------------------

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
        with contextlib.suppress(SyncError):  # whatever else is broken now
            await self.world.visit()

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
            plugin.pipeline.tell = killed  # type: ignore[method-assign]
        await world.commit()
        await world.events.until(moment)
        await world.stop()

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
    async def come_to_rest(self) -> None:
        await self.world.rest()


def killed(_: object) -> Any:
    raise StoppedError("killed")


def has_agents(content: bytes) -> bool:
    section = orjson.loads(content)["agents"]
    return bool(section.get("list") or section.get("entries"))


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


def left_open() -> tuple[frozenset[str], frozenset[str]]:
    """Return the threads, and the descriptors with what they are."""
    descriptors = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            descriptors.append(f"{link.name} {link.readlink()}")
    return frozenset(thread.name for thread in threading.enumerate()), frozenset(descriptors)


def chaos(server: ThrowawayServer, *, steps: int, seed: int | None) -> Tally:
    """Take about this many steps, the same ones for the same seed, None for always the same; return what came of it."""
    tally = Tally()
    asyncio.run(prepare(server))
    chosen = hypothesis.settings(
        max_examples=max(1, round(steps / LENGTH)),
        stateful_step_count=LENGTH,
        deadline=None,
        database=None,
        derandomize=seed is None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    machine: Any = functools.partial(Machine, server, tally)
    if seed is not None:
        machine = hypothesis.seed(seed)(machine)
    with in_haste():
        run_state_machine_as_test(machine, settings=chosen)
    return tally
