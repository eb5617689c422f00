"""What we have written into each workspace: the hashes tell ours from theirs, also after a kill.

One small file an agent, in a folder of the state directory. A lost or broken one means that the workspace is somebody
else's: nothing in it counts as ours, and it counts as bootstrapped. One that cannot be read is not lost.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from pathlib import Path
from typing import Annotated

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent_config_sync.errors import PublishError
from agent_config_sync.publish import atomic
from agent_config_sync.publish.atomic import FileSignature
from agent_config_sync.publish.gate import Gate

_NAME = re.compile(r"([a-z0-9][a-z0-9_-]{0,63})\.json", re.ASCII)

_Folder = Annotated[str, Field(pattern=r"^([a-z0-9][a-z0-9_-]*)?$")]
_Skill = Annotated[str, Field(pattern=r"^skills/[A-Za-z0-9][A-Za-z0-9_-]*/SKILL\.md$")]
"""Nothing leads out of a workspace, whoever wrote this: root obeys files in a folder of the service's user."""


class Manifest(BaseModel):
    """One workspace. folder: its name below the root; skills: of each file by path, the SHA-256 in hex of what we wrote
    last or are about to write, and of what it replaces, none where the agent made it its own; bootstrapped:
    BOOTSTRAP.md was written once, or will never be.

    Other files need no hash: one that is rendered is ours whatever it holds, and one of the agent never is.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    folder: _Folder = ""
    skills: dict[_Skill, tuple[str, ...]] = {}
    bootstrapped: bool = False


class Manifests:
    """The manifests of all workspaces below one root; one is read again only when another process has changed it. The
    pass lock must be held."""

    def __init__(self, folder: Path, root: Path) -> None:
        """folder: of the output's state; root: of the workspaces."""
        self.folder = folder / hashlib.sha256(os.fsencode(root)).hexdigest()[:12]
        self._known: dict[str, tuple[FileSignature, Manifest | None]] = {}
        self._unsure: set[str] = set()
        """Agents whose manifest might not outlive a loss of power."""

    def get(self, agent: str) -> Manifest | None:
        """Return what is known of a workspace, None if nothing is.

        Raises: PublishError when that cannot be read, for it is not lost then.
        """
        path = f"{self.folder}/{agent}.json"  # a Path would take as long as all else, for each agent every two seconds
        try:
            signature = FileSignature.of(os.lstat(path))
            if agent in self._known and self._known[agent][0] == signature:
                return self._known[agent][1]
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                signature, content = FileSignature.of(os.fstat(file.fileno())), file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable(self._path(agent), error) from None
        known: Manifest | None = None
        with contextlib.suppress(ValidationError):
            known = Manifest.model_validate_json(content)
        self._known[agent] = (signature, known)
        return known

    def agents(self) -> frozenset[str]:
        """Return whose workspaces we have made.

        Raises: PublishError.
        """
        try:
            names = os.listdir(self.folder)
        except FileNotFoundError:
            return frozenset()
        except OSError as error:
            raise _unreadable(self.folder, error) from None
        return frozenset(found[1] for name in names if (found := _NAME.fullmatch(name)))

    def save(self, agent: str, manifest: Manifest) -> None:
        """Remember it durably.

        Raises: PublishError.
        """
        if agent not in self._unsure and self.get(agent) == manifest:
            return
        document = orjson.dumps(manifest.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
        self._unsure.add(agent)
        # The gate may have closed: this touches nobody's file.
        signature = atomic.replace(self._path(agent), document + b"\n", gate=Gate(), like=None)
        self._known[agent] = (signature, manifest)
        self._unsure.discard(agent)

    def drop(self, agent: str) -> None:
        """Forget a workspace that is gone.

        Raises: PublishError.
        """
        try:
            self._path(agent).unlink(missing_ok=True)
        except OSError as error:
            raise atomic.failure(self._path(agent), "removed", error) from None
        self._known.pop(agent, None)

    def sweep(self) -> None:
        """Remove what a killed process left."""
        with contextlib.suppress(OSError):
            for name in os.listdir(self.folder):
                if name.startswith(".") and name.endswith(".tmp"):
                    (self.folder / name).unlink()

    def _path(self, agent: str) -> Path:
        return self.folder / f"{agent}.json"


def _unreadable(path: Path, error: OSError) -> PublishError:
    return PublishError(f"{path} cannot be read: {error.strerror}; let this user read it, or set state_dir")
