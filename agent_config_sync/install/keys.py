"""Let openclaw.json include the file that gives skills their keys, and say where our secrets file is; and take it back.

Only where workspaces are made, for elsewhere nobody enters a key: the gateway's own commands write less freely into a
section with an include.
"""

from __future__ import annotations

from collections.abc import Mapping

from agent_config_sync.gateway.version import find_version
from agent_config_sync.install.found import Found
from agent_config_sync.install.job import Job
from agent_config_sync.install.json5_text import Json5Text
from agent_config_sync.install.openclaw_json import value_at
from agent_config_sync.model.credentials import PROVIDER
from agent_config_sync.publish import atomic
from agent_config_sync.publish.gate import Gate
from agent_config_sync.publish.output import content_hash
from agent_config_sync.render.skills_json import EMPTY, REFERENCES_SINCE, provider
from agent_config_sync.state import State

_PROVIDERS = ("secrets", "providers")


def give_keys(job: Job, found: Found, document: Json5Text) -> Json5Text:
    """Return openclaw.json with what skills need to get their keys."""
    if job.settings.workspaces is None:
        return document
    name = job.places.keys.name
    if _is_somebody_elses(job):
        return document
    if found.layout is None or not found.layout.includes_keys:
        included = include_keys(document, name)
        if included is None:
            job.say("note", name, "skills in openclaw.json is not written out, so no key that people enter reaches one")
            return document
        document = included
    version = find_version(job.settings.gateway_version, None)
    wanted = provider(str(job.settings.secrets))
    known = value_at(found.effective, (*_PROVIDERS, PROVIDER))
    if (
        version is None
        or version < REFERENCES_SINCE
        or (isinstance(known, Mapping) and wanted.items() <= known.items())
    ):
        return document
    return document.put((*_PROVIDERS, PROVIDER), wanted)


def write_keys_file(job: Job) -> None:
    """Put an empty file there before openclaw.json includes it; a pass fills it. Raises: PublishError."""
    path = job.places.keys
    if job.settings.workspaces is not None and not path.exists():
        atomic.replace(path, EMPTY, gate=Gate(), like=None)


def include_keys(document: Json5Text, name: str) -> Json5Text | None:
    """Return openclaw.json with our include in `skills`, last of those that are there; None where that cannot be."""
    section = document.find("skills")
    if section is None:
        return document.put(("skills",), {"$include": [f"./{name}"]})
    if section.kind != "object":
        return None
    there = document.find("skills", "$include")
    if there is not None and there.kind == "array":
        return document.append(("skills", "$include"), f"./{name}")
    names = [value_at(document.value, ("skills", "$include"))] if there is not None else []
    return document.put(("skills", "$include"), [*names, f"./{name}"])


def take_keys(document: Json5Text, before: Json5Text, name: str) -> Json5Text:
    """Return openclaw.json without what `give_keys` has added to it. before: as it was."""
    names = value_at(document.value, ("skills", "$include"))
    if isinstance(names, list) and f"./{name}" in names:
        earlier = before.find("skills", "$include")
        now = document.find("skills", "$include")
        if names == [f"./{name}"] or now is None:
            document = document.without(("skills",), {"$include"})
        elif earlier is not None and earlier.kind != "array" and len(names) == 2:  # noqa: PLR2004 - that one and ours
            document = document.replace(now, before.text_of(earlier))
        else:
            document = document.without(("skills", "$include"), {names.index(f"./{name}")})
    if before.find(*_PROVIDERS, PROVIDER) is None:
        document = document.without(_PROVIDERS, {PROVIDER})
    for path in (("skills",), _PROVIDERS, _PROVIDERS[:-1]):
        node = document.find(*path)
        if node is not None and not node.parts and before.find(*path) is None:
            document = document.without(path[:-1], {path[-1]})
    return document


def is_ours(job: Job, content: bytes) -> bool:
    """Return whether a file of keys is empty, or the process of this gateway remembers that it wrote it."""
    remembered = State(job.places.state, job.places.output).remembered
    return content == EMPTY or content_hash(content) in remembered.skills_json


def _is_somebody_elses(job: Job) -> bool:
    content = atomic.read(job.places.keys)
    if content is None or is_ours(job, content):
        return False
    job.say("note", job.places.keys.name, "it is yours: no key that people enter reaches a skill, until you rename it")
    return True
