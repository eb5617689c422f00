"""The rows in which this gateway says which skills its agents have installed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import asyncpg
import orjson

from agent_config_sync.errors import RightsError
from agent_config_sync.model.skills import InstalledSkill, ListedSkill, SkillChange
from agent_config_sync.postgres.link import Link
from agent_config_sync.postgres.queries import query


async def report_skills(
    link: Link, skills: Sequence[InstalledSkill], *, account: str, gateway: str, seen: bool
) -> tuple[SkillChange, ...]:
    """Let these be the installed skills of the gateway, and record what that changes; return the changes.

    seen: also say of those that did not change that they were seen just now.

    Raises: RightsError when this login may not, DatabaseError.
    """
    document = orjson.dumps([asdict(skill) for skill in skills]).decode()
    async with link.reading() as connection:
        try:
            records = await connection.fetch(query("installed_skills_report"), account, gateway, document, seen)
        except (asyncpg.InsufficientPrivilegeError, asyncpg.UndefinedTableError) as error:
            raise RightsError(
                f"the installed skills of {gateway} cannot be written ({error.sqlstate}): GRANT agent_config_runtime "
                "TO this login; if another login reported them before, an operator deletes its rows of installed_skills"
            ) from None
    return tuple(SkillChange(**dict(record)) for record in records)


async def list_skills(connection: asyncpg.Connection, account: str) -> tuple[ListedSkill, ...]:
    """Return what is installed at all gateways of an account.

    Raises: what the driver raises.
    """
    records = await connection.fetch(query("installed_skills_list"), account)
    return tuple(ListedSkill(**dict(record)) for record in records)
