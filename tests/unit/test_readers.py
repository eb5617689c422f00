"""What others write never crashes what reads it: the result is a value, or an error that says what is wrong."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic.alias_generators import to_camel

from agent_config_sync.errors import RefusedError, SettingsError
from agent_config_sync.gateway.door import Greeting, door_settings
from agent_config_sync.gateway.include import read_json5, read_layout
from agent_config_sync.gateway.layout_watch import look_at_layout
from agent_config_sync.install.json5_text import Json5Text
from agent_config_sync.setting_sources import load_settings
from agent_config_sync.settings import SETTING_NAMES
from agent_config_sync.state import State

OFTEN = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

TEXTS = st.sampled_from(
    (
        "",
        " ",
        "\0",
        "~",
        "~nobody-of-that-name/x",
        "/",
        "..",
        "a\nb",
        "${HOME}",
        "-1",
        "1e999",
        "٣",
        "x" * 5000,
        "\ud800",
    )
) | st.text(max_size=20)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)

NAMES = st.sampled_from([*SETTING_NAMES, *map(to_camel, SETTING_NAMES)])

MEMBERS = st.sampled_from(
    (
        "agents",
        "$include",
        "list",
        "entries",
        "defaults",
        "id",
        "models",
        "plugins",
        "./agents.json",
        "openclaw.json",
        "a",
    )
)

DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS | MEMBERS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(MEMBERS | TEXTS, inner, max_size=4),
    max_leaves=20,
)
"""Documents in the words of a gateway's configuration, in any order."""

SAID = st.binary(max_size=200) | DOCUMENTS.map(lambda value: json.dumps(value).encode())


@OFTEN
@given(door=st.dictionaries(NAMES | TEXTS, VALUES, max_size=6))
def test_settings_of_the_plugin(door: dict[str, Any]) -> None:
    with contextlib.suppress(SettingsError):
        load_settings(command_line={}, door=door)


@OFTEN
@given(
    content=st.binary(max_size=300) | st.dictionaries(NAMES, VALUES, max_size=4).map(lambda value: repr(value).encode())
)
def test_a_config_file(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with contextlib.suppress(SettingsError):
        load_settings(command_line={}, config_file=str(path))


@OFTEN
@given(
    line=st.binary(max_size=200)
    | st.dictionaries(
        st.sampled_from(["config", "agentChat", "version", "script", "pid", "configPath", "stateDir", "token", "door"]),
        VALUES | st.dictionaries(NAMES, VALUES, max_size=3),
    ).map(lambda value: json.dumps(value).encode())
)
def test_the_first_line_of_the_door(line: bytes) -> None:
    with contextlib.suppress(SettingsError):
        load_settings(command_line={}, door=door_settings(Greeting.read(line)))


@OFTEN
@given(content=SAID)
def test_a_json5_file(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "openclaw.json"
    path.write_bytes(content)
    with contextlib.suppress(SettingsError):
        read_json5(path)


@OFTEN
@given(config=SAID, base=SAID, ours=SAID)
def test_a_configuration_with_its_includes(config: bytes, base: bytes, ours: bytes, tmp_path: Path) -> None:
    (tmp_path / "openclaw.json").write_bytes(config)
    (tmp_path / "a").write_bytes(base)
    output = tmp_path / "agents.json"
    output.write_bytes(ours)
    with contextlib.suppress(SettingsError):
        found = read_layout(tmp_path / "openclaw.json", output)
        for layout in ("root", "section"):
            look_at_layout(tmp_path / "openclaw.json", output, found, ours, layout)


@OFTEN
@given(text=st.text(max_size=60) | st.text("{}[]:,'\"/*\\ \n$ab01.-+", max_size=60))
def test_a_text_that_is_edited(text: str) -> None:
    """Where the library reads it, so does ours; where it does not, ours refuses it."""
    with contextlib.suppress(RefusedError, ValueError):
        Json5Text(text)


@OFTEN
@given(content=st.binary(max_size=200) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_a_state_file(content: bytes, tmp_path: Path) -> None:
    State(tmp_path, tmp_path / "agents.json").path.write_bytes(content)
    State(tmp_path, tmp_path / "agents.json").refresh()
