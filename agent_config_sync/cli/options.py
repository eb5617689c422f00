"""What all commands share: the common flags, and how an error ends a command."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Annotated, Any, TypeAlias

import typer

from agent_config_sync.errors import SettingsError, SyncError
from agent_config_sync.gateway.door import Greeting, door_settings
from agent_config_sync.setting_sources import load_settings
from agent_config_sync.settings import Settings

OK, FAILED, BAD_SETTINGS, NOT_YET = 0, 1, 2, 3
"""Exit statuses of every command: done, failed, wrong usage or settings, not yet or different."""

_greeted: ContextVar[Mapping[str, object] | None] = ContextVar("greeted", default=None)

Dsn: TypeAlias = Annotated[
    str | None, typer.Option("--dsn", help="The database, as postgresql://user@host/database.", show_default=False)
]
Config: TypeAlias = Annotated[
    str | None,
    typer.Option("--config", help="A TOML file with settings; - reads it from standard input.", show_default=False),
]
Output: TypeAlias = Annotated[
    str | None, typer.Option("--output", help="The agents.json to write.", show_default=False)
]
LogLevel: TypeAlias = Annotated[
    str | None, typer.Option("--log-level", help="debug, info, warning or error.", show_default=False)
]
GatewayVersion: TypeAlias = Annotated[
    str | None, typer.Option("--gateway-version", help="Render for this version of OpenClaw.", show_default=False)
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def given(**options: Any) -> dict[str, object]:
    """Return the options that were given, as settings."""
    return {name: value for name, value in options.items() if value is not None}


def take_greeting(line: bytes) -> None:
    """Take the line of the gateway's plugin: its settings hold for this command (`openclaw agent-config-sync ...`).

    Raises: SettingsError when it is none of the plugin's.
    """
    _greeted.set(door_settings(Greeting.read(line)))


def as_typed(command: str, *options: str) -> str:
    """Return a command of ours as the person types it who has typed this one, with options that it needs too."""
    words = f"openclaw {command}" if _greeted.get() is not None else command
    return f"{words} {shlex.join(options)}" if options else words


def beside_gateway() -> bool:
    """Whether the gateway's plugin has started this command."""
    return _greeted.get() is not None


def settings_of(options: Mapping[str, object], config_file: str | None) -> Settings:
    """Return the settings of a command from all their sources.

    Raises: SettingsError that names the setting and the source.
    """
    return load_settings(command_line=options, config_file=config_file, door=_greeted.get())


@contextlib.contextmanager
def errors_end_the_command() -> Iterator[None]:
    """Turn our errors into one line on standard error and the exit status that goes with it."""
    try:
        yield
    except SettingsError as error:
        complain(error)
        raise typer.Exit(BAD_SETTINGS) from None
    except SyncError as error:
        complain(error)
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def complain(error: SyncError) -> None:
    """Say what is wrong, in one line on standard error."""
    print(f"agent-config-sync: {error}", file=sys.stderr)
