"""The gateway's systemd unit, where it has one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from agent_config_sync.errors import RefusedError
from agent_config_sync.gateway.version import find_version
from agent_config_sync.install.found import Found
from agent_config_sync.install.job import Job
from agent_config_sync.model.site import GatewayVersion

DEADLINE = 120.0
"""Seconds for systemctl; a unit may take 90 to start (systemd.service, TimeoutStartSec)."""

_STAYS_AS_IT_IS = ("off", "hot")
"""Reload modes in which a gateway takes no new plugin by itself."""

_RESTARTS_ITSELF: Mapping[GatewayVersion, bool] = {
    GatewayVersion(2026, 2, 9): True,
    GatewayVersion(2026, 3, 13): True,
    GatewayVersion(2026, 5, 12): False,
    GatewayVersion(2026, 7, 1): False,
    GatewayVersion(2026, 8, 1): True,
    GatewayVersion(2026, 9, 6): False,
}
"""Whether a version that reloads restarts for a change of `plugins`, as measured."""


def unit_of(config: Path) -> str | None:
    """Return the user unit of the gateway with this openclaw.json: `OPENCLAW_SYSTEMD_UNIT`, else OpenClaw's name for
    the folder of each profile; None for a configuration elsewhere, whose unit may have any name."""
    if named := os.environ.get("OPENCLAW_SYSTEMD_UNIT", "").strip():
        return named.removesuffix(".service")
    profile = re.fullmatch(r"\.openclaw(-[\w-]+)?", config.parent.name)
    if profile is None or config != Path.home() / config.parent.name / "openclaw.json":
        return None
    return f"openclaw-gateway{profile[1] or ''}"


def restart_gateway(job: Job, found: Found, *, changed: bool) -> None:
    """Restart the unit, if the gateway would not take by itself what is new.

    Raises: RefusedError when that fails.
    """
    gateway = found.effective.get("gateway")
    reload = gateway.get("reload") if isinstance(gateway, Mapping) else None
    mode = reload.get("mode") if isinstance(reload, Mapping) else None
    due = job.places.restart_due
    needed = due.exists() or (changed and mode in _STAYS_AS_IT_IS)
    if not (needed or changed):
        return
    unit = unit_of(job.places.config)
    if not needed:
        job.say("note", "restart", f"not needed: {_by_itself(find_version(job.settings.gateway_version, None))}")
    elif unit is None or _systemctl("is-active", "--quiet", unit) != 0:
        job.say("note", "restart", "restart the gateway, if it runs")
    elif not job.options.restart:
        job.say("note", "restart", f"when you like: systemctl --user restart {unit}")
    elif _systemctl("restart", unit) != 0:
        raise RefusedError(f"everything is in place, but `systemctl --user restart {unit}` failed: restart it yourself")
    else:
        job.say("done", "restart", f"restarted {unit}")
    due.unlink(missing_ok=True)


def _by_itself(version: GatewayVersion | None) -> str:
    restarts = _RESTARTS_ITSELF.get(version) if version is not None else None
    if restarts:
        return f"OpenClaw {version} restarts itself for this"
    takes = "a gateway that runs takes the change by itself"
    return takes if restarts is False else f"{takes}; some versions restart for it"


def _systemctl(*words: str) -> int:
    program = shutil.which("systemctl")
    if program is None:
        return 1
    command = [program, "--user", *words]
    try:
        return subprocess.run(  # noqa: S603
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE, check=False
        ).returncode
    except subprocess.TimeoutExpired:
        return 1
