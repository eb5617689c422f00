"""model/names.py: which texts are names."""

from __future__ import annotations

import pytest

from agent_config_sync.model.names import RESERVED_KEYS, is_agent_id, is_model_ref


@pytest.mark.parametrize("text", ["a", "7", "a-b_c", "0_", "a" * 64])
def test_an_agents_id(text: str) -> None:
    assert is_agent_id(text)


@pytest.mark.parametrize(
    "text", ["", "-a", "_a", "A", "a b", "a.b", "a/b", "a\n", "é", "\u0661", "a" * 65, *sorted(RESERVED_KEYS)]
)
def test_no_agents_id(text: str) -> None:
    assert not is_agent_id(text)


@pytest.mark.parametrize("text", ["p/m", "openrouter/anthropic/opus", "p/m:free", "p/m@1.5"])
def test_an_exact_model(text: str) -> None:
    assert is_model_ref(text)


@pytest.mark.parametrize("text", ["", "m", "/m", "p/", "p//m", "p/*", "*/m", "p/m n", "p/m\n", " p/m"])
def test_no_exact_model(text: str) -> None:
    assert not is_model_ref(text)
