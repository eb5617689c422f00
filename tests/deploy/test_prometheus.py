"""What Prometheus' own tool says of our metrics and alerts."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from unit.builders import REPOSITORY

from agent_config_sync.web.figures import Latencies
from agent_config_sync.web.metrics import Metrics
from agent_config_sync.web.view import View

ALERTS = REPOSITORY / "deploy" / "prometheus"
VIEW = View(started_at=0.0, apply_latencies=Latencies().plus(0.9))


@pytest.fixture
def promtool() -> str:
    return shutil.which("promtool") or pytest.fail("promtool is missing: apt install prometheus")


def exposition() -> bytes:
    return Metrics(lambda: VIEW, gateway="box", account="default").exposition()


def test_promtool_has_nothing_to_say_of_our_metrics(promtool: str) -> None:
    checked = subprocess.run(
        [promtool, "check", "metrics"],
        input=exposition(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert (checked.returncode, checked.stdout.decode()) == (0, "")


def test_promtool_takes_the_alerts(promtool: str) -> None:
    subprocess.run([promtool, "check", "rules", ALERTS / "alerts.yml"], check=True)


def test_the_alerts_come_when_they_should_and_only_then(promtool: str) -> None:
    subprocess.run([promtool, "test", "rules", ALERTS / "alerts_test.yml"], check=True)


def test_the_alerts_ask_only_for_metrics_that_there_are() -> None:
    asked = set(re.findall(r"\bagent_config_sync_\w+", (ALERTS / "alerts.yml").read_text(encoding="utf-8")))
    assert asked <= set(re.findall(r"^# TYPE (\w+)", exposition().decode(), re.MULTILINE))


def test_every_alert_is_proven_and_explained() -> None:
    alerts = set(re.findall(r"- alert: (\w+)", (ALERTS / "alerts.yml").read_text(encoding="utf-8")))
    proven = set(re.findall(r"- alertname: (\w+)", (ALERTS / "alerts_test.yml").read_text(encoding="utf-8")))
    page = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
    assert alerts == proven == set(re.findall(r"^### (AgentConfig\w+)", page, re.MULTILINE))
