"""The last published sets, so that one can be published again.

Each is one file of the state directory, a line of JSON before the bytes, and says by its hash whether it is whole. A
lost set costs that set: the pass never depends on one.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from agent_config_sync.errors import PublishError, RefusedError
from agent_config_sync.model.published import PublishedSet
from agent_config_sync.model.site import Site
from agent_config_sync.publish import atomic
from agent_config_sync.publish.gate import Gate

KEPT = 10
"""Sets that are kept."""

_NAME = re.compile(r"(\d{6,18})\.set", re.ASCII)
_HALF = re.compile(r"\.(\d{6,18})\.set\..*\.tmp", re.ASCII)


class History:
    """The sets of one output. The pass lock must be held to keep one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._newest = (0, "")

    def sets(self) -> list[PublishedSet]:
        """Return what is kept and whole, the oldest first."""
        return [kept for number in self._numbers() if (kept := self._read(number)[0]) is not None]

    def read(self, number: int) -> tuple[PublishedSet, bytes]:
        """Return one set.

        Raises: RefusedError when it is not there, or not whole.
        """
        kept, content = self._read(number)
        if kept is None:
            raise RefusedError(f"{self.folder} holds no set {number}: agent-config-sync history lists them")
        return kept, content

    def content_of(self, content_hash: str) -> bytes | None:
        """Return the bytes with this hash, None if no set holds them."""
        for number in reversed(self._numbers()):
            kept, content = self._read(number)
            if kept is not None and kept.content_hash == content_hash:
                return content
        return None

    def lacks(self, content_hash: str) -> bool:
        """Return whether the newest set holds something else."""
        numbers = self._numbers()
        newest = numbers[-1] if numbers else 0
        if newest != self._newest[0]:  # another process may have kept one
            kept, _ = self._read(newest)
            self._newest = (newest, kept.content_hash if kept is not None else "")
        return self._newest != (newest, content_hash)

    def keep(self, content: bytes, content_hash: str, *, reason: str, site: Site) -> None:
        """Keep this as the newest set, under the next number, and let go of what is older than the last ten.

        Raises: PublishError.
        """
        numbers = self._numbers()
        published = PublishedSet(
            number=numbers[-1] + 1 if numbers else 1,
            at=datetime.now(UTC),
            reason=reason,
            content_hash=content_hash,
            size=len(content),
            gateway_version=str(site.version) if site.version is not None else None,
            roster=site.roster,
            layout=site.layout,
        )
        path = self._path(published.number)
        # The gate may have closed: this records what has happened and touches nobody's file.
        atomic.replace(path, published.model_dump_json().encode() + b"\n" + content, gate=Gate(), like=None)
        self._newest = (published.number, content_hash)
        for old in numbers[: 1 - KEPT]:
            with contextlib.suppress(OSError):
                self._path(old).unlink()

    def sweep(self) -> None:
        """Remove what a killed process left; the pass lock must be held."""
        for number in self._named(_HALF):
            atomic.sweep(self._path(number))

    def _numbers(self) -> list[int]:
        return sorted(self._named(_NAME))

    def _named(self, pattern: re.Pattern[str]) -> set[int]:
        try:
            return {int(found[1]) for path in self.folder.iterdir() if (found := pattern.fullmatch(path.name))}
        except OSError:
            return set()

    def _read(self, number: int) -> tuple[PublishedSet | None, bytes]:
        try:
            head, _, content = (atomic.read(self._path(number)) or b"").partition(b"\n")
            kept = PublishedSet.model_validate_json(head)
        except (PublishError, ValidationError):
            return None, b""
        whole = kept.number == number and kept.content_hash == hashlib.sha256(content).hexdigest()
        return (kept, content) if whole else (None, b"")

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06}.set"
