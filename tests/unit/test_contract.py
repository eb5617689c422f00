"""docs/contract.md: each promise and each row names tests, and there are tests of these names."""

from __future__ import annotations

import re
from pathlib import Path

from unit.test_doctor_guide import names as findings
from unit.test_metrics import samples

from agent_config_sync.events import Event
from agent_config_sync.runtime.tools.catalog import TOOLS
from agent_config_sync.settings import SETTING_NAMES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")
PROMISES = PAGE.split("\n## ")[1]
LIST = PAGE.split("\n## The runtime service's list\n")[1].split("\n## ")[0]
ROWS = [line.strip("| ").split(" | ") for line in LIST.splitlines() if line.startswith("| ")]
HEAD = ["the list", "here", "tests"]


def test_every_promise_names_a_test() -> None:
    promises = re.split(r"^- ", PROMISES, flags=re.MULTILINE)[1:]
    assert [promise.split("*")[1] for promise in promises if "`test_" not in promise] == []


def test_every_row_of_the_runtime_services_list_names_a_test() -> None:
    rows = [row for row in ROWS if row != HEAD]
    assert rows
    assert [row for row in rows if len(row) != len(HEAD) or not row[-1].startswith("`test_")] == []


def test_each_tool_is_a_row_of_the_runtime_services_list() -> None:
    assert {tool.name for tool in TOOLS} - {row[0].partition(",")[0].strip("`") for row in ROWS} == set()


def test_every_test_that_is_named_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    written = {name for text in texts for name in re.findall(r"^(?:async )?def (test_\w+)", text, re.MULTILINE)}
    assert named - written == set()


def test_the_names_that_scripts_rely_on_are_kept() -> None:
    """What is new is added to kept_names.txt; what is taken out of it is a line of the changelog."""
    names = {
        *(f"setting {name}" for name in SETTING_NAMES),
        *(f"event {event.__name__}" for event in Event.__subclasses__()),
        *(f"metric {sample.partition('|')[0]}" for sample in samples()),
        *(f"finding {name}" for name in findings()),
    }
    kept = Path(__file__).with_name("kept_names.txt").read_text(encoding="utf-8").splitlines()
    assert kept == sorted(names)
