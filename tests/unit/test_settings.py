"""settings.py and setting_sources.py: all sources, their order, and no secret in any text."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from agent_config_sync import setting_sources as module
from agent_config_sync.errors import SettingsError
from agent_config_sync.setting_sources import load_settings, unknown_keys
from agent_config_sync.settings import SETTING_NAMES, Settings

SECRET = "hunter2"


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def loaded(**door: object) -> Settings:
    return load_settings(command_line={}, door=door)


# --- the order of the sources


def test_later_sources_win(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each source says one thing less than the one before it."""
    config_file.write_text('account = "file"\ngateway = "file"\nuser = "file"\nhost = "file"\n')
    door = {"account": "door", "gateway": "door", "user": "door"}
    monkeypatch.setenv("AGENT_CONFIG_SYNC_ACCOUNT", "environment")
    monkeypatch.setenv("AGENT_CONFIG_SYNC_GATEWAY", "environment")
    settings = load_settings(command_line={"account": "command"}, config_file=str(config_file), door=door)
    assert (settings.account, settings.gateway, settings.user, settings.host) == (
        "command",
        "environment",
        "door",
        "file",
    )


def test_what_the_command_line_left_open_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_CONFIG_SYNC_LOG_LEVEL", "debug")
    assert load_settings(command_line={"log_level": None}).log_level == "debug"


def test_a_dsn_of_a_later_source_replaces_the_whole_database(config_file: Path) -> None:
    config_file.write_text(f'host = "h"\nport = 1\ndatabase = "d"\nuser = "u"\npassword = "{SECRET}"\n')
    settings = load_settings(command_line={"dsn": "postgresql://other/db"}, config_file=str(config_file))
    assert settings.database_keywords() == {"dsn": "postgresql://other/db"}


@pytest.mark.parametrize("key", ["host", "database"])
def test_a_host_or_database_of_a_later_source_replaces_the_dsn(key: str) -> None:
    settings = load_settings(command_line={key: "x"}, door={"dsn": "postgresql://other/db"})
    assert settings.database_keywords() == {key: "x"}


def test_a_dsn_and_its_password_may_come_from_two_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_CONFIG_SYNC_PASSWORD", SECRET)
    assert loaded(dsn="postgresql://u@h/d").database_keywords() == {"dsn": "postgresql://u@h/d", "password": SECRET}


def test_a_config_file_may_come_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO('account = "piped"'))
    assert load_settings(command_line={}, config_file="-").account == "piped"


# --- names


def test_the_six_keys_of_the_seeds_plugin_are_taken() -> None:
    settings = loaded(host="h", port=5433, database="d", user="u", password="p", outputPath="/x/agents.json")
    assert settings.database_keywords() == {"host": "h", "port": 5433, "database": "d", "user": "u", "password": "p"}
    assert settings.output == Path("/x/agents.json")


@pytest.mark.parametrize("name", SETTING_NAMES)
def test_every_setting_is_known_by_both_of_its_names(name: str) -> None:
    assert unknown_keys([name, to_camel(name)]) == {}


@pytest.mark.parametrize("given", ["output_path", "outputPath"])
def test_both_names_set_the_same(given: str) -> None:
    assert loaded(**{given: "/x/y.json"}).output == Path("/x/y.json")


def test_one_name_in_a_later_source_beats_the_other_name_in_an_earlier_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_CONFIG_SYNC_OUTPUT_PATH", "/env.json")
    assert loaded(outputPath="/door.json").output == Path("/env.json")


@pytest.mark.parametrize(
    ("key", "nearest"),
    [("pasword", "password"), ("output_pth", "output_path"), ("outputPaht", "outputPath"), ("hots", "host")],
)
def test_an_unknown_name_is_an_error_that_names_the_nearest_and_the_source(key: str, nearest: str) -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(**{key: "x"})
    assert str(caught.value) == f"the plugin's config has an unknown setting {key!r}: did you mean {nearest}?"


def test_an_unknown_name_that_is_near_to_nothing_points_to_the_list() -> None:
    with pytest.raises(SettingsError, match=r"docs/configuration\.md lists them all"):
        loaded(qqqq="x")


def test_an_unknown_name_in_the_environment_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_CONFIG_SYNC_RELAOD", "touch")
    with pytest.raises(SettingsError, match="the environment has an unknown setting 'relaod': did you mean reload"):
        load_settings(command_line={})


