"""The folder that the gateway loads: three small files, because newer gateways copy the whole folder."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from agent_config_sync.errors import PublishError
from agent_config_sync.publish import atomic
from agent_config_sync.publish.atomic import Ownership
from agent_config_sync.publish.gate import Gate
from agent_config_sync.resources import resource

_WRITABLE = stat.S_IWGRP | stat.S_IWOTH

FILES = ("index.js", "openclaw.plugin.json", "package.json")


def door_problem(folder: Path) -> str | None:
    """Return what is wrong with the folder, None if a gateway would load just our files from it.

    The gateway passes a folder or file over, without a word, that others may write or that belongs to another user.
    """
    for path in (folder, *(folder / name for name in FILES)):
        try:
            status = path.stat()
        except OSError:
            return f"{path} is missing"
        if status.st_mode & _WRITABLE:
            return f"others may write {path}"
        if status.st_uid not in (0, os.geteuid()):
            return f"{path} belongs to another user"
        if path != folder and path.read_bytes() != resource(path.name).read_bytes():
            return f"{path} is of another version"
    return None


def write_door(folder: Path) -> None:
    """Write the three files, each as a whole: a gateway may be loading them.

    Raises: PublishError.
    """
    ours = Ownership(0o644, os.geteuid(), os.getegid())
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        mode = stat.S_IMODE(folder.stat().st_mode)
        if mode & _WRITABLE:
            folder.chmod(mode & ~_WRITABLE)
    except OSError as error:
        raise PublishError(f"{folder} cannot be written: {error.strerror}") from None
    for name in FILES:
        atomic.sweep(folder / name)
        atomic.replace(folder / name, resource(name).read_bytes(), gate=Gate(), like=ours)
