"""`agent-config-sync doctor`: what is wrong, and the cure of each."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, replace

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
from agent_config_sync.logs import printable, set_up_logs
from agent_config_sync.plugin import dsn_without_password
from agent_config_sync.settings import Settings


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
        options += ["--dsn", dsn_without_password(settings, user=cure.login) or "DSN"]
    if config is not None:
        options += ["--config", config]
    if output is not None and "migrate" not in cure.text:
        options += ["--output", output]
    note = f"  # as {cure.login}, who owns the tables" if cure.login is not None else ""
    return replace(finding, cure=replace(cure, text=as_typed(cure.text, *options) + note))


def _lines(findings: tuple[Finding, ...]) -> list[str]:
    verbs = {"run": "run:  ", "sql": "SQL:  ", "edit": "cure: "}
    lines = []
    for finding in findings:
        lines += [f"{finding.name}: {finding.what}", f"    {verbs[finding.cure.kind]}{finding.cure.text}"]
    lines.append(f"{len(findings)} finding" + ("s" if len(findings) > 1 else ""))
    return [printable(line) for line in lines]
