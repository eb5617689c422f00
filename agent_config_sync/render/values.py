"""Values of the database on their way to the gateway, or into a warning."""

from __future__ import annotations

import math
import re

from agent_config_sync.model.names import RESERVED_KEYS

DEPTH = 32
"""Levels of nesting in a value; the gateway's own configuration has eight."""

INCLUDE = "$include"

_PLAIN = re.compile(r"[\w./:@-]{1,64}", re.ASCII)
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1
_SHOWN_LENGTH = 64


def forbidden(value: object) -> str | None:
    """Return why this JSON value may not reach the gateway whatever its rules say, or None."""
    pending = [(value, 0)]
    while pending:
        inner, depth = pending.pop()
        if depth > DEPTH:
            return f"it is nested deeper than {DEPTH} levels"
        match inner:
            case str() if "${" in inner:
                return "it holds ${, where the gateway would put an environment variable"
            case str() if not inner.isascii() and any("\ud800" <= character <= "\udfff" for character in inner):
                return "it holds half a character"
            case float() if not math.isfinite(inner):
                return "it holds a number that is too large"
            case int() if not _SMALLEST <= inner <= _LARGEST:
                return "it holds a number that is too large"
            case dict():
                if INCLUDE in inner:
                    return "it holds $include, where the gateway would read a file"
                if not RESERVED_KEYS.isdisjoint(inner):
                    return "it holds a key that JavaScript reserves"
                pending.extend((key, depth + 1) for key in inner)
                pending.extend((member, depth + 1) for member in inner.values())
            case list():
                pending.extend((item, depth + 1) for item in inner)
            case _:
                pass
    return None


def shown(text: str) -> str:
    """Return a text of the database as a warning may show it: short, and quoted unless it is as plain as a name."""
    return text if _PLAIN.fullmatch(text) else ascii(text[:_SHOWN_LENGTH])
