"""install/openclaw_json.py: what we change in openclaw.json, and how it is taken back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyjson5
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_config_sync.errors import RefusedError
from agent_config_sync.install.json5_text import Json5Text
from agent_config_sync.install.openclaw_json import (
    BASE,
    PLUGIN,
    Registration,
    is_registered,
    move_back,
    move_section,
    own_section,
    register,
    unregister,
)

DOOR = "/opt/door"
WANTED = Registration(DOOR, {"command": "/opt/bin/x", "dsn": "postgresql:///ops"})
OUTPUT = "agents.json"
INCLUDE = {"$include": [f"./{BASE}", f"./{OUTPUT}"]}

COMMENTED = """\
// mine
{
  agents: { // hello
    defaults: { model: 'a/b' }, // big
    entries: {
      lead: { model: 'a/b' },
      // writes
      coder: {},
      odd: { model: '${MODEL}' }, // cannot go
    },
  }, // the team
  ui: {},
}
"""


def moved(text: str, *held: str) -> tuple[Any, Any]:
    """The values of openclaw.json and of the operator's own file."""
    document, base = move_section(Json5Text(text), held, output=OUTPUT)
    return document.value, pyjson5.decode(base)


# --- the section moves


def test_the_section_moves_with_its_comments_and_the_rest_stays() -> None:
    document, base = move_section(Json5Text(COMMENTED), ["lead", "coder"], output=OUTPUT)
    before, after = COMMENTED.index("{ // hello"), COMMENTED.index(", // the team")
    include = '{ "$include": ["./agents.base.json5", "./agents.json"] }'
    assert document.text == COMMENTED[:before] + include + COMMENTED[after:]
    assert all(comment in base for comment in ("// hello", "// big", "// writes", "// cannot go"))


def test_agents_that_the_database_holds_do_not_stand_in_both_places() -> None:
    assert moved(COMMENTED, "lead", "coder")[1] == {
        "defaults": {"model": "a/b"},
        "entries": {"odd": {"model": "${MODEL}"}},
    }


def test_an_object_of_entries_does_not_stay_empty_because_the_gateway_refuses_that() -> None:
    assert moved("{agents: {entries: {a: {}, b: {}}, x: 1}}", "a", "b")[1] == {"x": 1}


def test_a_list_never_moves() -> None:
    assert moved("{agents: {list: [{id: 'a'}], x: 1}}", "a") == ({"agents": INCLUDE}, {"x": 1})


def test_without_a_section_the_operators_own_file_is_empty() -> None:
    assert moved("{ui: {}}") == ({"ui": {}, "agents": INCLUDE}, {})


def test_includes_of_the_section_move_with_it() -> None:
    assert moved("{agents: {$include: './team.json5'}}")[1] == {"$include": "./team.json5"}


@pytest.mark.parametrize("text", ["[]", "{agents: []}", "{agents: 7}"])
def test_a_section_that_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(RefusedError, match="must be objects"):
        own_section(Json5Text(text))


# --- the plugin

PLUGINS: list[dict[str, Any]] = [
    {},
    {"load": {}},
    {"load": {"paths": []}},
    {"load": {"paths": ["/mine"]}, "entries": {"browser": {"enabled": False}}},
    {"allow": ["browser"], "entries": {PLUGIN: {"config": {"gateway": "box"}}}},
    {"allow": [], "entries": {PLUGIN: {"enabled": True}}},
]


def test_a_configuration_without_plugins_gets_ours() -> None:
    assert register(Json5Text("{}"), {}, WANTED).value == {
        "plugins": {
            "load": {"paths": [DOOR]},
            "entries": {PLUGIN: {"enabled": True, "config": dict(WANTED.config)}},
        }
    }


@pytest.mark.parametrize("plugins", PLUGINS)
def test_a_registered_plugin_is_one_that_the_gateway_loads(plugins: dict[str, Any]) -> None:
    value: Any = register(Json5Text(json.dumps({"plugins": plugins})), {"plugins": plugins}, WANTED).value
    assert is_registered(value, DOOR) is None


