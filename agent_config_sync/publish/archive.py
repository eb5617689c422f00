"""Workspaces of agents that are gone: moved out of the way, and nothing deleted."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from agent_config_sync.publish.folder import folder_at, folder_in, make_in
from agent_config_sync.publish.gate import Gate

ARCHIVE = ".archive"
"""Folder below the root for them; no agent's name begins with a dot."""


def move_to_archive(root: Path, folder: str, wanted: str, gate: Gate) -> Path | None:
    """Move a folder below the root into the archive, under a name that is not taken there; return where it is now, None
    if there is no such folder.

    Raises: OSError, StoppedError.
    """
    with contextlib.ExitStack() as stack:
        try:
            above = stack.enter_context(folder_at(root))
            os.stat(folder, dir_fd=above, follow_symlinks=False)
        except FileNotFoundError:
            return None
        make_in(above, ARCHIVE)
        archive = stack.enter_context(folder_in(above, ARCHIVE))
        taken = set(os.listdir(archive))
        name = next(name for name in _numbered(wanted) if name not in taken)
        with gate.passing():
            os.rename(folder, name, src_dir_fd=above, dst_dir_fd=archive)
        os.fsync(archive)
        os.fsync(above)
        return root / ARCHIVE / name


def _numbered(name: str) -> Iterator[str]:
    yield name
    for number in itertools.count(2):
        yield f"{name}-{number}"
