"""render/agents_json.py: `settings` under the typed columns."""

from __future__ import annotations

import json
from typing import Any

import pytest
from unit.builders import about, agent, rendered, section, site, snapshot

from agent_config_sync.render.agents_json import AgentsJson, RenderedAgents
from agent_config_sync.render.values import DEPTH


def merged(settings: object, **columns: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What an agent's entry holds, and the warnings."""
    text = settings if isinstance(settings, str) else json.dumps(settings)
    result = rendered(agent("a", settings=text, is_default=True, **columns))
    entry: dict[str, Any] = section(result)["entries"]["a"]
    return entry, result.warnings


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = {"x": value}
    return value


def test_settings_that_the_gateway_takes_are_in_the_entry() -> None:
    settings = {"name": "Lead", "tools": {"allow": ["read"]}}
    assert merged(settings) == (settings, ())


@pytest.mark.parametrize("text", ["{", "", "{'a': 1}", "nope", "[" * 3000])
def test_settings_that_are_no_json_cost_themselves_with_a_warning(text: str) -> None:
    entry, warnings = merged(text)
    assert entry == {}
    assert warnings == ("agent a: settings cannot be read as JSON and were left out",)


@pytest.mark.parametrize("text", ["null", "1", '"text"', '"\\ud800"', "[]", "true", "NaN"])
def test_settings_that_are_no_object_cost_themselves_with_a_warning(text: str) -> None:
    entry, warnings = merged(text)
    assert entry == {}
    assert warnings == ("agent a: settings must be a JSON object and were left out",)


def test_broken_settings_leave_the_columns_alone() -> None:
    assert merged("{", model="p/m")[0] == {"model": "p/m"}


@pytest.mark.parametrize("key", ["id", "default", "model", "thinkingDefault"])
def test_a_key_with_a_column_of_its_own_is_refused_even_if_the_column_is_empty(key: str) -> None:
    entry, warnings = merged({key: "p/m"})
    assert entry == {}
    assert warnings == (f"agent a: settings.{key} was left out: it has a column of its own",)


def test_a_column_wins_over_a_setting() -> None:
    assert merged({"model": "p/other"}, model="p/m")[0] == {"model": "p/m"}


def test_subagents_of_settings_are_merged_under_the_column() -> None:
    entry, warnings = merged({"subagents": {"model": "p/m"}}, allowed_subagents=("a",))
    assert entry == {"subagents": {"allowAgents": ["a"], "model": "p/m"}}
    assert warnings == ()


def test_allow_agents_in_settings_is_refused_and_the_rest_of_subagents_stays() -> None:
    entry, warnings = merged({"subagents": {"allowAgents": ["*"], "model": "p/m"}})
    assert entry == {"subagents": {"model": "p/m"}}
    assert warnings == ("agent a: settings.subagents.allowAgents was left out: it has a column of its own",)


@pytest.mark.parametrize(("value", "warnings"), [({}, 0), ({"allowAgents": ["b"]}, 1)])
def test_subagents_that_hold_nothing_of_their_own_are_not_rendered(value: object, warnings: int) -> None:
    entry, warned = merged({"subagents": value})
    assert (entry, len(warned)) == ({}, warnings)


@pytest.mark.parametrize("value", [{}, {"allowAgents": ["*"]}])
def test_subagents_that_hold_nothing_of_their_own_leave_the_column_alone(value: object) -> None:
    assert merged({"subagents": value}, allowed_subagents=("a",))[0] == {"subagents": {"allowAgents": ["a"]}}


@pytest.mark.parametrize("value", [{"maxSpawnDepth": 3}, "p/m", 7, None, ["a"]])
def test_subagents_that_the_gateway_refuses_leave_the_column_alone(value: object) -> None:
    entry, warnings = merged({"subagents": value}, allowed_subagents=("a",))
    assert entry == {"subagents": {"allowAgents": ["a"]}}
    assert len(warnings) == 1
    assert warnings[0].startswith("agent a: settings.subagents was left out: ")


def test_a_key_that_the_gateway_does_not_know_costs_itself_with_a_warning() -> None:
    entry, warnings = merged({"nmae": "x", "name": "L"})
    assert entry == {"name": "L"}
    assert warnings == ("agent a: settings.nmae was left out: this version of the gateway does not take it",)


def test_a_value_that_the_gateway_refuses_costs_its_key_and_says_where() -> None:
    entry, warnings = merged({"tools": {"allow": "read"}, "name": "L"})
    assert entry == {"name": "L"}
    assert "settings.tools was left out: tools.allow: " in warnings[0]


def test_an_older_gateway_is_not_given_what_only_newer_ones_take() -> None:
    row = agent("a", is_default=True, settings='{"description": "x", "name": "L"}')
    result = rendered(row, at=site("list", version="2026.5.12"))
    assert section(result)["list"] == [{"id": "a", "default": True, "name": "L"}]
    assert about(result, "settings.description was left out")


FORBIDDEN: list[tuple[object, str]] = [
    ({"$include": "./secrets.json"}, "$include"),
    ([{"deep": {"$include": ["./x"]}}], "$include"),
    ("${HOME}", "${"),
    (["x ${HOME} y"], "${"),
    ({"${HOME}": 1}, "${"),
    ({"__proto__": {"x": 1}}, "JavaScript"),
    ([{"x": {"constructor": 1}}], "JavaScript"),
    ({"prototype": None}, "JavaScript"),
]


@pytest.mark.parametrize(("value", "reason"), FORBIDDEN)
def test_what_the_gateway_would_take_for_something_else_costs_its_key_at_any_depth(value: object, reason: str) -> None:
    entry, warnings = merged({"params": value, "name": "L"})
    assert entry == {"name": "L"}
    assert len(warnings) == 1
    assert "settings.params was left out: it holds" in warnings[0]
    assert reason in warnings[0]


@pytest.mark.parametrize("key", ["$include", "__proto__", "constructor", "prototype", "${HOME}"])
def test_such_a_key_at_the_top_costs_itself(key: str) -> None:
    entry, warnings = merged({key: {}, "name": "L"})
    assert entry == {"name": "L"}
    assert len(warnings) == 1


@pytest.mark.parametrize("text", ["$HOME", "$ {HOME}", "include", "a $include b"])
def test_a_dollar_alone_is_harmless(text: str) -> None:
    assert merged({"params": {"x": text}}) == ({"params": {"x": text}}, ())


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity", str(2**64), str(-(2**63) - 1), "7" * 4000])
def test_a_number_that_cannot_be_written_again_costs_its_key_and_no_other(number: str) -> None:
    entry, warnings = merged(f'{{"params": {{"x": [{number}]}}, "name": "L"}}')
    assert entry == {"name": "L"}
    assert warnings == ("agent a: settings.params was left out: it holds a number that is too large",)


@pytest.mark.parametrize("number", ["1e308", str(2**64 - 1), str(-(2**63)), "-0.0"])
def test_a_large_number_that_is_finite_is_rendered_as_json(number: str) -> None:
    entry, warnings = merged(f'{{"params": {{"x": {number}}}}}')
    assert float(entry["params"]["x"]) == float(number)
    assert warnings == ()


@pytest.mark.parametrize("value", ["\ud800", ["x", "\udfff"], {"\udc00": 1}, {"x": {"y": "a\ud83db"}}])
def test_half_a_character_costs_its_key_with_a_warning(value: object) -> None:
    entry, warnings = merged({"params": value, "name": "L"})
    assert entry == {"name": "L"}
    assert warnings == ("agent a: settings.params was left out: it holds half a character",)


def test_a_key_of_half_a_character_costs_itself() -> None:
    entry, warnings = merged({"\ud800": 1, "name": "L"})
    assert (entry, len(warnings)) == ({"name": "L"}, 1)


def test_two_halves_of_a_character_are_one() -> None:
    assert merged('{"name": "\\ud83e\\udd9e"}') == ({"name": "🦞"}, ())


def test_forty_levels_cost_their_key_with_a_warning() -> None:
    entry, warnings = merged({"params": nested(40), "name": "L"})
    assert entry == {"name": "L"}
    assert warnings == (f"agent a: settings.params was left out: it is nested deeper than {DEPTH} levels",)


def test_the_deepest_nesting_that_is_taken_is_rendered() -> None:
    value = nested(DEPTH - 1)
    assert merged({"params": value}) == ({"params": value}, ())


def test_one_level_more_costs_its_key() -> None:
    assert merged({"params": nested(DEPTH)})[0] == {}


def test_nine_hundred_levels_cost_their_key_and_not_the_process() -> None:
    assert merged(json.dumps({"params": nested(900)}))[0] == {}


def test_one_bad_agent_costs_no_other_agent() -> None:
    result = rendered(
        agent("a", settings="{", is_default=True), agent("b", settings='{"x": 1}'), agent("c", settings='{"name": "C"}')
    )
    assert section(result)["entries"] == {"a": {}, "b": {}, "c": {"name": "C"}}


def test_a_key_with_control_characters_reaches_no_terminal() -> None:
    assert all(warning.isprintable() for warning in merged({"\x1b[2J\n": 1})[1])


# --- agentDir


def in_directories(*directories: str) -> RenderedAgents:
    """Agents a, b and so on, each with its agentDir; a is the default."""
    rows = [
        agent(name, settings=json.dumps({"agentDir": directory, "name": "X"}), is_default=name == "a")
        for name, directory in zip("abcd", directories, strict=False)
    ]
    return rendered(*rows)


def directories_of(result: RenderedAgents) -> list[str | None]:
    return [entry.get("agentDir") for entry in section(result)["entries"].values()]


def test_agents_with_directories_of_their_own_keep_them() -> None:
    result = in_directories("/x", "/y", "/x/y")
    assert (directories_of(result), result.warnings) == (["/x", "/y", "/x/y"], ())


@pytest.mark.parametrize("again", ["/x", "/x/", "/y/../x", "/x/."])
def test_of_two_agents_in_one_directory_the_later_loses_its_key_with_a_warning(again: str) -> None:
    result = in_directories("/x", again)
    assert directories_of(result) == ["/x", None]
    assert result.warnings == ("agent b: settings.agentDir was left out: another agent has it",)


def test_an_agent_that_loses_its_directory_keeps_everything_else() -> None:
    assert section(in_directories("/x", "/x"))["entries"]["b"] == {"name": "X"}


def test_an_agent_of_a_list_that_loses_its_directory_keeps_its_mark() -> None:
    rows = [agent(name, settings='{"agentDir": "/x"}', is_default=name == "b") for name in "ab"]
    result = rendered(*rows, at=site("list"))
    assert section(result)["list"] == [{"id": "a", "agentDir": "/x"}, {"id": "b", "default": True}]


def test_an_agent_gets_its_directory_back_when_the_other_one_leaves() -> None:
    first, second = (agent(name, settings='{"agentDir": "/x"}', is_default=name == "b") for name in "ab")
    renderer = AgentsJson()
    renderer.render(snapshot(first, second), site())
    assert renderer.render(snapshot(second), site()) == rendered(second)


def test_the_directory_that_another_agent_has_by_default_is_not_taken() -> None:
    result = in_directories("/state/agents/b/agent", "/x")
    assert directories_of(result) == [None, "/x"]
    assert result.warnings == ("agent a: settings.agentDir was left out: another agent has it",)


@pytest.mark.parametrize("directory", ["/state/agents/a/agent", "/state/agents/gone/agent", "/state/agents/b/agent/x"])
def test_a_directory_that_no_other_agent_has_by_default_is_taken(directory: str) -> None:
    assert directories_of(in_directories(directory, "/x")) == [directory, "/x"]
