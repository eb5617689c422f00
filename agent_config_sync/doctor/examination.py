"""Everything that the doctor looks at, from the database to the gateway."""

from __future__ import annotations

import asyncio
import shutil

from agent_config_sync.doctor.board import examine_board
from agent_config_sync.doctor.database import database_finding, examine_database
from agent_config_sync.doctor.delivery import examine_delivery
from agent_config_sync.doctor.finding import Finding, of_error, run
from agent_config_sync.doctor.gateway import examine_gateway, examine_layout
from agent_config_sync.doctor.output import examine_output
from agent_config_sync.doctor.roster import examine_roster
from agent_config_sync.doctor.skills import examine_skills, of_key
from agent_config_sync.errors import DatabaseError, PublishError, RefusedError
from agent_config_sync.gateway.catalog import known_models
from agent_config_sync.model.site import Site
from agent_config_sync.model.snapshot import Snapshot
from agent_config_sync.plugin import Plugin
from agent_config_sync.postgres.agent_columns import columns_unlike_ours
from agent_config_sync.postgres.failures import QUERY_FAILURES, query_failure
from agent_config_sync.postgres.link import Timing, connect
from agent_config_sync.postgres.schema import active_agents
from agent_config_sync.postgres.server import server_of
from agent_config_sync.publish import atomic
from agent_config_sync.settings import Settings
from agent_config_sync.state import State

_UNREADABLE = frozenset(
    {
        "column_missing",
        "database_unreachable",
        "login_not_bound",
        "login_refused",
        "notifications_lost",
        "pooler",
        "replica",
        "rights_missing",
        "settings_invalid",
        "table_missing",
    }
)
"""Findings with which no snapshot can be taken."""


async def examine(settings: Settings, *, child: bool = False) -> tuple[Finding, ...]:
    """Return everything that is wrong, nothing changed. child: the sync runs as the gateway's child."""
    state = State(settings.state_dir, settings.output)
    findings = [*await examine_database(server_of(settings), account=settings.account, gateway=settings.gateway)]
    readable = not any(finding.name in _UNREADABLE for finding in findings)
    findings += examine_output(settings)
    try:
        state.refresh()
    except PublishError as error:
        findings.append(of_error("state_unreadable", error))
    neighbour, found = examine_gateway(settings, state, child=child)
    findings += found
    if neighbour is not None:
        findings += examine_delivery(settings, neighbour.site.version, child=child)
    if (held := state.remembered.held) is not None:
        what = f"{held.title} is held in place by restore: what the database says is not published"
        findings.append(Finding("held", what, run("resume")))
    if readable and neighbour is not None:
        findings += await _examine_rows(settings)
    elif neighbour is not None:
        findings += examine_layout(settings, neighbour, _standing(settings))
    return tuple(findings)


def _standing(settings: Settings) -> bytes:
    """Return what stands on disk, which the next pass would most likely write again."""
    try:
        return atomic.read(settings.output) or b"{}"
    except PublishError:  # `examine_output` has said it
        return b"{}"


async def _examine_rows(settings: Settings) -> tuple[Finding, ...]:
    """Return what is wrong with what the rows make: with them, and with where it would go."""
    try:
        plugin = Plugin(settings)
        prepared = await plugin.visit.preview()
        withheld = await asyncio.to_thread(plugin.pipeline.keys_withheld, prepared.snapshot)
        site = prepared.neighbour.site
        elsewhere, odd, further = await _about_rows(settings, prepared.snapshot, site)
    except RefusedError as error:
        return (of_error("refused", error),)
    except PublishError:
        return ()  # `examine_output` has said it
    except DatabaseError as error:
        return (database_finding(error),)
    layout = examine_layout(settings, prepared.neighbour, prepared.content)
    models = await asyncio.to_thread(known_models, settings.config_path, shutil.which("openclaw"))
    roster = examine_roster(
        prepared.snapshot,
        account=settings.account,
        default=prepared.default,
        base_agents=site.base_agents if site.base_complete else None,
        models=models,
        elsewhere=elsewhere,
        odd=odd,
        warnings=prepared.of_rows,
    )
    return (*layout, *roster, *further, *(of_key(problem) for problem in withheld))


async def _about_rows(
    settings: Settings, snapshot: Snapshot, site: Site
) -> tuple[frozenset[str], frozenset[str], tuple[Finding, ...]]:
    """Return the agents that rows of this gateway may start and that other gateways run, the columns of agents that
    have another type than ours, and what is wrong with skills and the board.

    Raises: DatabaseError.
    """
    allowed = {name for row in snapshot.agents for name in row.allowed_subagents or () if name is not None}
    server = server_of(settings)
    connection = await connect(server, application_name="agent-config-sync", timing=Timing())
    try:
        elsewhere = await active_agents(connection, settings.account, allowed)
        odd = await columns_unlike_ours(connection)
        skills = await examine_skills(connection, settings, snapshot, version=site.version)
        return elsewhere, odd, (*skills, *await examine_board(connection, settings))
    except QUERY_FAILURES as error:
        raise query_failure(error, server.name) from None
    finally:
        connection.terminate()
