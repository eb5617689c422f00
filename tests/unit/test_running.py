"""gateway/running.py: does the gateway run with what we published?"""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from unit.builders import NEWEST, OLD, agent, rendered, section, site, system

from agent_config_sync.gateway.running import KeysInFiles, difference, keys_difference
from agent_config_sync.model.site import Layout, Roster
from agent_config_sync.render.agents_json import MANAGED

OURS: dict[str, Any] = {
    "defaults": {
        "models": {"p/m": {}},
        "modelPolicy": {"allow": ["p/m"]},
        "systemAgent": {"agentId": "a"},
        "subagents": {"maxSpawnDepth": 3},
    },
    "entries": {"a": {"model": "p/m", "tools": {"allow": ["read", "write"]}}, "b": {}},
}
ABSENT: Any = object()


def compared(running: dict[str, Any], ours: dict[str, Any] = OURS, base: dict[str, Any] | None = None) -> str | None:
    return difference(orjson.dumps(ours), running, layout="section", base=base or {}, managed=MANAGED)


def changed(**members: Any) -> dict[str, Any]:
    return {**OURS, **members}


def defaults(**members: Any) -> dict[str, Any]:
    """Our defaults with other members, or without those that are ABSENT."""
    found = {**OURS["defaults"], **members}
    return changed(defaults={key: value for key, value in found.items() if value is not ABSENT})


def of_one(wanted: object, has: object, base: dict[str, Any] | None = None) -> str | None:
    """Compare one value of an agent."""
    return compared({"entries": {"a": {"x": has}}}, {"entries": {"a": {"x": wanted}}}, base)


def test_the_same_is_in_force() -> None:
    assert compared(OURS) is None


@pytest.mark.parametrize("layout", ["root", "section"])
def test_what_was_rendered_is_in_force_when_the_gateway_runs_with_it(layout: Layout) -> None:
    rows = agent("a", "p/m", fallback_models=("q/n",), is_default=True), agent("b", allowed_subagents=("a", "*"))
    result = rendered(*rows, at=site(layout=layout), config=(system("max_spawn_depth", "3"),))
    assert difference(result.content, section(result), layout=layout, base={}, managed=MANAGED) is None


@pytest.mark.parametrize(("roster", "version"), [("list", OLD), ("entries", NEWEST)])
def test_an_empty_roster_that_was_rendered_is_in_force_in_a_gateway_with_its_own_agent(
    roster: Roster, version: str
) -> None:
    result = rendered(at=site(roster, version=version))
    running = {**section(result), "entries": {"main": {}}}
    assert difference(result.content, running, layout="section", base={}, managed=MANAGED) is None


# --- the roster


def test_what_the_gateway_fills_in_beside_the_agents_is_no_difference() -> None:
    assert compared({**defaults(maxConcurrent=4), "ownership": "explicit"}) is None


def test_a_missing_agent_is_a_difference() -> None:
    assert compared(changed(entries={"a": OURS["entries"]["a"]})) == "agent b is not there yet"


def test_an_agent_of_nobody_is_a_difference() -> None:
    assert compared(changed(entries={**OURS["entries"], "c": {}})) == "agent c is still there"


@pytest.mark.parametrize("base", [{"entries": {"c": {}}}, {"list": [{"id": "c"}]}])
def test_an_agent_of_the_operators_own_files_is_no_difference(base: dict[str, Any]) -> None:
    assert compared(changed(entries={**OURS["entries"], "c": {"model": "x/y"}}), base=base) is None


def test_an_empty_roster_leaves_the_gateways_own_default_agent_alone() -> None:
    assert compared({"entries": {"main": {}}}, {"defaults": {}}) is None


def test_an_agent_that_is_still_there_after_the_last_row_went_is_a_difference() -> None:
    assert compared({"entries": {"a": {}}}, {"defaults": {}}) == "agent a is still there"


def test_an_agent_that_is_still_there_is_told_of_before_what_differs_inside_another() -> None:
    assert compared(changed(entries={"a": {}, "b": {}, "c": {}})) == "agent c is still there"


def test_the_gateways_own_default_agent_beside_ours_is_a_difference() -> None:
    assert compared(changed(entries={**OURS["entries"], "main": {}})) == "agent main is still there"