@pytest.mark.parametrize("plugins", PLUGINS)
def test_registering_again_changes_nothing(plugins: dict[str, Any]) -> None:
    once = register(Json5Text(json.dumps({"plugins": plugins})), {"plugins": plugins}, WANTED)
    assert isinstance(once.value, dict)
    assert register(once, once.value, WANTED).text == once.text


def test_what_the_configuration_says_of_the_plugin_stays() -> None:
    says = {"plugins": {"entries": {PLUGIN: {"enabled": False, "config": {"command": "mine"}}}}}
    value: Any = register(Json5Text(json.dumps(says)), says, WANTED).value
    config = {"command": "mine", "dsn": WANTED.config["dsn"]}
    assert value["plugins"]["entries"][PLUGIN] == {"enabled": False, "config": config}


def test_a_password_that_is_given_anew_takes_the_place_of_the_old_one() -> None:
    text = f"{{plugins: {{entries: {{{PLUGIN}: {{config: {{ dsn: 'old', /* mine */ gateway: 'box' }}}}}}}}}}"
    document = Json5Text(text)
    assert isinstance(document.value, dict)
    registered = register(document, document.value, Registration(DOOR, {"dsn": "new", "gateway": "other"}))
    assert """config: { dsn: "new", /* mine */ gateway: 'box' }""" in registered.text


def test_a_door_that_is_named_with_a_tilde_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(Path(DOOR).parent))
    says = {"plugins": {"load": {"paths": [f"~/{Path(DOOR).name}"]}}}
    value: Any = register(Json5Text(json.dumps(says)), says, WANTED).value
    assert value["plugins"]["load"] == says["plugins"]["load"]


def test_what_an_included_file_says_is_not_said_again() -> None:
    effective = {"plugins": {"load": {"paths": [DOOR]}, "allow": ["browser"]}}
    value: Any = register(Json5Text("{}"), effective, WANTED).value
    assert "load" not in value["plugins"]
    assert value["plugins"]["allow"] == [PLUGIN]  # the gateway puts arrays one after the other


@pytest.mark.parametrize("plugins", PLUGINS)
def test_unregistering_leaves_what_was_there(plugins: dict[str, Any]) -> None:
    before = Json5Text(json.dumps({"ui": {}, "plugins": plugins}))
    registered = register(before, {"plugins": plugins}, WANTED)
    assert unregister(registered, before, DOOR).value == before.value


def test_unregistering_leaves_no_empty_objects_that_were_not_there() -> None:
    before = Json5Text("{ui: {}}")
    assert unregister(register(before, {}, WANTED), before, DOOR).value == {"ui": {}}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"load": {"paths": []}}, "plugins.load.paths does not name"),
        ({"entries": {}}, "is missing"),
        ({"entries": {PLUGIN: {"enabled": False}}}, "enabled is not true"),
        ({"enabled": False}, "plugins.enabled is false"),
        ({"deny": [PLUGIN]}, "plugins.deny names"),
        ({"allow": ["browser"]}, "plugins.allow does not name"),
    ],
)
def test_a_plugin_that_would_not_be_loaded_is_named_with_the_reason(change: dict[str, Any], problem: str) -> None:
    plugins = {"load": {"paths": [DOOR]}, "entries": {PLUGIN: {"enabled": True}}, **change}
    assert problem in (is_registered({"plugins": plugins}, DOOR) or "")


# --- the way back

agents = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.fixed_dictionaries({"model": st.sampled_from(["x/y"])}))
sections = st.fixed_dictionaries(
    {"defaults": st.just({"model": "a/b"})}, optional={"entries": agents.filter(bool), "ownership": st.just("explicit")}
) | st.fixed_dictionaries({"list": agents.map(lambda found: [{"id": name, **found[name]} for name in found])})


@given(st.fixed_dictionaries({"ui": st.just({})}, optional={"agents": sections}), st.booleans())
def test_what_was_moved_comes_back(config: dict[str, Any], changed: bool) -> None:
    before = Json5Text(json.dumps(config, indent=2))
    held = ["a", "b"]
    document, base = move_section(before, held, output=OUTPUT)
    back = move_back(document, before, base if changed else None, held, output=OUTPUT)
    if "agents" in config or not changed:
        assert back.value == config
    else:
        assert back.value == {**config, "agents": {}}


