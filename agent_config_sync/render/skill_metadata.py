"""What the front matter of a skill tells the gateway alone: how its entry in the configuration is called, and in which
environment variable it expects its key (OpenClaw docs, tools/skills, Gating).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyjson5
import yaml

from agent_config_sync.render.front_matter import LOADER

_BLOCKS = ("openclaw", "clawdbot")
"""Names of the gateway's own part of `metadata`, the newest first."""


@dataclass(frozen=True, slots=True)
class SkillMetadata:
    """key: of `skills.entries`, None for the skill's name; primary_env: the variable that `apiKey` fills."""

    key: str | None = None
    primary_env: str | None = None


def metadata_of(text: str) -> SkillMetadata:
    """Return what `metadata` in front matter says: lines of YAML, or a text of JSON5. What is odd says nothing, as a
    gateway sees it.

    text: of front matter that `front_matter.read` takes, so that nothing in it can grow.
    """
    document = yaml.load(text, Loader=LOADER)  # noqa: S506 - it makes texts and nothing else
    metadata = document.get("metadata") if isinstance(document, dict) else None
    if isinstance(metadata, str):
        metadata = _json5(metadata)
    if not isinstance(metadata, Mapping):
        return SkillMetadata()
    block = next((block for name in _BLOCKS if isinstance(block := metadata.get(name), Mapping)), {})
    return SkillMetadata(_text(block.get("skillKey")), _text(block.get("primaryEnv")))


def _json5(text: str) -> Any:
    try:
        return pyjson5.loads(text)
    except (pyjson5.Json5Exception, ValueError, RecursionError):
        return None


def _text(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None
