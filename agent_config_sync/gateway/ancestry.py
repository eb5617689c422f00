"""Are we below a gateway? Then starting one is not ours to do."""

from __future__ import annotations

import os
from collections.abc import Iterator

from agent_config_sync.gateway.process import GatewayProcess, parent_of, scripts_of
from agent_config_sync.gateway.version import version_of


def gateway_above() -> int | None:
    """Return the process id of the nearest OpenClaw that this process descends from."""
    return next((pid for pid in _ancestors() if _is_openclaw(pid)), None)


def _ancestors() -> Iterator[int]:
    pid: int | None = os.getpid()
    while pid is not None and (pid := parent_of(pid)) is not None:
        yield pid


def _is_openclaw(pid: int) -> bool:
    """Return whether it calls itself so, or runs a script of that package: Node alone may be anything."""
    process = GatewayProcess.find(pid)
    if process is None:
        return False
    return process.calls_itself_openclaw() or any(version_of(script) is not None for script in scripts_of(pid))
