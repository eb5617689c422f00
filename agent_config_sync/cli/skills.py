"""`agent-config-sync skills`: what agents have installed and ask for, from the database."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import Annotated, TypeVar

import asyncpg
import orjson
import typer

from agent_config_sync.cli.database import open_connection
from agent_config_sync.cli.options import NOT_YET, AsJson, Config, Dsn, errors_end_the_command, given, settings_of
from agent_config_sync.cli.person import Person, person_or_user
from agent_config_sync.cli.table import table
from agent_config_sync.errors import SchemaError
from agent_config_sync.logs import printable
from agent_config_sync.model.moments import ago
from agent_config_sync.model.skills import ListedSkill
from agent_config_sync.postgres.failures import QUERY_FAILURES, query_failure
from agent_config_sync.postgres.installed_skills import list_skills
from agent_config_sync.postgres.skill_credentials import list_credentials
from agent_config_sync.secret_store import SecretStore
from agent_config_sync.settings import Settings
from agent_config_sync.skills.entering import LONGEST_KEY, Entering

T = TypeVar("T")

app = typer.Typer(help="Skills that agents install by themselves.", no_args_is_help=True)


@app.callback()
def skills() -> None:
    """Skills that agents install by themselves."""


@app.command("list")
def list_(dsn: Dsn = None, config: Config = None, as_json: AsJson = False) -> None:
    """Show what is installed at each gateway. Ends with 3 if a gateway does not load one of them."""
    with errors_end_the_command():
        settings = settings_of(given(dsn=dsn), config)
        found = asyncio.run(_asked(settings, list_skills))
    if as_json:
        print(orjson.dumps([asdict(skill) for skill in found], option=orjson.OPT_INDENT_2).decode())
    elif found:
        print("\n".join(_lines(found)))
    else:
        print("no agent has installed a skill")
    if any(skill.problem is not None for skill in found):
        raise typer.Exit(NOT_YET)


@app.command()
def credentials(dsn: Dsn = None, config: Config = None, as_json: AsJson = False) -> None:
    """Show the keys for which agents have asked. Ends with 3 if a person is asked for one."""
    with errors_end_the_command():
        settings = settings_of(given(dsn=dsn), config)
        found = asyncio.run(_asked(settings, list_credentials))
    if as_json:
        print(orjson.dumps([asdict(credential) for credential in found], option=orjson.OPT_INDENT_2).decode())
    elif found:
        rows = [
            (
                each.credential_ref,
                each.status,
                each.requested_by or "",
                each.decided_by or "",
                ago(each.updated_at),
            )
            for each in found
        ]
        heads = ("CREDENTIAL", "STATUS", "AGENT", "PERSON", "CHANGED")
        print("\n".join(printable(line) for line in table(heads, rows)))
    else:
        print("no agent has asked for a key")
    if any(credential.status == "pending" for credential in found):
        raise typer.Exit(NOT_YET)


Ref = Annotated[str, typer.Argument(help="The reference, as `skills credentials` shows it.", show_default=False)]


@app.command()
def enter(credential_ref: Ref, person: Person = None, dsn: Dsn = None, config: Config = None) -> None:
    """Enter a key for which an agent of this gateway has asked; it is read from the terminal, or from a pipe."""
    with errors_end_the_command():
        settings = settings_of(given(dsn=dsn), config)
        asyncio.run(_deciding(settings).enter(credential_ref, _read_key(credential_ref), person=person_or_user(person)))
    _told(settings, "entered; the gateway is given it by the pass that follows")


@app.command()
def revoke(credential_ref: Ref, person: Person = None, dsn: Dsn = None, config: Config = None) -> None:
    """Take a key back, or refuse a request for one."""
    with errors_end_the_command():
        settings = settings_of(given(dsn=dsn), config)
        asyncio.run(_deciding(settings).revoke(credential_ref, person=person_or_user(person)))
    _told(settings, "revoked; the pass that follows takes it away, and an agent has to ask for it anew")


def _told(settings: Settings, what: str) -> None:
    print(what)
    if settings.workspaces is None:
        print(
            "warning: by these settings no workspaces are made, and a process with them makes no such pass",
            file=sys.stderr,
        )


def _read_key(ref: str) -> str:
    """Return what a person types, unseen, or what a pipe holds."""
    if sys.stdin.isatty():
        return getpass.getpass(f"{printable(ref)}: ")
    return sys.stdin.read(4 * LONGEST_KEY)


def _deciding(settings: Settings) -> Entering:
    return Entering(settings, SecretStore.of(settings), lambda: _lent(settings))


@contextlib.asynccontextmanager
async def _lent(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    async with open_connection(settings) as connection:
        try:
            yield connection
        except QUERY_FAILURES as error:
            raise query_failure(error, "the database") from None


async def _asked(
    settings: Settings, ask: Callable[[asyncpg.Connection, str], Awaitable[tuple[T, ...]]]
) -> tuple[T, ...]:
    """Return what is asked of the database, about the account."""
    async with _lent(settings) as connection:
        try:
            return await ask(connection, settings.account)
        except asyncpg.UndefinedTableError:
            raise SchemaError("the database has no tables for that yet: agent-config-sync migrate") from None


def _lines(found: Sequence[ListedSkill]) -> list[str]:
    rows = [
        (skill.gateway, skill.agent or "all", skill.slug, skill.name, ago(skill.seen_at), "; ".join(_notes(skill)))
        for skill in found
    ]
    return [printable(line) for line in table(("GATEWAY", "AGENT", "SKILL", "NAME", "SEEN", "NOTES"), rows)]


def _notes(skill: ListedSkill) -> list[str]:
    """Return what there is to know beside the name; a skill in a workspace beats a shared one (docs/skills.md)."""
    notes = []
    if skill.problem is not None:
        notes.append(f"not loaded: {skill.problem}")
    if skill.assigned:
        notes.append("stands in the place of the operator's skill of this name")
    if skill.shared:
        notes.append("beats the shared skill of this name")
    return notes
