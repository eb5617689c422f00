"""web/metrics.py: the view in Prometheus' text format. What promtool says of it: tests/deploy."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families
from unit.builders import REPOSITORY

from agent_config_sync import __version__
from agent_config_sync.web.delivery_view import Deliveries, Heartbeats, Sends
from agent_config_sync.web.figures import Latencies, Moment
from agent_config_sync.web.metrics import Metrics
from agent_config_sync.web.view import Passes, SupervisedGateway, ToolUse, View

VIEW = View(
    started_at=0.0,
    link="listening",
    supervised=SupervisedGateway(7, starts=4),
    connections=3,
    notifications=7,
    passes=Passes(published=2, unchanged=5, refused=1, failed=4),
    state="applied",
    gateway_version="2026.9.6",
    agents=20,
    warnings=2,
    published=Moment(11.0, "abc"),
    settled=12.0,
    publish_latencies=Latencies().plus(0.003).plus(0.03),
    apply_latencies=Latencies().plus(0.9),
    deliveries=Deliveries(
        running=True,
        outcomes={"replied": 3},
        failed=2,
        dead=1,
        exhausted=4,
        under_way=5,
        waiting=6,
        oldest=7.5,
        given_up=8,
        waits=Latencies().plus(0.003),
        turns=Latencies().plus(0.3),
    ),
    heartbeats=Heartbeats(running=True, scheduled=9, done=10, failed=11),
    tools={"task_load": ToolUse(done=2, refused=1, latencies=Latencies().plus(0.003))},
)


def samples(view: View = VIEW, *, gateway: str = "box") -> dict[str, float]:
    """All samples of ours by name and labels, without the prefix."""
    text = Metrics(lambda: view, gateway=gateway, account="default").exposition().decode()
    return {
        sample.name.removeprefix("agent_config_sync_")
        + "".join(f"|{value}" for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gateway_info|default|box|2026.9.6", 1),
        ("link_up", 1),
        ("gateway_restarts_total", 3),
        ("reconnects_total", 2),
        ("tool_calls_total|done|task_load", 2),
        ("tool_calls_total|refused|task_load", 1),
        ("tool_calls_total|failed|task_load", 0),
        ("tool_call_seconds_count|task_load", 1),
        ("notifications_total", 7),
        ("delivery_running", 1),
        ("gateway_takes_turns", 1),
        ("deliveries_total|replied", 3),
        ("deliveries_total|skipped", 0),
        ("turn_failures_total", 2),
        ("deliveries_given_up_total", 1),
        ("deliveries_exhausted_total", 4),
        ("heartbeat_agents", 9),
        ("heartbeats_total|done", 10),
        ("heartbeats_total|failed", 11),
        ("turns_under_way", 5),
        ("notifications_waiting", 6),
        ("notifications_oldest_seconds", 7.5),
        ("notifications_given_up", 8),
        ("turn_wait_seconds_count", 1),
        ("turn_seconds_sum", 0.3),
        ("passes_total|published", 2),
        ("passes_total|unchanged", 5),
        ("passes_total|refused", 1),
        ("passes_total|failed", 4),
        ("state|applied", 1),
        ("state|offered", 0),
        ("state|pending", 0),
        ("state|refused", 0),
        ("config_last_reload_successful", 1),
        ("config_last_reload_success_timestamp_seconds", 12),
        ("config_last_publish_timestamp_seconds", 11),
        ("agents", 20),
        ("warnings", 2),
        ("publish_latency_seconds_bucket|0.005", 1),
        ("publish_latency_seconds_bucket|0.05", 2),
        ("publish_latency_seconds_bucket|+Inf", 2),
        ("publish_latency_seconds_count", 2),
        ("apply_latency_seconds_sum", 0.9),
    ],
)
def test_a_metric_says_what_the_view_holds(name: str, value: float) -> None:
    assert samples()[name] == value


def test_the_build_is_named() -> None:
    assert any(name.startswith("build_info|") and name.endswith(f"|{__version__}") for name in samples())


def test_nothing_was_reloaded_before_the_first_pass() -> None:
    found = samples(View(started_at=0.0))
    assert found["config_last_reload_successful"] == 0
    assert found["config_last_reload_success_timestamp_seconds"] == 0
    assert {found[f"state|{state}"] for state in ("applied", "offered", "pending", "refused")} == {0}


def test_a_reload_that_failed_keeps_the_time_of_the_last_good_one() -> None:
    found = samples(replace(VIEW, state="refused"))
    assert found["config_last_reload_successful"] == 0
    assert found["config_last_reload_success_timestamp_seconds"] == 12


def test_the_process_is_measured_too() -> None:
    assert samples()["process_resident_memory_bytes"] > 0


def test_a_name_with_quotes_and_newlines_stays_one_label() -> None:
    assert any(name.startswith('gateway_info|default|a"\n\\b|') for name in samples(gateway='a"\n\\b'))


def test_the_registry_of_a_python_host_stays_untouched() -> None:
    samples()
    assert not [family.name for family in REGISTRY.collect() if family.name.startswith("agent_config_sync")]


def test_every_metric_is_documented() -> None:
    text = Metrics(lambda: VIEW, gateway="box", account="default").exposition().decode()
    exported = set(re.findall(r"^# TYPE (agent_config_sync_\w+)", text, re.MULTILINE))
    page = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
    assert exported == set(re.findall(r"^\| `(agent_config_sync_\w+)", page, re.MULTILINE))


def test_a_gateway_that_is_away_takes_no_turns() -> None:
    assert samples(replace(VIEW, sends=Sends(away="it is not there")))["gateway_takes_turns"] == 0
