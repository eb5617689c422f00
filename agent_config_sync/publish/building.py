"""A new workspace, made whole under a name of its own before it gets the agent's: nobody sees half of one."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence

from agent_config_sync.publish import atomic
from agent_config_sync.publish.folder import below, folder_in, make_in
from agent_config_sync.publish.gate import Gate
from agent_config_sync.publish.workspace import FileContent

_RANDOM_BYTES = 6
_UNFINISHED = re.compile(rf"\.([a-z0-9][a-z0-9_-]{{0,79}})\.[0-9a-f]{{{2 * _RANDOM_BYTES}}}\.new", re.ASCII)


@contextlib.contextmanager
def unfinished(root: int, name: str) -> Iterator[tuple[str, int]]:
    """Make a folder for what is to be called `name`, and lend its name and itself; gone afterwards if it still has it.

    Raises: OSError.
    """
    own = f".{name}.{secrets.token_hex(_RANDOM_BYTES)}.new"
    try:
        make_in(root, own)
        with folder_in(root, own) as folder:
            yield own, folder
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.stat(own, dir_fd=root, follow_symlinks=False)
            shutil.rmtree(own, ignore_errors=True, dir_fd=root)


def build(folder: int, files: Sequence[FileContent], folders: Iterable[str]) -> None:
    """Write files and folders into an empty folder of ours, durably.

    Raises: OSError.
    """
    status = os.fstat(folder)
    owner = (status.st_uid, status.st_gid) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    like = atomic.Ownership(0o600, *owner)
    inside: dict[str, list[FileContent]] = {"": []}
    for path in (*folders, *(file.path.rpartition("/")[0] for file in files)):
        inside.update((place, []) for place in _with_those_above(path))
    for file in files:
        inside[file.path.rpartition("/")[0]].append(file)
    for path in sorted(inside.keys() - {""}):
        where, _, name = path.rpartition("/")
        with below(folder, where) as outer:
            make_in(outer, name)
    for path in sorted(inside, reverse=True):
        with below(folder, path) as opened:
            for file in inside[path]:
                atomic.write_new(opened, file.path.rpartition("/")[2], file.content, like=like)
            os.fsync(opened)


def unfinished_in(names: Iterable[str]) -> Mapping[str, str]:
    """Return what a killed process has not finished, and by that name the one that it was to get."""
    return {name: found[1] for name in names if (found := _UNFINISHED.fullmatch(name))}


def remove_unfinished(root: int, names: Iterable[str], gate: Gate) -> None:
    """Remove it; nothing is reached through a symbolic link.

    Raises: StoppedError.
    """
    for name in names:
        with gate.passing():
            shutil.rmtree(name, ignore_errors=True, dir_fd=root)


def _with_those_above(path: str) -> Iterator[str]:
    """Return a folder and those above it, but not the workspace itself."""
    while path:
        yield path
        path = path.rpartition("/")[0]