def test_an_untouched_section_comes_back_byte_for_byte() -> None:
    before = Json5Text(COMMENTED)
    document, _ = move_section(before, ["lead"], output=OUTPUT)
    assert move_back(document, before, None, ["lead"], output=OUTPUT).text == COMMENTED


def test_what_the_operator_has_changed_in_his_own_file_comes_back_too() -> None:
    before = Json5Text(COMMENTED)
    document, base = move_section(before, ["lead", "coder"], output=OUTPUT)
    changed = base.replace("'a/b'", "'c/d'", 1).replace("odd:", "new: {}, odd:")
    value: Any = move_back(document, before, changed, ["lead", "coder"], output=OUTPUT).value
    assert value["agents"]["defaults"] == {"model": "c/d"}
    assert sorted(value["agents"]["entries"]) == ["coder", "lead", "new", "odd"]


def test_agents_that_came_as_entries_since_become_members_of_a_list() -> None:
    before = Json5Text("{agents: {list: [{id: 'a', model: 'x/y'}, {id: 'b'}]}}")
    document, _ = move_section(before, ["a", "b"], output=OUTPUT)
    base = "{entries: {c: {model: 'c/d'}, b: {model: 'new/one'}}}"
    value: Any = move_back(document, before, base, ["a", "b"], output=OUTPUT).value
    assert value["agents"] == {
        "list": [{"id": "a", "model": "x/y"}, {"id": "c", "model": "c/d"}, {"id": "b", "model": "new/one"}]
    }


def test_agents_that_came_as_a_list_since_become_entries() -> None:
    before = Json5Text("{agents: {entries: {a: {model: 'x/y'}}}}")
    document, _ = move_section(before, ["a"], output=OUTPUT)
    base = "{list: [{id: 'c', model: 'c/d'}]}"
    value: Any = move_back(document, before, base, ["a"], output=OUTPUT).value
    assert value["agents"] == {"entries": {"a": {"model": "x/y"}, "c": {"model": "c/d"}}}


def test_two_lists_become_one() -> None:
    before = Json5Text("{agents: {list: [{id: 'a'}]}}")
    document, _ = move_section(before, ["a"], output=OUTPUT)
    value: Any = move_back(document, before, "{list: [{id: 'c'}]}", ["a"], output=OUTPUT).value
    assert value["agents"] == {"list": [{"id": "a"}, {"id": "c"}]}


@pytest.mark.parametrize(
    ("earlier", "base"),
    [
        ("{list: [{id: 'a'}]}", "{entries: {$include: './more.json5'}}"),
        ("{entries: {a: {}}}", "{list: {$include: './more.json5'}}"),
        ("{entries: {a: {}}}", "{list: [{model: 'x/y'}]}"),
    ],
)
def test_agents_that_cannot_be_put_into_the_form_of_before_are_a_stop(earlier: str, base: str) -> None:
    before = Json5Text(f"{{agents: {earlier}}}")
    document, _ = move_section(before, ["a"], output=OUTPUT)
    with pytest.raises(RefusedError, match="write them there as"):
        move_back(document, before, base, ["a"], output=OUTPUT)


def test_what_stands_beside_our_include_is_not_lost() -> None:
    document, _ = move_section(Json5Text(COMMENTED), [], output=OUTPUT)
    shadowed = document.put(("agents", "defaults"), {"x": 1})
    with pytest.raises(RefusedError, match=f"move them to {BASE}"):
        move_back(shadowed, Json5Text(COMMENTED), None, [], output=OUTPUT)


def test_a_section_that_somebody_has_put_in_the_place_of_our_include_stays() -> None:
    flattened = Json5Text('{"agents": {"entries": {"a": {}}}}')
    assert move_back(flattened, Json5Text("{}"), None, [], output=OUTPUT) is flattened
