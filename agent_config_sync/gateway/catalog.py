"""Which models does the gateway know?"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from agent_config_sync.errors import SettingsError
from agent_config_sync.gateway.include import read_effective

DEADLINE = 20
"""Seconds for `openclaw models list`; it takes about 3."""


@dataclass(frozen=True, slots=True)
class KnownModels:
    """by_provider: models as provider/model, of those providers alone whose models are all known. aliases: words that
    stand for a model."""

    by_provider: Mapping[str, frozenset[str]] = field(default_factory=dict)
    aliases: frozenset[str] = frozenset()


def known_models(config: Path, openclaw: str | None) -> KnownModels:
    """Return the models of the providers that the configuration defines with an address of their own.

    The gateway knows more of its own providers than it lists, and 2026.5.12 and later pass any name on to them, so of
    these nothing is known to be wrong. `openclaw models list` adds what it finds at the operator's own addresses.
    """
    try:
        effective, _ = read_effective(config)
    except (OSError, SettingsError):
        return KnownModels()
    found = {provider: set(models) for provider, models in _defined(effective)}
    if openclaw is not None and found:
        for model in _listed(config, openclaw):
            found.get(model.split("/", 1)[0], set()).add(model)
    return KnownModels(
        {provider: frozenset(models) for provider, models in found.items()}, frozenset(_aliases(effective))
    )


def _defined(effective: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    providers = _member(_member(effective, "models"), "providers")
    for provider, options in providers.items() if isinstance(providers, Mapping) else ():
        models = _member(options, "models")
        names = [_member(model, "id") for model in models] if isinstance(models, list) else []
        if _member(options, "baseUrl") and names:
            yield provider, [f"{provider}/{name}" for name in names if isinstance(name, str)]


def _aliases(effective: Mapping[str, Any]) -> Iterator[str]:
    models = _member(_member(_member(effective, "agents"), "defaults"), "models")
    for options in models.values() if isinstance(models, Mapping) else ():
        if isinstance(alias := _member(options, "alias"), str):
            yield alias


def _listed(config: Path, openclaw: str) -> Iterator[str]:
    with contextlib.suppress(OSError, subprocess.SubprocessError, ValueError):
        said = subprocess.run(
            [openclaw, "models", "list", "--all", "--json"],
            capture_output=True,
            check=True,
            stdin=subprocess.DEVNULL,
            timeout=DEADLINE,
            env={**os.environ, "OPENCLAW_CONFIG_PATH": str(config)},
        ).stdout
        models = _member(orjson.loads(said[said.index(b"{") :]), "models")
        for model in models if isinstance(models, list) else ():
            if isinstance(key := _member(model, "key"), str) and "/" in key:
                yield key


def _member(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, Mapping) else None
