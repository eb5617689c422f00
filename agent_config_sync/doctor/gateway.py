"""Does the gateway take what we write, in the form and in the way that the settings ask for?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from agent_config_sync.doctor.finding import Finding, edit, of_error, run
from agent_config_sync.errors import RefusedError
from agent_config_sync.gateway.layout_watch import look_at_layout
from agent_config_sync.gateway.rules import ENTRIES_SINCE
from agent_config_sync.gateway.surroundings import Neighbour, Surroundings
from agent_config_sync.gateway.validator import validate
from agent_config_sync.settings import Settings
from agent_config_sync.state import State


def examine_gateway(settings: Settings, state: State, *, child: bool) -> tuple[Neighbour | None, tuple[Finding, ...]]:
    """Return the gateway as it is, and what is wrong with its configuration and with our settings for it.

    child: the sync runs as the gateway's child, which knows its process.
    """
    try:
        neighbour = Surroundings(settings).look(state.remembered.default, state.remembered.layout)
    except RefusedError as error:
        return None, (of_error("config_unreadable", error),)
    findings = [of_error("config_unreadable", Exception(warning)) for warning in neighbour.warnings]
    findings = findings or [*_lacking(settings, neighbour)] or [*_verdict(settings.config_path, neighbour)]
    return neighbour, (*findings, *_form(settings, neighbour), *_method(settings, neighbour, child=child))


def examine_layout(settings: Settings, neighbour: Neighbour, content: bytes) -> tuple[Finding, ...]:
    """Return what keeps `content` from being what the gateway takes."""
    if neighbour.layout is None:
        return ()
    found = look_at_layout(
        settings.config_path,
        settings.output,
        neighbour.layout,
        content,
        neighbour.site.layout,
        version=neighbour.site.version,
    )
    return tuple(Finding(finding.kind, finding.what, edit(finding.fix)) for finding in found)


def _lacking(settings: Settings, neighbour: Neighbour) -> Iterator[Finding]:
    """Find files without which the gateway does not come up with what we write."""
    config, output = settings.config_path, settings.output
    if settings.config_file == "managed":
        return
    output_alone = settings.output_path is not None and "config_path" not in settings.model_fields_set
    if neighbour.layout is None and not output_alone:
        what = f"there is no {config}: no gateway takes what is written to {output}"
        yield Finding("config_missing", what, edit("set config_path to the openclaw.json of the gateway"))
    elif neighbour.layout is not None and neighbour.layout.included_at is not None and not os.access(output, os.F_OK):
        what = f"{config} includes {output}, which is not there: a gateway does not start with that"
        yield Finding("output_missing", what, run("sync"))


def _verdict(config: Path, neighbour: Neighbour) -> Iterator[Finding]:
    """Ask the gateway itself, where its program is on PATH."""
    verdict = validate(config) if neighbour.layout is not None else None
    if verdict is not None and verdict.problem is not None:
        what = f"the gateway's own validator refuses {config}: {verdict.problem}"
        yield Finding("config_invalid", what, edit("correct it there; until then the gateway reloads nothing"))


def _form(settings: Settings, neighbour: Neighbour) -> Iterator[Finding]:
    version, included_at = neighbour.site.version, neighbour.included_at
    if settings.roster == "entries" and (version is None or version < ENTRIES_SINCE):
        what = f"roster is entries, which OpenClaw takes since {ENTRIES_SINCE}, and this one is {version or 'unknown'}"
        yield Finding("roster_not_taken", what, edit("set roster = auto"))
    if settings.layout != "auto" and included_at not in (None, settings.layout):
        what = f"layout is {settings.layout} and {settings.config_path} includes the file at {_place(included_at)}"
        yield Finding("layout_not_taken", what, edit("set layout = auto"))


def _method(settings: Settings, neighbour: Neighbour, *, child: bool) -> Iterator[Finding]:
    version, process = neighbour.site.version, neighbour.gateway.process
    if settings.reload == "watch" and (version is None or version < ENTRIES_SINCE):
        what = f"reload is watch, and OpenClaw {version or 'of unknown version'} does not watch included files"
        yield Finding("reload_not_taken", f"{what} (since {ENTRIES_SINCE} it does)", edit("set reload = auto"))
    if settings.reload != "signal":
        return
    if version is None and process is not None and process.is_node():
        what = "reload is signal and the gateway's version is unknown: on newer ones SIGUSR1 would open a debugger"
        yield Finding("signal_opens_debugger", what, edit("set gateway_version, or reload = auto"))
    elif process is None and not child:
        what = "reload is signal and no gateway process is known"
        yield Finding("reload_not_taken", what, edit("set gateway_pid_file, or reload = auto"))


def _place(layout: str | None) -> str:
    return "agents" if layout == "section" else "its root"
