"""install/adoption.py: the agents of an existing configuration as rows."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.builders import agent, rendered, section, site, system

from agent_config_sync.install.adoption import Adoption, adopt
from agent_config_sync.model.rows import AgentRow
from agent_config_sync.model.site import Layout, Roster


def adopted(agents: dict[str, Any] | list[Any], **options: Any) -> Adoption:
    """What a section with these agents becomes, by its form."""
    key = "list" if isinstance(agents, list) else "entries"
    return adopt({key: agents, **options}, site())


def row(members: dict[str, Any]) -> AgentRow:
    return adopted({"coder": members}).agents["coder"].row


# --- there and back

NAMES = ["lead", "coder", "writer", "main", "0", "a-b_c"]
MODELS = ["anthropic/claude-opus-4-5", "openai/gpt-5", "local", "a b", "", "${X}"]
SETTINGS: list[dict[str, Any]] = [
    {},
    {"workspace": "~/x", "tools": {"profile": "coding", "deny": ["exec"]}},
    {"subagents": {"model": "openai/gpt-5"}},
    {"identity": {"name": "Coder", "emoji": "🤖"}, "params": {"temperature": 0.5}},
    {"unknown": 1, "tools": "bad"},
    {"skills": [], "heartbeat": {"every": "30m"}},
]


@st.composite
def rows(draw: st.DrawFn) -> AgentRow:
    return agent(
        draw(st.sampled_from(NAMES)),
        draw(st.none() | st.sampled_from(MODELS)),
        is_default=draw(st.booleans()),
        instance_type=draw(st.sampled_from(["primary", "subagent"])),
        fallback_models=draw(st.none() | st.lists(st.sampled_from(MODELS), max_size=3).map(tuple)),
        thinking=draw(st.sampled_from([None, "high", " low ", "absurd"])),
        allowed_subagents=draw(st.none() | st.lists(st.sampled_from([*NAMES, "*", "nobody"]), max_size=3).map(tuple)),
        settings=draw(st.sampled_from(SETTINGS).map(lambda value: orjson.dumps(value).decode())),
    )


@given(
    st.lists(rows(), max_size=5),
    st.sampled_from(["list", "entries"]),
    st.sampled_from(["root", "section"]),
    st.none() | st.integers(0, 9),
)
def test_what_was_rendered_is_adopted_whole_and_rendered_again_the_same(
    agents: list[AgentRow], roster: Roster, layout: Layout, depth: int | None
) -> None:
    at = site(roster, layout)
    first = rendered(*agents, at=at, config=() if depth is None else (system("max_spawn_depth", str(depth)),))
    found = adopt(section(first), at)
    assert found.losses == []
    again = [taken.row for taken in found.agents.values()]
    config = tuple(system(key, value) for key, value in found.defaults.items())
    assert rendered(*again, at=at, config=config).content == first.content


# --- what goes where


def test_a_model_goes_into_its_columns() -> None:
    found = row({"model": {"primary": "a/b", "fallbacks": ["c/d", "e/f"]}})
    assert (found.model, found.fallback_models, found.settings) == ("a/b", ("c/d", "e/f"), None)


def test_a_model_without_fallbacks_is_a_plain_one() -> None:
    found = adopted({"coder": {"model": {"primary": "a/b"}}})
    assert (found.agents["coder"].row.model, found.losses) == ("a/b", [])


def test_subagents_are_split_between_their_column_and_the_settings() -> None:
    found = adopted({"coder": {"subagents": {"allowAgents": ["b", "a", "b"], "model": "a/b"}}, "a": {}, "b": {}})
    taken = found.agents["coder"]
    assert taken.row.allowed_subagents == ("a", "b")
    assert orjson.loads(taken.row.settings or "") == {"subagents": {"model": "a/b"}}


def test_everything_else_that_the_gateway_takes_goes_into_the_settings() -> None:
    members = {"workspace": "~/x", "tools": {"profile": "coding"}}
    assert orjson.loads(row({**members, "thinkingDefault": "high"}).settings or "") == members


def test_whole_defaults_go_into_the_system_settings() -> None:
    defaults = {"subagents": {"maxSpawnDepth": 3, "maxChildrenPerAgent": 4.0, "maxConcurrent": 9}}
    assert adopted({}, defaults=defaults).defaults == {"max_spawn_depth": "3", "max_children_per_agent": "4"}


# --- the default agent


@pytest.mark.parametrize(
    ("agents", "options", "default"),
    [
        ([{"id": "a"}, {"id": "b", "default": True}], {}, "b"),
        ([{"id": "a"}, {"id": "b"}], {}, "a"),
        ({"a": {}, "b": {}}, {"defaults": {"systemAgent": {"agentId": "b"}}}, "b"),
        ({"a": {}, "b": {}}, {"defaults": {"systemAgent": {"agentId": "nobody"}}}, None),
        ({"a": {}, "b": {}}, {}, None),
        ({"only": {}}, {}, "only"),
    ],
)
def test_the_default_agent_is_the_gateways(agents: Any, options: dict[str, Any], default: str | None) -> None:
    found = adopted(agents, **options).agents
    assert [name for name, taken in found.items() if taken.row.is_default] == ([default] if default else [])
    assert [name for name, taken in found.items() if taken.row.instance_type == "primary"] == (
        [default] if default else []
    )


# --- what cannot be held


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"model": "${MODEL}"}, "environment variable"),
        ({"tools": {"$include": "./tools.json"}}, "$include"),
        ({"$include": "./coder.json"}, "$include"),
        ({"nonsense": 1}, "does not take it"),
        ({"model": {"primary": "a/b", "fallbacks": []}}, "model has no place"),
        ({"model": {"fallbacks": ["a/b"]}}, "without a model"),
        ({"model": {"primary": "a/b", "extra": 1}}, "model has no place"),
        ({"subagents": {"allowAgents": []}}, "subagents"),
        ({"subagents": {"allowAgents": ["nobody"]}}, "no agent of this gateway"),
        ({"workspace": "a\0b"}, "workspace has no place"),
        ({"name": "\ud800"}, "half a character"),
        ({"model": "a/\ud800"}, "model has no place"),
        ({"params": {"x": float("nan")}}, "too large"),
    ],
)
def test_what_the_database_cannot_hold_is_named_with_the_reason(members: dict[str, Any], reason: str) -> None:
    found = adopted({"coder": members})
    assert any(line.startswith("agent coder: ") and reason in line for line in found.losses), found.losses
    assert found.whole == frozenset()


def test_what_is_lost_is_not_in_the_row_either() -> None:
    taken = row({"model": {"primary": "${MODEL}", "fallbacks": ["a/b"]}, "thinkingDefault": "absurd", "nonsense": 1})
    assert (taken.model, taken.fallback_models, taken.thinking, taken.settings) == (None, None, None, None)


def test_a_key_that_is_lost_costs_no_other() -> None:
    assert orjson.loads(row({"nonsense": 1, "workspace": "~/x"}).settings or "") == {"workspace": "~/x"}


@pytest.mark.parametrize("name", ["Main", "a.b", "", "__proto__", "x" * 65])
def test_an_id_that_is_no_name_is_left_out(name: str) -> None:
    found = adopted([{"id": name}, {"id": "good"}])
    assert list(found.agents) == ["good"]
    assert "1 to 64 of a-z" in found.left_out[name]


@pytest.mark.parametrize("members", [None, 7, "x", []])
def test_an_agent_that_is_no_object_is_left_out(members: object) -> None:
    assert "no object" in adopted({"odd": members}).left_out["odd"]


def test_a_backslash_before_a_nul_in_words_is_no_nul() -> None:
    assert adopted({"coder": {"name": r"\u0000"}}).losses == []


@pytest.mark.parametrize(
    "members",
    [
        {"sandbox": {"docker": {"env": {"GITHUB_TOKEN": "t0psecret"}}}},
        {"tts": {"provider": "x", "providers": [{"apiKey": "t0psecret"}]}},
        {"params": {"headers": {"Authorization": "Bearer t0psecret"}}},
    ],
)
def test_what_looks_like_a_secret_is_not_taken_into_the_database(members: dict[str, Any]) -> None:
    found = adopted({"coder": {"model": "p/m", **members}}).agents["coder"]
    assert "t0psecret" not in str(found)
    assert found.row.model == "p/m"
    assert any("holds what looks like a secret" in line for line in found.lost)


def test_a_number_of_tokens_is_no_secret() -> None:
    assert adopted({"coder": {"params": {"maxTokens": 9, "token": 3}}}).losses == []
