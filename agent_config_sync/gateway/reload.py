"""Tell the gateway of a new file, in the way that its version takes.

watch:  nothing to do, it watches included files (2026.8.1 and later).
touch:  a new mtime on openclaw.json makes it read its includes again (every earlier version; a no-op on later ones).
signal: a restart of the whole gateway (SIGUSR1 up to 2026.9.5, SIGUSR2 later, where SIGUSR1 opens a debugger); only
        after every check in `GatewayProcess.send`, on a valid configuration, and not again within 30 s.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from agent_config_sync.errors import ReloadError, SettingsError
from agent_config_sync.events import ReloadMethod
from agent_config_sync.gateway.include import read_json5
from agent_config_sync.gateway.process import GatewayProcess
from agent_config_sync.gateway.rules import ENTRIES_SINCE, SIGUSR1_UNTIL
from agent_config_sync.model.site import GatewayVersion
from agent_config_sync.publish.gate import Gate
from agent_config_sync.settings import ReloadSetting

SIGNAL_INTERVAL = 30.0
"""Seconds between two signals; the gateway swallows an earlier one (measured on 2026.7.1)."""

UNTOLD = "no gateway process is known: set gateway_pid_file, or reload = watch or touch"
"""Why there is no process where no pid was given."""


def choose_method(
    setting: ReloadSetting, version: GatewayVersion | None, process: GatewayProcess | None
) -> ReloadMethod:
    """Return the method for this gateway; `auto` never signals an OpenClaw."""
    if setting != "auto":
        return setting
    if version is not None:
        return "watch" if version >= ENTRIES_SINCE else "touch"
    return "signal" if process is not None and not process.is_node() else "touch"


@dataclass(frozen=True, slots=True)
class Told:
    """The gateway was told by this method."""

    method: ReloadMethod


@dataclass(frozen=True, slots=True)
class Deferred:
    """The gateway was not told. retry_in: seconds, None for the next pass."""

    reason: str
    retry_in: float | None = None


@dataclass(frozen=True, slots=True)
class Gateway:
    """The gateway to tell: its configuration file, its process where a pid was given, its version where known.

    missing: why there is no process, where there is none.
    """

    config: Path
    process: GatewayProcess | None
    version: GatewayVersion | None
    missing: str = UNTOLD


def ready(gateway: Gateway, method: ReloadMethod, *, signalled_at: float | None, now: float) -> Deferred | None:
    """Return why the gateway may not be told yet, None if it may. signalled_at, now: seconds since the epoch."""
    if method != "signal":
        return None
    if gateway.process is None:
        return Deferred(gateway.missing)
    # A clock that was set back makes the last signal seem to be in the future; then it counts as long ago.
    since = now - signalled_at if signalled_at is not None else SIGNAL_INTERVAL
    if 0 <= since < SIGNAL_INTERVAL:
        return Deferred(f"the last signal was {since:.0f} s ago; changes are folded into one", SIGNAL_INTERVAL - since)
    return None


def tell(gateway: Gateway, method: ReloadMethod, *, gate: Gate) -> Told | Deferred:
    """Tell the gateway.

    Raises: StoppedError.
    """
    match method:
        case "watch" | "none":
            return Told(method)
        case "touch":
            return _touch(gateway.config, gate)
        case "signal":
            return _signal(gateway, gate)
        case _:
            assert_never(method)


def _touch(config: Path, gate: Gate) -> Told | Deferred:
    try:
        with gate.passing():
            os.utime(config)
    except FileNotFoundError:
        return Told("none")  # no configuration, no gateway; the next one reads everything when it starts
    except OSError as error:
        return Deferred(f"{config} cannot be touched ({error.strerror}): let this user write it, or set config_path")
    return Told("touch")


def _signal(gateway: Gateway, gate: Gate) -> Told | Deferred:
    if gateway.process is None:
        return Deferred(gateway.missing)
    try:
        number = _number(gateway.process, gateway.version)
        if gateway.config.exists():
            read_json5(gateway.config)
        gateway.process.send(number, gate.passing)
    except (ReloadError, SettingsError) as error:
        return Deferred(f"no signal was sent: {error}")
    except OSError as error:
        return Deferred(f"no signal was sent: {gateway.config} cannot be read ({error.strerror})")
    return Told("signal")


def _number(process: GatewayProcess, version: GatewayVersion | None) -> signal.Signals:
    if version is not None:
        return signal.SIGUSR1 if version <= SIGUSR1_UNTIL else signal.SIGUSR2
    if process.is_node():
        raise ReloadError(
            "the gateway's version is unknown and on newer ones SIGUSR1 opens a debugger: set gateway_version, "
            "or reload = touch"
        )
    return signal.SIGUSR1
