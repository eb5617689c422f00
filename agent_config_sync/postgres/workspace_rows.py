"""Read what workspaces are made of: six tables and the agents' own columns, in the transaction of the snapshot."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

import asyncpg

from agent_config_sync.model.credentials import EnteredKey, SkillEntry
from agent_config_sync.model.workspace import (
    AssignmentRow,
    BoardRow,
    GatewayRow,
    PersonRow,
    ProfileRow,
    SkillRow,
    TokenRow,
    WorkspaceRows,
)
from agent_config_sync.postgres.queries import query
from agent_config_sync.postgres.row_memory import RowMemory

TABLES = ("people", "boards", "skills", "agent_skills", "model_aliases", "agent_tokens")
"""The tables of migration 0004; with one of them gone there are no workspaces to be made."""

MIGRATION = "0004_workspaces"

SKILL_TABLES = ("accounts", "installed_skills", "activities")
"""The tables of migration 0005; with one of them gone agents install no skills that anybody sees."""

SKILL_MIGRATION = "0005_installed_skills"

R = TypeVar("R")
V = TypeVar("V")


class WorkspaceReader:
    """Keeps what it read, as the reader of agents does; unchanged rows are the same objects in the next snapshot."""

    def __init__(self, account: str, gateway: str) -> None:
        self._account = account
        self._gateway = gateway
        self._files: str | None = None
        self.profiles = RowMemory("profiles_by_version", lambda record: ProfileRow(**_members(record)))
        self._people = RowMemory("people_by_version", lambda record: PersonRow(**_members(record)))
        self._boards = RowMemory("boards_by_version", lambda record: BoardRow(**_members(record)))
        self._skills = RowMemory("skills_by_version", lambda record: SkillRow(**_members(record)))
        self._assignments = RowMemory("agent_skills_by_version", lambda record: AssignmentRow(**_members(record)))
        self._gateways = RowMemory("gateways_by_version", lambda record: GatewayRow(**_members(record)))
        self._tokens = RowMemory("agent_tokens_by_version", lambda record: TokenRow(**_members(record)))
        self._people_by_id = _Made[PersonRow, Mapping[str, PersonRow]](lambda rows: {row.id: row for row in rows})
        self._boards_by_id = _Made[BoardRow, Mapping[str, BoardRow]](lambda rows: {row.id: row for row in rows})
        self._skills_by_slug = _Made[SkillRow, Mapping[str, SkillRow]](lambda rows: {row.slug: row for row in rows})
        self._assigned = _Made(_in_order)

    async def read(
        self, connection: asyncpg.Connection, agent_versions: bytes | None, *, with_skills: bool
    ) -> WorkspaceRows | None:
        """Return the rows of this instant. agent_versions: those of the agents in scope; with_skills: the database has
        the tables of skills that agents install.

        Returns: None where a table was truncated or rewritten after the instant of the snapshot.
        """
        found = await connection.fetchrow(query("workspace_versions"), self._account, self._gateway)
        assert found is not None  # a row of aggregates
        if found["rewritten"]:
            return None
        if found["files"] != self._files:
            self._files = found["files"]
            for memory in (
                self._people, self._boards, self._skills, self._assignments, self._gateways, self._tokens,
            ):  # fmt: skip
                memory.forget()
        profiles = await self.profiles.take(connection, agent_versions)
        people = await self._people.take(connection, found["people"])
        boards = await self._boards.take(connection, found["boards"])
        skills = await self._skills.take(connection, found["skills"])
        assignments = await self._assignments.take(connection, found["agent_skills"])
        gateways = await self._gateways.take(connection, found["gateways"])
        tokens = await self._tokens.take(connection, found["agent_tokens"])
        skills_enabled, entered = await self._skill_state(connection) if with_skills else (False, None)
        keys_known = bool(entered) or (
            entered is not None and await connection.fetchval(query("keys_known"), self._account, self._gateway)
        )
        return WorkspaceRows(
            profiles=profiles,
            boards=self._boards_by_id.of(boards),
            people=self._people_by_id.of(people),
            skills=self._skills_by_slug.of(skills),
            assigned=self._assigned.of(assignments),
            gateway=gateways[0] if gateways else None,
            tokens=tokens,
            skills_enabled=skills_enabled,
            entered=entered,
            keys_known=keys_known,
        )

    async def _skill_state(self, connection: asyncpg.Connection) -> tuple[bool, tuple[EnteredKey, ...] | None]:
        """Return whether agents may install skills, and the keys that people have entered, None where this login may
        not read them."""
        said = await connection.fetchrow(query("skills_enabled"), self._account)
        assert said is not None  # a row of constants
        if not said["reads_keys"]:
            return said["enabled"], None
        records = await connection.fetch(query("entered_keys"), self._account, self._gateway)
        return said["enabled"], tuple([_entered(record) for record in records])


class _Made(Generic[R, V]):
    """Something that is made of the rows of one table, the same object while they are the same."""

    def __init__(self, make: Callable[[tuple[R, ...]], V]) -> None:
        self._make = make
        self._rows: tuple[R, ...] = ()
        self._value = make(())

    def of(self, rows: tuple[R, ...]) -> V:
        if rows is not self._rows:
            self._rows, self._value = rows, self._make(rows)
        return self._value


def _in_order(rows: tuple[AssignmentRow, ...]) -> Mapping[str, tuple[str, ...]]:
    """Return the slugs of each agent in their order."""
    ordered: defaultdict[str, list[str]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row.position, row.skill)):
        ordered[row.agent].append(row.skill)
    return {agent: tuple(slugs) for agent, slugs in ordered.items()}


def _entered(record: asyncpg.Record) -> EnteredKey:
    entries = [SkillEntry(name, primary_env) for name, primary_env in record["entries"]]
    return EnteredKey(record["id"], record["skill"], record["key_name"], tuple(entries))


def _members(record: asyncpg.Record) -> dict[str, object]:
    members = dict(record)
    del members["version"]
    return members
