"""openclaw.plugin.json and package.json: what the gateway reads before it loads the plugin."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from pydantic.alias_generators import to_camel

from agent_config_sync import __version__
from agent_config_sync.cli.manifest import manifest
from agent_config_sync.resources import resource
from agent_config_sync.settings import Settings

REJECTING = {"type", "enum", "const", "required", "minimum", "maximum", "minLength", "maxLength", "pattern", "format"}
"""Keywords with which a schema refuses a value."""

SEED_KEYS = {"host", "port", "database", "user", "password", "outputPath"}


def properties() -> dict[str, Any]:
    found: dict[str, Any] = manifest()["configSchema"]["properties"]
    return found


def test_the_file_is_the_one_that_the_settings_make() -> None:
    assert json.loads(resource("openclaw.plugin.json").read_text(encoding="utf-8")) == manifest()


def test_every_setting_is_documented_and_so_is_the_program() -> None:
    assert set(properties()) == {to_camel(name) for name in Settings.model_fields} | {"command"}
    assert all(described["description"] for described in properties().values())


def test_the_six_keys_of_the_predecessor_are_among_them() -> None:
    assert set(properties()) >= SEED_KEYS


@pytest.mark.parametrize("name", sorted(properties()))
def test_no_value_of_a_setting_is_refused_by_the_schema(name: str) -> None:
    assert not REJECTING & set(properties()[name])


def test_an_unknown_setting_is_not_refused_by_the_schema() -> None:
    assert manifest()["configSchema"]["additionalProperties"] is True


def test_the_schema_has_no_defaults_that_the_gateway_would_write_into_its_config() -> None:
    assert "default" not in {key for described in properties().values() for key in described}


def test_secrets_are_marked_as_such_and_nothing_else_is() -> None:
    sensitive = {key for key, hint in manifest()["uiHints"].items() if hint.get("sensitive")}
    assert sensitive == {"dsn", "password", "gatewayToken", "githubToken"}


def test_all_versions_of_the_project_are_one() -> None:
    package = json.loads(resource("package.json").read_text(encoding="utf-8"))
    assert manifest()["version"] == package["version"] == __version__


def test_the_plugin_takes_a_program_of_this_version() -> None:
    found = re.search(r'OLDEST_PROGRAM = "([\d.]+)"', resource("index.js").read_text(encoding="utf-8"))
    assert found is not None
    assert [int(part) for part in found[1].split(".")] <= [int(part) for part in __version__.split(".")]
