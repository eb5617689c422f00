"""Which version of OpenClaw is beside us? What the gateway says itself, else its package.json."""

from __future__ import annotations

import shutil
from pathlib import Path

import orjson

from agent_config_sync.gateway.process import GatewayProcess, package_above
from agent_config_sync.model.site import GatewayVersion


def find_version(told: str | None, process: GatewayProcess | None) -> GatewayVersion | None:
    """Return the gateway's version: as told (by the door or the settings), as its process runs, as installed."""
    version = GatewayVersion.parse(told)
    if version is None and process is not None:
        version = _package_version(process.package_file())
    if version is None and process is None and (command := shutil.which("openclaw")) is not None:
        version = _package_version(package_above(Path(command)))
    return version


def _package_version(package: Path | None) -> GatewayVersion | None:
    if package is None:
        return None
    try:
        described = orjson.loads(package.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    if not isinstance(described, dict) or described.get("name") != "openclaw":
        return None
    version = described.get("version")
    return GatewayVersion.parse(version) if isinstance(version, str) else None
