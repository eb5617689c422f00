"""render/agents_json.py: what was rendered once is kept, and never when it should not be."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.builders import agent, rendered, section, site, snapshot, system

from agent_config_sync.model.rows import AgentRow, SystemConfigRow
from agent_config_sync.model.site import Site
from agent_config_sync.render import agents_json
from agent_config_sync.render.agents_json import AgentsJson
from agent_config_sync.render.entry import render_entry

AGENT_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@pytest.fixture
def rows_rendered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the rows that were rendered, in their order."""
    names: list[str] = []
    real: Callable[..., Any] = render_entry

    def counted(row: AgentRow, *rest: Any) -> Any:
        names.append(row.name)
        return real(row, *rest)

    monkeypatch.setattr(agents_json, "render_entry", counted)
    return names


def test_an_unchanged_row_is_not_rendered_again(rows_rendered: list[str]) -> None:
    rows = [agent("a", is_default=True), agent("b")]
    renderer = AgentsJson()
    first = renderer.render(snapshot(*rows), site())
    second = renderer.render(snapshot(*rows), site())
    assert rows_rendered == ["a", "b"]
    assert first == second


def test_only_the_changed_row_is_rendered_again(rows_rendered: list[str]) -> None:
    kept = agent("a", is_default=True)
    renderer = AgentsJson()
    renderer.render(snapshot(kept, agent("b", "p/one")), site())
    rows_rendered.clear()
    result = renderer.render(snapshot(kept, agent("b", "p/two")), site())
    assert rows_rendered == ["b"]
    assert section(result)["entries"]["b"] == {"model": "p/two"}


def test_another_row_under_a_known_version_is_rendered(rows_rendered: list[str]) -> None:
    renderer = AgentsJson()
    renderer.render(snapshot(agent("a", "p/one", version=b"(0,1)", is_default=True)), site())
    result = renderer.render(snapshot(agent("a", "p/two", version=b"(0,1)", is_default=True)), site())
    assert section(result)["entries"]["a"] == {"model": "p/two"}


def test_a_new_agent_renders_only_the_rows_with_allowed_subagents_again(rows_rendered: list[str]) -> None:
    rows = [agent("a", is_default=True), agent("b", allowed_subagents=("late",)), agent("c", allowed_subagents=())]
    renderer = AgentsJson()
    renderer.render(snapshot(*rows), site())
    rows_rendered.clear()
    result = renderer.render(snapshot(*rows, agent("late")), site())
    assert sorted(rows_rendered) == ["b", "late"]
    assert section(result)["entries"]["b"] == {"subagents": {"allowAgents": ["late"]}}


def test_an_agent_that_leaves_is_no_longer_allowed() -> None:
    row = agent("a", allowed_subagents=("b",), is_default=True)
    renderer = AgentsJson()
    renderer.render(snapshot(row, agent("b")), site())
    assert section(renderer.render(snapshot(row), site()))["entries"] == {"a": {}}


def test_an_agent_that_leaves_the_operators_files_is_no_longer_allowed() -> None:
    row = agent("a", allowed_subagents=("base",), is_default=True)
    renderer = AgentsJson()
    renderer.render(snapshot(row), site(base_agents=frozenset({"base"})))
    assert section(renderer.render(snapshot(row), site()))["entries"] == {"a": {}}


@pytest.mark.parametrize(
    "other", [site("list"), site(layout="root"), site(version="2026.5.12")], ids=["roster", "layout", "version"]
)
def test_another_site_renders_everything_again(other: Site) -> None:
    rows = [agent("a", "p/m", thinking="low", is_default=True), agent("b", settings='{"description": "x"}')]
    renderer = AgentsJson()
    renderer.render(snapshot(*rows), site())
    assert renderer.render(snapshot(*rows), other) == rendered(*rows, at=other)


def test_a_new_default_moves_the_mark_without_rendering_the_others(rows_rendered: list[str]) -> None:
    first, second = agent("a", is_default=True), agent("b")
    renderer = AgentsJson()
    renderer.render(snapshot(first, second), site("list"))
    rows_rendered.clear()
    changed = first.model_copy(update={"is_default": False, "version": b"(9,9)"})
    result = renderer.render(snapshot(changed, second), site("list", last_default="b"))
    assert rows_rendered == ["a"]
    assert section(result)["list"] == [{"id": "a"}, {"id": "b", "default": True}]


def test_warnings_of_an_unchanged_row_stay() -> None:
    row = agent("a", " ", is_default=True)
    renderer = AgentsJson()
    renderer.render(snapshot(row), site())
    assert renderer.render(snapshot(row), site()).warnings == ("agent a: a blank in model was left out",)


def test_the_memo_does_not_grow_with_every_change() -> None:
    renderer = AgentsJson()
    for _ in range(1000):
        renderer.render(snapshot(agent("a", is_default=True)), site())
    assert len(renderer._entries) < 200


# --- whatever the rows hold

