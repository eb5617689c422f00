"""render/defaults.py: the system settings that we know."""

from __future__ import annotations

import pytest
from unit.builders import rendered, section, site, system

from agent_config_sync.model.rows import SystemConfigRow
from agent_config_sync.model.site import GatewayVersion
from agent_config_sync.render.defaults import DEFAULTS, choose_defaults

NEW = GatewayVersion(2026, 9, 6)


def chosen(*rows: SystemConfigRow, version: GatewayVersion | None = NEW) -> tuple[dict[str, int], list[str]]:
    """The values by the last part of their path, and the warnings."""
    found = choose_defaults(rows, version)
    return {value.path[-1]: value.value for value in found.values}, [*found.warnings, *found.untaken]


@pytest.mark.parametrize("value", ["1", "3", "5", "03", "0005"])
def test_a_whole_number_in_range_is_taken_as_it_is(value: str) -> None:
    assert chosen(system("max_spawn_depth", value)) == ({"maxSpawnDepth": int(value)}, [])


@pytest.mark.parametrize(
    ("key", "value", "used"),
    [
        ("max_spawn_depth", "0", 1),
        ("max_spawn_depth", "-2", 1),
        ("max_spawn_depth", "6", 5),
        ("max_spawn_depth", "999999999999999999", 5),
        ("max_spawn_depth", "9" * 19, 5),
        ("max_spawn_depth", "-" + "9" * 19, 1),
        ("max_children_per_agent", "0", 1),
        ("max_children_per_agent", "21", 20),
    ],
)
def test_a_number_out_of_range_is_clamped_with_a_warning_that_names_it(key: str, value: str, used: int) -> None:
    values, warnings = chosen(system(key, value))
    assert list(values.values()) == [used]
    assert len(warnings) == 1
    assert warnings[0].startswith(f"agent_system_config {key}: {value} is not from")
    assert f"{used} is used" in warnings[0]


@pytest.mark.parametrize(("sign", "used"), [("", 5), ("-", 1)])
def test_the_longest_number_that_is_read_is_clamped(sign: str, used: int) -> None:
    assert chosen(system("max_spawn_depth", sign + "9" * 4000))[0] == {"maxSpawnDepth": used}


NOT_WHOLE = [
    "",
    " ",
    " 4 ",
    "4\n",
    "3abc",
    "abc",
    "3.0",
    "1e3",
    "+3",
    "--3",
    "0x3",
    "1_0",
    "\u0663",
    "\uff13",
    "\u00b2",
    "Infinity",
    "null",
    "-",
    "9" * 4001,
    "9" * 5000,
]


@pytest.mark.parametrize("value", NOT_WHOLE)
def test_what_is_no_whole_number_in_decimal_form_is_skipped_with_a_short_warning(value: str) -> None:
    values, warnings = chosen(system("max_spawn_depth", value))
    assert values == {}
    assert len(warnings) == 1
    assert len(warnings[0]) < 200


@pytest.mark.parametrize("value_type", ["text", "", "Integer", "integer ", "int", "number"])
def test_another_value_type_than_integer_is_skipped_with_a_warning(value_type: str) -> None:
    values, warnings = chosen(system("max_spawn_depth", "3", value_type))
    assert values == {}
    assert warnings == [
        f"agent_system_config max_spawn_depth: skipped, value_type must be 'integer' and is {value_type!r}"
    ]


@pytest.mark.parametrize("value", ["8", "x", ""])
def test_the_reserved_max_concurrent_subagents_is_ignored_in_silence(value: str) -> None:
    assert chosen(system("max_concurrent_subagents", value)) == ({}, [])


@pytest.mark.parametrize("key", ["", "Max_Spawn_Depth", "maxSpawnDepth", "__proto__", "anything"])
def test_an_unknown_key_is_ignored_in_silence(key: str) -> None:
    assert chosen(system(key, "x", "text")) == ({}, [])


def test_one_bad_value_costs_no_other_value() -> None:
    values, warnings = chosen(system("max_spawn_depth", "x"), system("max_children_per_agent", "7"))
    assert values == {"maxChildrenPerAgent": 7}
    assert len(warnings) == 1


def test_a_gateway_that_does_not_take_a_key_is_not_given_it() -> None:
    values, warnings = chosen(system("max_spawn_depth", "3"), version=GatewayVersion(2026, 2, 9))
    assert values == {}
    assert warnings == [
        "agent_system_config max_spawn_depth: skipped, OpenClaw 2026.2.9 does not take it (since 2026.3.13)"
    ]


def test_an_old_gateway_without_the_rows_gets_no_warning() -> None:
    assert chosen(version=GatewayVersion(2026, 2, 9)) == ({}, [])


def test_a_gateway_of_unknown_version_is_given_what_newer_ones_take() -> None:
    assert chosen(system("max_spawn_depth", "3"), version=None) == ({"maxSpawnDepth": 3}, [])


def test_the_order_of_the_rows_does_not_matter() -> None:
    rows = [system("max_spawn_depth", "3"), system("max_children_per_agent", "7")]
    assert choose_defaults(rows, NEW) == choose_defaults(reversed(rows), NEW)


def test_values_stand_in_the_order_of_the_whitelist() -> None:
    rows = [system("max_children_per_agent", "7"), system("max_spawn_depth", "3")]
    assert [value.path for value in choose_defaults(rows, NEW).values] == [
        default.path for default in DEFAULTS.values()
    ]


def test_no_rows_leave_the_key_out_of_the_file() -> None:
    assert "subagents" not in section(rendered(at=site()))["defaults"]


def test_the_values_are_rendered_below_defaults() -> None:
    result = rendered(config=(system("max_spawn_depth", "9"), system("max_children_per_agent", "7")))
    assert section(result)["defaults"]["subagents"] == {"maxSpawnDepth": 5, "maxChildrenPerAgent": 7}


def test_the_warnings_reach_the_one_who_renders() -> None:
    result = rendered(config=(system("max_spawn_depth", "9"),))
    assert result.warnings == ("agent_system_config max_spawn_depth: 9 is not from 1 to 5, 5 is used",)
