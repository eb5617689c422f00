"""gateway/running.py: does the gateway run with what we published?"""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from unit.builders import agent, rendered, section, site

from agent_config_sync.gateway.running import difference
from agent_config_sync.model.site import Layout, Roster

OURS: dict[str, Any] = {
    "defaults": {"models": {"p/m": {}}, "subagents": {"maxSpawnDepth": 3}},
    "entries": {"a": {"model": "p/m", "tools": {"allow": ["read", "write"]}}, "b": {}},
}


def compared(running: dict[str, Any], ours: dict[str, Any] = OURS, base: frozenset[str] = frozenset()) -> str | None:
    return difference(orjson.dumps(ours), "section", base, running)


def changed(**members: Any) -> dict[str, Any]:
    return {**OURS, **members}


def test_the_same_is_in_force() -> None:
    assert compared(OURS) is None


@pytest.mark.parametrize("roster", ["list", "entries"])
@pytest.mark.parametrize("layout", ["root", "section"])
def test_what_was_rendered_is_in_force_when_the_gateway_runs_with_it(roster: Roster, layout: Layout) -> None:
    rows = agent("a", "p/m", fallback_models=("q/n",), is_default=True), agent("b", allowed_subagents=("a", "*"))
    result = rendered(*rows, at=site(roster, layout))
    assert difference(result.content, layout, frozenset(), section(result)) is None


def test_a_list_is_in_force_when_the_gateway_turned_it_into_entries() -> None:
    ours = {"list": [{"id": "a", "default": True, "model": "p/m"}]}
    assert compared({"entries": {"a": {"model": "p/m"}}, "ownership": "explicit"}, ours) is None


def test_what_the_gateway_fills_in_is_no_difference() -> None:
    running = changed(
        ownership="explicit",
        defaults={**OURS["defaults"], "maxConcurrent": 4},
        entries={"a": {**OURS["entries"]["a"], "workspace": "/w"}, "b": {"workspace": "/v"}},
    )
    assert compared(running) is None


def test_a_missing_agent_is_a_difference() -> None:
    assert compared(changed(entries={"a": OURS["entries"]["a"]})) == "agent b is not there yet"


def test_an_agent_of_nobody_is_a_difference() -> None:
    assert compared(changed(entries={**OURS["entries"], "c": {}})) == "agent c is still there"


def test_an_agent_of_the_operators_own_files_is_no_difference() -> None:
    assert compared(changed(entries={**OURS["entries"], "c": {}}), base=frozenset({"c"})) is None


def test_an_empty_roster_leaves_the_gateways_own_default_agent_alone() -> None:
    assert compared({"entries": {"main": {}}}, {"defaults": {}}) is None


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({}, "entries.a.model is not there"),
        ({"model": "q/n", "tools": {"allow": ["read", "write"]}}, 'entries.a.model is "q/n" and should be "p/m"'),
        ({"model": "p/m", "tools": "all"}, "entries.a.tools is not there"),
        ({"model": "p/m", "tools": {"allow": ["read"]}}, "entries.a.tools.allow is another list"),
        ({"model": "p/m", "tools": {"allow": "read write"}}, "entries.a.tools.allow is another list"),
        ({"model": None, "tools": {"allow": ["read", "write"]}}, 'entries.a.model is null and should be "p/m"'),
    ],
)
def test_another_value_is_a_difference_with_its_place(entry: dict[str, Any], problem: str) -> None:
    assert compared(changed(entries={"a": entry, "b": {}})) == problem


def test_another_default_is_a_difference_with_its_place() -> None:
    running = changed(defaults={"models": {"p/m": {}}, "subagents": {"maxSpawnDepth": 2}})
    assert compared(running) == "defaults.subagents.maxSpawnDepth is 2 and should be 3"


def test_running_defaults_that_are_missing_are_a_difference() -> None:
    assert compared({"entries": OURS["entries"]}) == "defaults.models is not there"


def test_items_of_the_operator_around_ours_are_no_difference() -> None:
    running = changed(
        entries={"a": {"model": "p/m", "tools": {"allow": ["exec", "read", "write"]}}, "b": {}},
    )
    assert compared(running) is None


@pytest.mark.parametrize(("wanted", "has"), [(" Lead ", "Lead"), ("~/ws/lead", "/home/me/ws/lead"), ("Lead", "Lead\n")])
def test_a_text_that_the_gateway_trims_or_expands_is_no_difference(wanted: str, has: str) -> None:
    assert compared({"entries": {"a": {"x": has}}}, {"entries": {"a": {"x": wanted}}}) is None


@pytest.mark.parametrize(("wanted", "has"), [("~/ws/lead", "/home/me/lead"), ("~x", "/x"), ("~/", "/home/me")])
def test_a_text_that_only_looks_expanded_is_a_difference(wanted: str, has: str) -> None:
    assert compared({"entries": {"a": {"x": has}}}, {"entries": {"a": {"x": wanted}}}) is not None


def test_a_difference_is_short_whatever_the_value() -> None:
    problem = compared({"entries": {"a": {"x": "y" * 10_000}}}, {"entries": {"a": {"x": "z" * 10_000}}})
    assert problem is not None
    assert len(problem) < 200


def test_an_empty_gateway_is_a_difference() -> None:
    assert compared({}) == "agent a is not there yet"


@pytest.mark.parametrize(
    "running", [{"list": [{}]}, {"list": [7]}, {"entries": 7}, {"list": {"a": 1}}, {"entries": []}]
)
def test_an_odd_answer_of_the_gateway_is_a_difference(running: dict[str, Any]) -> None:
    assert compared(running) == "agent a is not there yet"
