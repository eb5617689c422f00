"""Bring adopted agents and the database together, and say what became of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import asyncpg

from agent_config_sync.install.adoption import AdoptedAgent, Adoption
from agent_config_sync.model.site import Site
from agent_config_sync.postgres.intake import Known, is_shared, known_agents, take_in, take_in_defaults
from agent_config_sync.render.entry import Frame, render_entry


@dataclass(frozen=True, slots=True)
class Intake:
    """What happens, or happened, to the agents of a configuration.

    new, replaced, same: names; kept: agents and settings of which the database holds something else, which stays, each
    with the reason; only_here: the new ones are for this gateway alone.
    """

    new: tuple[str, ...]
    replaced: tuple[str, ...]
    same: tuple[str, ...]
    kept: tuple[str, ...]
    only_here: bool
    defaults: Mapping[str, str]


async def plan_intake(
    connection: asyncpg.Connection,
    adoption: Adoption,
    site: Site,
    *,
    account: str,
    replace: bool,
    beside_others: bool = False,
) -> Intake:
    """Return what `take_in_agents` would do with the agents; the database is only read.

    beside_others: other gateways are known that may not have reported yet.

    Raises: DatabaseError.
    """
    agents = adoption.agents
    known = await known_agents(connection, list(agents), account=account, gateway=site.gateway)
    names = frozenset(agents) | site.base_agents
    differences = {name: _difference(agents[name], known[name], site, names) for name in agents if name in known}
    differing = {name: reason for name, reason in differences.items() if reason is not None}
    return Intake(
        new=tuple(name for name in agents if name not in known),
        replaced=tuple(differing) if replace else (),
        same=tuple(name for name in differences if name not in differing),
        kept=() if replace else tuple(differing.values()),
        only_here=beside_others or await is_shared(connection, account=account, gateway=site.gateway),
        defaults=adoption.defaults,
    )


async def take_in_agents(
    connection: asyncpg.Connection, intake: Intake, adoption: Adoption, site: Site, *, account: str, replace: bool
) -> tuple[str, ...]:
    """Do what was planned, in one transaction; return the settings that the database keeps, each with the reason.

    Raises: DatabaseError.
    """
    async with connection.transaction():
        rows = {name: agent.row for name, agent in adoption.agents.items()}
        await take_in(
            connection,
            [rows[name] for name in intake.new],
            [rows[name] for name in intake.replaced],
            account=account,
            gateway=site.gateway,
            only_here=intake.only_here,
        )
        in_force = await take_in_defaults(connection, intake.defaults, replace=replace)
    return tuple(
        f"agent_system_config {key}: the database has {in_force[key]}, not {value}"
        for key, value in intake.defaults.items()
        if in_force[key] != value
    )


def _difference(agent: AdoptedAgent, known: Known, site: Site, names: frozenset[str]) -> str | None:
    """Return why the agent of the database is not the one of the configuration; None when it is."""
    where = f"agent {agent.row.name}: the database has one of this name"
    if not known.here:
        return f"{where} that is not for this gateway ({site.gateway})"
    # Rendered, the row names only agents of the configuration; it may allow further ones, which would come with it.
    allowed, wanted = (frozenset(row.allowed_subagents or ()) for row in (known.row, agent.row))
    if allowed != wanted or render_entry(known.row, Frame(site, names)).members != agent.entry.members:
        return f"{where} that says something else"
    if agent.row.is_default and not known.row.is_default:
        return f"{where} that is not the default agent"
    return None
