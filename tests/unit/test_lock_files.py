"""requirements/*.lock: what is installed here is pinned, with hashes, to versions that pyproject.toml allows."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
GROUPS = PROJECT["dependency-groups"]

RUN = [
    *PROJECT["project"]["dependencies"],
    *PROJECT["project"]["optional-dependencies"]["demo"],
    *PROJECT["build-system"]["requires"],
]
WANTED = {"run": RUN, "test": [*RUN, *GROUPS["test"]], "lint": [*RUN, *GROUPS["test"], *GROUPS["lint"]]}


def pinned(name: str) -> dict[str, str]:
    """Return the version of each package of a lock file."""
    text = (ROOT / "requirements" / f"{name}.lock").read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", text, re.MULTILINE))


@pytest.mark.parametrize("name", WANTED)
def test_a_lock_file_holds_what_pyproject_wants(name: str) -> None:
    versions = pinned(name)
    wanted = [Requirement(text) for text in WANTED[name]]
    missed = [each for each in wanted if not each.specifier.contains(versions.get(canonicalize_name(each.name), "0"))]
    assert missed == []


@pytest.mark.parametrize(("smaller", "larger"), [("run", "test"), ("test", "lint")])
def test_the_lock_files_agree(smaller: str, larger: str) -> None:
    assert pinned(smaller).items() <= pinned(larger).items()


@pytest.mark.parametrize("name", WANTED)
def test_every_line_of_a_lock_file_has_a_hash(name: str) -> None:
    lines = (ROOT / "requirements" / f"{name}.lock").read_text(encoding="utf-8").splitlines()
    alone = [
        line for line, after in zip(lines, [*lines[1:], ""], strict=True) if "==" in line and "sha256:" not in after
    ]
    assert alone == []
