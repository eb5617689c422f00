"""The base file of a container's configuration, with agents in it."""

from __future__ import annotations

from typing import Any

import pyjson5
from unit.builders import REPOSITORY

from agent_config_sync.model.site import Roster

BASE_FILE = REPOSITORY / "deploy" / "openclaw.base.json5"


def with_agents(roster: Roster) -> dict[str, Any]:
    """Return what the base file says, and two agents beside its defaults."""
    config: dict[str, Any] = pyjson5.decode(BASE_FILE.read_text(encoding="utf-8"))
    agents = {name: {"workspace": f"/root/clawd/agents/{name}"} for name in ("lead", "coder")}
    if roster == "entries":
        config["agents"] |= {"ownership": "explicit", "entries": agents}
        config["agents"]["defaults"]["systemAgent"] = {"agentId": "lead"}
    else:
        config["agents"]["list"] = [{"id": name, "default": name == "lead", **entry} for name, entry in agents.items()]
    return config
