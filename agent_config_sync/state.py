"""What must survive a kill: which content the gateway is known to run with, and when it was last signalled.

A debt is not written down, it follows: whatever is on disk and is not the content that was last confirmed is owed to
the gateway. So a publish costs no second durable write. The one exception is a publish of the very content that was
last confirmed (A, then B, then A again while B's reload is under way): it must withdraw the confirmation first.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from agent_config_sync.errors import LockedError, PublishError
from agent_config_sync.model.published import PublishedSet
from agent_config_sync.model.site import Layout
from agent_config_sync.publish import atomic
from agent_config_sync.publish.atomic import FileSignature
from agent_config_sync.publish.gate import Gate
from agent_config_sync.publish.lock import FileLock

LOCK_DEADLINE = 5.0
"""Seconds to wait for another process that saves; it takes milliseconds."""

LOCK_POLL = 0.005


class Remembered(BaseModel):
    """The file's content.

    confirmed: SHA-256 in hex; signalled_at: seconds since the epoch; default: an agent's id; layout: how openclaw.json
    included the output; tables: those that a pass saw; held: the set that stays in place until `resume`; furnished: the
    process that wrote into a workspace last, by a name that it gave itself; skills_json: SHA-256 in hex of the last two
    files of keys that were written, or about to be.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    output: str = ""
    confirmed: str | None = None
    signalled_at: float | None = None
    default: str | None = None
    layout: Layout | None = None
    tables: frozenset[str] = frozenset()
    held: PublishedSet | None = None
    furnished: str | None = None
    skills_json: tuple[str, ...] = ()


class State:
    """The state of one output, in one file of a 0700 directory. A lost or broken file means that everything is owed."""

    def __init__(self, directory: Path, output: Path) -> None:
        self.path = directory / f"{output.stem}-{hashlib.sha256(os.fsencode(output)).hexdigest()[:12]}.json"
        self._output = str(output).encode("utf-8", "backslashreplace").decode()
        self._beside = output.parent
        self._seen: FileSignature | None = None
        self.remembered = Remembered()
        with contextlib.suppress(PublishError):  # a pass will say it
            self.refresh()

    @property
    def history_folder(self) -> Path:
        """Where the last published sets of this output are kept."""
        return self.path.with_suffix(".history")

    @property
    def workspaces_folder(self) -> Path:
        """Where it is kept what we wrote into the agents' workspaces."""
        return self.path.with_suffix(".workspaces")

    @property
    def tokens_path(self) -> Path:
        """The file of the agents' own tokens."""
        return self.path.with_suffix(".tokens")

    @property
    def logins_folder(self) -> Path:
        """Where links are kept with which a person logs in."""
        return self.path.with_suffix(".logins")

    def refresh(self) -> None:
        """Read what another process (`sync` beside `run`) may have saved; call it with the pass lock held.

        Raises: PublishError when there is something that cannot be read: what was remembered stays, a hold above all.
        """
        seen = content = None
        with contextlib.suppress(PublishError):
            seen = atomic.signature(self.path)
            if seen is not None and seen == self._seen:
                return
            content = atomic.read(self.path)
        if content is None and _may_hold_something(self.path):
            raise PublishError(f"the state file {self.path} cannot be read: let this user read it, or set state_dir")
        try:
            self.remembered = Remembered.model_validate(orjson.loads(content)) if content else Remembered()
            self._seen = seen
        except (orjson.JSONDecodeError, ValidationError):
            self.remembered = Remembered()
            self._seen = None

    def owes(self, content_hash: str) -> bool:
        """Return whether the gateway is not known to run with this content."""
        return self.remembered.confirmed != content_hash

    def before_publish(self, content_hash: str) -> None:
        """Make sure that this content is owed from before its rename on.

        Raises: PublishError.
        """
        if not self.owes(content_hash):
            self.save(confirmed=None)

    def save(self, **changes: object) -> None:
        """Remember these changes, durably, beside what another process may have saved.

        Raises: PublishError.
        """
        if self._updated(changes) is None:
            return  # which is most often so, and people wait for it
        directory = self.path.parent
        try:
            atomic.make_folder(directory, beside=self._beside if self._beside.is_dir() else None)
        except OSError as error:
            raise PublishError(
                f"the state directory {directory} cannot be made ({error.strerror}): set state_dir"
            ) from None
        with self._alone():
            updated = self._updated(changes)
            if updated is not None:
                self._write(updated)

    def _updated(self, changes: dict[str, object]) -> Remembered | None:
        """Return what there is to remember with these changes, None if that is what is remembered."""
        self.refresh()
        updated = self.remembered.model_copy(update={**changes, "output": self._output})
        return updated if updated != self.remembered else None

    def _write(self, updated: Remembered) -> None:
        document = orjson.dumps(updated.model_dump(mode="json"), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
        # The state may be saved after the gate has closed: it records what has happened and touches nobody's file.
        self._seen = atomic.replace(self.path, document + b"\n", gate=Gate(), like=None)
        self.remembered = updated

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Let no other process save between our reading and our writing; what is confirmed is saved without the pass
        lock, beside a `restore` that holds it.

        Raises: LockedError.
        """
        lock = FileLock(self.path.with_name(f".{self.path.name}.lock"), setting="state_dir")
        give_up = time.monotonic() + LOCK_DEADLINE
        while not lock.try_acquire():
            if time.monotonic() >= give_up:
                raise LockedError(f"{lock.path} is held by {lock.holder()}: end that process")
            time.sleep(LOCK_POLL)
        try:
            yield
        finally:
            lock.release()

    def sweep(self) -> None:
        """Remove what a killed process left; the pass lock must be held."""
        atomic.sweep(self.path)
        atomic.sweep(self.tokens_path)


def _may_hold_something(path: Path) -> bool:
    """Return whether there is a file of its own, or nobody can tell; what else may stand there is replaced."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
