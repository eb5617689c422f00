"""Merge pieces of a configuration as the gateway does (OpenClaw docs, gateway/configuration, Includes)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def merged(sections: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return one section of many: objects by key, arrays one after the other, of anything else the later."""
    result: dict[str, Any] = {}
    for section in sections:
        for key, value in section.items():
            known = result.get(key)
            if isinstance(known, Mapping) and isinstance(value, Mapping):
                result[key] = merged((known, value))
            elif isinstance(known, list) and isinstance(value, list):
                result[key] = [*known, *value]
            else:
                result[key] = value
    return result