@pytest.mark.parametrize("name", ["AGENT_CONFIG_SYNC_TEST_DSN", "AGENT_CONFIG_SYNC_TEST_GATEWAY"])
def test_what_the_tests_are_told_is_no_setting(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "x")
    load_settings(command_line={})


# --- values


@pytest.mark.parametrize("key", ["dsn", "host", "port", "database", "user", "password", "gatewayVersion", "gatewayPid"])
def test_an_empty_text_counts_as_not_set(key: str) -> None:
    settings = loaded(**{key: ""})
    assert settings.database_keywords() == {}
    assert (settings.gateway_version, settings.gateway_pid) == (None, None)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("port", 0),
        ("port", 65536),
        ("port", "54x"),
        ("settle", -0.1),
        ("settle", float("nan")),
        ("resync_interval", 0),
        ("reload", "restart"),
        ("roster", "x"),
        ("gateway", "x" * 201),
        ("log_level", "loud"),
        ("gateway_pid", 0),
        ("allow_empty", "perhaps"),
        ("dsn", 7),
        ("host", ["h"]),
    ],
)
def test_a_value_that_is_not_valid_is_an_error_that_names_the_setting(key: str, value: object) -> None:
    with pytest.raises(SettingsError, match=f"the setting {key} is not valid"):
        loaded(**{key: value})


def test_an_error_names_a_setting_as_it_is_documented_though_it_was_written_in_camel_case() -> None:
    with pytest.raises(SettingsError, match="the setting resync_interval is not valid"):
        loaded(resyncInterval=0)


def test_values_of_the_environment_are_texts_and_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_CONFIG_SYNC_PORT", "5433")
    monkeypatch.setenv("AGENT_CONFIG_SYNC_ALLOW_EMPTY", "true")
    settings = load_settings(command_line={})
    assert (settings.port, settings.allow_empty) == (5433, True)


def test_a_home_is_expanded_in_every_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    settings = loaded(outputPath="~/a.json", configPath="~/o.json", stateDir="~/s", gatewayPidFile="~/p")
    paths = [settings.output, settings.config_path, settings.state_dir, settings.gateway_pid_file]
    assert paths == [Path("/home/me") / name for name in ("a.json", "o.json", "s", "p")]


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        loaded().account = "x"  # type: ignore[misc]


@pytest.mark.parametrize(("key", "member"), [("configPath", "config_path"), ("stateDir", "state_dir")])
def test_an_empty_path_counts_as_not_set(key: str, member: str) -> None:
    assert getattr(loaded(**{key: ""}), member) == getattr(loaded(), member)


@pytest.mark.parametrize("key", ["output_path", "config_path", "state_dir", "gateway_pid_file"])
def test_a_home_that_nobody_knows_is_an_error_that_names_the_setting(key: str) -> None:
    with pytest.raises(SettingsError, match=f"the setting {key} is not valid"):
        loaded(**{key: "~nosuchuser/x"})


@pytest.mark.parametrize("key", ["output_path", "config_path", "state_dir", "gateway_pid_file"])
def test_a_path_with_a_nul_is_an_error_that_names_the_setting(key: str) -> None:
    with pytest.raises(SettingsError, match=f"the setting {key} is not valid: .*a path has no NUL"):
        loaded(**{key: "/x/a\0b"})


@pytest.mark.parametrize("key", ["output_path", "config_path", "gateway_pid_file"])
@pytest.mark.parametrize("value", ["/", "."])
def test_a_file_needs_a_name(key: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"the setting {key} is not valid: .*it must name a file"):
        loaded(**{key: value})


@pytest.mark.parametrize("host", [f"postgresql://u:{SECRET}@h/d", "postgres://h", f"u:{SECRET}@h", "u@h"])
def test_a_dsn_in_the_place_of_the_host_is_refused_with_a_way_out(host: str) -> None:
    with pytest.raises(SettingsError, match=r"the setting host is not valid: .*this looks like a dsn: put it there"):
        loaded(host=host)


def test_a_dsn_in_the_place_of_the_host_is_not_quoted() -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(host=f"postgresql://u:{SECRET}@h/d")
    assert SECRET not in repr(caught.value)


