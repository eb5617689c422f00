"""Is openclaw.json, as it stands, what brings the plugin up, lets it log in and lets the database win?"""

from __future__ import annotations

import shutil
from pathlib import Path

from agent_config_sync.errors import RefusedError
from agent_config_sync.gateway.layout_watch import look_at_layout
from agent_config_sync.gateway.validator import validate
from agent_config_sync.gateway.version import find_version
from agent_config_sync.install.found import Found
from agent_config_sync.install.job import Job
from agent_config_sync.install.login import login_problem
from agent_config_sync.install.openclaw_json import is_registered
from agent_config_sync.install.record import read_record
from agent_config_sync.install.sources import agent_chat, plugin_config, unset_names
from agent_config_sync.install.substitution import expanded
from agent_config_sync.publish import atomic


def look_at_config(job: Job, found: Found) -> None:
    """Say that openclaw.json is as it should be, or, looking, what keeps the database from winning.

    Raises: RefusedError when a gateway would not start the plugin with it.
    """
    places = job.places
    problem = is_registered(found.effective, str(places.door))
    if problem is None and places.output.exists():  # else it would be written first
        verdict = validate(places.config)
        problem = verdict.problem
        if not verdict.asked:
            job.say("unseen", places.config.name, "by the gateway's own validator")
    command = plugin_config(found.effective).get("command")
    program = str(command[0] if isinstance(command, list) and command else command)
    if problem is None and shutil.which(program) is None:
        problem = f"its command {program} cannot be run"
    if problem is not None:
        raise RefusedError(f"{places.config} would not bring the plugin up: {problem}")
    if job.options.look:
        _look_at_login(job, found)
    findings = _layout_findings(job, found) if job.options.look else ()
    for finding in findings:
        job.say("would", places.config.name, finding)
    if not findings:
        job.say("already", places.config.name, f"it names the plugin and includes {places.output.name}")
    record = read_record(places.record)
    if record is not None and record.backup is not None and not Path(record.backup).exists():
        job.say("note", "backup", f"{record.backup} is gone: --uninstall would need it")


def _layout_findings(job: Job, found: Found) -> list[str]:
    """Return what of the operator's files keeps the database from winning, each with the way out."""
    places = job.places
    content = atomic.read(places.output)
    if content is None or found.layout is None or found.included_at is None:
        return []
    version = find_version(job.settings.gateway_version, None)
    findings = look_at_layout(places.config, places.output, found.layout, content, found.included_at, version=version)
    own = [layer for layer in found.layout.under if layer.path == places.base.resolve() and layer.section.get("list")]
    if own and not findings:
        both = f"{places.base} has a list of agents beside ours, and the gateway puts one after the other"
        return [f"{both}: move them to the database (agent-config-sync import)"]
    return [str(finding) for finding in findings]


def _look_at_login(job: Job, found: Found) -> None:
    """Say whether the gateway's process reaches the database, with just what openclaw.json tells it."""
    unset = unset_names(found.effective)
    if unset:
        job.say("unseen", "database", "the login of the gateway's process")
        return
    config = expanded(plugin_config(found.effective))
    command = config.get("command")
    words = command if isinstance(command, list) else [command]
    problem = login_problem([str(word) for word in words], job.places, config, expanded(agent_chat(found.effective)))
    if problem is not None:
        job.say("would", "database", f"the gateway's process could not reach the database: {problem}")
