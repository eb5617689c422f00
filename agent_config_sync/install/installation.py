"""Put agent-config-sync beside a gateway, step by step.

Each step looks first and does only what is missing, so the whole can be run again and may be killed anywhere:
agents.json, the operator's own file and the door stand before openclaw.json names them.
"""

from __future__ import annotations

from dataclasses import replace

import asyncpg

from agent_config_sync.errors import RefusedError
from agent_config_sync.events import Event, Refused
from agent_config_sync.gateway.version import find_version
from agent_config_sync.install.adoption import roster_of
from agent_config_sync.install.config_file import confirm_output, remember_output, sweep, write_config
from agent_config_sync.install.database import prepare_database
from agent_config_sync.install.door import door_problem, write_door
from agent_config_sync.install.found import Found, find
from agent_config_sync.install.job import Job, Options, Outcome
from agent_config_sync.install.keys import write_keys_file
from agent_config_sync.install.neighbour import roster_with
from agent_config_sync.install.record import hash_of
from agent_config_sync.install.roster import included_section, is_in_use, take_in_roster
from agent_config_sync.install.unit import restart_gateway
from agent_config_sync.model.site import UNKNOWN_VERSION
from agent_config_sync.plugin import Plugin
from agent_config_sync.postgres.intake import reported_version


async def join_gateway(job: Job, connection: asyncpg.Connection, found: Found) -> None:
    """Do everything beside the gateway; the database is ready.

    Raises: SyncError that says what stands in the way; openclaw.json is as it was then, or whole.
    """
    if not job.options.look:
        sweep(job)
    job = await _of_reported_version(job, connection, found)
    taken = await take_in_roster(job, connection, found)
    await _write_agents(job, found, taken.default)
    _write_door(job)
    if not job.options.look:
        write_keys_file(job)
    changed = write_config(job, found, taken.names)
    if not job.options.look:
        restart_gateway(job, found, changed=changed)
    elif job.places.restart_due.exists():
        job.say("would", "restart", "restart the gateway: it may run an earlier Python environment")


async def missing(job: Job, connection: asyncpg.Connection, *, gateway: bool) -> list[str]:
    """Look at everything once more; return what is not as it should be.

    Raises: SyncError.
    """
    seen: list[str] = []

    def hear(outcome: Outcome, step: str, text: str) -> None:
        if outcome == "would":
            seen.append(f"{step}: {text}")
        elif outcome == "unseen":
            job.say(outcome, step, text)

    look = replace(job, options=Options(look=True, delivery=job.options.delivery), say=hear)
    await prepare_database(look, connection)
    if gateway:
        await join_gateway(look, connection, find(job.places, mend=False))
    return seen


async def _of_reported_version(job: Job, connection: asyncpg.Connection, found: Found) -> Job:
    """Return the job for the version that the gateway has reported, where nothing here tells it."""
    settings = job.settings
    if not _rewrites(job, found) or settings.gateway_version == UNKNOWN_VERSION:
        return job
    if find_version(settings.gateway_version, None) is not None:
        return job
    version = await reported_version(connection, account=settings.account, gateway=settings.gateway)
    return replace(job, settings=settings.model_copy(update={"gateway_version": version}))


def _rewrites(job: Job, found: Found) -> bool:
    """Return whether an agents.json of ours with agents in it is in use already."""
    return is_in_use(job, found) and job.places.output.exists() and bool(roster_of(included_section(job, found)))


async def _write_agents(job: Job, found: Found, default: str | None) -> None:
    """Write agents.json as the gateway's process will, before anything includes it. default: the default agent so far.

    Raises: RefusedError when the file may not be replaced, or another agent would become the default.
    """
    changes: dict[str, object] = {"roster": roster_with(job.settings, *found.sections), "state_dir": job.places.state}
    if found.included_at is None:
        changes |= {"layout": "section", "reload": "none"}  # the gateway reads it together with the new openclaw.json
    plugin = Plugin(job.settings.model_copy(update=changes))
    name = job.places.output.name
    if job.options.look and not is_in_use(job, found):  # the agents would be in the database by then
        job.say("would", name, "write what the database says")
        return
    prepared = await plugin.visit.preview()
    if default not in (None, prepared.default) and not job.options.force:
        raise RefusedError(
            f"{default} is the default agent, and by the database {prepared.default} would be: set agents.is_default "
            "there, or let the database win with --force"
        )
    size = f"{len(prepared.snapshot.agents)} agents"
    if not prepared.changed:
        if not job.options.look:
            confirm_output(job)
        job.say("already", name, f"it holds what the database says ({size})")
        return
    is_untold = prepared.neighbour.site.version is None and job.settings.gateway_version != UNKNOWN_VERSION
    if is_untold and _rewrites(job, found):
        job.say("unseen", name, f"that {name} holds what the database says")
        job.say(
            "note",
            name,
            "it stays as it is: the version of the gateway is not known here, and it may take more than would be "
            "written (put openclaw on PATH, or name it with AGENT_CONFIG_SYNC_GATEWAY_VERSION)",
        )
        return
    if job.options.look:
        job.say("would", name, f"write what the database says now ({size})")
        return
    before = prepared.before.content if prepared.before is not None else None
    remember_output(job, found, before, due=hash_of(prepared.content))
    seen: list[Event] = []
    plugin.events.subscribe(seen.append)
    await plugin.visit.once()
    for event in seen:
        if isinstance(event, Refused):
            raise RefusedError(f"{job.places.output} was not written: {event.reason}")
    confirm_output(job)
    for warning in prepared.of_rows:
        job.say("note", name, warning)
    job.say("done", name, f"wrote {job.places.output} ({size})")


def _write_door(job: Job) -> None:
    problem = door_problem(job.places.door)
    if problem is None:
        job.say("already", "plugin", f"it is in {job.places.door}")
    elif job.options.look:
        job.say("would", "plugin", f"write it: {problem}")
    else:
        write_door(job.places.door)
        job.say("done", "plugin", f"wrote it to {job.places.door}")
