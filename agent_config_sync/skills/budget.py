"""How much of each prompt skills take, as the gateway writes them there (counted in OpenClaw 2026.2.9 to 2026.9.6)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from xml.sax.saxutils import escape

from agent_config_sync.model.site import GatewayVersion

HEAD = 370
"""Characters before the first skill."""

OF_EACH = 97
"""Characters around the name, the description and the place of a skill."""

_LIMITS = ((GatewayVersion(2026, 5, 12), 18_000), (GatewayVersion(2026, 3, 13), 30_000))
"""Since which version a gateway gives them how many characters (default of `skills.limits.maxSkillsPromptChars`)."""


@dataclass(frozen=True, slots=True)
class PromptLine:
    """What a prompt says of a skill. place: the path of its SKILL.md, as the gateway sees it."""

    name: str
    description: str
    place: str


def prompt_characters(skills: Iterable[PromptLine]) -> int:
    """Return the characters that these skills take of a prompt; of one name a gateway loads one skill, the last."""
    of_each = {skill.name: skill for skill in skills}.values()
    texts = (text for skill in of_each for text in (skill.name, skill.description, skill.place))
    return HEAD + OF_EACH * len(of_each) + sum(len(escape(text)) for text in texts) if of_each else 0


def prompt_limit(version: GatewayVersion | None) -> int | None:
    """Return how many characters a gateway gives to skills, None where it has no limit; unknown: as the newest do."""
    if version is None:
        return _LIMITS[0][1]
    return next((limit for since, limit in _LIMITS if version >= since), None)
