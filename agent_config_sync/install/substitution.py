"""References to the environment in openclaw.json, as the gateway takes them: `${NAME}`, an empty one counts as not set,
`$${NAME}` is none (OpenClaw docs, Environment variables)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

_REFERENCE = re.compile(r"(\$?)\$\{([A-Z_][A-Z0-9_]*)\}")


def expanded(value: Any) -> Any:
    """Return a value with what this environment has of its references; what it has not stays as it is written."""
    if isinstance(value, Mapping):
        return {key: expanded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [expanded(item) for item in value]
    if not isinstance(value, str):
        return value
    return _REFERENCE.sub(
        lambda found: found[0][1:] if found[1] else os.environ.get(found[2]) or found[0],
        value,
    )


def refers(value: object) -> bool:
    """Return whether there is a reference in a value."""
    return any(True for _ in _names_in(value))


def unset_in(value: object) -> tuple[str, ...]:
    """Return the names of a value that this environment has not."""
    return tuple(dict.fromkeys(name for name in _names_in(value) if not os.environ.get(name)))


def _names_in(value: object) -> Iterator[str]:
    if isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _names_in(inner)
    elif isinstance(value, str):
        yield from (found[2] for found in _REFERENCE.finditer(value) if not found[1])
