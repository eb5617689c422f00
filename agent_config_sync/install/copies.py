"""Copies of the operator's files from before we changed them: named with the time, kept for ever."""

from __future__ import annotations

import time
from pathlib import Path

from agent_config_sync.publish import atomic
from agent_config_sync.publish.atomic import Ownership
from agent_config_sync.publish.gate import Gate


def keep_copy(path: Path, content: bytes) -> tuple[Path, bool]:
    """Keep a copy of a file beside it, one for each content; return its path, and whether it is new.

    Raises: PublishError.
    """
    prefix = f"{path.name}.before-agent-config-sync-"
    for known in sorted(path.parent.glob(f"{prefix}*")):
        if known.read_bytes() == content:
            return known, False
    copy = path.with_name(prefix + time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
    while copy.exists():  # two within a second
        copy = copy.with_name(copy.name + "+")
    atomic.replace(copy, content, gate=Gate(), like=Ownership.of(path.resolve()))
    return copy, True
