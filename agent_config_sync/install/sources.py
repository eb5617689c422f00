"""Which database an installation is for, and what of that the gateway's plugin must be told."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError
from pydantic.alias_generators import to_camel

from agent_config_sync.dsn import LIBPQ, TLS, password_in, said_in, with_password
from agent_config_sync.dsn import without_password as dsn_without_password
from agent_config_sync.errors import RefusedError, SettingsError
from agent_config_sync.gateway.door import Greeting, door_settings
from agent_config_sync.gateway.include import read_json5
from agent_config_sync.install.openclaw_json import PLUGIN
from agent_config_sync.install.substitution import expanded, refers, unset_in
from agent_config_sync.setting_sources import ENVIRONMENT_PREFIX, load_settings, unknown_keys
from agent_config_sync.settings import Settings

_DATABASE = ("dsn", "host", "port", "database", "user", "password")
_ALONGSIDE = ("account", "gateway", "output_path", "roster")
"""What the files that we write depend on besides: the gateway's process must have it too."""

_SECRET = ("dsn", "password")
"""Settings that hold a password: one that is given anew takes the place of the old one."""


def plugin_config(effective: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the configuration says of the plugin."""
    plugins = effective.get("plugins")
    entries = plugins.get("entries") if isinstance(plugins, Mapping) else None
    entry = entries.get(PLUGIN) if isinstance(entries, Mapping) else None
    config = entry.get("config") if isinstance(entry, Mapping) else None
    return dict(config) if isinstance(config, Mapping) else {}


def agent_chat(effective: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what the configuration says of the channel whose database serves where the plugin names none."""
    channels = effective.get("channels")
    found = channels.get("agent_chat") if isinstance(channels, Mapping) else None
    return found if isinstance(found, Mapping) else None


def unset_names(effective: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the variables by which openclaw.json names the database or its password, and which are not set here."""
    told = _as_written(Path(), plugin_config(effective), agent_chat(effective))
    return unset_in({key: told.get(key) for key in _DATABASE})


def find_settings(config: Path, effective: Mapping[str, Any], command_line: Mapping[str, object]) -> Settings:
    """Return the settings that the plugin will have, and where the command line or environment says so, others.

    A database comes from the command line, else the environment, else what openclaw.json says (the plugin's config,
    `channels.agent_chat`), else `postgres.json` beside it, else libpq's own sources. The gateway has not our
    environment, so what libpq would find there counts as given.

    Raises: SettingsError.
    """
    name = command_line.get("database")
    given = {key: value for key, value in command_line.items() if key != "database"}
    written = _as_written(config, plugin_config(effective), agent_chat(effective))
    _check_references(written, load_settings(command_line=given))
    told = _resolved(written)
    if not any(written.get(key) for key in _DATABASE) and "PGSERVICE" not in os.environ:
        told |= _postgres_json(config.with_name("postgres.json"))
    for key in unknown_keys(told):
        del told[key]
    settings = load_settings(command_line=given, door=told)
    changes = {**_one_password(settings), **_libpq(settings)}
    if name:
        changes["database"] = name  # the name alone: host and login stay
    return settings.model_copy(update=changes)


def _check_references(written: Mapping[str, object], given: Settings) -> None:
    """Raise SettingsError for what must be known here and stands only in the gateway's environment.

    given: what this run says itself.
    """
    names_database = any(getattr(given, key) is not None for key in ("dsn", "host", "database"))
    for key in (*_ALONGSIDE, *(() if names_database else _DATABASE[:-1])):
        for name in unset_in(written.get(key, written.get(to_camel(key)))):
            way_out = ", or give --dsn" if key in _DATABASE else ""
            raise SettingsError(
                f"openclaw.json says the {key} of {PLUGIN} by {name}, which is not set here: set it as the gateway's "
                f"environment has it{way_out}"
            )


def _one_password(settings: Settings) -> dict[str, object]:
    """Return the DSN with the password that stands beside it, where it has another one, which never counts."""
    if settings.dsn is None or settings.password is None:
        return {}
    dsn = with_password(settings.dsn.get_secret_value(), settings.password.get_secret_value())
    return {"dsn": SecretStr(dsn)}


def _libpq(settings: Settings) -> dict[str, object]:
    """Return what libpq's variables add to the database of these settings; the password is taken out of them."""
    found: dict[str, object] = {}
    password = os.environ.pop("PGPASSWORD", None)
    if password and settings.password is None and without_password(settings) == settings:
        found["password"] = SecretStr(password)
    for key, name in LIBPQ.items():
        value = os.environ.get(name)
        several = (key == "host" and "," in str(value)) or (key == "port" and not str(value).isdigit())
        if value and key not in _said(settings) and not several:
            found[key] = int(value) if key == "port" else value
    return found


def _said(settings: Settings) -> frozenset[str]:
    """Return the names of what these settings say of the database, in the DSN or beside it."""
    beside = {key for key in LIBPQ if getattr(settings, key) is not None}
    return said_in(settings.dsn.get_secret_value()) | beside if settings.dsn is not None else frozenset(beside)


def without_password(settings: Settings) -> Settings:
    """Return the settings without any password in them."""
    dsn = SecretStr(dsn_without_password(settings.dsn.get_secret_value())) if settings.dsn is not None else None
    return settings.model_copy(update={"dsn": dsn, "password": None})


def plugin_settings(config: Path, effective: Mapping[str, Any], settings: Settings) -> dict[str, object]:
    """Return what the plugin's config must say besides, so that the gateway's process does what this run does.

    Raises: RefusedError when it says something else already.
    """
    plugin = plugin_config(effective)
    own = _settings_in(config, plugin)
    told = _settings_in(config, plugin, agent_chat(effective))
    written = _as_written(config, plugin, agent_chat(effective))
    if unset_in({key: written.get(key) for key in _DATABASE[:-1]}):
        return _alongside(own, settings)  # which database that is only the gateway's environment says
    fixed = frozenset(key for key, value in plugin.items() if refers(value))
    wanted = {**_database(own, told, settings, fixed), **_alongside(own, settings)}
    return {key: value for key, value in wanted.items() if key not in fixed}


def _database(own: Settings, told: Settings, settings: Settings, fixed: frozenset[str]) -> dict[str, object]:
    """own: what the plugin's config says; told: with what `channels.agent_chat` says where that names no database;
    fixed: what it says by a reference, which stays."""
    said, given = named(without_password(own)), named(without_password(settings))
    beside = said_in(str(said["dsn"])) & (given.keys() - said.keys()) if "dsn" in said else ()
    if beside or any(given.get(key) != value for key, value in said.items()):
        raise RefusedError(
            f"the config of {PLUGIN} in openclaw.json names another database than the one given here: "
            "change it there, or give none here"
        )
    for name in _untold(settings):
        raise RefusedError(
            f"the gateway's process has no {name}, and its settings cannot say that: say it in --dsn, or unset {name}"
        )
    wanted, known, there = named(settings), named(told), named(own)
    in_dsn = password_in(str(wanted.get("dsn", "")))
    if in_dsn and "password" in there:
        wanted["password"] = in_dsn  # the one beside it is what counts
    elif in_dsn and "dsn" not in fixed:
        wanted.pop("password", None)
    if all(known.get(key) == value for key, value in wanted.items()):
        return {}
    given_anew = _SECRET if without_password(settings) != settings else ()
    return {
        key: value for key, value in wanted.items() if key not in there or (key in given_anew and there[key] != value)
    }


def _untold(settings: Settings) -> Iterator[str]:
    """Yield the variables that libpq would find here, and that the plugin's config cannot be told."""
    said = _said(settings)
    names = [name for key, name in LIBPQ.items() if key not in said]
    if settings.dsn is None:
        names.append("PGSERVICE")
    if not (settings.host or "").startswith("/"):
        names += [name for key, name in TLS.items() if key not in said]
    yield from (name for name in names if os.environ.get(name))


def _alongside(own: Settings, settings: Settings) -> dict[str, object]:
    wanted: dict[str, object] = {}
    for key in _ALONGSIDE:
        said, given = (str(each.output) if key == "output_path" else getattr(each, key) for each in (own, settings))
        if key not in settings.model_fields_set:
            continue
        if key not in own.model_fields_set:
            wanted[to_camel(key)] = given
        elif said != given:
            name = ENVIRONMENT_PREFIX + key.upper()
            raise RefusedError(
                f"the config of {PLUGIN} in openclaw.json says another {key} than {name}: change it there, or unset "
                f"{name}"
            )
    return wanted


def named(settings: Settings) -> dict[str, object]:
    """Return what settings say of the database, as JSON values."""
    said = {key: value for key in _DATABASE if (value := getattr(settings, key)) is not None}
    return {key: value.get_secret_value() if isinstance(value, SecretStr) else value for key, value in said.items()}


def _as_written(
    config: Path, plugin: Mapping[str, Any], agent_chat: Mapping[str, Any] | None = None
) -> dict[str, object]:
    """Return what the gateway's door will say, as settings; references to its environment as they are written."""
    greeting = Greeting.model_validate(
        {"config": plugin, "agentChat": agent_chat, "configPath": str(config), "stateDir": str(config.parent)}
    )
    return door_settings(greeting)


def _resolved(written: Mapping[str, object]) -> dict[str, object]:
    """Return the settings with what this environment says; without those that only the gateway's says."""
    return {key: expanded(value) for key, value in written.items() if not unset_in(value)}


def _settings_in(config: Path, plugin: Mapping[str, Any], agent_chat: Mapping[str, Any] | None = None) -> Settings:
    """Return the settings that the gateway's process will have of this, without any environment but for references.

    Raises: SettingsError that names the one that is not valid.
    """
    resolved = _resolved(_as_written(config, plugin, agent_chat))
    told = {key: value for key, value in resolved.items() if value not in (None, "")}
    for key in unknown_keys(told):
        del told[key]
    try:
        return Settings.model_validate(told)
    except ValidationError as error:
        names = ", ".join(str(each["loc"][0]) for each in error.errors(include_input=False))
        raise SettingsError(f"not valid in the config of {PLUGIN} in openclaw.json: {names}") from None


def _postgres_json(path: Path) -> dict[str, object]:
    """Return the database that an earlier system was given in a file of its own; what the environment says wins."""
    try:
        found = read_json5(path)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(f"{path} cannot be read ({error.strerror}): let this user read it, or give --dsn") from None
    if not isinstance(found, Mapping):
        raise SettingsError(f"{path} must hold an object with host, port, database, user and password")
    return {key: found[key] for key in _DATABASE[1:] if found.get(key) and LIBPQ.get(key, "") not in os.environ}
