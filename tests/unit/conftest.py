"""Workspaces of a test's own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import NOBODY, rights_of_nobody
from unit.workspaces import House


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def house_of_nobody() -> Iterator[House]:
    """A house of a user whom a file's mode stops, and whose rights the test has."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        if os.geteuid() == 0:
            os.chown(name, NOBODY, NOBODY)
        with rights_of_nobody():
            yield House(Path(name))
