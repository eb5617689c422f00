"""Which database an installation is for, and what of that the gateway's plugin must be told."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError
from pydantic.alias_generators import to_camel

from agent_config_sync.errors import RefusedError, SettingsError
from agent_config_sync.gateway.door import Greeting, door_settings
from agent_config_sync.gateway.include import read_json5
from agent_config_sync.install.openclaw_json import PLUGIN
from agent_config_sync.settings import ENVIRONMENT_PREFIX, Settings, load_settings, unknown_keys

_DATABASE = ("dsn", "host", "port", "database", "user", "password")
_LIBPQ = {"host": "PGHOST", "port": "PGPORT", "database": "PGDATABASE", "user": "PGUSER"}
_ALONGSIDE = ("account", "gateway", "output_path", "roster")
"""What the files that we write depend on besides: the gateway's process must have it too."""

_DSN_PASSWORD = re.compile(r"(?<=://)([^/?#@:]*):[^/?#@]*(?=@)")


def plugin_config(effective: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the configuration says of the plugin."""
    plugins = effective.get("plugins")
    entries = plugins.get("entries") if isinstance(plugins, Mapping) else None
    entry = entries.get(PLUGIN) if isinstance(entries, Mapping) else None
    config = entry.get("config") if isinstance(entry, Mapping) else None
    return dict(config) if isinstance(config, Mapping) else {}


def find_settings(config: Path, effective: Mapping[str, Any], command_line: Mapping[str, object]) -> Settings:
    """Return the settings that the plugin will have, and where the command line or environment says so, others.

    A database comes from the command line, else the environment, else what openclaw.json says (the plugin's config,
    `channels.agent_chat`), else `postgres.json` beside it, else libpq's own sources. The gateway has not our
    environment, so what libpq would find there counts as given.

    Raises: SettingsError.
    """
    told = _told(config, plugin_config(effective), _agent_chat(effective))
    if not any(told.get(key) for key in _DATABASE) and "PGSERVICE" not in os.environ:
        told |= _postgres_json(config.with_name("postgres.json"))
    for key in unknown_keys(told):
        del told[key]
    name = command_line.get("database")
    given = {key: value for key, value in command_line.items() if key != "database"}
    settings = load_settings(command_line=given, door=told)
    changes = _libpq(settings)
    if name:
        changes["database"] = name  # the name alone: host and login stay
    return settings.model_copy(update=changes)


def _libpq(settings: Settings) -> dict[str, object]:
    """Return what libpq's variables add to the database of these settings; the password is taken out of them."""
    found: dict[str, object] = {}
    password = os.environ.pop("PGPASSWORD", None)
    if password and settings.password is None and without_password(settings) == settings:
        found["password"] = SecretStr(password)
    for key, name in _LIBPQ.items():
        value = os.environ.get(name)
        several = (key == "host" and "," in str(value)) or (key == "port" and not str(value).isdigit())
        if value and settings.dsn is None and getattr(settings, key) is None and not several:
            found[key] = int(value) if key == "port" else value
    return found


def without_password(settings: Settings) -> Settings:
    """Return the settings without any password in them."""
    dsn = settings.dsn.get_secret_value() if settings.dsn is not None else None
    stripped = SecretStr(_DSN_PASSWORD.sub(r"\1", dsn, count=1)) if dsn is not None else None
    return settings.model_copy(update={"dsn": stripped, "password": None})


def plugin_settings(config: Path, effective: Mapping[str, Any], settings: Settings) -> dict[str, object]:
    """Return what the plugin's config must say besides, so that the gateway's process does what this run does.

    Raises: RefusedError when it says something else already.
    """
    own = _settings_in(config, plugin_config(effective))
    told = _settings_in(config, plugin_config(effective), _agent_chat(effective))
    return {**_database(own, told, settings), **_alongside(own, settings)}


def _database(own: Settings, told: Settings, settings: Settings) -> dict[str, object]:
    """own: what the plugin's config says; told: with what `channels.agent_chat` says where that names no database."""
    said, given = _named(without_password(own)), _named(without_password(settings))
    if any(given.get(key) != value for key, value in said.items()) or ("dsn" in said and said != given):
        raise RefusedError(
            f"the config of {PLUGIN} in openclaw.json names another database than the one given here: "
            "change it there, or give none here"
        )
    for name in ("PGSERVICE", *(name for key, name in _LIBPQ.items() if key not in given)):
        if settings.dsn is None and os.environ.get(name):
            raise RefusedError(
                f"the gateway's process has no {name}, and its settings cannot say that: name the database with --dsn, "
                f"or unset {name}"
            )
    wanted, known = _named(settings), _named(told)
    if all(known.get(key) == value for key, value in wanted.items()):
        return {}
    return {key: value for key, value in wanted.items() if key not in _named(own)}


def _alongside(own: Settings, settings: Settings) -> dict[str, object]:
    wanted: dict[str, object] = {}
    for key in _ALONGSIDE:
        name = ENVIRONMENT_PREFIX + key.upper()
        said, given = (str(each.output) if key == "output_path" else getattr(each, key) for each in (own, settings))
        if not os.environ.get(name):
            continue
        if key not in own.model_fields_set:
            wanted[to_camel(key)] = given
        elif said != given:
            raise RefusedError(
                f"the config of {PLUGIN} in openclaw.json says another {key} than {name}: change it there, or unset "
                f"{name}"
            )
    return wanted


def _named(settings: Settings) -> dict[str, object]:
    """Return what settings say of the database, as JSON values."""
    said = {key: value for key in _DATABASE if (value := getattr(settings, key)) is not None}
    return {key: value.get_secret_value() if isinstance(value, SecretStr) else value for key, value in said.items()}


def _agent_chat(effective: Mapping[str, Any]) -> Mapping[str, Any] | None:
    channels = effective.get("channels")
    agent_chat = channels.get("agent_chat") if isinstance(channels, Mapping) else None
    return agent_chat if isinstance(agent_chat, Mapping) else None


def _told(config: Path, plugin: Mapping[str, Any], agent_chat: Mapping[str, Any] | None = None) -> dict[str, object]:
    """Return what the gateway's door will say, as settings."""
    greeting = Greeting.model_validate(
        {"config": plugin, "agentChat": agent_chat, "configPath": str(config), "stateDir": str(config.parent)}
    )
    return door_settings(greeting)


def _settings_in(config: Path, plugin: Mapping[str, Any], agent_chat: Mapping[str, Any] | None = None) -> Settings:
    """Return the settings that the gateway's process will have of this, without any environment.

    Raises: SettingsError that names the one that is not valid.
    """
    told = {key: value for key, value in _told(config, plugin, agent_chat).items() if value not in (None, "")}
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
    return {key: found[key] for key in _DATABASE[1:] if found.get(key) and _LIBPQ.get(key, "") not in os.environ}
