"""The way in for one person on one machine: a link that a command prints, good once and for a few minutes.

Whoever can run the command can read the keys themselves, so it proves enough. The running process and the command share
a folder of the state directory: one file a link, named by the hash of its code, and who removes it has used it.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
import time
from pathlib import Path

import orjson

from agent_config_sync.errors import PublishError
from agent_config_sync.publish import atomic
from agent_config_sync.publish.gate import Gate

LIFETIME = 600.0
"""Seconds for which a link is good."""

_BYTES = 32
_CODE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


class Logins:
    """Links that were printed and not used yet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def issue(self, person: str) -> str:
        """Return the code of a new link. person: who will use it. Raises: PublishError."""
        self.sweep()
        code = secrets.token_urlsafe(_BYTES)
        content = orjson.dumps({"person": person, "until": time.time() + LIFETIME})
        atomic.replace(self._path(code), content, gate=Gate(), like=None)
        return code

    def redeem(self, code: str) -> str | None:
        """Return whose code it is, and let nobody use it again; None for one that is not good any more."""
        if _CODE.fullmatch(code) is None:
            return None
        path = self._path(code)
        with contextlib.suppress(PublishError, OSError):
            content = atomic.read(path)
            path.unlink()
            return _person(content, time.time())
        return None

    def sweep(self) -> None:
        """Remove what nobody has used in time."""
        with contextlib.suppress(OSError):
            for path in self._folder.iterdir():
                with contextlib.suppress(PublishError, OSError):
                    if _person(atomic.read(path), time.time()) is None:
                        path.unlink()

    def _path(self, code: str) -> Path:
        return self._folder / hashlib.sha256(code.encode()).hexdigest()


def _person(content: bytes | None, now: float) -> str | None:
    """Return whose link it is, None if its time is over or nobody can tell."""
    try:
        document = orjson.loads(content or b"")
        return str(document["person"]) if now < float(document["until"]) else None
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None
