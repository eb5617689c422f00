"""Which models does the gateway know?"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from agent_config_sync.errors import SettingsError
from agent_config_sync.gateway.include import read_json5

DEADLINE = 20
"""Seconds for `openclaw models list`; it takes about 3."""


def known_models(config: Path, openclaw: str | None) -> Mapping[str, frozenset[str]]:
    """Return the models of the providers in openclaw.json, and of the gateway's own catalog where its command is there.

    Returns: ids as provider/model, by provider. Nothing is known of a provider that is absent.
    """
    found: dict[str, set[str]] = {}
    for model in (*_configured(config), *(_listed(config, openclaw) if openclaw is not None else ())):
        found.setdefault(model.split("/", 1)[0], set()).add(model)
    return {provider: frozenset(models) for provider, models in found.items()}


def _configured(config: Path) -> Iterator[str]:
    try:
        document = read_json5(config)
    except (OSError, SettingsError):
        return
    providers = _member(_member(document, "models"), "providers")
    for provider, options in providers.items() if isinstance(providers, Mapping) else ():
        models = _member(options, "models")
        for model in models if isinstance(models, list) else ():
            if isinstance(name := _member(model, "id"), str):
                yield f"{provider}/{name}"


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