def test_an_empty_gateway_is_a_difference() -> None:
    assert compared({}) == "agent a is not there yet"


@pytest.mark.parametrize(
    "running", [{"list": [{}]}, {"list": [7]}, {"entries": 7}, {"list": {"a": 1}}, {"entries": []}, {"list": None}]
)
def test_an_odd_answer_of_the_gateway_is_a_difference(running: dict[str, Any]) -> None:
    assert compared(running) == "agent a is not there yet"


@pytest.mark.parametrize("odd", [None, 7, "x", []])
def test_odd_defaults_of_the_gateway_are_a_difference(odd: object) -> None:
    assert compared(changed(defaults=odd)) is not None


# --- an agent


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({}, "entries.a.model is not there"),
        ({"model": "q/n", "tools": {"allow": ["read", "write"]}}, 'entries.a.model is "q/n" and should be "p/m"'),
        ({"model": None, "tools": {"allow": ["read", "write"]}}, 'entries.a.model is null and should be "p/m"'),
        ({"model": "p/m", "tools": {"allow": ["read"]}}, "entries.a.tools.allow is another list"),
        ({"model": "p/m", "tools": {"allow": ["read", "write", "exec"]}}, "entries.a.tools.allow is another list"),
        ({"model": "p/m", "tools": {"allow": ["write", "read"]}}, "entries.a.tools.allow is another list"),
        ({**OURS["entries"]["a"], "workspace": "/w"}, "entries.a.workspace is still there"),
        (
            {"model": "p/m", "tools": {"allow": ["read", "write"], "deny": []}},
            "entries.a.tools.deny is still there",
        ),
    ],
)
def test_an_agent_that_is_not_just_as_we_wrote_it_is_a_difference_with_its_place(
    entry: dict[str, Any], problem: str
) -> None:
    assert compared(changed(entries={"a": entry, "b": {}})) == problem


@pytest.mark.parametrize(
    ("wanted", "has"), [({"y": 1}, "all"), ("all", {"y": 1}), (["a"], "a"), ("a", ["a"]), ([], {}), ({}, [])]
)
def test_a_value_of_another_kind_is_a_difference(wanted: object, has: object) -> None:
    assert of_one(wanted, has) is not None


def test_a_list_of_objects_is_compared_item_by_item() -> None:
    assert of_one([{"y": [1, 2]}], [{"y": [2, 1]}]) == "entries.a.x is another list"


def test_fallbacks_in_another_order_are_a_difference() -> None:
    wanted, has = ({"primary": "p/m", "fallbacks": fallbacks} for fallbacks in (["q/n", "r/o"], ["r/o", "q/n"]))
    assert of_one(wanted, has) == "entries.a.x.fallbacks is another list"


@pytest.mark.parametrize(("one", "other"), [(True, 1), (False, 0), (True, 1.0), (True, "true"), (True, False)])
def test_a_truth_value_is_never_equal_to_anything_else(one: object, other: object) -> None:
    assert None not in (of_one(one, other), of_one(other, one), of_one([one], [other]))


@pytest.mark.parametrize(
    ("wanted", "has"), [(3, 3.0), (0.1, 0.1), (9007199254740993, 9007199254740992), (18446744073709551615, 2.0**64)]
)
def test_numbers_that_are_one_double_are_no_difference(wanted: float, has: float) -> None:
    assert of_one(wanted, has) is None


@pytest.mark.parametrize(("wanted", "has"), [(3, 4), (3, "3"), (0, None), (0.1, 0.2)])
def test_another_number_is_a_difference(wanted: object, has: object) -> None:
    assert of_one(wanted, has) is not None


@pytest.mark.parametrize(("wanted", "has"), [(" Lead ", "Lead"), ("~/ws/lead", "/home/me/ws/lead"), ("Lead", "Lead\n")])
def test_a_text_that_the_gateway_trims_or_expands_is_no_difference(wanted: str, has: str) -> None:
    assert of_one(wanted, has) is None


@pytest.mark.parametrize(("wanted", "has"), [("~/ws/lead", "/home/me/lead"), ("~x", "/x"), ("~/", "/home/me")])
def test_a_text_that_only_looks_expanded_is_a_difference(wanted: str, has: str) -> None:
    assert of_one(wanted, has) is not None


