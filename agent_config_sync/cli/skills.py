"""`agent-config-sync skills`: what agents have installed, from the database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict

import asyncpg
import orjson
import typer

from agent_config_sync.cli.database import open_connection
from agent_config_sync.cli.options import NOT_YET, AsJson, Config, Dsn, errors_end_the_command, given, settings_of
from agent_config_sync.cli.table import table
from agent_config_sync.errors import SchemaError
from agent_config_sync.logs import printable
from agent_config_sync.model.skills import SHARED, ListedSkill
from agent_config_sync.postgres.failures import QUERY_FAILURES, query_failure
from agent_config_sync.postgres.installed_skills import list_skills
from agent_config_sync.settings import Settings

app = typer.Typer(help="Skills that agents install by themselves.", no_args_is_help=True)


@app.callback()
def skills() -> None:
    """Skills that agents install by themselves."""


@app.command("list")
def list_(dsn: Dsn = None, config: Config = None, as_json: AsJson = False) -> None:
    """Show what is installed at each gateway. Ends with 3 if a gateway does not load one of them."""
    with errors_end_the_command():
        settings = settings_of(given(dsn=dsn), config)
        found = asyncio.run(_listed(settings))
    if as_json:
        print(orjson.dumps([asdict(skill) for skill in found], option=orjson.OPT_INDENT_2).decode())
    elif found:
        print("\n".join(_lines(found)))
    else:
        print("no agent has installed a skill")
    if any(skill.problem is not None for skill in found):
        raise typer.Exit(NOT_YET)


async def _listed(settings: Settings) -> tuple[ListedSkill, ...]:
    async with open_connection(settings) as connection:
        try:
            return await list_skills(connection, settings.account)
        except asyncpg.UndefinedTableError:
            raise SchemaError("the database has no table for installed skills yet: agent-config-sync migrate") from None
        except QUERY_FAILURES as error:
            raise query_failure(error, "the database") from None


def _lines(found: Sequence[ListedSkill]) -> list[str]:
    rows = [(skill.gateway, skill.agent or "all", skill.slug, skill.name, "; ".join(_notes(skill))) for skill in found]
    return [printable(line) for line in table(("GATEWAY", "AGENT", "SKILL", "NAME", "NOTES"), rows)]


def _notes(skill: ListedSkill) -> list[str]:
    """Return what there is to know beside the name; a skill in a workspace beats a shared one (docs/guide.md)."""
    notes = []
    if skill.problem is not None:
        notes.append(f"not loaded: {skill.problem}")
    if skill.assigned:
        notes.append("stands in the place of the operator's skill of this name")
    if skill.shared and skill.agent != SHARED:
        notes.append("beats the shared skill of this name")
    return notes
