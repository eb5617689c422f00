"""One published file: what is on disk now, and how it becomes what it should be."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent_config_sync.publish import atomic
from agent_config_sync.publish.atomic import FileSignature, Ownership
from agent_config_sync.publish.gate import Gate


def content_hash(content: bytes) -> str:
    """Return the SHA-256 of the bytes, in hex."""
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True, slots=True)
class OnDisk:
    """A file as we last saw or wrote it."""

    content: bytes
    content_hash: str
    signature: FileSignature


class Output:
    """The target of a publish. Reads it only when its signature says that somebody else changed it."""

    def __init__(self, path: Path, *, sibling: Path, gate: Gate) -> None:
        """sibling: the file whose owner and mode a new output takes over, the gateway's configuration."""
        self.path = path
        self._sibling = sibling
        self._gate = gate
        self._known: OnDisk | None = None

    def look(self) -> OnDisk | None:
        """Return what is on disk now, None where there is no readable file.

        Raises: PublishError where something else stands in its place.
        """
        signature = atomic.signature(self.path)
        if signature is None:
            self._known = None
        elif self._known is None or self._known.signature != signature:
            content = atomic.read(self.path)
            self._known = None if content is None else OnDisk(content, content_hash(content), signature)
        return self._known

    def replace(self, content: bytes, *, ready: Callable[[], None]) -> OnDisk:
        """Make `content` the file, durably.

        Raises: PublishError, StoppedError; the old file stands.
        """
        like = Ownership.of(self.path) or Ownership.of(self._sibling)
        self._known = None
        signature = atomic.replace(self.path, content, gate=self._gate, like=like, ready=ready)
        self._known = OnDisk(content, content_hash(content), signature)
        return self._known

    def sweep(self) -> None:
        """Remove what a killed process left; the pass lock must be held."""
        atomic.sweep(self.path)
