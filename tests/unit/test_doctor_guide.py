"""docs/guide.md lists every finding of the doctor, and no other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import agent_config_sync.doctor
from agent_config_sync.doctor.database import _NAMES
from agent_config_sync.gateway.layout_watch import FindingKind

GUIDE = Path(__file__).parents[2] / "docs" / "guide.md"


def names() -> set[str]:
    """Every name that a module of the room gives a finding."""
    (room,) = agent_config_sync.doctor.__path__
    source = "\n".join(path.read_text(encoding="utf-8") for path in Path(room).glob("*.py"))
    said = set(re.findall(r"(?:Finding|of_error)\(\s*\"(\w+)\"", source))
    unwritable = set(re.findall(r"\"(\w+_unwritable)\"", source))
    return said | unwritable | {name for _, name in _NAMES} | {"database_unreachable"} | set(get_args(FindingKind))


def test_the_guide_lists_every_finding_and_no_other() -> None:
    section = GUIDE.read_text(encoding="utf-8").split("## When something is wrong")[1].split("\n## ")[0]
    listed = {
        name for row in re.findall(r"^\| (`.*?`) \|", section, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    assert listed == names()
