"""What systemd's own tool says of our units."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from unit.builders import REPOSITORY

from agent_config_sync.settings import SETTING_NAMES

SYSTEM = REPOSITORY / "deploy" / "systemd" / "agent-config-sync.service"
USER = REPOSITORY / "deploy" / "systemd" / "user" / "agent-config-sync.service"
INSTALLED = "/opt/agent-config-sync/bin/agent-config-sync"
EXPOSURE = 20
"""Ten times the highest score that `systemd-analyze security` may give; an unhardened service has 96."""


@pytest.fixture
def systemd_analyze() -> str:
    return shutil.which("systemd-analyze") or pytest.fail("systemd-analyze is missing: apt install systemd")


@pytest.fixture(params=[SYSTEM, USER], ids=["system", "user"])
def unit(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A unit, with the program where it is here."""
    source: Path = request.param
    place = tmp_path / source.parent.name / source.name
    place.parent.mkdir()
    text = source.read_text(encoding="utf-8")
    assert INSTALLED in text
    place.write_text(text.replace(INSTALLED, str(Path(sys.executable).with_name("agent-config-sync"))))
    return place


def test_systemd_has_nothing_to_say_of_a_unit(systemd_analyze: str, unit: Path, tmp_path: Path) -> None:
    manager = "--user" if unit.parent.name == "user" else "--system"
    checked = subprocess.run(
        [systemd_analyze, manager, "verify", unit],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout) == (0, "")


def test_the_system_service_can_do_little_but_its_work(systemd_analyze: str) -> None:
    subprocess.run(
        [systemd_analyze, "security", "--offline=true", f"--threshold={EXPOSURE}", SYSTEM],
        check=True,
        stdout=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("source", [SYSTEM, USER], ids=["system", "user"])
def test_a_unit_sets_only_settings_that_there_are(source: Path) -> None:
    text = source.read_text(encoding="utf-8")
    assert {name.lower() for name in re.findall(r"AGENT_CONFIG_SYNC_(\w+)=", text)} <= set(SETTING_NAMES)
