"""Who listens on a port? Node's debugger must never: whoever reaches it runs code as the gateway."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

DEBUGGER_PORT = 9229
_LISTEN = "0A"
_PAUSE = 0.05


def listeners(port: int) -> dict[int, bytes]:
    """Return the processes that listen on this port of any address, by pid with their environment (proc(5))."""
    sockets = {f"socket:[{inode}]" for inode in _inodes(port)}
    if not sockets:
        return {}
    found: dict[int, bytes] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if any(_target(link) in sockets for link in (folder / "fd").iterdir()):
                found[int(folder.name)] = (folder / "environ").read_bytes()
    return found


def _inodes(port: int) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in Path("/proc/net", table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[1].endswith(f":{port:04X}") and fields[3] == _LISTEN:
                    yield fields[9]


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:  # closed meanwhile
        return ""


class DebuggerWatch:
    """Looks all the time, in a thread; `seen` are the processes below `folder` that had the debugger's port open."""

    def __init__(self, folder: Path) -> None:
        self.seen: set[int] = set()
        self.looks = 0
        self._mark = f"HOME={folder}".encode()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="debugger-watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_PAUSE):
            self.looks += 1
            for pid, environment in listeners(DEBUGGER_PORT).items():
                if any(variable.startswith(self._mark) for variable in environment.split(b"\0")):
                    self.seen.add(pid)
