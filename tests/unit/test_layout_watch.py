"""gateway/layout_watch.py: what keeps our file from being what the gateway takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent_config_sync.gateway.include import read_layout
from agent_config_sync.gateway.layout_watch import LayoutFinding, look_at_layout
from agent_config_sync.model.site import GatewayVersion, Layout

ENTRIES = {
    "defaults": {"subagents": {"maxSpawnDepth": 3}, "modelPolicy": {"allow": ["p/a"]}},
    "entries": {"coder": {"model": "p/a"}, "lead": {"model": "p/b"}},
}
LIST = {
    "defaults": {"subagents": {"maxSpawnDepth": 3}},
    "list": [{"id": "coder", "model": "p/a"}, {"id": "lead", "default": True}],
}
NEWEST = GatewayVersion(2026, 9, 6)
INCLUDE = '"$include": ["./base.json5", "./agents.json"]'


def findings(
    folder: Path,
    config: str,
    *,
    base: str = "{}",
    ours: object = ENTRIES,
    layout: Layout = "section",
    version: GatewayVersion | None = NEWEST,
) -> tuple[LayoutFinding, ...]:
    path = folder / "openclaw.json"
    path.write_text(config)
    path.with_name("base.json5").write_text(base)
    output = path.with_name("agents.json")
    content = json.dumps({"agents": ours} if layout == "root" else ours).encode()
    return look_at_layout(path, output, read_layout(path, output), content, layout, version=version)


def only(found: tuple[LayoutFinding, ...]) -> LayoutFinding:
    (finding,) = found
    return finding


@pytest.mark.parametrize(
    ("config", "base"),
    [
        (f'{{"agents": {{{INCLUDE}}}}}', "{}"),
        (f'{{"agents": {{{INCLUDE}}}}}', "{defaults: {subagents: {maxSpawnDepth: 1}}}"),
        (f'{{"agents": {{{INCLUDE}}}}}', "{entries: {own: {}}}"),
        (f'{{"agents": {{{INCLUDE}, "defaults": {{"maxConcurrent": 5}}}}}}', "{}"),
        (f'{{"agents": {{{INCLUDE}, "defaults": {{"subagents": {{"maxSpawnDepth": 3}}}}}}}}', "{}"),
    ],
    ids=[
        "as we set it up",
        "a base that we beat",
        "agents of the operator's own",
        "another key beside it",
        "the same value",
    ],
)
def test_a_layout_in_which_the_database_wins_is_no_finding(config: str, base: str, tmp_path: Path) -> None:
    assert findings(tmp_path, config, base=base) == ()


def test_the_example_of_the_seed_is_no_finding(tmp_path: Path) -> None:
    config = '{"$include": "./agents.json", "agents": {"defaults": {"subagents": {"maxConcurrent": 5}}}}'
    assert findings(tmp_path, config, layout="root") == ()


# --- shadowed


@pytest.mark.parametrize("layout", ["section", "root"])
def test_a_key_beside_the_include_is_named_with_both_values(layout: Layout, tmp_path: Path) -> None:
    defaults = '"defaults": {"subagents": {"maxSpawnDepth": 2}}'
    config = {
        "section": f'{{"agents": {{{INCLUDE}, {defaults}}}}}',
        "root": f'{{"$include": "./agents.json", "agents": {{{defaults}}}}}',
    }
    finding = only(findings(tmp_path, config[layout], layout=layout))
    assert finding.kind == "shadowed"
    assert "agents.defaults.subagents.maxSpawnDepth is 2 there and 3 in the database" in finding.what
    assert "openclaw.json beats the database" in finding.what
    assert "openclaw config unset agents.defaults.subagents.maxSpawnDepth" in finding.fix


def test_a_file_that_is_included_later_is_named(tmp_path: Path) -> None:
    finding = only(
        findings(
            tmp_path,
            '{"agents": {"$include": ["./agents.json", "./base.json5"]}}',
            base="{defaults: {subagents: {maxSpawnDepth: 1}}}",
        )
    )
    assert finding.kind == "shadowed"
    assert "base.json5 beats the database" in finding.what


def test_a_list_beside_the_include_that_adds_something_is_named(tmp_path: Path) -> None:
    config = f'{{"agents": {{{INCLUDE}, "defaults": {{"modelPolicy": {{"allow": ["p/z"]}}}}}}}}'
    finding = only(findings(tmp_path, config))
    assert 'agents.defaults.modelPolicy.allow is ["p/z"] there and ["p/a"] in the database' in finding.what


def test_a_value_in_the_place_of_our_object_is_named(tmp_path: Path) -> None:
    finding = only(findings(tmp_path, f'{{"agents": {{{INCLUDE}, "defaults": {{"subagents": null}}}}}}'))
    assert "agents.defaults.subagents is null there" in finding.what


def test_an_agent_beside_the_include_is_named_with_its_value(tmp_path: Path) -> None:
    kinds = {
        finding.kind: finding
        for finding in findings(tmp_path, f'{{"agents": {{{INCLUDE}, "entries": {{"coder": {{"model": "p/z"}}}}}}}}')
    }
    assert set(kinds) == {"in_both", "shadowed"}
    assert 'agents.entries.coder.model is "p/z" there and "p/a" in the database' in kinds["shadowed"].what


def test_of_many_values_five_are_named_and_the_rest_counted(tmp_path: Path) -> None:
    ours = {"defaults": {f"k{number}": 1 for number in range(9)}}
    theirs = json.dumps({f"k{number}": 2 for number in range(9)})
    finding = only(findings(tmp_path, f'{{"agents": {{{INCLUDE}, "defaults": {theirs}}}}}', ours=ours))
    assert finding.what.endswith("; and 4 more")


def test_a_value_that_may_be_a_secret_is_not_shown(tmp_path: Path) -> None:
    ours = {"defaults": {"sandbox": {"docker": {"env": {"A": "mine"}}}}}
    theirs = '"defaults": {"sandbox": {"docker": {"env": {"A": "t0psecret"}}}}'
    finding = only(findings(tmp_path, f'{{"agents": {{{INCLUDE}, {theirs}}}}}', ours=ours))
    assert "t0psecret" not in str(finding)
    assert "agents.defaults.sandbox.docker.env.A" in str(finding)
    for place in ('"params": {"my.name": "t0psecret"}', '"sandbox": {"docker": {"env": {"name": "t0psecret"}}}'):
        (key, _), *_ = json.loads(f"{{{place}}}").items()
        mine = {"entries": {"coder": {key: json.loads(f"{{{place}}}".replace("t0psecret", "mine"))[key]}}}
        theirs = f'"entries": {{"coder": {{{place}}}}}'
        assert "t0psecret" not in " ".join(
            map(str, findings(tmp_path, f'{{"agents": {{{INCLUDE}, {theirs}}}}}', ours=mine))
        )
    agents = {"entries": {"coder": {"memory": {"remote": None}}}}
    theirs = '"entries": {"coder": {"memory": {"remote": {"apiKey": "t0psecret"}}}}'
    found = findings(tmp_path, f'{{"agents": {{{INCLUDE}, {theirs}}}}}', ours=agents)
    assert "t0psecret" not in " ".join(map(str, found))


# --- missing and flattened


@pytest.mark.parametrize("config", ["{}", '{"agents": {"entries": {"own": {}}}}', '{"agents": {"$include": []}}'])
def test_a_config_without_the_include_is_named_with_the_line_that_it_needs(config: str, tmp_path: Path) -> None:
    finding = only(findings(tmp_path, config))
    assert finding.kind == "include_missing"
    assert "does not include agents.json" in finding.what
    assert '"$include": ["./agents.json"]' in finding.fix
    (tmp_path / "agents.base.json5").write_text("{}")
    finding = only(findings(tmp_path, config))
    assert '"$include": ["./agents.base.json5","./agents.json"]' in finding.fix


def test_the_line_names_no_file_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "openclaw.json"
    path.write_text("{}")
    output = tmp_path / "sub" / "agents.json"
    (finding,) = look_at_layout(path, output, read_layout(path, output), b"{}", "section")
    assert '"$include": ["./sub/agents.json"]' in finding.fix


def test_of_several_values_each_has_its_own_command(tmp_path: Path) -> None:
    theirs = '"defaults": {"subagents": {"maxSpawnDepth": 2}, "modelPolicy": {"allow": ["p/z"]}}'
    finding = only(findings(tmp_path, f'{{"agents": {{{INCLUDE}, {theirs}}}}}'))
    first, second = finding.fix.split("(")[1].rstrip(")").split("; ")
    assert first == "openclaw config unset agents.defaults.subagents.maxSpawnDepth"
    assert second == "openclaw config unset agents.defaults.modelPolicy.allow"


def test_a_file_that_the_gateways_command_does_not_write_is_to_be_edited(tmp_path: Path) -> None:
    config = '{"agents": {"$include": ["./agents.json", "./base.json5"]}}'
    finding = only(findings(tmp_path, config, base="{defaults: {subagents: {maxSpawnDepth: 1}}}"))
    assert finding.fix == "take it out there"


@pytest.mark.parametrize(
    ("version", "theirs", "fix"),
    [
        ((2026, 3, 13), "defaults", "in an editor (openclaw config of 2026.3.13 would flatten the include)"),
        ((2026, 5, 12), "defaults", "in an editor"),
        ((2026, 7, 1), "defaults", "(openclaw config unset agents.defaults.subagents.maxSpawnDepth)"),
        ((2026, 9, 6), "entries", "in an editor"),
        (None, "defaults", "in an editor"),
    ],
)
def test_the_gateways_own_command_is_named_only_where_it_takes_the_key_out(
    version: tuple[int, int, int] | None, theirs: str, fix: str, tmp_path: Path
) -> None:
    sections = {"defaults": {"subagents": {"maxSpawnDepth": 2}}, "entries": {"lead": {"model": "p/z"}}}
    beside = f'"{theirs}": {json.dumps(sections[theirs])}'
    known = GatewayVersion(*version) if version is not None else None
    found = findings(tmp_path, f'{{"agents": {{{INCLUDE}, {beside}}}}}', version=known)
    (finding,) = (finding for finding in found if finding.kind == "shadowed")
    assert finding.fix == f"take it out there {fix}"


@pytest.mark.parametrize("link", [False, True])
def test_a_file_outside_of_the_gateways_folder_is_included_by_none(
    link: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, away = tmp_path / "home", tmp_path / "away"
    home.mkdir()
    away.mkdir()
    if link:
        (home / "away").symlink_to(away)
    config, output = home / "openclaw.json", (home / "away" if link else away) / "agents.json"
    config.write_text(json.dumps({"agents": {"$include": str(output)}}))
    output.write_text("{}")
    (finding,) = look_at_layout(config, output, read_layout(config, output), b"{}", "section")
    assert finding.kind == "include_outside"
    monkeypatch.setenv("OPENCLAW_INCLUDE_ROOTS", f"{output.parent}:{away}")
    assert look_at_layout(config, output, read_layout(config, output), b"{}", "section") == ()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("OPENCLAW_INCLUDE_ROOTS", "~/away")
    assert look_at_layout(config, output, read_layout(config, output), b"{}", "section") == ()


def test_an_include_counts_by_where_it_leads_however_our_settings_spell_it(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "home").symlink_to(tmp_path / "data")
    config, output = tmp_path / "home" / "openclaw.json", tmp_path / "data" / "agents.json"
    config.write_text('{"agents": {"$include": "./agents.json"}}')
    output.write_text("{}")
    assert look_at_layout(config, output, read_layout(config, output), b"{}", "section") == ()


def test_a_copy_of_our_agents_instead_of_the_include_is_called_flattened(tmp_path: Path) -> None:
    finding = only(findings(tmp_path, json.dumps({"agents": ENTRIES})))
    assert finding.kind == "include_flattened"
    assert "in the database" not in finding.what


@pytest.mark.parametrize("ours", [ENTRIES, LIST], ids=["entries", "list"])
def test_a_copy_that_is_out_of_date_is_named_with_both_values(ours: dict[str, object], tmp_path: Path) -> None:
    copy = json.dumps({"agents": ours}).replace("p/a", "p/old")
    finding = only(findings(tmp_path, copy, ours=ours))
    assert finding.kind == "include_flattened"
    assert '.coder.model is "p/old" there and "p/a" in the database' in finding.what


# --- in both


def test_an_agent_of_the_base_file_and_of_the_database_is_named(tmp_path: Path) -> None:
    finding = only(findings(tmp_path, f'{{"agents": {{{INCLUDE}}}}}', base="{entries: {lead: {name: 'L'}}}"))
    assert finding.kind == "in_both"
    assert "base.json5 also defines agent lead" in finding.what


def test_an_agent_of_a_list_in_the_base_file_is_named_because_the_first_one_counts(tmp_path: Path) -> None:
    finding = only(findings(tmp_path, f'{{"agents": {{{INCLUDE}}}}}', base="{list: [{id: 'lead'}]}", ours=LIST))
    assert finding.kind == "in_both"
    assert "the first one counts" in finding.what


@pytest.mark.parametrize(
    ("ours", "base"), [(ENTRIES, "{list: [{id: 'x'}]}"), (LIST, "{entries: {x: {}}}")], ids=["list", "entries"]
)
def test_another_form_of_the_roster_in_the_base_file_is_named(ours: object, base: str, tmp_path: Path) -> None:
    finding = only(findings(tmp_path, f'{{"agents": {{{INCLUDE}}}}}', base=base, ours=ours))
    assert finding.kind == "two_rosters"
    assert "agent-config-sync import" in finding.fix


def test_a_file_of_ours_that_is_no_json_costs_no_look(tmp_path: Path) -> None:
    path = tmp_path / "openclaw.json"
    path.write_text("{}")
    output = path.with_name("agents.json")
    (finding,) = look_at_layout(path, output, read_layout(path, output), b"{", "section")
    assert finding.kind == "include_missing"
