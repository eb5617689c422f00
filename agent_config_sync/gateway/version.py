"""Which version of OpenClaw is beside us? What the gateway says itself, else its package.json."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import orjson

from agent_config_sync.gateway.process import GatewayProcess
from agent_config_sync.model.site import UNKNOWN_VERSION, GatewayVersion


def find_version(
    told: str | None, process: GatewayProcess | None, command: Sequence[str] = ()
) -> GatewayVersion | None:
    """Return the gateway's version: as told (by the door or the settings), as its process runs, as the command that
    starts it names it, as installed; None where nobody knows it, or is to be asked.
    """
    if told == UNKNOWN_VERSION:
        return None
    version = GatewayVersion.parse(told)
    if version is not None:
        return version
    scripts = process.scripts() if process is not None else []
    scripts += [Path(shutil.which(word) or word) for word in command]
    if (process is None or command) and (installed := shutil.which("openclaw")) is not None:
        scripts.append(Path(installed))
    return next((version for script in scripts if (version := version_of(script)) is not None), None)


def version_of(script: Path) -> GatewayVersion | None:
    """Return the version in the package.json of OpenClaw above a script, through symbolic links."""
    try:
        folders = script.resolve(strict=True).parents
    except (OSError, RuntimeError, ValueError):  # an argument that is no path at all
        return None
    for folder in folders:
        try:
            described = orjson.loads((folder / "package.json").read_bytes())
        except (OSError, orjson.JSONDecodeError):
            continue
        if isinstance(described, dict) and described.get("name") == "openclaw":
            version = described.get("version")
            return GatewayVersion.parse(version) if isinstance(version, str) else None
    return None