names = st.one_of(
    st.sampled_from(["a", "b", "c", "a-b", "__proto__", "constructor", "A", "", " a", "*", "base"]), st.text(max_size=6)
)
models = st.one_of(
    st.none(), st.sampled_from(["p/m", "q/n", "opus", "", " ", "p/${X}", "p/*", "__proto__"]), st.text(max_size=6)
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.text(max_size=6)
    | st.sampled_from(["/x", "\ud800", 2**70, -(2**64)]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
setting_keys = st.sampled_from(
    [
        "name",
        "tools",
        "subagents",
        "params",
        "id",
        "default",
        "$include",
        "__proto__",
        "heartbeat",
        "x",
        "identity",
        "agentDir",
    ]
)
texts_of_settings = st.one_of(
    st.none(), st.text(max_size=10), st.dictionaries(setting_keys, json_values, max_size=4).map(json.dumps)
)


@st.composite
def agent_rows(draw: st.DrawFn) -> AgentRow:
    return agent(
        draw(names),
        draw(models),
        is_default=draw(st.none() | st.booleans()),
        scoped=draw(st.booleans()),
        instance_type=draw(st.sampled_from([None, "primary", "subagent", "else"])),
        fallback_models=draw(st.none() | st.lists(models, max_size=3).map(tuple)),
        thinking=draw(st.none() | st.sampled_from(["high", "low", "x", " "])),
        allowed_subagents=draw(st.none() | st.lists(st.none() | names, max_size=3).map(tuple)),
        settings=draw(texts_of_settings),
    )


rosters = st.lists(agent_rows(), max_size=6)
configs = st.lists(
    st.builds(
        SystemConfigRow,
        key=st.sampled_from(["max_spawn_depth", "max_children_per_agent", "other"]),
        value=st.one_of(st.integers().map(str), st.text(max_size=4)),
        value_type=st.sampled_from(["integer", "text"]),
    ),
    max_size=3,
).map(tuple)
sites = st.builds(
    site,
    roster=st.sampled_from(["list", "entries"]),
    layout=st.sampled_from(["root", "section"]),
    version=st.sampled_from([None, "2026.2.9", "2026.7.1", "2026.8.1", "2026.9.6"]),
    base_agents=st.sets(st.sampled_from(["base", "a"])).map(frozenset),
    last_default=st.sampled_from([None, "a", "gone"]),
)


@settings(max_examples=60, deadline=None)
@given(rosters, sites, configs)
def test_any_rows_give_valid_json_with_unique_ids_and_one_default(
    rows: list[AgentRow], at: Site, config: tuple[SystemConfigRow, ...]
) -> None:
    result = rendered(*rows, at=at, config=config)
    document = json.loads(result.content, parse_constant=pytest.fail)
    inside = document["agents"] if at.layout == "root" else document
    if at.roster == "list":
        ids = [entry["id"] for entry in inside["list"]]
        defaults = [entry["id"] for entry in inside["list"] if entry.get("default")]
    else:
        ids = list(inside.get("entries", {}))
        defaults = [chosen["agentId"]] if (chosen := inside["defaults"].get("systemAgent")) else []
    assert len(ids) == len(set(ids)) == result.entries
    assert all(AGENT_ID.fullmatch(name) for name in ids)
    assert defaults == ([result.default] if ids else [])
    assert set(defaults) <= set(ids)


@settings(max_examples=60, deadline=None)
@given(rosters, sites)
def test_the_bytes_of_any_rows_are_those_of_a_two_space_indented_dump(rows: list[AgentRow], at: Site) -> None:
    content = rendered(*rows, at=at).content
    numbers = re.compile(rb"\d[.eE+\d-]*")  # two writers may differ in how they write the same float
    again = json.dumps(json.loads(content), indent=2, ensure_ascii=False).encode() + b"\n"
    assert numbers.sub(b"0", content.replace(b"\\u007f", b"\x7f")) == numbers.sub(b"0", again)


@settings(max_examples=60, deadline=None)
@given(rosters, st.lists(st.tuples(st.integers(0, 9), st.none() | agent_rows()), max_size=8), sites, st.data())
def test_a_render_after_any_edits_equals_a_fresh_one(
    rows: list[AgentRow], edits: list[tuple[int, AgentRow | None]], at: Site, data: st.DataObject
) -> None:
    renderer = AgentsJson()
    renderer.render(snapshot(*rows), at)
    for place, row in edits:
        rows = [*rows[:place], *([row] if row is not None else []), *rows[place + 1 :]]
        here = data.draw(st.sampled_from([at, site()]))
        assert renderer.render(snapshot(*rows), here) == rendered(*rows, at=here)


def test_the_settings_of_the_system_are_read_anew_at_every_render() -> None:
    row = agent("a", is_default=True)
    renderer = AgentsJson()
    renderer.render(snapshot(row, config=(system("max_spawn_depth", "2"),)), site())
    result = renderer.render(snapshot(row, config=(system("max_spawn_depth", "4"),)), site())
    assert section(result)["defaults"]["subagents"] == {"maxSpawnDepth": 4}