def test_a_difference_is_short_whatever_the_value() -> None:
    problem = of_one("z" * 10_000, "y" * 10_000)
    assert problem is not None
    assert len(problem) < 200


def test_what_the_operator_adds_to_an_agent_of_ours_is_no_difference() -> None:
    base = {"entries": {"a": {"workspace": "/w", "tools": {"allow": ["exec"]}}}}
    both = {"model": "p/m", "workspace": "/w", "tools": {"allow": ["exec", "read", "write"]}}
    assert compared(changed(entries={"a": both, "b": {}}), base=base) is None


def test_what_we_wrote_for_an_agent_of_the_operator_must_be_there() -> None:
    base = {"entries": {"a": {"tools": {"allow": ["exec"]}}}}
    lacking = {"model": "p/m", "tools": {"allow": ["exec", "read"]}}
    assert compared(changed(entries={"a": lacking, "b": {}}), base=base) == "entries.a.tools.allow is another list"


def test_of_two_agents_with_one_id_the_first_counts_as_it_does_for_the_gateway() -> None:
    running = {"list": [{"id": "a", "default": True, "model": "p/operator"}, {"id": "a", "model": "p/m"}, {"id": "b"}]}
    base = {"list": [{"id": "a", "model": "p/operator"}]}
    assert "entries.a.model" in str(compared(running, LIST, base=base))


@pytest.mark.parametrize("place", [("params", "headers", "Authorization"), ("tts", "auth"), ("sandbox", "docker")])
def test_a_text_that_may_be_a_secret_is_in_no_difference(place: tuple[str, ...]) -> None:
    ours: object = "x"
    theirs: object = "Bearer t0psecret"
    for name in reversed(place):
        ours, theirs = {name: ours}, {name: theirs}
    problem = compared({"entries": {"a": theirs}}, {"entries": {"a": ours}})
    assert problem is not None
    assert "t0psecret" not in problem


# --- the default agent

LIST = {"list": [{"id": "a", "default": True, "model": "p/m"}, {"id": "b"}]}
AS_ENTRIES = {"a": {"model": "p/m"}, "b": {}}


def test_a_list_is_in_force_when_the_gateway_turned_it_into_entries_and_its_mark_into_the_system_agent() -> None:
    running = {"entries": AS_ENTRIES, "ownership": "explicit", "defaults": {"systemAgent": {"agentId": "a"}}}
    assert compared(running, LIST) is None


def test_another_system_agent_than_the_one_that_the_list_marks_is_a_difference() -> None:
    running = {"entries": AS_ENTRIES, "defaults": {"systemAgent": {"agentId": "b"}}}
    assert compared(running, LIST) == 'defaults.systemAgent.agentId is "b" and should be "a"'


def test_no_system_agent_is_a_difference_when_the_list_marks_one() -> None:
    assert compared({"entries": AS_ENTRIES}, LIST) == 'defaults.systemAgent.agentId is null and should be "a"'


def test_an_older_gateway_keeps_the_mark_on_the_agent() -> None:
    assert compared({"list": [{"id": "a", "default": True, "model": "p/m"}, {"id": "b"}]}, LIST) is None


@pytest.mark.parametrize("marked", ["b", None])
def test_another_mark_on_an_older_gateway_is_a_difference(marked: str | None) -> None:
    agents = {"a": {"id": "a", "model": "p/m"}, "b": {"id": "b"}}
    running = {"list": [{**agent, **({"default": True} if name == marked else {})} for name, agent in agents.items()]}
    assert compared(running, LIST) == f"the default agent is {marked} and should be a"


def test_our_default_agent_wins_over_the_operators() -> None:
    assert compared(OURS, base={"defaults": {"systemAgent": {"agentId": "c"}}}) is None


# --- defaults


def test_another_default_is_a_difference_with_its_place() -> None:
    running = defaults(subagents={"maxSpawnDepth": 2})
    assert compared(running) == "defaults.subagents.maxSpawnDepth is 2 and should be 3"


def test_models_that_are_missing_are_a_difference() -> None:
    assert compared(defaults(models=ABSENT)) == "defaults.models is not there"


