"""Every version of the gateway takes the base file of a container's configuration."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from gateway.base_file import BASE_FILE, with_agents
from gateway.openclaw import Installation, Verdict

from agent_config_sync.model.site import Roster

VALID = Verdict(valid=True, issues=())


def test_the_base_file_is_valid_as_it_stands(installation: Installation, tmp_path: Path) -> None:
    shutil.copy(BASE_FILE, tmp_path / "openclaw.json")
    assert installation.validate(tmp_path / "openclaw.json", tmp_path) == VALID


def test_the_base_file_is_valid_with_agents(installation: Installation, tmp_path: Path, roster: Roster) -> None:
    config = tmp_path / "openclaw.json"
    config.write_text(json.dumps(with_agents(roster)), encoding="utf-8")
    assert installation.validate(config, tmp_path) == VALID
