"""`agent-config-sync doctor`: what is wrong, and the cure of each."""

from __future__ import annotations

import asyncio
import re
from dataclasses import asdict, replace
from urllib.parse import quote, unquote

import orjson
import typer

from agent_config_sync.cli.options import (
    NOT_YET,
    AsJson,
    Config,
    Dsn,
    GatewayVersion,
    Output,
    as_typed,
    beside_gateway,
    errors_end_the_command,
    given,
    settings_of,
)
from agent_config_sync.doctor.examination import examine
from agent_config_sync.doctor.finding import PROGRAM, Finding
from agent_config_sync.dsn import parts_to_show
from agent_config_sync.logs import printable, set_up_logs
from agent_config_sync.settings import Settings

_PLAIN_HOST = re.compile(r"[\w.-]+", re.ASCII)


def doctor(
    dsn: Dsn = None,
    config: Config = None,
    output: Output = None,
    gateway_version: GatewayVersion = None,
    as_json: AsJson = False,
) -> None:
    """Look for everything that is wrong, with the cure of each. Changes nothing; ends with 3 if there is something."""
    options = given(dsn=dsn, output_path=output, gateway_version=gateway_version)
    with errors_end_the_command():
        settings = settings_of(options, config)
        set_up_logs("error", "text")
        found = asyncio.run(examine(settings, child=beside_gateway()))
        findings = tuple(_typed(finding, settings, dsn=dsn, config=config, output=output) for finding in found)
    if as_json:
        members = {"sound": not findings, "findings": [asdict(finding) for finding in findings]}
        print(orjson.dumps(members, option=orjson.OPT_INDENT_2).decode())
    elif findings:
        print("\n".join(_lines(findings)))
    else:
        print(f"sound: gateway {settings.gateway}, {settings.output}")
    if findings:
        raise typer.Exit(NOT_YET)


def _typed(finding: Finding, settings: Settings, *, dsn: str | None, config: str | None, output: str | None) -> Finding:
    """Return the finding with its command as this person types it: for the same gateway, the same database, and as a
    login that may."""
    cure = finding.cure
    if cure.kind != "run" or not cure.text.startswith(f"{PROGRAM} "):
        return finding
    options: list[str] = []
    if dsn is not None or cure.login is not None:
        options += ["--dsn", _shown_dsn(settings, user=cure.login) or "DSN"]
    if config is not None:
        options += ["--config", config]
    if output is not None and "migrate" not in cure.text:
        options += ["--output", output]
    note = f"  # as {cure.login}, who owns the tables" if cure.login is not None else ""
    return replace(finding, cure=replace(cure, text=as_typed(cure.text, *options) + note))


def _shown_dsn(settings: Settings, *, user: str | None) -> str | None:
    """Return the database as one URL that a person may be shown, None if it cannot be told without doubt.

    user: another login than that of the settings.
    """
    host, port, database, query = settings.host, settings.port, settings.database, ""
    login = user or settings.user
    if settings.dsn is not None:
        parts = parts_to_show(settings.dsn.get_secret_value())
        if parts is None or parts.query is None:
            return None
        host, database, query = parts.host or host, parts.database or database, parts.query
        login = user or unquote(parts.user) or settings.user
    elif host is None or not _PLAIN_HOST.fullmatch(host):
        return None
    where = (host or "") + (f":{port}" if port and not {":", ","} & set(host or "") else "")
    return f"postgresql://{quote(login, safe='') + '@' if login else ''}{where}/{quote(database or '', safe='')}{query}"


def _lines(findings: tuple[Finding, ...]) -> list[str]:
    verbs = {"run": "run:  ", "sql": "SQL:  ", "edit": "cure: "}
    lines = []
    for finding in findings:
        lines += [f"{finding.name}: {finding.what}", f"    {verbs[finding.cure.kind]}{finding.cure.text}"]
    lines.append(f"{len(findings)} finding" + ("s" if len(findings) > 1 else ""))
    return [printable(line) for line in lines]
