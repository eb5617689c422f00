"""Keys that people have entered in, the `skills` section of the gateway's configuration out: a pure function.

A gateway from 2026.8.1 on reads the key of a skill from our secrets file, by a reference in `apiKey`; an earlier one
does not start over a reference that it cannot resolve. `env` takes texts only, on every version. What is no `apiKey`,
or is for an earlier gateway, stands here as it is: the file is 0600 (OpenClaw docs, gateway/secrets and tools/skills).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from agent_config_sync.model.credentials import PROVIDER, EnteredKey, SkillEntry
from agent_config_sync.model.merging import merged
from agent_config_sync.model.names import RESERVED_KEYS
from agent_config_sync.model.site import GatewayVersion
from agent_config_sync.render.json_text import dumps
from agent_config_sync.secret_store import pointer

EMPTY = b'{\n  "entries": {}\n}\n'
"""The file while there is no key."""

REFERENCES_SINCE = GatewayVersion(2026, 8, 1)
"""Since then a reference that cannot be resolved costs its skill, and not the start of the gateway."""

_AT_START_ONLY = (GatewayVersion(2026, 5, 12), GatewayVersion(2026, 7, 1))
"""From the first of these until before the second, keys are taken when the gateway starts (measured on 2026.5.12)."""

NEVER_GIVEN_SINCE = GatewayVersion(2026, 5, 12)

NEVER_GIVEN = frozenset(
    {
        *("AMQP_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SECURITY_TOKEN", "AWS_SESSION_TOKEN"),
        *("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "DATABASE_URL", "GH_TOKEN", "GITHUB_TOKEN", "GITLAB_TOKEN"),
        *("MONGODB_URI", "NODE_AUTH_TOKEN", "NPM_TOKEN", "REDIS_URL"),
    }
)
"""Keys that gateways since then give to no skill, whatever their configuration says (2026.9.6, its policy for the
environment of programs)."""


@dataclass(frozen=True, slots=True)
class RenderedSkills:
    """The file. warnings: keys that reach no skill, and why; plain: whether a key stands in it; digests: what a gateway
    may say of each key that it runs with, by entry and variable (or `apiKey`)."""

    content: bytes
    warnings: tuple[str, ...]
    plain: bool
    digests: Mapping[str, Mapping[str, frozenset[str]]]


def render_skills_json(
    entered: Sequence[EnteredKey], values: Mapping[str, str], *, version: GatewayVersion | None, by_reference: bool
) -> RenderedSkills:
    """Return the section. values: the keys by their id; by_reference: the gateway can read our secrets file."""
    entries: dict[str, dict[str, Any]] = {}
    digests: dict[str, dict[str, frozenset[str]]] = {}
    warnings: list[str] = []
    plain = False
    for key in sorted(entered, key=lambda key: (key.skill, key.key_name, key.id)):
        value = values.get(key.id)
        if value is None:
            warnings.append(f"{_named(key)} is not on this host any more: enter it anew")
            continue
        if "${" in value:
            warnings.append(f"{_named(key)} holds ${{, where the gateway would put another variable: enter another one")
            continue
        if key.key_name in NEVER_GIVEN and version is not None and version >= NEVER_GIVEN_SINCE:
            warnings.append(f"{_named(key)}: OpenClaw {version} gives a variable of this name to no skill")
        for entry in key.entries or (SkillEntry(key.skill, None),):
            if entry.name in RESERVED_KEYS:
                continue
            members, said = entries.setdefault(entry.name, {}), digests.setdefault(entry.name, {})
            digest = hashlib.sha256(value.encode()).hexdigest()
            if by_reference and entry.primary_env == key.key_name:
                members["apiKey"] = {"source": "file", "provider": PROVIDER, "id": pointer(key.id)}
                said["apiKey"] = frozenset({digest, f"ref:{pointer(key.id)}"})
            else:
                members.setdefault("env", {})[key.key_name] = value
                said[key.key_name] = frozenset({digest})
                plain = True
    return RenderedSkills(dumps({"entries": entries}) + b"\n", tuple(warnings), plain, digests)


def needs_restart(version: GatewayVersion | None) -> bool:
    """Return whether a gateway takes keys only when it starts."""
    return version is not None and _AT_START_ONLY[0] <= version < _AT_START_ONLY[1]


def provider(secrets_file: str) -> dict[str, object]:
    """Return how the gateway finds our secrets file."""
    return {"source": "file", "path": secrets_file, "mode": "json"}


def beside_with_keys(beside: Mapping[str, Any], name: str, secrets_file: str | None) -> Mapping[str, Any]:
    """Return what a whole openclaw.json of ours holds beside its agents where keys are given to skills; what the
    operator's base says of a skill beats them. name: of this file; secrets_file: None for a gateway that takes no
    references."""
    added: dict[str, Any] = {"skills": {"$include": [f"./{name}"]}}
    if secrets_file is not None:
        added["secrets"] = {"providers": {PROVIDER: provider(secrets_file)}}
    return merged((beside, added))


def is_ours(content: bytes) -> bool:
    """Return whether a file could be one of ours: entries with keys, and nothing else."""
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        return False
    if not isinstance(document, dict) or document.keys() != {"entries"} or not isinstance(document["entries"], dict):
        return False
    return all(isinstance(entry, dict) and entry.keys() <= {"apiKey", "env"} for entry in document["entries"].values())


def _named(key: EnteredKey) -> str:
    return f"key {key.key_name} of skill {key.skill}"
