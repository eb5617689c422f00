"""The models that a row names, as the gateway takes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from agent_config_sync.model.names import RESERVED_KEYS
from agent_config_sync.model.rows import AgentRow
from agent_config_sync.render.values import INCLUDE, shown

MODEL_ID_LIMIT = 200
"""Characters of a model id; far above any real one, far below what would bloat the allow-list."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def models_of(row: AgentRow, aliases: Mapping[str, str] | None, warn: Callable[[str], None]) -> list[str]:
    """Return the primary model and its fallbacks, without what is blank, broken or said twice."""
    primary = model_of(row.model, "model", aliases, warn) if row.model is not None else None
    fallbacks: list[str] = []
    for item in row.fallback_models or ():
        if item is None:
            warn("a NULL in fallback_models was left out")
            continue
        fallback = model_of(item, "fallback_models", aliases, warn)
        if fallback is None:
            continue
        if fallback == primary or fallback in fallbacks:
            warn(f"fallback_models names {shown(fallback)} twice")
            continue
        fallbacks.append(fallback)
    if primary is None:
        if fallbacks:
            warn("fallback_models without a model were left out")
        return []
    return [primary, *fallbacks]


def model_of(text: str, column: str, aliases: Mapping[str, str] | None, warn: Callable[[str], None]) -> str | None:
    model = text.strip()
    if aliases is not None and model and "/" not in model:
        if model not in aliases:
            warn(f"{column} {shown(model)} was left out: it names no provider, and model_aliases has no such alias")
            return None
        model = aliases[model].strip()
    if not model:
        warn(f"a blank in {column} was left out")
    elif len(model) > MODEL_ID_LIMIT:
        warn(f"a {column} of {len(model)} characters was left out ({MODEL_ID_LIMIT} at most)")
    elif _CONTROL.search(model) or any(character.isspace() for character in model):
        warn(f"{column} {shown(model)} was left out: a model id has no spaces or control characters")
    elif model == INCLUDE or model in RESERVED_KEYS:
        warn(f"{column} {shown(model)} was left out: the gateway reserves this word")
    elif "${" in model:
        warn(f"{column} {shown(model)} was left out: the gateway would put an environment variable there")
    else:
        return model
    return None
