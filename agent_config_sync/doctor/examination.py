"""Everything that the doctor looks at, from the database to the gateway."""

from __future__ import annotations

import asyncio
import shutil

from agent_config_sync.doctor.database import database_finding, examine_database
from agent_config_sync.doctor.finding import Finding, of_error, run
from agent_config_sync.doctor.gateway import examine_gateway, examine_layout
from agent_config_sync.doctor.output import examine_output
from agent_config_sync.doctor.roster import examine_roster
from agent_config_sync.errors import DatabaseError, PublishError, RefusedError
from agent_config_sync.gateway.catalog import known_models
from agent_config_sync.plugin import Plugin, server_of
from agent_config_sync.settings import Settings
from agent_config_sync.state import State


async def examine(settings: Settings) -> tuple[Finding, ...]:
    """Return everything that is wrong, nothing changed."""
    state = State(settings.state_dir, settings.output)
    findings = [*await examine_database(server_of(settings), account=settings.account, gateway=settings.gateway)]
    readable = not findings
    findings += examine_output(settings)
    neighbour, found = examine_gateway(settings, state)
    findings += found
    if (held := state.remembered.held) is not None:
        what = f"{held.title} is held in place by restore: what the database says is not published"
        findings.append(Finding("held", what, run("resume")))
    if readable and neighbour is not None:
        findings += await _examine_rows(settings)
    return tuple(findings)


async def _examine_rows(settings: Settings) -> tuple[Finding, ...]:
    """Return what is wrong with what the rows make: with them, and with where it would go."""
    try:
        prepared = await Plugin(settings).sync.preview()
    except RefusedError as error:
        return (of_error("refused", error),)
    except PublishError:
        return ()  # `examine_output` has said it
    except DatabaseError as error:
        return (database_finding(error),)
    layout = examine_layout(settings, prepared.neighbour, prepared.content)
    said = {_as_warning(finding) for finding in layout}
    catalog = await asyncio.to_thread(known_models, settings.config_path, shutil.which("openclaw"))
    roster = examine_roster(
        prepared.snapshot,
        account=settings.account,
        default=prepared.default,
        base_agents=prepared.neighbour.site.base_agents,
        catalog=catalog,
        warnings=tuple(warning for warning in prepared.warnings if warning not in said and not _of_hold(warning)),
    )
    return (*layout, *roster)


def _of_hold(warning: str) -> bool:
    return warning.startswith("held at ")


def _as_warning(finding: Finding) -> str:
    return f"{finding.what}: {finding.cure.text}"
