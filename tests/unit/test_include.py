"""gateway/include.py: how openclaw.json includes our file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agent_config_sync.errors import SettingsError
from agent_config_sync.gateway.include import ConfigLayout, read_effective, read_json5, read_layout


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "openclaw.json"


def layout(config: Path, text: str) -> ConfigLayout:
    config.write_text(text)
    return read_layout(config, config.with_name("agents.json"))


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ('{"$include": "./agents.json"}', "root"),
        ('{"$include": ["./base.json", "./agents.json"]}', "root"),
        ('{"agents": {"$include": "./agents.json"}}', "section"),
        ('{"agents": {"$include": ["./base.json5", "agents.json"]}}', "section"),
        ('{"agents": {"$include": "../%s/agents.json"}}', "section"),
        ("{/* ours */ agents: {'$include': ['./agents.json',],},}", "section"),
        ('{"$include": "./agents.json", "agents": {"$include": "./agents.json"}}', "section"),
        ("{}", None),
        ('{"agents": {}}', None),
        ('{"agents": []}', None),
        ('{"agents": {"$include": "./other.json"}}', None),
        ('{"agents": {"$include": 7}}', None),
        ('{"agents": {"$include": [7, null]}}', None),
        ('{"agents": {"list": {"$include": "./agents.json"}}}', None),
        ('{"other": {"$include": "./agents.json"}}', None),
        ('// {"$include": "./agents.json"}\n{}', None),
    ],
)
def test_the_level_of_the_include_is_found(text: str, at: str | None, config: Path) -> None:
    assert layout(config, text.replace("%s", config.parent.name)).included_at == at


def test_an_include_by_an_absolute_path_is_found(config: Path) -> None:
    output = config.with_name("agents.json")
    assert layout(config, f'{{"agents": {{"$include": "{output}"}}}}').included_at == "section"


def test_an_include_through_a_link_is_found(config: Path) -> None:
    config.with_name("link").symlink_to(config.parent)
    assert layout(config, '{"$include": "./link/agents.json"}').included_at == "root"


@pytest.mark.parametrize("text", ["", "{", "{a: }", '{"a": 1} x', "nul", "\x00", "{" * 5000, "[" * 5000])
def test_a_config_that_is_no_json5_is_an_error_that_names_the_file(text: str, config: Path) -> None:
    with pytest.raises(SettingsError, match=r"openclaw\.json is not valid JSON5"):
        layout(config, text)


@pytest.mark.parametrize("text", ["[]", "7", '"text"', "null"])
def test_a_config_that_is_no_object_is_an_error(text: str, config: Path) -> None:
    with pytest.raises(SettingsError, match="must hold an object"):
        layout(config, text)


def test_a_config_that_is_no_text_is_an_error(config: Path) -> None:
    config.write_bytes(b"\xff\xfe{}")
    with pytest.raises(SettingsError, match="is not UTF-8 text"):
        read_layout(config, config.with_name("agents.json"))


def test_a_missing_config_is_the_systems_error(config: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_layout(config, config.with_name("agents.json"))


def test_an_error_does_not_quote_the_secrets_of_the_file(config: Path) -> None:
    config.write_text('{"token": "t0psecret" "x"}')
    with pytest.raises(SettingsError) as caught:
        read_json5(config)
    assert "t0psecret" not in str(caught.value)


def test_a_byte_order_mark_does_no_harm(config: Path) -> None:
    config.write_bytes(b'\xef\xbb\xbf{"$include": "./agents.json"}')
    assert read_layout(config, config.with_name("agents.json")).included_at == "root"


# --- what the operator's own files hold

BASE = "{// mine\n entries: {one: {model: 'p/m'}, two: {},}, list: [{id: 'three'}, {}, 7]}"
PARSED = {"entries": {"one": {"model": "p/m"}, "two": {}}, "list": [{"id": "three"}, {}, 7]}


def test_another_file_of_the_section_is_the_base(config: Path) -> None:
    config.with_name("base.json5").write_text(BASE)
    assert layout(config, '{"agents": {"$include": ["./base.json5", "./agents.json"]}}').base == PARSED


def test_the_agents_of_another_file_at_the_root_are_the_base(config: Path) -> None:
    config.with_name("base.json5").write_text(f"{{gateway: {{}}, agents: {BASE}}}")
    assert layout(config, '{"$include": ["./base.json5", "./agents.json"]}').base == PARSED


def test_a_file_at_the_root_counts_beside_an_include_in_the_section(config: Path) -> None:
    config.with_name("base.json5").write_text(f"{{agents: {BASE}}}")
    found = layout(config, '{"$include": "./base.json5", "agents": {"$include": "./agents.json"}}')
    assert (found.included_at, found.base) == ("section", PARSED)


@pytest.mark.parametrize(
    "text",
    [
        '{"$include": "./agents.json", "agents": {"entries": {"mine": {}}}}',
        '{"agents": {"$include": "./agents.json", "entries": {"mine": {}}}}',
        '{"agents": {"entries": {"mine": {}}}}',
    ],
)
def test_what_stands_beside_the_include_is_the_base(text: str, config: Path) -> None:
    assert layout(config, text).base == {"entries": {"mine": {}}}


def test_our_own_file_is_not_the_base(config: Path) -> None:
    config.with_name("agents.json").write_text('{"entries": {"ours": {}}}')
    assert layout(config, '{"agents": {"$include": "./agents.json"}}').base == {}


@pytest.mark.parametrize("base", [None, "{", "[]", "7", "\x00"])
def test_another_file_that_cannot_be_read_holds_nothing(base: str | None, config: Path) -> None:
    if base is not None:
        config.with_name("base.json5").write_text(base)
    found = layout(config, '{"agents": {"$include": ["./base.json5", "./agents.json"]}}')
    assert (found.included_at, found.base) == ("section", {})
    assert found.complete is (base in ("[]", "7"))
    assert [str(config.with_name("base.json5")) in problem for problem in found.unread] == [True] * (not found.complete)


def merged(config: Path, *files: str, beside: str = "") -> Mapping[str, Any]:
    """The base of these files of the section, one after the other, and of what stands beside the include."""
    names = [f"./{number}.json5" for number in range(len(files))]
    for name, text in zip(names, files, strict=True):
        (config.parent / name).write_text(text)
    return layout(config, f'{{"agents": {{"$include": {json.dumps([*names, "./agents.json"])}{beside}}}}}').base


def test_objects_of_two_files_are_merged_by_key(config: Path) -> None:
    found = merged(config, "{defaults: {a: {x: 1}}}", "{defaults: {a: {y: 2}, b: 3}}")
    assert found == {"defaults": {"a": {"x": 1, "y": 2}, "b": 3}}


def test_lists_of_two_files_stand_one_after_the_other(config: Path) -> None:
    assert merged(config, "{list: [{id: 'a'}]}", "{list: [{id: 'b'}]}") == {"list": [{"id": "a"}, {"id": "b"}]}


@pytest.mark.parametrize("later", [7, None, "x", [1]])
def test_of_anything_else_the_later_file_wins(later: object, config: Path) -> None:
    assert merged(config, '{"x": {"y": 1}}', json.dumps({"x": later})) == {"x": later}


def test_what_stands_beside_the_include_wins_over_the_files(config: Path) -> None:
    assert merged(config, "{x: 1, y: 1}", beside=', "x": 2') == {"x": 2, "y": 1}


def test_a_file_of_the_section_wins_over_one_at_the_root(config: Path) -> None:
    config.with_name("root.json5").write_text("{agents: {x: 1, y: 1}}")
    config.with_name("section.json5").write_text("{x: 2}")
    found = layout(config, '{"$include": "./root.json5", "agents": {"$include": "./section.json5"}}')
    assert found.base == {"x": 2, "y": 1}


# --- which files a change of which would change that


@pytest.mark.parametrize(
    "text",
    [
        '{"agents": {"$include": ["./base.json5", "./agents.json"]}}',
        '{"$include": ["./base.json5", "./agents.json"]}',
        '{"$include": "./base.json5", "agents": {"$include": "./agents.json"}}',
    ],
)
def test_the_files_that_were_read_are_named_so_that_a_change_of_any_is_seen(text: str, config: Path) -> None:
    assert list(layout(config, text).sources) == [config, config.with_name("base.json5")]


def test_a_name_that_no_file_can_have_is_no_include_of_ours(config: Path) -> None:
    assert layout(config, '{"$include": "a\\u0000b"}').included_at is None


def test_the_agents_of_a_file_that_a_base_file_includes_are_the_operators_too(config: Path) -> None:
    (config.parent / "more").mkdir()
    (config.parent / "more" / "entries.json5").write_text("{entries: {human: {}}}")
    config.with_name("base.json5").write_text('{"$include": "./more/entries.json5", "defaults": {}}')
    found = layout(config, '{"agents": {"$include": ["./base.json5", "./agents.json"]}}')
    assert found.base == {"entries": {"human": {}}, "defaults": {}}


def test_a_file_that_two_agents_include_counts_for_both(config: Path) -> None:
    config.with_name("common.json5").write_text("{model: 'p/m'}")
    entries = "{a: {$include: './common.json5'}, b: {$include: './common.json5', name: 'B'}}"
    config.write_text(f"{{agents: {{entries: {entries}}}}}")
    effective, sources = read_effective(config)
    assert effective["agents"]["entries"] == {"a": {"model": "p/m"}, "b": {"model": "p/m", "name": "B"}}
    assert sources == (config, config.with_name("common.json5"))


def test_a_file_may_stand_for_a_list(config: Path) -> None:
    config.with_name("team.json5").write_text("[{id: 'a', $include: './a.json5'}, {id: 'b'}]")
    config.with_name("a.json5").write_text("{model: 'p/m'}")
    config.write_text("{agents: {list: {$include: './team.json5'}}}")
    effective, _ = read_effective(config)
    assert effective["agents"]["list"] == [{"model": "p/m", "id": "a"}, {"id": "b"}]


def test_the_whole_configuration_holds_our_file_too(config: Path) -> None:
    config.with_name("agents.json").write_text('{"entries": {"ours": {}}}')
    config.write_text("{gateway: {port: 1}, agents: {$include: './agents.json'}}")
    assert read_effective(config)[0] == {"gateway": {"port": 1}, "agents": {"entries": {"ours": {}}}}


def test_files_that_include_each_other_are_read_once(config: Path) -> None:
    config.with_name("base.json5").write_text('{"$include": "./base.json5", "entries": {"human": {}}}')
    found = layout(config, '{"agents": {"$include": ["./base.json5", "./agents.json"]}}')
    assert found.base == {"entries": {"human": {}}}
