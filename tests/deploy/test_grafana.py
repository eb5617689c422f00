"""deploy/grafana: the dashboard asks for what there is, in words that Prometheus understands."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families
from unit.builders import REPOSITORY

from agent_config_sync.web.figures import Latencies
from agent_config_sync.web.metrics import Metrics
from agent_config_sync.web.view import ToolUse, View

DASHBOARD: Mapping[str, Any] = orjson.loads((REPOSITORY / "deploy" / "grafana" / "agent-config-sync.json").read_bytes())
ROWS = ["Sync", "Delivery", "Heartbeats and tools"]
VARIABLES = {"datasource", "job", "instance"}
WIDTH = 24


def panels() -> Iterator[Mapping[str, Any]]:
    yield from DASHBOARD["panels"]


def drawn() -> list[Mapping[str, Any]]:
    return [panel for panel in panels() if panel["type"] != "row"]


def expressions() -> list[str]:
    return [target["expr"] for panel in drawn() for target in panel["targets"]]


def variables() -> list[Mapping[str, Any]]:
    return list(DASHBOARD["templating"]["list"])


def exported() -> set[str]:
    """Return the names of all samples."""
    view = View(started_at=0.0, tools={"task_load": ToolUse(done=1, latencies=Latencies().plus(0.1))})
    text = Metrics(lambda: view, gateway="box", account="default").exposition().decode()
    return {sample.name for family in text_string_to_metric_families(text) for sample in family.samples}


def test_each_panel_has_an_id_of_its_own() -> None:
    ids = [panel["id"] for panel in panels()]
    assert len(set(ids)) == len(ids)


def test_the_rows_are_those_of_the_page() -> None:
    assert [panel["title"] for panel in panels() if panel["type"] == "row"] == ROWS


def test_no_panel_lies_on_another_or_beyond_the_edge() -> None:
    places = [
        (column, line)
        for panel in panels()
        for column in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for line in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert (len(set(places)), max(column for column, _ in places)) == (len(places), WIDTH - 1)


def test_each_panel_says_what_it_shows() -> None:
    assert [panel["title"] for panel in drawn() if not panel["description"]] == []


def test_data_source_job_and_instance_are_chosen_at_the_top() -> None:
    assert {variable["name"] for variable in variables()} == VARIABLES


def test_every_panel_asks_the_data_source_that_is_chosen() -> None:
    asked = [panel["datasource"] for panel in drawn()]
    asked += [target["datasource"] for panel in drawn() for target in panel["targets"]]
    assert {source["uid"] for source in asked} == {"${datasource}"}


def test_it_asks_only_for_metrics_that_there_are() -> None:
    queries = [variable["definition"] for variable in variables() if "definition" in variable]
    asked = set(re.findall(r"\b(?:agent_config_sync|process)_\w+", " ".join([*expressions(), *queries])))
    assert asked - exported() == set()


def test_every_metric_is_asked_of_the_job_and_instance_that_are_chosen() -> None:
    asked = re.findall(r"\b(?:agent_config_sync|process)_\w+(\S* \S*)", " ".join(expressions()))
    assert [each for each in asked if not each.startswith('{job=~"$job", instance=~"$instance"')] == []


def test_counters_are_asked_for_what_they_grow_by() -> None:
    plain = re.compile(r"(?<!rate\()(?<!increase\()agent_config_sync_\w+_(?:total|bucket|sum|count)\b")
    assert [expression for expression in expressions() if plain.search(expression)] == []


def test_each_alert_that_a_panel_names_is_there() -> None:
    named = set(re.findall(r"Alert: (\w+)", " ".join(panel["description"] for panel in drawn())))
    rules = (REPOSITORY / "deploy" / "prometheus" / "alerts.yml").read_text(encoding="utf-8")
    assert named
    assert named <= set(re.findall(r"- alert: (\w+)", rules))


def test_prometheus_understands_every_expression(tmp_path: Path) -> None:
    promtool = shutil.which("promtool") or pytest.fail("promtool is missing: apt install prometheus")
    rules = [
        {"record": f"panel:{number}", "expr": re.sub(r"\$__rate_interval\b", "5m", expression)}
        for number, expression in enumerate(expressions())
    ]
    written = tmp_path / "rules.yml"  # JSON is YAML
    written.write_bytes(orjson.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    checked = subprocess.run([promtool, "check", "rules", written], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