def test_models_of_the_operator_beside_ours_are_no_difference() -> None:
    assert compared(defaults(models={"p/m": {}, "x/y": {"alias": "y"}})) is None


@pytest.mark.parametrize(
    ("key", "value", "path"),
    [
        ("modelPolicy", {"allow": ["p/m"]}, "modelPolicy.allow"),
        ("systemAgent", {"agentId": "a"}, "systemAgent.agentId"),
        ("subagents", {"maxSpawnDepth": 3}, "subagents.maxSpawnDepth"),
        ("subagents", {"maxChildrenPerAgent": 3}, "subagents.maxChildrenPerAgent"),
    ],
)
def test_what_we_no_longer_write_must_be_gone(key: str, value: object, path: str) -> None:
    running = {"entries": {"a": {}}, "defaults": {key: value}}
    assert compared(running, {"entries": {"a": {}}}) == f"defaults.{path} is still there"


@pytest.mark.parametrize(
    ("key", "value"),
    [("modelPolicy", {"allow": ["x/y"]}), ("systemAgent", {"agentId": "c"}), ("subagents", {"maxSpawnDepth": 1})],
)
def test_what_the_operators_own_files_say_instead_is_no_difference(key: str, value: object) -> None:
    running = {"entries": {"a": {}}, "defaults": {key: value}}
    assert compared(running, {"entries": {"a": {}}}, {"defaults": {key: value}}) is None


def test_what_we_do_not_manage_beside_it_is_the_operators_business() -> None:
    running = defaults(subagents={"maxSpawnDepth": 3, "archiveAfterMinutes": 5}, modelPolicy={"allow": ["p/m"], "x": 1})
    assert compared(running) is None


@pytest.mark.parametrize("has", [["x/y", "p/m"], ["p/m", "x/y"]])
def test_the_allow_list_is_the_operators_and_ours_together(has: list[str]) -> None:
    base = {"defaults": {"modelPolicy": {"allow": ["x/y"]}}}
    assert compared(defaults(modelPolicy={"allow": has}), base=base) is None


def test_a_model_that_both_of_us_allow_may_be_there_once() -> None:
    assert compared(OURS, base={"defaults": {"modelPolicy": {"allow": ["p/m"]}}}) is None


@pytest.mark.parametrize("has", [[], ["x/y"], ["p/m"], ["x/y", "p/m", "q/n"], ["x/y", "p/m", 7]])
def test_another_allow_list_is_a_difference(has: list[object]) -> None:
    base = {"defaults": {"modelPolicy": {"allow": ["x/y"]}}}
    problem = compared(defaults(modelPolicy={"allow": has}), base=base)
    assert problem == "defaults.modelPolicy.allow is another list"


def test_no_allow_list_is_a_difference() -> None:
    problem = compared(defaults(modelPolicy=ABSENT))
    assert problem == 'defaults.modelPolicy.allow is null and should be ["p/m"]'


# --- keys of skills

WANTED = {"git": {"apiKey": frozenset({"ab", "ref:/values/1"}), "GIT_HOST": frozenset({"cd"})}}


@pytest.mark.parametrize("key", ["ab", "ref:/values/1"])
def test_a_gateway_that_has_each_key_runs_with_them(key: str) -> None:
    running = {"git": {"apiKey": key, "GIT_HOST": "cd", "MINE": "x"}, "other": {}}
    assert keys_difference(KeysInFiles(WANTED), running) is None


@pytest.mark.parametrize("running", [{}, {"git": {}}, {"git": {"apiKey": "old", "GIT_HOST": "cd"}}])
def test_a_key_that_it_has_not_is_named(running: dict[str, dict[str, str]]) -> None:
    assert keys_difference(KeysInFiles(WANTED), running) == "skills.entries.git.apiKey is not there yet"


def test_a_key_that_was_taken_away_and_is_there_is_named() -> None:
    gone = KeysInFiles({}, WANTED)
    assert keys_difference(gone, {"git": {"GIT_HOST": "cd"}}) == "skills.entries.git.GIT_HOST is still there"
    assert keys_difference(gone, {"git": {"GIT_HOST": "of the operator"}}) is None


def test_a_gateway_that_does_not_tell_is_believed() -> None:
    assert keys_difference(KeysInFiles(WANTED), None) is None
