"""render/agents_json.py: the bytes, the roster and its default agent."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from unit.builders import OLD, about, agent, rendered, section, site, system

from agent_config_sync.model.site import Layout, Roster
from agent_config_sync.render.model_id import MODEL_ID_LIMIT

ENTRIES_ROOT = """\
{
  "agents": {
    "ownership": "explicit",
    "defaults": {
      "models": {
        "a/one": {},
        "a/two": {}
      },
      "modelPolicy": {
        "allow": [
          "a/one",
          "a/two"
        ]
      },
      "systemAgent": {
        "agentId": "lead"
      },
      "subagents": {
        "maxSpawnDepth": 3
      }
    },
    "entries": {
      "bare": {},
      "lead": {
        "model": {
          "primary": "a/one",
          "fallbacks": [
            "a/two"
          ]
        },
        "subagents": {
          "allowAgents": [
            "bare"
          ]
        }
      }
    }
  }
}
"""

LIST_SECTION = """\
{
  "defaults": {
    "models": {
      "a/one": {},
      "a/two": {}
    },
    "subagents": {
      "maxSpawnDepth": 3
    }
  },
  "list": [
    {
      "id": "bare"
    },
    {
      "id": "lead",
      "default": true,
      "model": {
        "primary": "a/one",
        "fallbacks": [
          "a/two"
        ]
      },
      "subagents": {
        "allowAgents": [
          "bare"
        ]
      }
    }
  ]
}
"""

EVERY_FORM: list[tuple[Roster, Layout]] = [
    ("list", "root"),
    ("list", "section"),
    ("entries", "root"),
    ("entries", "section"),
]


def two_agents(roster: Roster, layout: Layout) -> str:
    lead = agent("lead", "a/one", fallback_models=("a/two",), allowed_subagents=("bare",), is_default=True)
    at = site(roster, layout, OLD if roster == "list" else "2026.9.6")
    return rendered(lead, agent("bare"), at=at, config=(system("max_spawn_depth", "3"),)).content.decode()


def test_entries_at_the_root_have_exactly_these_bytes() -> None:
    assert two_agents("entries", "root") == ENTRIES_ROOT


def test_a_list_in_a_section_has_exactly_these_bytes() -> None:
    assert two_agents("list", "section") == LIST_SECTION


@pytest.mark.parametrize("roster", ["list", "entries"])
def test_both_layouts_hold_the_same_section(roster: Roster) -> None:
    assert json.loads(two_agents(roster, "root"))["agents"] == json.loads(two_agents(roster, "section"))


@pytest.mark.parametrize(("roster", "layout"), EVERY_FORM)
def test_the_joined_bytes_are_those_of_a_two_space_indented_dump(roster: Roster, layout: Layout) -> None:
    text = two_agents(roster, layout)
    assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"


@pytest.mark.parametrize(
    ("roster", "layout", "content"),
    [
        ("list", "root", '{\n  "agents": {\n    "defaults": {\n      "models": {}\n    },\n    "list": []\n  }\n}\n'),
        ("list", "section", '{\n  "defaults": {\n    "models": {}\n  },\n  "list": []\n}\n'),
        (
            "entries",
            "section",
            '{\n  "defaults": {\n    "models": {},\n    "modelPolicy": {\n      "allow": []\n    }\n  }\n}\n',
        ),
    ],
)
def test_an_empty_roster_has_exactly_these_bytes(roster: Roster, layout: Layout, content: str) -> None:
    assert rendered(at=site(roster, layout)).content.decode() == content


def test_an_empty_roster_has_no_default_agent_and_no_warning() -> None:
    result = rendered()
    assert (result.default, result.entries, result.warnings) == (None, 0, ())


def test_text_beyond_ascii_is_not_escaped() -> None:
    result = rendered(agent("lead", is_default=True, settings='{"name": "Zoë 🦞"}'))
    assert '"name": "Zoë 🦞"' in result.content.decode()


def test_a_newline_inside_a_setting_does_not_break_the_indentation() -> None:
    result = rendered(agent("lead", is_default=True, settings='{"name": "a\\n  b"}'))
    assert section(result)["entries"]["lead"]["name"] == "a\n  b"


def test_the_order_of_the_rows_changes_no_byte() -> None:
    rows = [agent(name, f"a/{name}") for name in ("c", "a-", "a_", "a0")]
    assert len({rendered(*order).content for order in permutations(rows)}) == 1


def test_entries_are_ordered_by_code_point_and_not_by_a_locale() -> None:
    result = rendered(*[agent(name) for name in ("a_b", "ab", "a-b", "a0", "0a")], at=site("list"))
    assert [entry["id"] for entry in section(result)["list"]] == ["0a", "a-b", "a0", "a_b", "ab"]


def test_model_subagents_and_thinking_come_first_and_other_keys_in_their_own_order() -> None:
    row = agent(
        "lead",
        "a/one",
        thinking="high",
        is_default=True,
        settings='{"workspace": "/w", "name": "L", "subagents": {"model": "a/two"}}',
    )
    assert list(section(rendered(row))["entries"]["lead"]) == [
        "model",
        "subagents",
        "thinkingDefault",
        "name",
        "workspace",
    ]


# --- names


BAD_NAMES = ["", " ", "Lead", "-lead", "_lead", "le ad", "lead\n", "léad", "a" * 65, "__proto__", "constructor", "x/y"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_is_no_id_costs_its_row_with_one_warning(name: str) -> None:
    result = rendered(agent(name, "a/one"), agent("good", "a/two", is_default=True))
    assert list(section(result)["entries"]) == ["good"]
    assert [warning for warning in result.warnings if "left out: a name has" in warning]


def test_a_row_that_is_left_out_brings_no_model_into_the_allow_list() -> None:
    result = rendered(agent("BAD", "a/one"), agent("good", is_default=True))
    assert section(result)["defaults"]["models"] == {}


@pytest.mark.parametrize("name", ["a", "0", "a-b_c", "a" * 64, "null", "true", "entries"])
def test_a_name_that_is_an_id_is_an_entry(name: str) -> None:
    assert list(section(rendered(agent(name, is_default=True)))["entries"]) == [name]


@pytest.mark.parametrize("roster", ["list", "entries"])
def test_a_second_row_of_one_name_is_left_out_with_a_warning(roster: Roster) -> None:
    result = rendered(agent("lead", "a/one", is_default=True), agent("lead", "a/two"), at=site(roster))
    assert result.entries == 1
    assert result.warnings == ("agent lead: a second row of this name was left out",)


def test_the_models_of_a_second_row_of_one_name_are_not_allowed() -> None:
    result = rendered(agent("lead", "a/one", is_default=True), agent("lead", "a/two"))
    assert section(result)["defaults"]["models"] == {"a/one": {}}


def test_which_of_two_rows_of_one_name_wins_does_not_depend_on_their_order() -> None:
    rows = [agent("lead", f"a/{number}", is_default=True, version=b"%d" % number) for number in range(4)]
    assert {rendered(*order) for order in permutations(rows)} == {rendered(*rows)}


def test_of_two_rows_of_one_name_the_lower_version_wins() -> None:
    rows = agent("lead", "a/two", version=b"2", is_default=True), agent("lead", "a/one", version=b"1", is_default=True)
    assert section(rendered(*rows))["entries"] == {"lead": {"model": "a/one"}}


@pytest.mark.parametrize("roster", ["list", "entries"])
def test_a_second_row_of_one_name_moves_nobody(roster: Roster) -> None:
    others = agent("a"), agent("c", is_default=True)
    twice = agent("b", version=b"1"), agent("b", version=b"2")
    assert rendered(*twice, *others, at=site(roster)).content == rendered(twice[0], *others, at=site(roster)).content


# --- the default agent


def default_of(*rows: Any, last: str | None = None, roster: Roster = "list") -> tuple[str | None, tuple[str, ...]]:
    result = rendered(*rows, at=site(roster, last_default=last))
    return result.default, result.warnings


def test_one_default_is_the_default_without_a_warning() -> None:
    assert default_of(agent("a"), agent("b", is_default=True)) == ("b", ())


def test_a_scoped_default_beats_one_for_all_gateways_without_a_warning() -> None:
    rows = agent("a", is_default=True), agent("b", is_default=True, scoped=True)
    assert default_of(*rows) == ("b", ())


def test_being_scoped_alone_makes_no_default() -> None:
    assert default_of(agent("a", scoped=True), agent("b", is_default=True))[0] == "b"


@pytest.mark.parametrize("scoped", [True, False])
def test_of_two_defaults_the_first_by_name_is_used_with_a_warning(scoped: bool) -> None:
    default, warnings = default_of(*[agent(name, is_default=True, scoped=scoped) for name in ("c", "b", "a")])
    assert default == "a"
    assert warnings == ("agents: 3 rows have is_default (a, b, c); a is used",)


def test_a_warning_of_a_thousand_defaults_stays_short() -> None:
    _, warnings = default_of(*[agent(f"a{number:04}", is_default=True) for number in range(1000)])
    assert "1000 rows" in warnings[0]
    assert len(warnings[0]) < 200


def test_without_a_default_the_last_known_one_stays_with_a_warning() -> None:
    rows = agent("a", instance_type="primary"), agent("b")
    assert default_of(*rows, last="b") == ("b", ("agents: no row has is_default; b is used",))


def test_a_last_known_default_that_is_gone_does_not_count() -> None:
    assert default_of(agent("a"), agent("b", instance_type="primary"), last="gone")[0] == "b"


def test_a_marked_default_beats_the_last_known_one() -> None:
    assert default_of(agent("a", is_default=True), agent("b"), last="b") == ("a", ())


def test_without_a_default_the_first_primary_by_name_is_used_with_a_warning() -> None:
    rows = agent("c", instance_type="primary"), agent("b", instance_type="primary"), agent("a")
    assert default_of(*rows) == ("b", ("agents: no row has is_default; b is used",))


def test_without_a_primary_the_first_by_name_is_used_with_a_warning() -> None:
    rows = agent("b", instance_type=None, is_default=None), agent("a")
    assert default_of(*rows) == ("a", ("agents: no row has is_default; a is used",))


def test_a_default_whose_row_is_left_out_is_no_default() -> None:
    assert default_of(agent("BAD", is_default=True), agent("a"))[0] == "a"


def test_a_list_marks_the_default_and_no_other() -> None:
    result = rendered(agent("a"), agent("b", is_default=True), agent("c", is_default=True), at=site("list"))
    assert [entry.get("default") for entry in section(result)["list"]] == [None, True, None]


def test_entries_name_the_default_as_the_system_agent_and_mark_none() -> None:
    inside = section(rendered(agent("a"), agent("b", is_default=True)))
    assert inside["defaults"]["systemAgent"] == {"agentId": "b"}
    assert inside["entries"] == {"a": {}, "b": {}}


# --- models


def test_a_model_alone_is_a_string() -> None:
    assert section(rendered(agent("a", "p/m", is_default=True)))["entries"]["a"]["model"] == "p/m"


@pytest.mark.parametrize("fallbacks", [None, (), (None,), ("",), ("  ", None), ("p/m",)])
def test_without_a_good_fallback_a_model_is_a_string(fallbacks: tuple[str | None, ...] | None) -> None:
    row = agent("a", "p/m", fallback_models=fallbacks, is_default=True)
    assert section(rendered(row))["entries"]["a"]["model"] == "p/m"


def test_fallbacks_keep_the_order_of_the_database() -> None:
    row = agent("a", "p/m", fallback_models=("z/z", "b/b", "y/y"), is_default=True)
    assert section(rendered(row))["entries"]["a"]["model"]["fallbacks"] == ["z/z", "b/b", "y/y"]


def test_blanks_around_a_model_are_cut_off() -> None:
    row = agent("a", " p/m\t", fallback_models=(" q/n ",), is_default=True)
    assert section(rendered(row))["entries"]["a"]["model"] == {"primary": "p/m", "fallbacks": ["q/n"]}


@pytest.mark.parametrize(
    ("fallbacks", "warning"),
    [
        ((None,), "a NULL in fallback_models was left out"),
        (("",), "a blank in fallback_models was left out"),
        (("p/m",), "fallback_models names p/m twice"),
        (("q/n", " q/n"), "fallback_models names q/n twice"),
    ],
)
def test_a_bad_fallback_costs_itself_with_a_warning(fallbacks: tuple[str | None, ...], warning: str) -> None:
    result = rendered(agent("a", "p/m", fallback_models=fallbacks, is_default=True))
    assert result.warnings == (f"agent a: {warning}",)


BAD_MODELS = [
    "p/\x00m",
    "p/\x1bm",
    "p/\x7fm",
    "p/\x85m",
    "p/\u2028m",
    "p/m n",
    "p/\u00a0m",
    "p/${HOME}",
    "p/" + "m" * MODEL_ID_LIMIT,
]


@pytest.mark.parametrize("model", BAD_MODELS)
def test_a_model_that_no_gateway_should_read_is_left_out_with_one_warning(model: str) -> None:
    result = rendered(agent("a", model, is_default=True))
    assert section(result)["entries"] == {"a": {}}
    assert len(about(result, "agent a: ")) == 1


RESERVED = ["$include", "__proto__", "constructor", "prototype"]


@pytest.mark.parametrize("model", RESERVED)
def test_a_model_that_is_called_like_a_reserved_key_is_left_out_with_a_warning(model: str) -> None:
    result = rendered(agent("a", model, is_default=True))
    assert (section(result)["entries"], section(result)["defaults"]["models"]) == ({"a": {}}, {})
    assert len(about(result, "the gateway reserves this word")) == 1


@pytest.mark.parametrize("model", RESERVED)
def test_a_fallback_that_is_called_like_a_reserved_key_costs_itself(model: str) -> None:
    result = rendered(agent("a", "p/m", fallback_models=(model, "q/n"), is_default=True))
    assert section(result)["entries"]["a"]["model"] == {"primary": "p/m", "fallbacks": ["q/n"]}
    assert len(about(result, "the gateway reserves this word")) == 1


@pytest.mark.parametrize("model", BAD_MODELS)
def test_no_warning_of_a_bad_model_carries_a_control_character(model: str) -> None:
    warnings = rendered(agent("a", model, is_default=True)).warnings
    assert all(warning.isprintable() for warning in warnings)


def test_a_model_of_the_longest_length_is_taken() -> None:
    model = "p/" + "m" * (MODEL_ID_LIMIT - 2)
    assert section(rendered(agent("a", model, is_default=True)))["entries"]["a"]["model"] == model


def test_a_blank_model_is_left_out_with_a_warning() -> None:
    result = rendered(agent("a", "  ", is_default=True))
    assert section(result)["entries"] == {"a": {}}
    assert result.warnings == ("agent a: a blank in model was left out",)


def test_fallbacks_without_a_model_are_left_out_with_a_warning() -> None:
    result = rendered(agent("a", fallback_models=("p/m",), is_default=True))
    assert section(result)["entries"] == {"a": {}}
    assert result.warnings == ("agent a: fallback_models without a model were left out",)


def test_the_models_are_those_of_all_agents_once_and_sorted() -> None:
    rows = agent("a", "p/z", fallback_models=("p/b",), is_default=True), agent("b", "p/b")
    assert list(section(rendered(*rows))["defaults"]["models"]) == ["p/b", "p/z"]


@pytest.mark.parametrize("model", ["opus", "p/", "/m", "p//m", "p/*"])
def test_a_model_without_a_provider_is_not_in_the_allow_list_and_warned_about(model: str) -> None:
    result = rendered(agent("a", model, fallback_models=("p/m",), is_default=True))
    assert section(result)["defaults"]["modelPolicy"] == {"allow": ["p/m"]}
    assert len(about(result, "not in the allow-list")) == 1


def test_a_model_without_a_provider_stays_with_its_agent() -> None:
    assert section(rendered(agent("a", "opus", is_default=True)))["entries"]["a"]["model"] == "opus"


def test_a_list_roster_has_no_model_policy_which_older_gateways_refuse() -> None:
    result = rendered(agent("a", "opus", is_default=True), at=site("list", version=OLD))
    assert section(result)["defaults"] == {"models": {"opus": {}}}
    assert result.warnings == ()


# --- allowed_subagents


def allowed(*names: str | None, base: frozenset[str] = frozenset()) -> tuple[Any, tuple[str, ...]]:
    result = rendered(
        agent("a", allowed_subagents=names, is_default=True), agent("b"), agent("c"), at=site(base_agents=base)
    )
    return section(result)["entries"]["a"].get("subagents"), result.warnings


def test_allowed_subagents_are_sorted() -> None:
    assert allowed("c", "a", "b") == ({"allowAgents": ["a", "b", "c"]}, ())


def test_a_star_is_passed_on() -> None:
    assert allowed("*", "b") == ({"allowAgents": ["*", "b"]}, ())


def test_an_agent_of_the_operators_own_files_may_be_allowed() -> None:
    assert allowed("base", base=frozenset({"base"})) == ({"allowAgents": ["base"]}, ())


def test_a_subagent_that_a_file_may_define_which_cannot_be_read_stays() -> None:
    row = agent("a", allowed_subagents=("maybe", "BAD"), is_default=True)
    result = rendered(row, at=replace(site(), base_complete=False))
    assert section(result)["entries"]["a"] == {"subagents": {"allowAgents": ["maybe"]}}


def test_no_allowed_subagents_leave_the_key_out() -> None:
    assert allowed() == (None, ())


@pytest.mark.parametrize(
    ("names", "warning"),
    [
        ((None,), "a NULL or blank in allowed_subagents was left out"),
        ((" ",), "a NULL or blank in allowed_subagents was left out"),
        (("nobody",), "allowed_subagents names nobody, which is no agent of this gateway; left out"),
    ],
)
def test_a_bad_subagent_costs_itself_with_a_warning(names: tuple[str | None, ...], warning: str) -> None:
    assert allowed(*names, "b") == ({"allowAgents": ["b"]}, (f"agent a: {warning}",))


def test_a_subagent_that_is_named_twice_is_there_once_with_a_warning() -> None:
    assert allowed("b", " b ") == ({"allowAgents": ["b"]}, ("agent a: allowed_subagents names b twice",))


def test_only_bad_subagents_leave_the_key_out() -> None:
    assert allowed(None, "nobody")[0] is None


def test_an_agent_whose_row_is_left_out_may_not_be_allowed() -> None:
    row = agent("a", allowed_subagents=("BAD",), is_default=True)
    assert section(rendered(row, agent("BAD")))["entries"] == {"a": {}}


# --- thinking


def test_thinking_is_rendered_where_the_gateway_takes_it() -> None:
    row = agent("a", thinking=" high ", is_default=True)
    assert section(rendered(row))["entries"]["a"] == {"thinkingDefault": "high"}


def test_thinking_is_left_out_with_a_warning_where_the_gateway_refuses_it() -> None:
    result = rendered(agent("a", thinking="high", is_default=True), at=site("list", version="2026.3.13"))
    assert section(result)["list"] == [{"id": "a", "default": True}]
    assert about(result, "agent a: thinking 'high' was left out")


def test_an_unknown_level_of_thinking_is_left_out_with_a_warning() -> None:
    result = rendered(agent("a", thinking="deeply", is_default=True))
    assert section(result)["entries"] == {"a": {}}
    assert about(result, "agent a: thinking 'deeply' was left out")


@pytest.mark.parametrize("thinking", [None, "", "  "])
def test_blank_thinking_is_left_out_in_silence(thinking: str | None) -> None:
    result = rendered(agent("a", thinking=thinking, is_default=True))
    assert section(result)["entries"] == {"a": {}}
    assert result.warnings == ()