@pytest.mark.parametrize("host", ["h", "db.example.org", "10.0.0.1", "::1", "/var/run/postgresql"])
def test_a_host_is_a_name_an_address_or_a_folder(host: str) -> None:
    assert loaded(host=host).database_keywords() == {"host": host}


def test_an_empty_variable_does_not_take_away_what_an_earlier_source_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_CONFIG_SYNC_PASSWORD", "")
    assert loaded(host="h", password=SECRET).database_keywords() == {"host": "h", "password": SECRET}


# --- defaults


def test_the_output_stands_beside_the_gateways_configuration() -> None:
    assert loaded(configPath="/gateway/openclaw.json").output == Path("/gateway/agents.json")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "/home/me/.openclaw/openclaw.json"),
        ({"OPENCLAW_HOME": "~/svc"}, "/home/me/svc/.openclaw/openclaw.json"),
        ({"OPENCLAW_HOME": "/svc", "OPENCLAW_STATE_DIR": "/var/claw"}, "/var/claw/openclaw.json"),
        ({"OPENCLAW_HOME": "/svc", "OPENCLAW_STATE_DIR": "~/claw"}, "/svc/claw/openclaw.json"),
        ({"OPENCLAW_HOME": "/svc", "OPENCLAW_CONFIG_PATH": "~/claw.json"}, "/svc/claw.json"),
        ({"OPENCLAW_STATE_DIR": "/var/claw", "OPENCLAW_CONFIG_PATH": "/etc/claw.json"}, "/etc/claw.json"),
        ({"OPENCLAW_STATE_DIR": " ", "OPENCLAW_HOME": "undefined"}, "/home/me/.openclaw/openclaw.json"),
    ],
)
def test_the_gateways_configuration_is_where_openclaw_looks(
    environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `openclaw config file` answers on 2026.9.6."""
    for name, value in {"HOME": "/home/me", **environment}.items():
        monkeypatch.setenv(name, value)
    assert loaded().config_path == Path(expected)


def test_a_relative_output_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert loaded(outputPath="agents.json").output == tmp_path / "agents.json"


def test_the_state_is_where_systemd_says_else_where_xdg_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/xdg")
    assert loaded().state_dir == Path("/xdg/agent-config-sync")
    monkeypatch.setenv("STATE_DIRECTORY", "/systemd/first:/systemd/second")
    assert loaded().state_dir == Path("/systemd/first")


def test_without_settings_libpqs_own_sources_fill_everything() -> None:
    assert loaded().database_keywords() == {}


@pytest.mark.parametrize(
    ("door", "expected"), [({}, {"service": "s"}), ({"dsn": "postgresql:///d"}, {"dsn": "postgresql:///d"})]
)
def test_a_service_counts_unless_a_dsn_is_set(
    door: dict[str, object], expected: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSERVICE", "s")
    assert loaded(**door).database_keywords() == expected


# --- health


def test_health_is_off_until_asked_for() -> None:
    assert loaded().health_address is None


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ({"health": True}, ("127.0.0.1", 3000)),
        ({"healthPort": 3100}, ("127.0.0.1", 3100)),
        ({"healthHost": "0.0.0.0"}, ("0.0.0.0", 3000)),
        ({"healthHost": "localhost"}, ("127.0.0.1", 3000)),
        ({"healthHost": "::1", "healthPort": "3100"}, ("::1", 3100)),
        ({"health": False, "healthPort": 3100}, None),
    ],
)
def test_health_is_served_where_it_was_asked_for(given: dict[str, object], address: tuple[str, int] | None) -> None:
    assert loaded(**given).health_address == address


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.2", "http://127.0.0.2:3000"),
        ("::1", "http://[::1]:3000"),
        ("0.0.0.0", "http://127.0.0.1:3000"),
        ("::", "http://[::1]:3000"),
        (None, None),
    ],
)
def test_health_has_an_address_that_its_own_machine_reaches(host: str | None, url: str | None) -> None:
    assert loaded(healthHost=host).health_url == url


@pytest.mark.parametrize("host", ["db.example.org", "http://127.0.0.1", "127.0.0.1:3000", "[::1]"])
def test_health_is_served_on_an_address_and_not_on_a_name(host: str) -> None:
    with pytest.raises(SettingsError, match=r"the setting health_host is not valid: .*it must be an address"):
        loaded(healthHost=host)


@pytest.mark.parametrize("name", ["droplet_id", "droplet_ip", "droplet_region"])
def test_a_machine_is_named_by_the_names_of_its_provider(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name.upper(), "here")
    assert getattr(load_settings(command_line={}), name) == "here"


@pytest.mark.parametrize(
    ("peers", "networks"),
    [
        (None, ()),
        ("172.18.0.0/16", ("172.18.0.0/16",)),
        (" 172.18.0.2 ,fd00:18::/64,, ::1", ("172.18.0.2/32", "fd00:18::/64", "::1/128")),
    ],
)
def test_agents_may_ask_from_addresses_and_networks(peers: str | None, networks: tuple[str, ...]) -> None:
    assert tuple(map(str, loaded(agentApiPeers=peers).agent_networks)) == networks


@pytest.mark.parametrize(
    ("peers", "why"),
    [
        ("172.18.0.0/16,gateway", "number 2 is no address and no network"),
        ("172.18.0.0/33", "number 1 is no address and no network"),
        ("172.18.0.5/16", "write 172.18.0.0/16 for the network, or the address alone"),
        ("::1, 0.0.0.0/0", "number 2 would let everybody in"),
        ("::/0", "number 1 would let everybody in"),
        ("::ffff:172.18.0.0/112", "number 1 is an IPv4 network in IPv6 clothes"),
    ],
)
def test_where_agents_may_ask_from_is_told_without_doubt(peers: str, why: str) -> None:
    with pytest.raises(SettingsError, match=rf"the setting agent_api_peers is not valid: .*{why}"):
        loaded(agentApiPeers=peers)


@pytest.mark.parametrize(
    ("our_own", "address"),
    [(None, ("127.0.0.2", 3100)), ("", ("127.0.0.2", 3100)), ("3200", ("127.0.0.2", 3200))],
)
def test_a_further_environment_name_counts_until_our_own_is_set(
    our_own: str | None, address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEALTH_HOST", "127.0.0.2")
    monkeypatch.setenv("HEALTH_PORT", "3100")
    if our_own is not None:
        monkeypatch.setenv("AGENT_CONFIG_SYNC_HEALTH_PORT", our_own)
    assert load_settings(command_line={}).health_address == address


def test_an_empty_further_name_leaves_health_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEALTH_PORT", "")
    assert load_settings(command_line={}).health_address is None


# --- config files


@pytest.mark.parametrize("text", ["x", "= 1", 'password = "' + SECRET, f'password = "{SECRET}" "x"', "a.b.c"])
def test_a_file_that_is_no_toml_is_an_error_without_its_content(text: str, config_file: Path) -> None:
    config_file.write_text(text)
    with pytest.raises(SettingsError, match="is not valid TOML") as caught:
        load_settings(command_line={}, config_file=str(config_file))
    assert SECRET not in str(caught.value)


def test_a_missing_config_file_is_an_error(config_file: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot be read \(No such file or directory\)"):
        load_settings(command_line={}, config_file=str(config_file))


def test_a_config_file_in_a_home_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(SettingsError, match="that home directory is not known"):
        load_settings(command_line={}, config_file="~nosuchuser/config.toml")


def test_a_config_file_that_is_no_text_is_an_error(config_file: Path) -> None:
    config_file.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="is not UTF-8 text"):
        load_settings(command_line={}, config_file=str(config_file))


# --- secrets


def test_a_secret_is_in_no_text_of_the_settings() -> None:
    settings = loaded(dsn=f"postgresql://u:{SECRET}@h/d", password=SECRET)
    assert SECRET not in repr(settings) + str(settings) + settings.model_dump_json() + str(settings.model_dump())


@pytest.mark.parametrize("key", SETTING_NAMES)
@pytest.mark.parametrize("value", [[[SECRET]], {SECRET: SECRET}, -1])
def test_no_error_quotes_a_value_or_keeps_it_as_a_cause(key: str, value: object) -> None:
    with pytest.raises(SettingsError, match=rf"the setting {key}(\.0)? is not valid") as caught:
        loaded(**{key: value, "password": [SECRET]} if key == "password" else {key: value})
    assert SECRET not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_an_error_of_the_model_itself_quotes_no_value() -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"password": [SECRET], "port": SECRET})
    assert SECRET not in str(caught.value)


def test_an_error_of_an_unknown_name_does_not_quote_its_value() -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(pasword=SECRET)
    assert SECRET not in str(caught.value)


def test_the_manifest_of_the_plugin_names_only_settings_that_exist() -> None:
    manifest = json.loads((Path(__file__).parents[2] / "openclaw.plugin.json").read_text())
    names = set(manifest["configSchema"].get("properties", {})) - {"command"}
    assert unknown_keys(names) == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AGENT_CONFIG_SYNC_SERVICE_HOST", "10.0.0.1"),
        ("AGENT_CONFIG_SYNC_SERVICE_PORT_HTTP", "3000"),
        ("AGENT_CONFIG_SYNC_PORT", "tcp://10.0.0.1:3000"),
        ("AGENT_CONFIG_SYNC_POSTGRESQL_SERVICE_HOST", "10.0.0.1"),
        ("AGENT_CONFIG_SYNC_METRICS_PORT_9090_TCP_PORT", "9090"),
        ("AGENT_CONFIG_SYNC_PORT_3000_TCP_ADDR", "10.0.0.1"),
        ("HEALTH_PORT", "tcp://10.0.0.1:3000"),
    ],
)
def test_what_kubernetes_says_of_a_service_of_our_name_is_no_setting(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert loaded().port is None
    assert loaded().health_address is None


def test_no_setting_is_called_as_kubernetes_calls_an_address() -> None:
    assert [name for name in SETTING_NAMES if module._SERVICE_LINK.fullmatch(name)] == []


def test_a_value_that_is_not_valid_is_told_with_the_variable_that_it_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEALTH_PORT", "many")
    with pytest.raises(SettingsError, match=r"the setting health_port is not valid \(from HEALTH_PORT\)"):
        loaded()
    with pytest.raises(SettingsError, match="the setting health_port is not valid:"):
        load_settings(command_line={"health_port": "more"})


@pytest.mark.parametrize("key", ["host", "database", "user"])
def test_a_dsn_in_another_place_is_refused_without_its_password(key: str) -> None:
    with pytest.raises(SettingsError, match="this looks like a dsn: put it there") as refused:
        loaded(**{key: f"postgresql://u:{SECRET}@h/d"})
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    "given", ["/opt/openclaw gateway run --port '18 789'", ["/opt/openclaw", "gateway", "run", "--port", "18 789"]]
)
def test_a_command_is_words_or_one_text_that_is_split_as_a_shell_does_it(given: object) -> None:
    assert loaded(gateway_command=given).gateway_command == ("/opt/openclaw", "gateway", "run", "--port", "18 789")


def test_a_command_may_stand_in_the_environment_and_in_a_config_file(
    config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config_file.write_text('gateway_command = ["openclaw", "gateway", "run"]')
    assert load_settings(command_line={}, config_file=str(config_file)).gateway_command == (
        "openclaw",
        "gateway",
        "run",
    )
    monkeypatch.setenv("AGENT_CONFIG_SYNC_GATEWAY_COMMAND", "node main.mjs")
    assert load_settings(command_line={}).gateway_command == ("node", "main.mjs")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("   ", "its first word must be a program"),
        ([], "its first word must be a program"),
        (["", "gateway"], "its first word must be a program"),
        ("openclaw 'gateway", "it cannot be split into words as a shell does it: No closing quotation"),
        (["openclaw", "a\0b"], "a word of a command has no NUL"),
        ([7], "the setting gateway_command"),
        (7, "the setting gateway_command is not valid"),
    ],
)
def test_a_command_that_is_none_is_refused(given: object, why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        loaded(gateway_command=given)


@pytest.mark.parametrize("version", ["2026.7", "latest", "9.6"])
def test_a_gateway_version_that_is_none_is_refused(version: str) -> None:
    with pytest.raises(SettingsError, match="it must be a version of OpenClaw, such as"):
        loaded(gateway_version=version)


def test_heartbeats_of_ours_need_somebody_who_delivers() -> None:
    with pytest.raises(SettingsError, match="heartbeats of the runtime need delivery"):
        loaded(heartbeats="runtime")
    assert loaded(heartbeats="off").heartbeats == "off"
    delivering = {"workspace_root": "/w", "health_port": 3000, "gateway_url": "http://127.0.0.1:1"}
    assert loaded(heartbeats="runtime", **delivering).delivers
