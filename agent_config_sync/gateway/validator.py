"""The gateway's own verdict on a configuration."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

DEADLINE = 120.0
"""Seconds; it takes 1 to 3."""

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gateway says. asked: False where there is none to ask; problem: None for a valid configuration."""

    asked: bool
    problem: str | None = None


def validate(config: Path) -> Verdict:
    """Ask `openclaw config validate` (2026.3.2 and later) about one openclaw.json and all that it includes."""
    program = shutil.which("openclaw")
    if program is None:
        return Verdict(asked=False)
    try:
        ended = subprocess.run(
            [program, "config", "validate", "--json"],
            env={**os.environ, "OPENCLAW_CONFIG_PATH": str(config)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=DEADLINE,
            check=False,
        )
        said = json.loads(ended.stdout[ended.stdout.index(b"{") :])  # log lines may come before it
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return Verdict(asked=False)
    if said.get("valid") is True:
        return Verdict(asked=True)
    issues = [f"{issue.get('path')}: {issue.get('message')}" for issue in said.get("issues", ())[:_SHOWN]]
    return Verdict(asked=True, problem="; ".join(issues) or "it gives no reason")
