"""What there is to do in one workspace, done: each file is written or removed whole, or stays as it is."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable

from agent_config_sync.publish import atomic
from agent_config_sync.publish.atomic import FileSignature
from agent_config_sync.publish.folder import below, exists_below, folder_in, make_in, naming
from agent_config_sync.publish.gate import Gate
from agent_config_sync.publish.plan import Removal, Write
from agent_config_sync.publish.workspace import Change


class Execution:
    """The steps in one workspace. changes: those that were made; taken: paths that somebody else took just before us;
    gone: removed, or gone already."""

    def __init__(self, folder: int, name: str, gate: Gate, changes: list[Change]) -> None:
        """folder: of the workspace, open; name: of that below the root."""
        self.changes = changes
        self.taken: set[str] = set()
        self.gone: set[str] = set()
        self._folder = folder
        self._name = name
        self._gate = gate
        self._touched: set[str] = set()

    def make(self, path: str) -> None:
        """Make a folder that is missing, and those above it.

        Raises: OSError.
        """
        above = ""
        with naming(self._name, path):
            for name in path.split("/"):
                with below(self._folder, above) as opened:
                    made = make_in(opened, name)
                if made:
                    self._touched.add(above)
                above = f"{above}/{name}".lstrip("/")
            with below(self._folder, path):
                pass  # it is one

    def write(self, write: Write) -> bool:
        """Write a file; return whether nobody else took its place.

        Raises: OSError, StoppedError.
        """
        file = write.file
        where, _, name = file.path.rpartition("/")
        if where:
            self.make(where)
        with naming(self._name, file.path):
            try:
                with below(self._folder, where) as inside:
                    atomic.write_in(inside, name, file.content, gate=self._gate, fresh=write.fresh)
            except FileExistsError:
                self.taken.add(file.path)
                return False
        self.changes.append(write.change)
        self._touched.add(where)
        return True

    def remove(self, removal: Removal) -> None:
        """Remove a file unless somebody changed it just now, and the folder that was made for it if nobody else put
        anything there.

        Raises: OSError, StoppedError.
        """
        folder, _, name = removal.path.rpartition("/")
        above, _, last = folder.rpartition("/")
        with (
            naming(self._name, removal.path),
            contextlib.suppress(FileNotFoundError),
            below(self._folder, above) as outer,
            folder_in(outer, last) as inner,
            self._gate.passing(),
        ):
            if _changed(inner, name, removal):
                return
            self._touched.update((above, folder))
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=inner)
                self.changes.append(Change(removal.path, removal.before, None))
            with contextlib.suppress(OSError):  # something of somebody else's is in it
                os.rmdir(last, dir_fd=outer)
        self.gone.add(removal.path)

    def has(self, path: str) -> bool:
        """Return whether anything stands there.

        Raises: OSError.
        """
        return exists_below(self._folder, path)

    def make_durable(self, further: Iterable[str] = ()) -> None:
        """Let what was done outlive a loss of power. further: folders of which nobody knows.

        Raises: OSError.
        """
        for path in sorted(self._touched.union(further), reverse=True):
            with naming(self._name, path), contextlib.suppress(FileNotFoundError), below(self._folder, path) as opened:
                os.fsync(opened)
        self._touched.clear()


def _changed(folder: int, name: str, removal: Removal) -> bool:
    """Return whether a file is not the one that was seen: the agent's work is not lost with it."""
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return removal.found is None or FileSignature.of(status) != removal.found.signature
