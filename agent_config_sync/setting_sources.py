"""The settings from all their sources.

Later ones win: defaults, the config file (TOML), the door's line, the environment (further names of some settings, then
`AGENT_CONFIG_SYNC_*`), the command line. Names may be written as in `settings.py` or in camel case, as the seed's
plugin config does.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from agent_config_sync.errors import SettingsError
from agent_config_sync.settings import FURTHER_NAMES, IN_MILLISECONDS, SETTING_NAMES, Settings

ENVIRONMENT_PREFIX = "AGENT_CONFIG_SYNC_"
_NOT_SETTINGS = frozenset({"test_dsn", "test_gateway"})
_SERVICE_LINK = re.compile(r"(.+_)?(service_(host|port(_.*)?)|port_\d+_.*)")
_SERVICE_ADDRESS = re.compile(r"(tcp|udp|sctp)://")
"""What Kubernetes puts into every container beside a Service called `agent-config-sync`, `agent-config-sync-...` or
`health`."""

_DATABASE_KEYS = ("dsn", "host", "port", "database", "user", "password")


def load_settings(
    *, command_line: Mapping[str, object], config_file: str | None = None, door: Mapping[str, object] | None = None
) -> Settings:
    """Merge all sources. command_line: only what was given; config_file: a path, or `-` for standard input.

    Raises: SettingsError that names the setting and the source.
    """
    merged: dict[str, object] = {}
    _merge(merged, _from_file(config_file) if config_file else {}, source=str(config_file))
    _merge(merged, door or {}, source="the plugin's config")
    _merge(merged, _from_further_names(), source="the environment")
    _merge(merged, _from_environment(), source="the environment")
    _merge(merged, command_line, source="the command line")
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        raise SettingsError(_readable(error, merged, command_line)) from None
    except RuntimeError:  # Path.home() without HOME and without an entry in passwd
        raise SettingsError("this user has no home directory: set config_path and state_dir") from None


def unknown_keys(given: Iterable[str]) -> dict[str, str | None]:
    """Return the keys that are no setting, each with the nearest one that is."""
    known = {name for setting in SETTING_NAMES for name in (setting, to_camel(setting))}
    return {
        key: next(iter(difflib.get_close_matches(key, sorted(known), n=1)), None) for key in given if key not in known
    }


def _merge(merged: dict[str, object], given: Mapping[str, object], *, source: str) -> None:
    """Let `given` win. A database named by another source is replaced as a whole where `dsn` is concerned."""
    for key, nearest in unknown_keys(given).items():
        hint = f"did you mean {nearest}?" if nearest else "docs/configuration.md lists them all"
        raise SettingsError(f"{source} has an unknown setting {key!r}: {hint}")
    by_name = {_setting_name(key): value for key, value in given.items() if value not in (None, "")}
    if by_name.get("dsn"):
        for key in _DATABASE_KEYS:
            merged.pop(key, None)
    elif any(by_name.get(key) for key in ("host", "database")):
        merged.pop("dsn", None)
    merged.update(by_name)


def _setting_name(key: str) -> str:
    return next(name for name in SETTING_NAMES if key in (name, to_camel(name)))


def _from_further_names() -> dict[str, object]:
    return {
        setting: _in_seconds(value) if setting in IN_MILLISECONDS else value
        for setting, names in FURTHER_NAMES.items()
        for name in reversed(names)
        if (value := os.environ.get(name)) and not _SERVICE_ADDRESS.match(value)
    }


def _in_seconds(milliseconds: str) -> str:
    """Return seconds; what is no number is told as it stands when it is checked."""
    try:
        return str(float(milliseconds) / 1000)
    except ValueError:
        return milliseconds


def _from_environment() -> dict[str, object]:
    found = {
        name.removeprefix(ENVIRONMENT_PREFIX).lower(): value
        for name, value in os.environ.items()
        if name.startswith(ENVIRONMENT_PREFIX) and not _SERVICE_ADDRESS.match(value)
    }
    return {key: value for key, value in found.items() if key not in _NOT_SETTINGS and not _SERVICE_LINK.fullmatch(key)}


def _from_file(path: str) -> dict[str, object]:
    try:
        text = sys.stdin.read() if path == "-" else Path(path).expanduser().read_text(encoding="utf-8")
        return tomllib.loads(text)
    except OSError as error:
        raise SettingsError(f"the config file {path} cannot be read ({error.strerror})") from None
    except RuntimeError:
        raise SettingsError(f"the config file {path} cannot be found: that home directory is not known") from None
    except UnicodeDecodeError:
        raise SettingsError(f"the config file {path} is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        # The parser's words name the place and the character, never the value.
        raise SettingsError(f"the config file {path} is not valid TOML: {error}") from None
    except RecursionError:
        raise SettingsError(f"the config file {path} is nested too deeply") from None


def _readable(error: ValidationError, merged: Mapping[str, object], command_line: Mapping[str, object]) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    if not first["loc"]:  # about more than one setting
        return str(first["ctx"]["error"])
    name = ".".join(str(part) for part in first["loc"])
    name = _setting_name(name) if not unknown_keys([name]) else name
    names = (f"{ENVIRONMENT_PREFIX}{name.upper()}", *FURTHER_NAMES.get(name, ()))
    variable = next((each for each in names if os.environ.get(each)), None)
    of_environment = variable is not None and name not in command_line and merged.get(name) == os.environ[variable]
    return f"the setting {name} is not valid{f' (from {variable})' if of_environment else ''}: {first['msg']}"
