"""The keys that people have entered, in one file of this host (`RUNTIME_SECRETS_FILE`): 0600 in a 0700 folder.

A gateway that takes references reads a key from this very file, so its form is a contract: `values`, and in it each key
by the id of its row in skill_credentials. A key never changes under its id: one that is entered anew has a new row.
"""

from __future__ import annotations

import stat
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal, Protocol

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from agent_config_sync.errors import PublishError, SettingsError
from agent_config_sync.publish import atomic
from agent_config_sync.publish.gate import Gate
from agent_config_sync.settings import Settings


class Seal(Protocol):
    """Keeps bytes so that nobody else reads them."""

    def close(self, content: bytes) -> str: ...

    def open(self, sealed: str) -> bytes | None:
        """Return the bytes, None where they were sealed with another key."""
        ...


class _Document(BaseModel):
    """values: the keys; owner: the gateway whose they are; sealed: a document like this one instead, where it is
    encrypted."""

    model_config = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)

    version: Literal[1]
    owner: str | None = None
    values: dict[str, str] | None = None
    sealed: str | None = None


def pointer(key: str) -> str:
    """Return where a key stands in the file (RFC 6901). key: the id of its row."""
    return f"/values/{key}"


class SecretStore:
    """Keys by the id of their row. The pass lock must be held to change them."""

    def __init__(self, path: Path, *, owner: str = "", seal: Seal | None = None, trouble: str | None = None) -> None:
        """owner: the gateway whose keys these are; seal: encrypts the file, None to leave it as gateways read it;
        trouble: why it cannot be used at all."""
        self.path = path
        self._owner = owner
        self._seal = seal
        self._trouble = trouble
        self._values: Mapping[str, str] = {}
        self._seen: object = ()
        self._sealed = seal is not None
        """Whether the file is encrypted, or would be if there was one."""

    @classmethod
    def of(cls, settings: Settings) -> SecretStore:
        """Return the keys of this host, encrypted if there is a key for that. What is wrong with that one, whoever uses
        the store is told."""
        owner = f"{settings.account}/{settings.gateway}"
        path = settings.secrets_key
        if path is None:
            return cls(settings.secrets, owner=owner)
        from agent_config_sync.secret_seal import AesSeal  # noqa: PLC0415 - what is off is not imported

        try:
            return cls(settings.secrets, owner=owner, seal=AesSeal.of_file(path))
        except SettingsError as error:
            return cls(settings.secrets, owner=owner, trouble=str(error))

    def look(self) -> Mapping[str, str]:
        """Return the keys, the same object while nobody changed them.

        Raises: PublishError when the file is there and is not to be read: what it holds is never thrown away.
        """
        if self._trouble is not None:
            raise PublishError(self._trouble)
        seen = atomic.signature(self.path)
        if seen != self._seen:
            self._values, self._sealed = self._read() if seen is not None else ({}, self._seal is not None)
            self._seen = seen
        return self._values

    def put(self, key: str, value: str) -> None:
        """Keep a key, durably. Raises: PublishError."""
        self._write({**self.look(), key: value}, sealed=self._sealed)

    def open_to_gateway(self, *, wanted: bool) -> None:
        """Let the file be one that the gateway reads itself, or encrypted again, if there is a key for that.

        Raises: PublishError.
        """
        known, sealed = self.look(), self._seal is not None and not wanted
        if known and self._sealed != sealed:
            self._write(known, sealed=sealed)

    def keep(self, wanted: Collection[str]) -> None:
        """Let go of all other keys, durably.

        Raises: PublishError.
        """
        known = self.look()
        kept = {key: value for key, value in known.items() if key in wanted}
        if kept != known:
            self._write(kept, sealed=self._sealed)

    def sweep(self) -> None:
        """Remove what a killed process left; the pass lock must be held."""
        atomic.sweep(self.path)

    def _read(self) -> tuple[Mapping[str, str], bool]:
        """Return the keys, and whether they were encrypted."""
        content = atomic.read(self.path)
        if content is None:
            raise PublishError(f"{self.path} cannot be read: let this user read it, or set secrets_file")
        status = self.path.stat()
        if status.st_mode & atomic.FOR_OTHERS:
            raise PublishError(
                f"{self.path} is open to others (mode {stat.S_IMODE(status.st_mode):o}): chmod 600 it, and enter new "
                "keys if somebody may have read it"
            )
        if status.st_nlink > 1:
            raise PublishError(f"{self.path} has a second name, which gateways refuse: remove the other hard link")
        try:
            document = _Document.model_validate(orjson.loads(content))
            if document.sealed is None:
                return self._own(document), False
            opened = self._seal.open(document.sealed) if self._seal is not None else None
            if opened is None:
                raise PublishError(f"{self.path} is encrypted with another key: put its secrets_key_file back")
            return self._own(_Document.model_validate(orjson.loads(opened))), True
        except (orjson.JSONDecodeError, ValidationError):
            raise PublishError(
                f"{self.path} is broken: put a copy of it back, or remove it and enter its keys anew"
            ) from None

    def _own(self, document: _Document) -> Mapping[str, str]:
        """Return the keys, unless they are another gateway's: it would be for that one to let go of them."""
        if self._owner and document.owner not in (None, "", self._owner):
            raise PublishError(
                f"{self.path} holds the keys of gateway {document.owner}, and this one is {self._owner}: give it a "
                "secrets_file of its own, or its name back (gateway)"
            )
        return document.values or {}

    def _write(self, values: Mapping[str, str], *, sealed: bool) -> None:
        content = _dumped({"version": 1, "owner": self._owner, "values": values})
        if sealed and self._seal is not None:
            content = _dumped({"version": 1, "sealed": self._seal.close(content)})
        # The gate may have closed: what a person has entered is kept, and this touches nobody's file.
        self._seen = atomic.replace(self.path, content, gate=Gate(), like=None)
        self._values, self._sealed = values, sealed


def _dumped(document: Mapping[str, object]) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"
