"""What an agent may say when it asks for a key: which skill, and the key's name. A value is never taken."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from agent_config_sync.model.names import is_skill_slug

SIZE_LIMIT = 8192
"""Bytes of a request; a sound one has about a hundred."""

_KEY_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}", re.ASCII)
_PART = re.compile(r"[^-_.\s]+")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)

_LONG_PART = 16
"""Characters without a break in which letters and digits together are no name any more; the table says it too."""


@dataclass(frozen=True, slots=True)
class CredentialRequest:
    """skill_slug: the skill's folder; key_name: of the environment variable in which it expects the key."""

    skill_slug: str
    key_name: str


class RequestRefusedError(Exception):
    """The request is not taken. Its text says why without a word of what it held."""


class UnfinishedError(RequestRefusedError):
    """The request is no JSON, as one is that is still being written."""


def read_request(content: bytes) -> CredentialRequest:
    """Return the request in a JSON document.

    Raises: RequestRefusedError, UnfinishedError.
    """
    if len(content) > SIZE_LIMIT:
        raise RequestRefusedError(f"a request has {SIZE_LIMIT:,} bytes at most")
    try:
        document = json.loads(content, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError):
        raise UnfinishedError('it is no JSON; write {"skillSlug": "...", "keyName": "..."}') from None
    return _checked(document)


def _without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise RequestRefusedError("a request holds each member once")
    return members


def _checked(document: object) -> CredentialRequest:
    """Return the request in what JSON held.

    Raises: RequestRefusedError.
    """
    if not isinstance(document, dict) or not document.keys() <= {"skillSlug", "keyName"}:
        raise RequestRefusedError(
            "a request holds skillSlug and keyName and nothing else; a key is entered by a person, never here"
        )
    slug, key = document.get("skillSlug"), document.get("keyName")
    if not isinstance(slug, str) or not isinstance(key, str):
        raise RequestRefusedError("skillSlug and keyName must be there, and texts")
    if _looks_like_a_value(slug) or _looks_like_a_value(key):
        raise RequestRefusedError("a name looks like a key itself; a key is entered by a person, never here")
    if not is_skill_slug(slug):
        raise RequestRefusedError("skillSlug must be the name of the skill's folder")
    if _KEY_NAME.fullmatch(key) is None:
        raise RequestRefusedError("keyName must be 1 to 64 of A-Z, 0-9 and _, the first a letter")
    return CredentialRequest(skill_slug=slug, key_name=key)


def _looks_like_a_value(text: str) -> bool:
    """Return whether letters and digits are mixed without a break for longer than in any name."""
    return _UUID.fullmatch(text) is not None or any(
        len(part) >= _LONG_PART and re.search(r"\d", part) and re.search(r"[^\W\d]", part)
        for part in _PART.findall(text)
    )
