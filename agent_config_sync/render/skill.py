"""A skill's row in, the bytes of its SKILL.md out: a pure function.

A gateway loads no skill without a description, and knows one by the name in its front matter, else by its folder's
(2026.9.6). So both are always written.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from agent_config_sync.errors import RenderError
from agent_config_sync.model.names import RESERVED_KEYS, is_skill_slug
from agent_config_sync.model.workspace import SkillRow
from agent_config_sync.render.context import block, one_line
from agent_config_sync.render.front_matter import FIRST_LINE, FrontMatter, read, split
from agent_config_sync.render.values import shown

FILE_LIMIT = 256_000
"""Bytes; a gateway leaves a larger file out (2026.7.1 and 2026.9.6, default of `skills.limits.maxSkillFileBytes`)."""

NAME_LIMIT = 64
"""Characters of a name (Agent Skills specification); a gateway itself has no limit."""

DESCRIPTION_LIMIT = 200
"""Characters of a description made here; where skills are many, a gateway shows 220 of each (2026.9.6)."""

_NO_CHARACTER = re.compile(r"[\ufeff\ufffe\uffff]")
_HALF_CHARACTER = re.compile(r"[\ud800-\udfff]")
_NOT_PLAIN = re.compile(r"[0-9].*|true|false|null|yes|no|on|off|y|n", re.IGNORECASE)
"""Slugs that some reader of YAML takes for something else than a text."""


@dataclass(frozen=True, slots=True)
class SkillFile:
    """A SKILL.md. name: by which a gateway knows the skill, as in `agents.entries.*.skills`."""

    slug: str
    name: str
    content: bytes


def render_skill(skill: SkillRow) -> SkillFile | None:
    """Return the file of a skill, or None for one without content.

    Raises: RenderError that names the file, and a line of its trimmed content.
    """
    path = f"skills/{shown(skill.slug)}/SKILL.md"
    if not is_skill_slug(skill.slug):
        raise RenderError(path, None, "a slug has 1 to 64 of A-Z, a-z, 0-9, _ and -, the first a letter or digit")
    content = block(_encodable(skill.content))
    if not content:
        return None
    text, body = split(content) or ("", f"\n\n{content}")
    front = read(text, path)
    _refuse_other_than_texts(front, path)
    if front.lacks("name") or front.lacks("description"):
        front = read(_completed(front, skill, path), path)
    written = f"---\n{front.text}---{body}\n".encode()
    if len(written) > FILE_LIMIT:
        raise RenderError(path, None, f"the file has {len(written):,} bytes; a gateway reads {FILE_LIMIT:,}")
    return SkillFile(skill.slug, _name(front, path), written)


def _encodable(text: str | None) -> str:
    """Return a text that UTF-8 and YAML can hold; byte order marks and noncharacters are no text."""
    return _HALF_CHARACTER.sub("\ufffd", _NO_CHARACTER.sub("", text)) if text else ""


def _refuse_other_than_texts(front: FrontMatter, path: str) -> None:
    """Take no number or list for a name: a gateway would make another text of it, `7` of 007."""
    for name in ("name", "description"):
        if name in front.keys and front.keys[name].text is None:
            raise RenderError(path, front.keys[name].first + FIRST_LINE, f"{name} is no text; put it in quotes")


def _completed(front: FrontMatter, skill: SkillRow, path: str) -> str:
    """Return the front matter with a name at its head, unless it has one, and a description after the name likewise."""
    if front.braces:
        raise RenderError(path, FIRST_LINE, "front matter lacks a name or description and is in braces; write lines")
    lines = {
        "name": f'name: "{skill.slug}"' if _NOT_PLAIN.fullmatch(skill.slug) else f"name: {skill.slug}",
        "description": f"description: {json.dumps(_description(skill), ensure_ascii=False)}",
    }
    missing = [name for name in lines if front.lacks(name)]
    after = None if "name" in missing else "name"
    return front.with_lines(after, [lines[name] for name in missing], without=frozenset(missing))


def _description(skill: SkillRow) -> str:
    said = one_line(_encodable(skill.description)) or one_line(_encodable(skill.name)) or skill.slug
    return said[:DESCRIPTION_LIMIT].rstrip()


def _name(front: FrontMatter, path: str) -> str:
    """Return the name in front matter, unless a list of skills in the gateway's configuration could not hold it."""
    key = front.keys["name"]
    name = key.text
    assert name is not None  # refused above
    if name != one_line(_encodable(name)):
        problem = "has a line break, a control character or an unusual space"
    elif len(name) > NAME_LIMIT:
        problem = f"has {len(name)} characters; {NAME_LIMIT} at most"
    elif "${" in name:
        problem = "holds ${, where the gateway would put an environment variable"
    elif name in RESERVED_KEYS:
        problem = "is a word that JavaScript reserves"
    else:
        return name
    raise RenderError(path, key.first + FIRST_LINE, f"the name {shown(name)} {problem}")
