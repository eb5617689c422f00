"""What the doctor found, and the cure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Literal, TypeAlias

PROGRAM = "agent-config-sync"

CureKind: TypeAlias = Literal["run", "sql", "edit"]


@dataclass(frozen=True, slots=True)
class Cure:
    """What to do: a command to run, SQL to execute (as the owner of the tables), or what to edit by hand.

    login: of the database, where a command needs another one than this.
    """

    kind: CureKind
    text: str
    login: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. name: for machines and for docs/guide.md; what: for people, with the place."""

    name: str
    what: str
    cure: Cure


def run(*words: str, login: str | None = None) -> Cure:
    return Cure("run", shlex.join((PROGRAM, *words)), login)


def sql(text: str) -> Cure:
    return Cure("sql", text)


def change_agent(account: str, name: str, assignment: str) -> Cure:
    """Return the statement that changes one agent's row."""
    return sql(f"UPDATE agents SET {assignment} WHERE account_id = {literal(account)} AND name = {literal(name)};")


def forget_status(account: str, gateway: str) -> Cure:
    """Return the statement that lets another login report for a gateway."""
    return sql(f"DELETE FROM gateway_status WHERE account_id = {literal(account)} AND gateway = {literal(gateway)};")


def bind_login(login: str, account: str, gateway: str) -> Cure:
    """Return the statement that lets a login work for an account, as this gateway and no other."""
    values = ", ".join(literal(value) for value in (login, account, gateway))
    return sql(
        f"INSERT INTO account_logins (login, account_id, gateway) VALUES ({values})"
        " ON CONFLICT (login, account_id) DO UPDATE SET gateway = excluded.gateway;"
    )


def edit(text: str) -> Cure:
    return Cure("edit", text)


def literal(text: str) -> str:
    """Return a text as an SQL literal that can be read and typed: what cannot be printed is escaped."""
    if text.isprintable() and "\\" not in text:
        return "'" + text.replace("'", "''") + "'"
    escaped = (letter if letter.isprintable() else f"\\U{ord(letter):08X}" for letter in text.replace("\\", "\\\\"))
    return "E'" + "".join(escaped).replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def of_error(name: str, error: Exception) -> Finding:
    """Return an error as a finding: our errors say what happened, then a colon and the way out."""
    what, colon, way_out = str(error).rpartition(": ")
    return Finding(name, what, edit(way_out)) if colon else Finding(name, way_out, edit("mend that, then ask again"))
