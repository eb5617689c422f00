"""Does the process that the gateway starts reach the database? It has what openclaw.json says, not our environment."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from agent_config_sync.install.places import Places

DEADLINE = 60.0
"""Seconds; it takes half of one."""

_OURS = ("PG", "AGENT_CONFIG_SYNC_")
_REACHED = (0, 3)
"""Exit statuses of `migrate --check`: nothing is pending, something is."""

_PREFIX = "agent-config-sync: "


def login_problem(
    command: Sequence[str], places: Places, config: Mapping[str, Any], agent_chat: Mapping[str, Any] | None
) -> str | None:
    """Return why the plugin's program cannot reach the database with what the gateway would tell it, None if it can.

    config: the plugin's own; agent_chat: the channel's; both as the gateway has them, without references.
    """
    greeting = {
        "config": config,
        "agentChat": agent_chat,
        "configPath": str(places.config),
        "stateDir": str(places.state.parent),
    }
    try:
        ended = subprocess.run(  # noqa: S603
            [*command, "--greeted", "migrate", "--check"],
            input=json.dumps(greeting) + "\n",
            env={name: value for name, value in os.environ.items() if not name.startswith(_OURS)},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=DEADLINE,
            check=False,
        )
    except OSError as error:
        return f"{command[0]} cannot be started ({error.strerror})"
    except subprocess.TimeoutExpired:
        return f"{command[0]} did not end within {DEADLINE:g} s"
    if ended.returncode in _REACHED:
        return None
    said = ended.stderr.strip().splitlines() or [f"it ended with {ended.returncode} and said nothing"]
    return said[-1].removeprefix(_PREFIX)
