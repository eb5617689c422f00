"""One folder of skills in, what is installed there out: files are read as the gateway reads them, none is changed.

Nothing is reached through a symbolic link, and what we wrote ourselves is passed by.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from agent_config_sync.errors import RenderError
from agent_config_sync.model.names import is_skill_slug
from agent_config_sync.model.skills import InstalledSkill
from agent_config_sync.publish.atomic import FileSignature
from agent_config_sync.publish.folder import Found, folder_in, look_in
from agent_config_sync.render.context import one_line
from agent_config_sync.render.front_matter import read, split
from agent_config_sync.render.skill import FILE_LIMIT
from agent_config_sync.render.skill_metadata import SkillMetadata, metadata_of
from agent_config_sync.render.values import shown

FILE = "SKILL.md"

FOLDERS = 300
"""Folders of one place that are looked at: as many as a gateway does (default of
`skills.limits.maxCandidatesPerRoot`)."""

TOLD = 5
"""Folders of one place of which it is told why they were left out; further ones are counted."""

TEXT_LIMIT = 1024
"""Characters of a name or description that are kept (Agent Skills specification, of a description)."""

Memory: TypeAlias = dict[str, tuple[FileSignature, int, InstalledSkill]]
"""By slug: a file that was read, how many names it had, and what it says."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a folder of skills holds. left_out: what was seen there and not taken, each with the reason."""

    skills: tuple[InstalledSkill, ...] = ()
    left_out: tuple[str, ...] = ()


def folders_in(folder: int) -> tuple[str, ...]:
    """Return the names of what may be skills in an open folder, in their order: folders, and links to such.

    Raises: OSError.
    """
    with os.scandir(folder) as entries:
        return tuple(
            sorted(
                entry.name
                for entry in entries
                if not entry.name.startswith(".") and (entry.is_symlink() or entry.is_dir(follow_symlinks=False))
            )
        )


def scan(folder: int, names: Iterable[str], agent: str, *, ours: Collection[str], memory: Memory) -> Scanned:
    """Return the skills among these names of an open folder. ours: the slugs that we wrote there; memory: what was read
    there before, which is brought up to date."""
    skills: list[InstalledSkill] = []
    left_out: list[str] = []
    names = [name for name in names if name not in ours]
    for name in names[:FOLDERS]:
        try:
            skill = _skill(folder, name, agent, memory)
        except _LeftOutError as error:
            left_out.append(f"{shown(name)} {error}")
        except FileNotFoundError:
            continue  # it has just gone
        except OSError as error:
            left_out.append(f"{shown(name)} cannot be read: {error.strerror}")
        else:
            skills.extend([skill] if skill is not None else [])
    for gone in memory.keys() - {skill.slug for skill in skills}:
        del memory[gone]
    if len(left_out) > TOLD:
        left_out[TOLD:] = [f"{len(left_out) - TOLD} more are no skills either"]
    if len(names) > FOLDERS:
        left_out.append(f"{len(names) - FOLDERS:,} more: {FOLDERS} of a folder are looked at")
    return Scanned(tuple(skills), tuple(left_out))


class _LeftOutError(Exception):
    """What looks like a skill, and cannot be told of."""


def _skill(folder: int, name: str, agent: str, memory: Memory) -> InstalledSkill | None:
    """Return the skill in a folder, None where there is none.

    Raises: _LeftOutError, OSError.
    """
    mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    if stat.S_ISLNK(mode):
        raise _LeftOutError("is a symbolic link, which is not followed")
    if not stat.S_ISDIR(mode):
        return None
    with folder_in(folder, name) as inside:
        found = look_in(inside, FILE, at_most=FILE_LIMIT)
    if found is None:
        return None
    if not is_skill_slug(name):
        raise _LeftOutError("has a name that no skill may have: 1 to 64 of A-Z, a-z, 0-9, _ and -")
    known = memory.get(name)
    if known is not None and known[:2] == (found.signature, found.links):
        return known[2]
    skill = _read(found, name, agent)
    memory[name] = (found.signature, found.links, skill)
    return skill


def _read(found: Found, name: str, agent: str) -> InstalledSkill:
    if found.content is None:
        return InstalledSkill(agent, name, name, None, "", f"{FILE} is no file that can be read")
    if found.links > 1:  # it may be somebody else's, of which nothing is told
        problem = f"{FILE} is a hard link, which gateways do not load; copy it"
        return InstalledSkill(agent, name, name, None, "", problem)
    said = describe(found.content, name)
    checksum = hashlib.sha256(found.content).hexdigest()
    key, variable = said.metadata.key, said.metadata.primary_env
    return InstalledSkill(agent, name, said.name, said.description, checksum, said.problem, key, variable)


@dataclass(frozen=True, slots=True)
class Description:
    """What a SKILL.md says of itself, each text short and on one line; problem: why a gateway leaves it out."""

    name: str
    description: str | None = None
    problem: str | None = None
    metadata: SkillMetadata = field(default_factory=SkillMetadata)


def describe(content: bytes, slug: str) -> Description:
    """Return what a SKILL.md says of itself. slug: its folder."""
    if len(content) > FILE_LIMIT:
        return Description(slug, problem=f"{FILE} is larger than {FILE_LIMIT:,} bytes")
    text = content.decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    parts = split(text)
    if parts is None:
        return Description(slug, problem=f"{FILE} has no front matter between two lines of ---")
    try:
        keys = read(parts[0], FILE).keys
    except RenderError as error:
        return Description(slug, problem=one_line(str(error))[:TEXT_LIMIT])
    name, description = (
        one_line(keys[key].text)[:TEXT_LIMIT] if key in keys else "" for key in ("name", "description")
    )
    problem = None if description else f"{FILE} has no description, and a gateway loads no skill without one"
    said = metadata_of(parts[0])
    metadata = SkillMetadata(*(one_line(text)[:TEXT_LIMIT] or None for text in (said.key, said.primary_env)))
    return Description(name or slug, description or None, problem, metadata)
