"""requirements/audit.sh: CI goes on without the audit only where nobody could be asked, and says so."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from harness import DEADLINE

ROOT = Path(__file__).parents[2]

SAYS = {
    "all is well": ("exit 0", 0, "no known weakness in "),
    "a weakness": ('echo "{}" > "${report:?}"; echo "Found 1 known vulnerability" >&2; exit 1', 1, "Found 1 known"),
    "no network": ('echo "requests.exceptions.ProxyError: Unable to connect to proxy" >&2; exit 1', 0, "NOT MADE"),
    "no answer": ('echo "ERROR:pip_audit._cli:Could not connect to PyPI\'s feed" >&2; exit 1', 0, "NOT MADE"),
    "a wrong option": ('echo "pip-audit: error: unrecognized arguments" >&2; exit 2', 1, "unrecognized arguments"),
    "a broken lock file": ('echo "ERROR:pip_audit._cli:invalid requirements input" >&2; exit 1', 1, "invalid requ"),
}


@pytest.mark.parametrize("case", SAYS)
def test_an_audit_ends_as_it_went(tmp_path: Path, case: str) -> None:
    script, status, said = SAYS[case]
    program = tmp_path / "pip-audit"
    program.write_text(
        f"#!/bin/sh\nwhile [ $# -gt 0 ]; do case $1 in --output) report=$2 ;; esac; shift; done\n{script}\n"
    )
    program.chmod(0o755)
    ended = audit(program)
    assert (ended.returncode, said in ended.stdout + ended.stderr) == (status, True)


def test_a_program_that_is_missing_is_no_audit(tmp_path: Path) -> None:
    assert audit(tmp_path / "nothing").returncode == 1


def audit(program: Path) -> subprocess.CompletedProcess[str]:
    command = [ROOT / "requirements" / "audit.sh", program, ROOT / "requirements" / "run.lock"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE)
