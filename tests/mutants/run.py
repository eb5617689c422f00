"""Take out each invariant in a copy of the tree and see its test fail: `make mutants`.

A mutant is killed when its test fails, and not by an error of the mutant itself; the same test must pass on the tree
as it is. Ends with 1 if a mutant survives.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from mutants.table import INVARIANTS, MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
PARTS = (
    "agent_config_sync",
    "migrations",
    "sql",
    "tests",
    "pyproject.toml",
    "index.js",
    "openclaw.plugin.json",
    "package.json",
)
FAILED = 1
"""pytest's status when a test failed; any other says that the test could not be run."""


def copy_tree(folder: Path) -> None:
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / part)


def run(folder: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    """Run tests on a copy: the copy comes before the installed package on the path."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def killed(mutant: Mutant) -> str | None:
    """Return None if the test fails on the mutant, else why not."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        folder = Path(name)
        copy_tree(folder)
        target = folder / mutant.file
        source = target.read_text(encoding="utf-8")
        if source.count(mutant.old) != 1:
            return f"{mutant.file} does not hold the text to take out exactly once"
        target.write_text(source.replace(mutant.old, mutant.new), encoding="utf-8")
        result = run(folder, INVARIANTS + mutant.test)
    if result.returncode == FAILED:
        return None
    if result.returncode == 0:
        return "its test still passes"
    return "its test could not be run:\n" + result.stdout[-2000:]


def main() -> int:
    chosen = [mutant for mutant in MUTANTS if not sys.argv[1:] or any(word in mutant.what for word in sys.argv[1:])]
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        copy_tree(Path(name))
        sound = run(Path(name), *(INVARIANTS + mutant.test for mutant in chosen))
    if sound.returncode != 0:
        print(sound.stdout[-3000:])
        print("the tests fail without a mutant")
        return 1
    survived = 0
    for mutant in chosen:
        problem = killed(mutant)
        survived += problem is not None
        print(
            f"{'survived' if problem else 'killed'}: {mutant.what}" + (f" ({problem})" if problem else ""), flush=True
        )
    print(f"{len(chosen) - survived} killed, {survived} survived")
    return min(survived, 1)


if __name__ == "__main__":
    sys.exit(main())
