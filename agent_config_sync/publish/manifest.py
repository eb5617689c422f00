"""What we have written into each workspace: the hashes tell ours from theirs, also after a kill.

One small file an agent, in a folder of the state directory. A lost or broken one means that the workspace is somebody
else's: nothing in it counts as ours, and it counts as bootstrapped.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from pathlib import Path

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from agent_config_sync.errors import PublishError
from agent_config_sync.publish import atomic
from agent_config_sync.publish.gate import Gate

_NAME = re.compile(r"([a-z0-9][a-z0-9_-]{0,63})\.json", re.ASCII)


class Manifest(BaseModel):
    """One workspace. files: by path, the SHA-256 in hex of what we wrote last or are about to write, and of what it
    replaces; bootstrapped: BOOTSTRAP.md was written once, or will never be."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    files: dict[str, tuple[str, ...]] = {}
    bootstrapped: bool = False


class Manifests:
    """The manifests of all workspaces below one root, read once; the pass lock must be held."""

    def __init__(self, folder: Path, root: Path) -> None:
        """folder: of the output's state; root: of the workspaces."""
        self.folder = folder / hashlib.sha256(os.fsencode(root)).hexdigest()[:12]
        self._known: dict[str, Manifest] | None = None

    def get(self, agent: str) -> Manifest | None:
        """Return what is known of a workspace, None if nothing is."""
        return self._all().get(agent)

    def agents(self) -> frozenset[str]:
        """Return whose workspaces we have made."""
        return frozenset(self._all())

    def forget(self) -> None:
        """Read them anew: another process has written some."""
        self._known = None

    def save(self, agent: str, manifest: Manifest) -> None:
        """Remember it durably.

        Raises: PublishError.
        """
        if self.get(agent) == manifest:
            return
        document = orjson.dumps(manifest.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
        # The gate may have closed: this touches nobody's file.
        atomic.replace(self._path(agent), document + b"\n", gate=Gate(), like=None)
        self._all()[agent] = manifest

    def drop(self, agent: str) -> None:
        """Forget a workspace that is gone.

        Raises: PublishError.
        """
        try:
            self._path(agent).unlink(missing_ok=True)
        except OSError as error:
            raise atomic.failure(self._path(agent), "removed", error) from None
        self._all().pop(agent, None)

    def sweep(self) -> None:
        """Remove what a killed process left."""
        with contextlib.suppress(OSError):
            for name in os.listdir(self.folder):
                if name.startswith(".") and name.endswith(".tmp"):
                    (self.folder / name).unlink()

    def _all(self) -> dict[str, Manifest]:
        if self._known is None:
            self._known = {}
            with contextlib.suppress(OSError):
                for name in os.listdir(self.folder):
                    if found := _NAME.fullmatch(name):
                        with contextlib.suppress(PublishError, ValidationError, OSError):
                            content = atomic.read(self.folder / name) or b""
                            self._known[found[1]] = Manifest.model_validate_json(content)
        return self._known

    def _path(self, agent: str) -> Path:
        return self.folder / f"{agent}.json"
