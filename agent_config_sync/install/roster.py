"""Take the agents of the configuration into the database, before ours stand for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import asyncpg

from agent_config_sync.errors import RefusedError
from agent_config_sync.gateway.include import read_json5
from agent_config_sync.install.adoption import Adoption, adopt, roster_of
from agent_config_sync.install.found import Found
from agent_config_sync.install.intake import plan_intake, take_in_agents
from agent_config_sync.install.job import Job
from agent_config_sync.install.naming import others_of
from agent_config_sync.install.neighbour import site_for
from agent_config_sync.install.openclaw_json import own_section
from agent_config_sync.install.record import read_record
from agent_config_sync.model.names import is_agent_id
from agent_config_sync.postgres.intake import known_agents
from agent_config_sync.render.agents_json import MANAGED

_OURS = frozenset({"list", "entries", "ownership", "defaults"})
"""Members of the section that we write."""

_MODEL_DEPTH = 2
"""From here on an empty object below `agents.defaults` says something: a model that is allowed."""

_UNKNOWN = (
    "the version of the gateway is not known here, and it may take more: put openclaw on PATH or name it with "
    "AGENT_CONFIG_SYNC_GATEWAY_VERSION"
)
_WAY_OUT = "Change it there, or leave it out with --force (the backup keeps it)"


@dataclass(frozen=True, slots=True)
class TakenIn:
    """The agents of the configuration that the database has now, and the default agent, where it is one of them."""

    names: tuple[str, ...] = ()
    default: str | None = None


def check_roster(job: Job, found: Found) -> None:
    """Look for what would be lost of the configuration, before anything is changed.

    Raises: RefusedError that names it.
    """
    if not is_in_use(job, found):
        _adoption(replace(job, say=lambda *_: None), found)


def is_in_use(job: Job, found: Found) -> bool:
    """Return whether openclaw.json includes an agents.json that is known to be ours."""
    record = read_record(job.places.record)
    return found.included_at is not None and record is not None and record.owns_output()


async def take_in_roster(job: Job, connection: asyncpg.Connection, found: Found) -> TakenIn:
    """Take them in, unless they come from the database already.

    Raises: SyncError when an agent would be lost or become another one; the database is as it was then.
    """
    if is_in_use(job, found):
        job.say("already", "agents", f"openclaw.json includes {job.places.output.name}")
        return TakenIn()
    adoption, staying = _adoption(job, found)
    names = tuple(adoption.agents)
    taken = TakenIn(names, adoption.default if adoption.default in names else None)
    site = site_for(job.settings, *found.sections)
    account = job.settings.account
    known = await known_agents(connection, [*filter(is_agent_id, staying)], account=account, gateway=site.gateway)
    beaten = [name for name in staying if name in known and known[name].here]
    for name in staying:
        if name not in beaten:
            job.say("note", "agents", f"{'; '.join(staying[name])}; the agent stays in {job.places.base.name}")
    if job.options.look:
        if names:
            job.say("would", "agents", f"take {', '.join(names)} into the database")
        return taken
    beside_others = bool(others_of(job.places))
    intake = await plan_intake(connection, adoption, site, account=account, replace=False, beside_others=beside_others)
    clashes = [
        *intake.kept,
        *(f"agent {name}: the database has one of this name that says something else" for name in beaten),
    ]
    if clashes and not job.options.force:
        raise RefusedError(
            f"{'; '.join(clashes)}. Rename one of the two, or let the database win with --force "
            "(the backup keeps what openclaw.json says)"
        )
    kept = await take_in_agents(connection, intake, adoption, site, account=account, replace=False)
    for line in (*clashes, *kept):
        job.say("note", "agents", f"{line}; the database wins")
    if intake.new:
        scope = f", for {site.gateway} alone" if intake.only_here else ""
        job.say("done", "agents", f"took {', '.join(intake.new)} into the database{scope}")
    elif names:
        job.say("already", "agents", f"the database has all {len(names)} of openclaw.json")
    else:
        job.say("already", "agents", "openclaw.json has none for the database")
    return replace(taken, names=(*names, *beaten))  # what the database beats goes too


def _adoption(job: Job, found: Found) -> tuple[Adoption, Mapping[str, Sequence[str]]]:
    """Return the agents that go to the database, and those that stay in the operator's own file, each with the reasons.

    A list goes as a whole: lists of two files would be concatenated, and beside `entries` one is refused. Of entries
    those stay in the operator's own file that the database cannot hold; but then not the default agent, because another
    one would become it.
    """
    section = _section(job, found)
    site = site_for(job.settings, *found.sections)
    adoption = adopt(section, site, within=found.agents)
    unknown = _UNKNOWN if adoption.losses and site.version is None else ""
    if unknown:
        job.say("note", "agents", unknown)
    unsaid = list(_unsaid(job, found, adoption)) if found.included_at is not None else []
    if unsaid and not job.options.force:
        raise RefusedError(
            f"{job.places.output.name} also says {', '.join(unsaid)}, and what we write there would not: move them "
            "into openclaw.json and run this again, or leave them out with --force (a copy keeps them)"
        )
    for name in unsaid:
        job.say("note", "agents", f"{job.places.output.name}: {name} is left out; the copy keeps it")
    as_a_list = roster_of({"list": found.agents.get("list")})
    elsewhere = [name for name in as_a_list if name not in roster_of(section)]
    if elsewhere and found.included_at is None:
        raise RefusedError(
            f"the agents {', '.join(elsewhere)} come as a list from a file that openclaw.json includes, and two lists "
            "cannot be merged: move them into openclaw.json and run this again"
        )
    as_a_whole = "list" in section or found.included_at is not None
    losses = adoption.losses if as_a_whole else []
    if adoption.whole and adoption.default is not None and adoption.default not in adoption.whole:
        losses = [
            *losses,
            f"{adoption.default} is the default agent, and one of {', '.join(sorted(adoption.whole))} would be",
        ]
    if losses and not job.options.force:
        way_out = "; ".join(filter(None, (_WAY_OUT, unknown)))
        raise RefusedError(f"the database cannot hold all that openclaw.json says: {'; '.join(losses)}. {way_out}")
    if as_a_whole:
        for line in adoption.losses:
            job.say("note", "agents", f"{line}; the backup keeps it")
        return adoption, {}
    staying = {name: agent.lost for name, agent in adoption.agents.items() if agent.lost}
    staying |= {name: (reason,) for name, reason in adoption.left_out.items()}
    whole = {name: agent for name, agent in adoption.agents.items() if name in adoption.whole}
    return Adoption(whole, {}, adoption.default, adoption.defaults), staying


def _section(job: Job, found: Found) -> Mapping[str, Any]:
    """Return the section that ours will stand for: the operator's, or that of somebody else's agents.json."""
    return own_section(found.document) if found.included_at is None else included_section(job, found)


def _unsaid(job: Job, found: Found, adoption: Adoption) -> Iterator[str]:
    """Yield what somebody else's agents.json says that ours will not, as paths."""
    document = _included(job)
    if found.included_at == "root" and isinstance(document, Mapping):
        yield from (key for key in document if key != "agents")
    for key, value in included_section(job, found).items():
        if key == "defaults":
            models = frozenset(chain.from_iterable(agent.entry.models for agent in adoption.agents.values()))
            yield from (".".join(("agents", key, *path)) for path in _unmanaged(value, models))
        elif key not in _OURS:
            yield f"agents.{key}"


def _unmanaged(defaults: object, models: frozenset[str]) -> Iterator[tuple[str, ...]]:
    """Yield the paths of defaults for which we have no value. models: those that our allow-list will have."""
    ours = {*MANAGED, *(("models", model) for model in models)}
    for path, value in _leaves(defaults):
        if path == ("modelPolicy", "allow") and isinstance(value, list):
            said = all(model in models for model in value)
        else:
            said = path in ours and (path[0] != "models" or value == {})
        if not said:
            yield path


def _leaves(value: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    if isinstance(value, Mapping) and (value or len(path) < _MODEL_DEPTH):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, str(key)))
    else:
        yield path, value


def included_section(job: Job, found: Found) -> Mapping[str, Any]:
    """Return the section in the agents.json that openclaw.json includes.

    Raises: SettingsError, OSError.
    """
    document = _included(job)
    if found.included_at == "root":
        document = document.get("agents") if isinstance(document, Mapping) else None
    return document if isinstance(document, Mapping) else {}


def _included(job: Job) -> object:
    """Return what agents.json holds; one that is missing, which only a look finds so, holds nothing."""
    try:
        return read_json5(job.places.output)
    except FileNotFoundError:
        return {}
