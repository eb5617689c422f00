"""The gateway's own verdict on a configuration."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEADLINE = 120.0
"""Seconds; it takes 1 to 3."""

_SHOWN = 3

_HAS_NONE = re.compile("unknown (?:option|command)")
"""What a gateway says that has no `config validate`."""

_LENGTH = 200
"""Characters of a gateway's own words that a message takes."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gateway says.

    asked: whether its validator was; problem: what it would not take, None if nothing; reason: why that was not asked.
    """

    asked: bool
    problem: str | None = None
    reason: str | None = None


def validate(config: Path) -> Verdict:
    """Ask `openclaw config validate` about one openclaw.json and all that it includes. Before 2026.3.2 there is none;
    then the gateway's complaint counts when it reads the whole.
    """
    program = shutil.which("openclaw")
    if program is None:
        return Verdict(asked=False, reason="there is no openclaw on PATH")
    try:
        ended = _run(program, config, "validate", "--json")
        said = _answer(ended.stdout)
        if said is None and _HAS_NONE.search(_words(ended)):
            return Verdict(
                asked=False, problem=_complaint(program, config), reason="this OpenClaw has no `config validate`"
            )
    except OSError as error:
        return Verdict(asked=False, reason=f"openclaw cannot be run ({error.strerror})")
    except subprocess.TimeoutExpired:
        return Verdict(asked=False, reason=f"openclaw did not end within {DEADLINE:g} s")
    if said is None:
        last = next(reversed(_words(ended).split("\n")))[:_LENGTH]
        return Verdict(asked=False, reason=f"`openclaw config validate` failed: {last or 'it says nothing'}")
    if said.get("valid") is True:
        return Verdict(asked=True)
    issues = [f"{issue.get('path')}: {issue.get('message')}" for issue in said.get("issues", ())[:_SHOWN]]
    return Verdict(asked=True, problem="; ".join(issues) or "it gives no reason")


def _complaint(program: str, config: Path) -> str | None:
    """Return what a gateway without a validator says of a configuration that it does not take."""
    said = _words(_run(program, config, "get", "gateway.port"))
    if "Config invalid" not in said:
        return None  # it has read it, and knows a port or not
    problems = [
        line.strip().removeprefix("- ") for line in said.split("Config invalid")[-1].split("\n") if " - " in line
    ]
    return "; ".join(problems[:_SHOWN])[:_LENGTH] or "it gives no reason"


def _run(program: str, config: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [program, "config", *words],
        env={**os.environ, "OPENCLAW_CONFIG_PATH": str(config)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )


def _answer(output: bytes) -> Mapping[str, Any] | None:
    """Return the JSON that a validator printed; log lines may come before it."""
    try:
        said = json.loads(output[output.index(b"{") :])
    except ValueError:
        return None
    return said if isinstance(said, Mapping) else None


def _words(ended: subprocess.CompletedProcess[bytes]) -> str:
    """Return what it said to the person."""
    return (ended.stderr.strip() or ended.stdout.strip()).decode(errors="replace")
