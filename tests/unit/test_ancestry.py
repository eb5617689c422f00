"""gateway/ancestry.py: whether a process descends from a gateway."""

from __future__ import annotations

import subprocess
from pathlib import Path

from unit.builders import PYTHON

from agent_config_sync.gateway.ancestry import gateway_above

BELOW = "from agent_config_sync.gateway.ancestry import gateway_above; print(gateway_above(), end='')"

BETWEEN = """
import os, subprocess, sys
print(os.getpid(), subprocess.run([sys.executable, "-c", sys.argv[1]], capture_output=True, text=True).stdout)
"""
"""Says who it is and what a process below it says."""


def below(program: str | Path, *arguments: str | Path) -> list[str]:
    """Return who a process is, and what one below it takes for a gateway."""
    ended = subprocess.run([program, *arguments, BELOW], capture_output=True, text=True, check=True, timeout=30)
    return ended.stdout.split()


def test_above_these_tests_there_is_none() -> None:
    assert gateway_above() is None


def test_another_process_above_is_none() -> None:
    assert below(PYTHON, "-c", BETWEEN)[1] == "None"


def test_one_that_runs_a_script_of_openclaw_is_a_gateway(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"name": "openclaw", "version": "2026.9.6"}')
    (tmp_path / "main.py").write_text(BETWEEN)
    own, found = below(PYTHON, tmp_path / "main.py")
    assert own == found


def test_one_that_calls_itself_openclaw_is_a_gateway() -> None:
    own, found = below(PYTHON, "-c", f"open('/proc/self/comm', 'w').write('openclaw-gatewa')\n{BETWEEN}")
    assert own == found


def test_a_script_of_another_package_is_none(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"name": "npm", "version": "2026.9.6"}')
    (tmp_path / "main.py").write_text(BETWEEN)
    assert below(PYTHON, tmp_path / "main.py")[1] == "None"
