"""Which texts are names: of agents, of skills, and of models."""

from __future__ import annotations

import re

_AGENT_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.ASCII)
_SKILL_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
_MODEL_REF = re.compile(r"[^/\s*]+(?:/[^/\s*]+)+")

_LONGEST_KEY = 200

RESERVED_KEYS = frozenset({"__proto__", "constructor", "prototype"})
"""Keys that the gateway drops without a word when it merges included files (measured on 2026.9.6)."""


def is_agent_id(text: str) -> bool:
    """Return whether every gateway takes this as an agent's id."""
    return _AGENT_ID.fullmatch(text) is not None and text not in RESERVED_KEYS


def is_skill_slug(text: str) -> bool:
    """Return whether a skill's folder may have this name."""
    return _SKILL_SLUG.fullmatch(text) is not None and text not in RESERVED_KEYS


def is_config_key(text: str) -> bool:
    """Return whether a text of somebody else's may be a key in the gateway's configuration: `$include` would make its
    value the name of a file, and the whole configuration invalid."""
    return 0 < len(text) <= _LONGEST_KEY and text.isprintable() and text != "$include" and text not in RESERVED_KEYS


def is_model_ref(text: str) -> bool:
    """Return whether a model id is an exact `provider/model`, which is what an allow-list takes."""
    return _MODEL_REF.fullmatch(text) is not None
