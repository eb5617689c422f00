"""docs/contract.md: each promise names tests, and there are tests of these names."""

from __future__ import annotations

import re
from pathlib import Path

from unit.test_doctor_guide import names as findings
from unit.test_metrics import samples

from agent_config_sync.events import Event
from agent_config_sync.settings import SETTING_NAMES

ROOT = Path(__file__).parents[2]
PROMISES = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8").split("\n## ")[1]


def test_every_promise_names_a_test() -> None:
    promises = re.split(r"^- ", PROMISES, flags=re.MULTILINE)[1:]
    assert [promise.split("*")[1] for promise in promises if "`test_" not in promise] == []


def test_every_test_that_is_named_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", PROMISES))
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
