"""Keys that people have entered in, the `skills` section of the gateway's configuration out: pure functions.

A gateway from 2026.8.1 on reads the key of a skill from our secrets file, by a reference in `apiKey`; an earlier one
does not start over a reference that it cannot resolve. `env` takes texts only, on every version. What is no `apiKey`,
or is for an earlier gateway, stands here as it is: the file is 0600 (OpenClaw docs, gateway/secrets and tools/skills).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from agent_config_sync.model.credentials import PROVIDER, EnteredKey
from agent_config_sync.model.merging import merged
from agent_config_sync.model.names import is_config_key
from agent_config_sync.model.site import GatewayVersion
from agent_config_sync.render.json_text import dumps
from agent_config_sync.render.values import shown
from agent_config_sync.secret_store import pointer

EMPTY = b'{\n  "entries": {}\n}\n'
"""The file while there is no key."""

API_KEY = "apiKey"

REFERENCES_SINCE = GatewayVersion(2026, 8, 1)
"""Since then a reference that cannot be resolved costs its skill, and not the start of the gateway."""

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
    """The file.

    warnings: keys that reach no skill, and why; given: how many do; plain: whether a key stands in it; digests: what a
    gateway may say of each key that it runs with, by entry and variable (or `apiKey`).
    """

    content: bytes
    warnings: tuple[str, ...] = ()
    given: int = 0
    plain: bool = False
    digests: Mapping[str, Mapping[str, frozenset[str]]] = field(default_factory=dict)


def render_skills_json(
    entered: Sequence[EnteredKey],
    values: Mapping[str, str],
    *,
    version: GatewayVersion | None,
    by_reference: bool,
    own: Mapping[str, Any] | None = None,
) -> RenderedSkills:
    """Return the section.

    values: the keys by their id; by_reference: the gateway can read our secrets file; own: what the operator's files
    say of skills, by the same entries, which beats ours.
    """
    rendering = _Rendering(values, version, by_reference=by_reference, own=own or {})
    for key in sorted(entered, key=lambda key: (key.skill, key.key_name, key.id)):
        rendering.claim(key)
    return rendering.whole()


class _Rendering:
    """Who wants which member of which entry first, and only then who gets it."""

    def __init__(
        self, values: Mapping[str, str], version: GatewayVersion | None, *, by_reference: bool, own: Mapping[str, Any]
    ) -> None:
        self._values = values
        self._version = version
        self._by_reference = by_reference
        self._own = own
        self._claims: dict[tuple[str, str], list[EnteredKey]] = {}
        self._warnings: list[str] = []
        self._given: set[str] = set()
        self._plain = False

    def claim(self, key: EnteredKey) -> None:
        value = self._values.get(key.id)
        if value is None:
            self._warn(key, " is not on this host any more: enter it anew")
            return
        if "${" in value:
            self._warn(key, " holds ${, where the gateway would put another variable: enter another one")
            return
        if key.key_name in NEVER_GIVEN and self._version is not None and self._version >= NEVER_GIVEN_SINCE:
            self._warn(key, f": OpenClaw {self._version} gives a variable of this name to no skill")
        names = dict.fromkeys([entry.name for entry in key.entries]) or {key.skill: None}
        main = {entry.name for entry in key.entries if entry.primary_env == key.key_name}
        for name in names:
            if not is_config_key(name):
                self._warn(key, f": its skill calls itself {shown(name)}, which no configuration can hold")
                continue
            member = API_KEY if self._by_reference and name in main else key.key_name
            self._claims.setdefault((name, member), []).append(key)

    def whole(self) -> RenderedSkills:
        entries: dict[str, dict[str, Any]] = {}
        digests: dict[str, dict[str, frozenset[str]]] = {}
        for (name, member), claiming in self._claims.items():
            key = self._of(name, claiming)
            if key is None:
                continue
            self._given.add(key.id)
            entry, value = entries.setdefault(name, {}), self._values[key.id]
            accepted = {hashlib.sha256(value.encode()).hexdigest()}
            if member == API_KEY:
                entry[API_KEY] = {"source": "file", "provider": PROVIDER, "id": pointer(key.id)}
                accepted.add(f"ref:{pointer(key.id)}")
            else:
                entry.setdefault("env", {})[member] = value
                self._plain = True
            if self._is_shadowed(name, member):
                self._warn(key, f": skills.entries.{shown(name)} of openclaw.json has one of its own, which beats it")
            else:
                digests.setdefault(name, {})[member] = frozenset(accepted)
        content = dumps({"entries": entries}) + b"\n"
        return RenderedSkills(content, tuple(self._warnings), len(self._given), self._plain, digests)

    def _of(self, name: str, claiming: Sequence[EnteredKey]) -> EnteredKey | None:
        """Return whose the member is: of several keys that of the skill in the folder of this name."""
        if len(claiming) == 1:
            return claiming[0]
        named = [key for key in claiming if key.skill == name]
        chosen = named[0] if len(named) == 1 else None
        for key in claiming:
            if key is not chosen:
                self._warn(key, f": another skill calls itself {shown(name)} too, so it is not given to this one")
        return chosen

    def _is_shadowed(self, name: str, member: str) -> bool:
        entry = self._own.get(name)
        own = entry if isinstance(entry, Mapping) else {}
        env = own.get("env")
        return (member if member == API_KEY else None) in own or (isinstance(env, Mapping) and member in env)

    def _warn(self, key: EnteredKey, what: str) -> None:
        self._warnings.append(f"{named(key.key_name, key.skill)}{what}")


def named(key_name: str, skill: str) -> str:
    """Return how warnings name a key."""
    return f"key {key_name} of skill {skill}"


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


def holds_our_keys_alone(content: bytes, values: Collection[str]) -> bool:
    """Return whether a file holds keys, and each of them is ours: a reference to our secrets file, or one of these
    values."""
    entries = _entries(content)
    if entries is None or not all(entry.keys() <= {API_KEY, "env"} for entry in entries.values()):
        return False
    keys = [key for entry in entries.values() for key in _keys(entry)]
    return bool(keys) and all(_is_reference(key) or key in values for key in keys)


def without_revoked(content: bytes, entered: Sequence[EnteredKey]) -> bytes:
    """Return a file of ours without the keys that are not among those entered, for when no other can be read."""
    ids = {pointer(key.id) for key in entered}
    names = {key.key_name for key in entered}
    kept: dict[str, dict[str, Any]] = {}
    for name, entry in (_entries(content) or {}).items():
        key, env = entry.get(API_KEY), entry.get("env")
        left: dict[str, Any] = {API_KEY: key} if isinstance(key, dict) and key.get("id") in ids else {}
        variables = {one: value for one, value in env.items() if one in names} if isinstance(env, dict) else {}
        if variables:
            left["env"] = variables
        if left:
            kept[name] = left
    return dumps({"entries": kept}) + b"\n"


def without_keys(content: bytes) -> bytes | None:
    """Return what somebody has written into a file of ours beside keys, None if that is nothing."""
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    entries = _entries(content) or {}
    bare = {
        name: rest
        for name, entry in entries.items()
        if (rest := {key: value for key, value in entry.items() if key not in (API_KEY, "env")})
    }
    others = {key: value for key, value in document.items() if key != "entries"} if isinstance(document, dict) else {}
    return dumps({**others, "entries": bare}) + b"\n" if bare or others else None


def _entries(content: bytes) -> Mapping[str, Mapping[str, Any]] | None:
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    entries = document.get("entries") if isinstance(document, dict) and document.keys() == {"entries"} else None
    if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        return None
    return entries


def _keys(entry: Mapping[str, Any]) -> list[Any]:
    env = entry.get("env", {})
    return [*([entry[API_KEY]] if API_KEY in entry else []), *(env.values() if isinstance(env, dict) else [env])]


def _is_reference(key: object) -> bool:
    return isinstance(key, dict) and key.get("provider") == PROVIDER and isinstance(key.get("id"), str)
