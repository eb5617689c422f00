"""Which database an installation is for, and what of that the gateway's plugin must be told."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from agent_config_sync.errors import RefusedError, SettingsError
from agent_config_sync.gateway.door import Greeting, door_settings
from agent_config_sync.gateway.include import read_json5
from agent_config_sync.install.openclaw_json import PLUGIN
from agent_config_sync.settings import ENVIRONMENT_PREFIX, Settings, load_settings, unknown_keys

_DATABASE = ("dsn", "host", "port", "database", "user", "password")
_LIBPQ = {"host": "PGHOST", "port": "PGPORT", "database": "PGDATABASE", "user": "PGUSER"}
_ALONGSIDE = ("account", "gateway")
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
    environment, so a password in PGPASSWORD counts as one that was given.

    Raises: SettingsError.
    """
    told = _told(config, effective)
    if not any(told.get(key) for key in _DATABASE) and "PGSERVICE" not in os.environ:
        told |= _postgres_json(config.with_name("postgres.json"))
    for key in unknown_keys(told):
        del told[key]
    name = command_line.get("database")
    given = {key: value for key, value in command_line.items() if key != "database"}
    settings = load_settings(command_line=given, door=told)
    changes: dict[str, object] = {"database": name} if name else {}  # the name alone: host and login stay
    password = os.environ.pop("PGPASSWORD", None)
    if password and settings.password is None and without_password(settings) == settings:
        changes["password"] = SecretStr(password)
    return settings.model_copy(update=changes)


def without_password(settings: Settings) -> Settings:
    """Return the settings without any password in them."""
    dsn = settings.dsn.get_secret_value() if settings.dsn is not None else None
    stripped = SecretStr(_DSN_PASSWORD.sub(r"\1", dsn, count=1)) if dsn is not None else None
    return settings.model_copy(update={"dsn": stripped, "password": None})


def plugin_settings(config: Path, effective: Mapping[str, Any], settings: Settings) -> dict[str, object]:
    """Return what the plugin's config must say, so that the gateway's process has the same database.

    Raises: RefusedError when it says something else already.
    """
    told = _told(config, effective)
    wanted: dict[str, object] = {}
    for key in _DATABASE:
        value = getattr(settings, key)
        if value is not None:
            wanted[key] = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not wanted:
        wanted = {key: os.environ[name] for key, name in _LIBPQ.items() if os.environ.get(name)}
    if any(told.get(key) for key in _DATABASE):
        given = any(getattr(settings, key) is not None for key in _DATABASE)
        known = Settings.model_validate({key: told[key] for key in _DATABASE if told.get(key)})
        if given and _place(known) != _place(settings):
            raise RefusedError(
                f"the config of {PLUGIN} in openclaw.json names another database than the one given here: "
                "change it there, or give none here"
            )
        wanted = {}
    for key in _ALONGSIDE:
        if os.environ.get(ENVIRONMENT_PREFIX + key.upper()):
            wanted[key] = getattr(settings, key)
    return wanted


def _place(settings: Settings) -> tuple[object, ...]:
    """Return what says which database it is: everything but the password."""
    bare = without_password(settings)
    dsn = bare.dsn.get_secret_value() if bare.dsn is not None else None
    return (dsn, bare.host, bare.port, bare.database, bare.user)


def _told(config: Path, effective: Mapping[str, Any]) -> dict[str, object]:
    """Return what the gateway's door will say, as settings."""
    channels = effective.get("channels")
    agent_chat = channels.get("agent_chat") if isinstance(channels, Mapping) else None
    greeting = Greeting.model_validate(
        {
            "config": plugin_config(effective),
            "agentChat": agent_chat if isinstance(agent_chat, Mapping) else None,
            "configPath": str(config),
            "stateDir": str(config.parent),
        }
    )
    return door_settings(greeting)


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
