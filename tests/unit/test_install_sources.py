"""install/sources.py: which database, and what the plugin is told of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agent_config_sync.errors import RefusedError, SettingsError
from agent_config_sync.install.openclaw_json import PLUGIN
from agent_config_sync.install.sources import find_settings, plugin_settings, unset_names, without_password
from agent_config_sync.settings import Settings

SECRET = "hunter2"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "openclaw.json"


def saying(**plugin: Any) -> Mapping[str, Any]:
    return {"plugins": {"entries": {PLUGIN: {"config": plugin}}}}


def keywords(config: Path, effective: Mapping[str, Any], **command_line: object) -> dict[str, Any]:
    return find_settings(config, effective, command_line).database_keywords()


# --- which database


def test_the_command_line_comes_first(config: Path) -> None:
    assert keywords(config, saying(dsn="postgresql:///one"), dsn="postgresql:///two") == {"dsn": "postgresql:///two"}


def test_the_plugins_config_comes_before_everything_else_in_openclaw_json(config: Path) -> None:
    effective = {**saying(host="one"), "channels": {"agent_chat": {"host": "two"}}}
    assert keywords(config, effective) == {"host": "one"}


def test_agent_chat_comes_before_postgres_json(config: Path) -> None:
    config.with_name("postgres.json").write_text('{"host": "three"}')
    assert keywords(config, {"channels": {"agent_chat": {"host": "two"}}}) == {"host": "two"}


def test_postgres_json_comes_last_and_its_empty_values_are_none(config: Path) -> None:
    config.with_name("postgres.json").write_text('{"host": "three", "port": 5433, "password": "", "user": null}')
    assert keywords(config, {}) == {"host": "three", "port": 5433}


def test_what_libpq_is_told_beats_postgres_json(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.with_name("postgres.json").write_text('{"host": "three", "database": "ops"}')
    monkeypatch.setenv("PGHOST", "four")
    assert keywords(config, {}) == {"host": "four", "database": "ops"}


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_broken_postgres_json_is_named(text: str, config: Path) -> None:
    config.with_name("postgres.json").write_text(text)
    with pytest.raises(SettingsError, match=r"postgres\.json"):
        find_settings(config, {}, {})


def test_a_database_name_alone_changes_nothing_else(config: Path) -> None:
    found = keywords(config, saying(dsn="postgresql://me@there/one"), database="two")
    assert found == {"dsn": "postgresql://me@there/one", "database": "two"}


def test_an_unknown_setting_of_the_plugin_does_no_harm(config: Path) -> None:
    assert keywords(config, saying(host="one", hots="two")) == {"host": "one"}


def test_a_password_in_the_environment_is_one_that_the_gateway_must_be_told(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", SECRET)
    assert keywords(config, saying(host="one")) == {"host": "one", "password": SECRET}


# --- what the plugin is told


def test_what_was_given_here_is_told(config: Path) -> None:
    settings = find_settings(config, {}, {"dsn": "postgresql:///ops", "database": "two"})
    assert plugin_settings(config, {}, settings) == {"dsn": "postgresql:///ops", "database": "two"}


def test_what_it_says_already_is_not_told_again(config: Path) -> None:
    effective = saying(dsn="postgresql:///ops")
    settings = find_settings(config, effective, {"dsn": "postgresql:///ops"})
    assert plugin_settings(config, effective, settings) == {}


def test_what_libpq_was_told_is_told(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGHOST": "there", "PGPORT": "5433", "PGUSER": "me", "PGPASSWORD": SECRET}.items():
        monkeypatch.setenv(name, value)
    settings = find_settings(config, {}, {"database": "ops"})
    assert plugin_settings(config, {}, settings) == {
        "host": "there", "port": 5433, "database": "ops", "user": "me", "password": SECRET,
    }  # fmt: skip


@pytest.mark.parametrize(("name", "value"), [("PGHOST", "one,two"), ("PGPORT", "5432,5433"), ("PGSERVICE", "prod")])
def test_what_the_plugins_config_cannot_say_is_refused_with_the_way_out(
    name: str, value: str, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    settings = find_settings(config, {}, {})
    with pytest.raises(RefusedError, match=f"{name}.*--dsn"):
        plugin_settings(config, {}, settings)


WHOLE = "postgresql://me@there:5432/ops?sslmode=verify-full&sslrootcert=/ca.pem"


def test_a_dsn_that_says_all_needs_nothing_of_what_libpq_is_told(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGSERVICE", "PGSSLMODE", "PGSSLROOTCERT"):
        monkeypatch.setenv(name, "1,2")
    settings = find_settings(config, {}, {"dsn": WHOLE})
    assert plugin_settings(config, {}, settings) == {"dsn": WHOLE}


def test_what_a_dsn_leaves_to_libpq_is_told_beside_it(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGHOST": "elsewhere", "PGPORT": "5433", "PGUSER": "me", "PGDATABASE": "ops"}.items():
        monkeypatch.setenv(name, value)
    settings = find_settings(config, {}, {"dsn": "postgresql://there"})
    assert plugin_settings(config, {}, settings) == {
        "dsn": "postgresql://there", "port": 5433, "user": "me", "database": "ops",
    }  # fmt: skip


def test_what_a_dsn_there_leaves_to_libpq_is_added(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGUSER", "me")
    effective = saying(dsn="postgresql://there/ops")
    assert plugin_settings(config, effective, find_settings(config, effective, {})) == {"user": "me"}


@pytest.mark.parametrize(
    ("name", "dsn"),
    [
        ("PGHOST", "postgresql:///ops"),
        ("PGSSLMODE", "postgresql://me@there:5432/ops"),
        ("PGSSLROOTCERT", "postgresql://me@there:5432/ops?sslmode=verify-ca"),
    ],
)
def test_what_a_dsn_leaves_to_libpq_and_the_plugin_cannot_say_is_refused(
    name: str, dsn: str, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "one,two")
    settings = find_settings(config, {}, {"dsn": dsn})
    with pytest.raises(RefusedError, match=f"{name}.*--dsn"):
        plugin_settings(config, {}, settings)


def test_tls_is_no_matter_of_a_socket(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSSLMODE", "require")
    dsn = "postgresql://me@/ops?host=/run/postgresql"
    assert plugin_settings(config, {}, find_settings(config, {}, {"dsn": dsn})) == {"dsn": dsn}


# --- a password that is given anew


def test_a_password_in_a_dsn_takes_the_place_of_the_old_one(config: Path) -> None:
    effective = saying(dsn=f"postgresql://me:{SECRET}@there/ops")
    given = {"dsn": "postgresql://me:new@there/ops"}
    assert plugin_settings(config, effective, find_settings(config, effective, given)) == given


def test_a_password_of_its_own_takes_the_place_of_the_old_one(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    effective = saying(host="there", password=SECRET)
    monkeypatch.setenv("AGENT_CONFIG_SYNC_PASSWORD", "new")
    assert plugin_settings(config, effective, find_settings(config, effective, {})) == {"password": "new"}


def test_a_password_that_is_the_same_is_not_told_again(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGUSER", "me")
    effective = saying(host="there", password=SECRET)
    assert plugin_settings(config, effective, find_settings(config, effective, {})) == {"user": "me"}


def test_a_dsn_without_a_password_does_not_take_the_old_one_away(config: Path) -> None:
    effective = saying(dsn=f"postgresql://me:{SECRET}@there/ops")
    settings = find_settings(config, effective, {"dsn": "postgresql://me@there/ops"})
    assert plugin_settings(config, effective, settings) == {}


def test_a_password_of_its_own_goes_into_a_dsn_that_has_one(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    effective = saying(dsn=f"postgresql://me:{SECRET}@there/ops")
    monkeypatch.setenv("AGENT_CONFIG_SYNC_PASSWORD", "n/w")
    settings = find_settings(config, effective, {})
    assert settings.database_keywords()["password"] == "n/w"
    assert plugin_settings(config, effective, settings) == {"dsn": "postgresql://me:n%2Fw@there/ops"}


def test_a_password_in_a_dsn_replaces_the_one_beside_it(config: Path) -> None:
    effective = saying(dsn=f"postgresql://me:{SECRET}@there/ops", password="older")
    dsn = "postgresql://me:new@there/ops"
    settings = find_settings(config, effective, {"dsn": dsn})
    assert settings.database_keywords() == {"dsn": dsn}
    assert plugin_settings(config, effective, settings) == {"dsn": dsn, "password": "new"}


def test_a_password_of_its_own_replaces_the_one_beside_a_dsn_too(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    effective = saying(dsn=f"postgresql://there/ops?user=me&password={SECRET}&sslmode=prefer", password="older")
    monkeypatch.setenv("AGENT_CONFIG_SYNC_PASSWORD", "new")
    assert plugin_settings(config, effective, find_settings(config, effective, {})) == {
        "dsn": "postgresql://there/ops?user=me&password=new&sslmode=prefer",
        "password": "new",
    }


def test_a_password_of_its_own_stands_beside_a_dsn_by_reference(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPS_DSN", f"postgresql://me:{SECRET}@there/ops")
    monkeypatch.setenv("AGENT_CONFIG_SYNC_PASSWORD", "new")
    effective = saying(dsn=BY_NAME)
    assert plugin_settings(config, effective, find_settings(config, effective, {})) == {"password": "new"}


# --- what the gateway's environment says

BY_NAME = "${OPS_DSN}"


def test_a_reference_to_the_environment_is_what_it_stands_for(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPS_DSN", "postgresql://me@there/ops")
    effective = saying(dsn=BY_NAME)
    settings = find_settings(config, effective, {})
    assert settings.database_keywords() == {"dsn": "postgresql://me@there/ops"}
    assert plugin_settings(config, effective, settings) == {}
    assert unset_names(effective) == ()


def test_a_reference_is_not_replaced_by_a_password_that_is_given(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPS_DSN", f"postgresql://me:{SECRET}@there/ops")
    effective = saying(dsn=BY_NAME)
    settings = find_settings(config, effective, {"dsn": "postgresql://me:new@there/ops"})
    assert plugin_settings(config, effective, settings) == {}


@pytest.mark.parametrize("effective", [saying(dsn=BY_NAME), {"channels": {"agent_chat": {"host": BY_NAME}}}])
def test_a_database_that_only_the_gateways_environment_knows_must_be_given(
    effective: Mapping[str, Any], config: Path
) -> None:
    with pytest.raises(SettingsError, match="OPS_DSN, which is not set here"):
        find_settings(config, effective, {})


def test_a_database_that_only_the_gateways_environment_knows_stays_as_it_is_said(config: Path) -> None:
    effective = saying(dsn=BY_NAME)
    settings = find_settings(config, effective, {"dsn": "postgresql://me@there/ops"})
    assert plugin_settings(config, effective, settings) == {}
    assert unset_names(effective) == ("OPS_DSN",)


def test_a_password_that_only_the_gateways_environment_knows_is_left_to_it(config: Path) -> None:
    effective = saying(host="there", password="${OPS_PASSWORD}")
    settings = find_settings(config, effective, {})
    assert settings.database_keywords() == {"host": "there"}
    assert plugin_settings(config, effective, settings) == {}


def test_a_name_that_only_the_gateways_environment_knows_must_be_set_here_too(config: Path) -> None:
    with pytest.raises(SettingsError, match=r"gateway .* BOX, which is not set here"):
        find_settings(config, saying(gateway="${BOX}"), {"dsn": "postgresql:///ops"})


def test_two_dollars_are_no_reference(config: Path) -> None:
    assert keywords(config, saying(host="there", password="$${PASSWORD}"))["password"] == "${PASSWORD}"


def test_what_the_plugin_is_not_told_of_its_database_is_added(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGUSER", "me")
    monkeypatch.setenv("PGPASSWORD", SECRET)
    effective = saying(host="there")
    settings = find_settings(config, effective, {})
    assert plugin_settings(config, effective, settings) == {"user": "me", "password": SECRET}


@pytest.mark.parametrize(
    ("name", "value", "key"), [("GATEWAY", "box", "gateway"), ("ACCOUNT", "a", "account"), ("ROSTER", "list", "roster")]
)
def test_what_the_environment_gives_beside_the_database_is_told(
    name: str, value: str, key: str, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"AGENT_CONFIG_SYNC_{name}", value)
    assert plugin_settings(config, {}, find_settings(config, {}, {"dsn": "postgresql:///x"}))[key] == value


def test_another_output_is_told_as_a_whole_path(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENT_CONFIG_SYNC_OUTPUT_PATH", "ours.json")
    assert plugin_settings(config, {}, find_settings(config, {}, {}))["outputPath"] == f"{tmp_path}/ours.json"


def test_what_the_plugins_config_says_otherwise_is_refused(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_CONFIG_SYNC_GATEWAY", "two")
    effective = saying(gateway="one")
    with pytest.raises(RefusedError, match="says another gateway than AGENT_CONFIG_SYNC_GATEWAY"):
        plugin_settings(config, effective, find_settings(config, effective, {}))


@pytest.mark.parametrize(
    ("says", "given"),
    [
        ({"dsn": f"postgresql://me:{SECRET}@there/one"}, {"dsn": "postgresql://me@there/two"}),
        ({"dsn": f"postgresql://me:{SECRET}@there/one"}, {"database": "two"}),
        ({"host": "there", "database": "one", "password": SECRET}, {"database": "two"}),
        ({"host": "there"}, {"dsn": "postgresql://there/two"}),
    ],
)
def test_another_database_than_it_says_is_refused(says: dict[str, str], given: dict[str, str], config: Path) -> None:
    effective = saying(**says)
    settings = find_settings(config, effective, given)
    with pytest.raises(RefusedError, match="names another database") as caught:
        plugin_settings(config, effective, settings)
    assert SECRET not in str(caught.value)


def test_a_setting_of_the_plugin_that_is_not_valid_is_named(config: Path) -> None:
    settings = find_settings(config, {}, {"dsn": "postgresql:///ops"})
    with pytest.raises(SettingsError, match="port"):
        plugin_settings(config, saying(port=f"{SECRET}"), settings)


AGENT_CHAT = {"channels": {"agent_chat": {"host": "there", "database": "ops", "user": "me", "password": SECRET}}}


def test_what_agent_chat_says_is_not_told_again(config: Path) -> None:
    settings = find_settings(config, AGENT_CHAT, {})
    assert plugin_settings(config, AGENT_CHAT, without_password(settings)) == {}


def test_another_database_than_agent_chats_is_told(config: Path) -> None:
    settings = find_settings(config, AGENT_CHAT, {"dsn": "postgresql:///ours"})
    assert plugin_settings(config, AGENT_CHAT, settings) == {"dsn": "postgresql:///ours"}


def test_what_agent_chat_does_not_say_is_told_with_all_that_it_does(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    effective = {"channels": {"agent_chat": {"host": "there", "database": "ops"}}}
    monkeypatch.setenv("PGUSER", "me")
    settings = find_settings(config, effective, {})
    assert plugin_settings(config, effective, settings) == {"host": "there", "database": "ops", "user": "me"}


@pytest.mark.parametrize(
    ("dsn", "bare"),
    [
        (f"postgresql://me:{SECRET}@there/ops", "postgresql://me@there/ops"),
        (f"postgresql://:{SECRET}@there/ops", "postgresql://@there/ops"),
        ("postgresql://me@there:5432/ops", "postgresql://me@there:5432/ops"),
        (f"postgresql://me@there/ops?password={SECRET}", "postgresql://me@there/ops"),
        (f"postgresql://me@there/ops?password={SECRET}&host=a", "postgresql://me@there/ops?host=a"),
        (f"postgresql://me@there/ops?host=a&password={SECRET}&port=1", "postgresql://me@there/ops?host=a&port=1"),
        (f"postgresql://me@there/ops?host=a&password={SECRET}", "postgresql://me@there/ops?host=a"),
        ("postgresql://there:5432/ops?application_name=a:b@c", "postgresql://there:5432/ops?application_name=a:b@c"),
    ],
)
def test_a_dsn_without_its_password_is_otherwise_the_same(dsn: str, bare: str) -> None:
    stripped = without_password(Settings.model_validate({"dsn": dsn})).dsn
    assert stripped is not None
    assert stripped.get_secret_value() == bare
