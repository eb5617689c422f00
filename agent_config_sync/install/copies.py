"""Copies of the operator's files from before we changed them: named with the time, kept for ever."""

from __future__ import annotations

import time
from pathlib import Path

from agent_config_sync.publish import atomic
from agent_config_sync.publish.atomic import Ownership
from agent_config_sync.publish.gate import Gate

_MARK = "before-agent-config-sync-"


def sweep_copies(path: Path) -> None:
    """Remove copies that a killed run has begun."""
    for left in path.parent.glob(f".{path.name}.{_MARK}*.tmp"):
        left.unlink(missing_ok=True)


def copies_of(path: Path) -> list[Path]:
    """Return the copies of a file, the oldest first."""
    return sorted(copy for copy in path.parent.glob(f"{path.name}.{_MARK}*") if copy.is_file())


def lost_copy_of(path: Path) -> Path:
    """Return the name of a copy that is gone, nobody knows which: a person may put it there."""
    return path.with_name(f"{path.name}.{_MARK}lost")


def keep_copy(path: Path, content: bytes) -> tuple[Path, bool]:
    """Keep a copy of a file beside it, one for each content; return its path, and whether it is new.

    Raises: PublishError.
    """
    for known in copies_of(path):
        if known.read_bytes() == content:
            return known, False
    copy = path.with_name(f"{path.name}.{_MARK}" + time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
    while copy.exists():  # two within a second
        copy = copy.with_name(copy.name + "+")
    atomic.replace(copy, content, gate=Gate(), like=Ownership.of(path.resolve()))
    return copy, True
