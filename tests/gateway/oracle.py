"""The gateway's own validator, asked about many agents at once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from gateway.openclaw import Installation, Verdict

from agent_config_sync.model.site import Roster

Candidate = tuple[str, object]
"""A key of an agent's entry and a value for it."""


@dataclass(frozen=True, slots=True)
class Oracle:
    """The gateway's validator, in a home of its own."""

    installation: Installation
    home: Path
    roster: Roster

    def verdict(self, section: Mapping[str, Any]) -> Verdict:
        """Return the verdict on a configuration with this `agents` section in an included file."""
        (self.home / "agents.json").write_text(json.dumps(section), encoding="utf-8")
        (self.home / "agents.base.json5").write_text("{}", encoding="utf-8")
        config = self.home / "openclaw.json"
        gateway = {"mode": "local", "port": 19999, "bind": "loopback", "auth": {"mode": "token", "token": "t"}}
        agents = {"$include": ["./agents.base.json5", "./agents.json"]}
        config.write_text(json.dumps({"gateway": gateway, "agents": agents}), encoding="utf-8")
        return self.installation.validate(config, self.home)

    def refused(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        """Return the candidates that the validator refuses, each being an agent of one roster.

        It may stop at the first kind of problem, so what it names is taken out and it is asked again.
        """
        rest = list(candidates)
        refused: list[Candidate] = []
        while rest:
            verdict = self.verdict(self._section(rest))
            if verdict.valid:
                break
            named = _named(verdict, len(rest))
            if not named:
                pytest.fail(f"refused for a reason that names no agent: {verdict.issues[:5]}")
            refused += [rest[number] for number in named]
            rest = [candidate for number, candidate in enumerate(rest) if number not in named]
        return refused

    def _section(self, candidates: Iterable[Candidate]) -> dict[str, Any]:
        """Return a roster of agents a0, a1, ... with one key each, and the default agent after them."""
        agents = {f"a{number}": {key: value} for number, (key, value) in enumerate(candidates)}
        if self.roster == "entries":
            return {"ownership": "explicit", "entries": {**agents, "last": {}}}
        listed = [{"id": name, **members} for name, members in agents.items()]
        return {"list": [*listed, {"id": "last", "default": True}]}


def _named(verdict: Verdict, agents: int) -> list[int]:
    """Return the numbers of the agents that a verdict names: of a list by their places, of entries by their ids."""
    found: set[int] = set()
    for path, message in verdict.issues:
        found.update(map(int, re.findall(r"agents\.(?:entries\.a|list\.)(\d+)\b", f"{path} {message}")))
    return sorted(number for number in found if number < agents)
