"""What an installation has done to one gateway, so that it can be undone: written before the first change."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent_config_sync.errors import RefusedError
from agent_config_sync.install.json5_text import Json5Text
from agent_config_sync.publish import atomic
from agent_config_sync.publish.gate import Gate


class Record(BaseModel):
    """One gateway's installation.

    config: openclaw.json; output: our agents.json; backup: a copy of openclaw.json from before the first change, None
    where there was none; moved: its `agents` went to the operator's own file; held: agents that went to the database;
    config_hash, base_hash: of what we wrote; output_backup: a copy of an agents.json that was there before ours, None
    where there was none; output_due: the hash of our first agents.json, None once it was written; delivery: the keys
    that were set for it, by their paths with dots, each with the text that stood there, None where none did.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    config: str
    output: str
    backup: str | None
    moved: bool
    held: tuple[str, ...] = ()
    config_hash: str
    base_hash: str | None = None
    output_backup: str | None = None
    output_due: str | None = None
    delivery: Mapping[str, str | None] = Field(default_factory=dict)

    def wrote_config(self) -> bool:
        """Return whether openclaw.json has been changed: somebody may have been stopped before it was."""
        before = atomic.read(Path(self.backup)) if self.backup is not None else b""
        return before is None or hash_of(before) != self.config_hash

    def owns_output(self) -> bool:
        """Return whether agents.json is ours by now: somebody may have been stopped before it was."""
        if self.output_due is None:
            return True
        content = atomic.read(Path(self.output))
        return content is not None and hash_of(content) == self.output_due


def hash_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def document_before(record: Record) -> Json5Text:
    """Return openclaw.json as it was before the first change: an empty one where there was none, or no copy is left."""
    content = atomic.read(Path(record.backup)) if record.backup is not None else None
    return Json5Text(content.decode() if content is not None else "{}\n")


def read_record(path: Path) -> Record | None:
    """Return the record, None where nothing is installed.

    Raises: PublishError, RefusedError when it is broken.
    """
    content = atomic.read(path)
    if content is None:
        return None
    try:
        return Record.model_validate_json(content)
    except ValidationError:
        raise RefusedError(f"{path} is broken: compare openclaw.json with its backup and remove that file") from None


def write_record(path: Path, record: Record) -> None:
    """Write it, durably.

    Raises: PublishError.
    """
    atomic.replace(path, record.model_dump_json(indent=2).encode() + b"\n", gate=Gate(), like=None)
