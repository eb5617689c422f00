"""model/site.py: what is known of the operator's own agents."""

from __future__ import annotations

from typing import Any

import pytest

from agent_config_sync.gateway.rules import rules_for
from agent_config_sync.model.site import Site


def at(base: dict[str, Any]) -> Site:
    return Site(gateway="here", version=None, roster="list", layout="root", rules=rules_for(None), base=base)


def test_without_files_of_the_operator_there_is_no_base() -> None:
    bare = Site(gateway="here", version=None, roster="list", layout="root", rules=rules_for(None))
    assert bare.base_agents == frozenset()


@pytest.mark.parametrize(
    ("base", "ids"),
    [
        ({}, set()),
        ({"entries": {"a": {}, "b": None}}, {"a", "b"}),
        ({"list": [{"id": "a"}, {"id": "b", "default": True}]}, {"a", "b"}),
        ({"entries": {"a": {}}, "list": [{"id": "b"}]}, {"a", "b"}),
        ({"entries": {"a": {}}, "list": [{"id": "a"}]}, {"a"}),
        ({"defaults": {"models": {}}}, set()),
    ],
)
def test_the_operators_agents_are_those_of_either_roster(base: dict[str, Any], ids: set[str]) -> None:
    assert at(base).base_agents == ids


@pytest.mark.parametrize("base", [{"entries": []}, {"entries": None}, {"list": {}}, {"list": [7, {}, {"id": 7}, None]}])
def test_an_odd_base_holds_nobody(base: dict[str, Any]) -> None:
    assert at(base).base_agents == frozenset()
