"""A workspace: what it should hold, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from agent_config_sync.publish.output import content_hash

Owner: TypeAlias = Literal["database", "agent", "nobody"]
"""Who decides what a file holds once it exists: `nobody` is a file that is written once and may be deleted."""


@dataclass(frozen=True, slots=True)
class FileContent:
    """What a file of a workspace should hold. path: relative, with slashes."""

    path: str
    content: bytes
    content_hash: str
    owner: Owner

    @classmethod
    def of(cls, path: str, content: bytes, owner: Owner) -> FileContent:
        return cls(path, content, content_hash(content), owner)

    @property
    def is_skill(self) -> bool:
        return self.path.startswith("skills/")


@dataclass(frozen=True, slots=True, eq=False)
class WorkspaceContent:
    """What the workspace of an agent should hold. folder: its name below the root; folders: that must be there."""

    agent: str
    folder: str
    files: tuple[FileContent, ...]
    folders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Demand:
    """What somebody asks for beyond what every pass does. overwrite: files of the agent too, and a skill that stands
    in the place of one of ours; bootstrap: BOOTSTRAP.md once more."""

    overwrite: bool = False
    bootstrap: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A file that differs from what it should hold. before, after: None where there is no file."""

    path: str
    before: bytes | None
    after: bytes | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a workspace. folder: its name below the root; changes: in the order in which they were made;
    foreign: paths that somebody else wrote and that stay; error: why it is not what it should be."""

    agent: str
    folder: str
    changes: tuple[Change, ...] = ()
    foreign: tuple[str, ...] = ()
    error: str | None = None
