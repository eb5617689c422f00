"""What people do at the database."""

from __future__ import annotations

import orjson
from chaos import rows
from chaos.steps import Machine, runs, step
from chaos.witness import CLOCK
from hypothesis import strategies as st

from agent_config_sync.events import Refused, Unchanged
from agent_config_sync.publish.atomic import signature


class Operators(Machine):
    """Each commit moves the clock, so that a reader can tell how old a file is."""

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

    @step("operator", then_rest=st.just(True), count=st.integers(2, 30), name=rows.names, model=rows.models)
    async def commit_in_a_burst(self, count: int, name: str, model: str) -> None:
        """The last one comes while a pass is under way."""
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
            await world.operator.execute(f"TRUNCATE {table} CASCADE")
            await world.stamp(world.operator)

    @step("operator")
    async def write_what_is_not_ours(self) -> None:
        await self.world.operator.execute("UPDATE agents SET display_name = 'x'")
        await self.world.operator.execute("UPDATE agents SET model = model")
        await self.world.operator.execute("UPDATE gateway_status SET seen_at = now()")

    @step("operator", runs)
    async def wake_for_nothing(self) -> None:
        """The same bytes are not written again."""
        world = self.world
        await world.rest()
        before = signature(world.settings.output)
        world.events.forget()
        await world.operator.execute("NOTIFY agent_config_changed")
        await world.events.until(Unchanged)
        assert signature(world.settings.output) == before

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
    async def widen_the_table(self, kind: str) -> None:
        await self.world.operator.execute(f"ALTER TABLE agents ADD COLUMN own_{len(self.story)} {kind}")
        await self.world.commit()

    @step("operator", sql=st.sampled_from(("VACUUM FULL agents", "CLUSTER agents USING agents_pkey", "VACUUM agents")))
    async def rewrite_the_table(self, sql: str) -> None:
        await self.world.operator.execute(sql)


def has_agents(content: bytes) -> bool:
    section = orjson.loads(content)["agents"]
    return bool(section.get("list") or section.get("entries"))
