"""The view in Prometheus' text format, with the names of the field: `_config_last_reload_successful` and its kin."""

from __future__ import annotations

import itertools
import platform
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import get_args

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from agent_config_sync import __version__
from agent_config_sync.events import DeliveryOutcome, ToolOutcome
from agent_config_sync.postgres.status import StatusState
from agent_config_sync.web.figures import BOUNDS, Latencies
from agent_config_sync.web.view import Passes, Skills, View

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
PREFIX = "agent_config_sync_"


class Metrics(Collector):
    """Renders the view of the moment; the registry is its own, so that a Python host's metrics stay apart."""

    def __init__(self, view: Callable[[], View], *, gateway: str, account: str) -> None:
        self._view = view
        self._gateway = gateway
        self._account = account
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def exposition(self) -> bytes:
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        view = self._view()
        yield _about("build_info", "What runs here.", version=__version__, python_version=platform.python_version())
        yield _about(
            "gateway_info",
            "Which gateway is kept in step; gateway_version is empty while it is not known.",
            gateway=self._gateway,
            account=self._account,
            gateway_version=view.gateway_version or "",
        )
        yield _gauge("link_up", "Whether notifications are proven to arrive.", view.link == "listening")
        restarts = view.supervised.restarts if view.supervised is not None else 0
        yield _counter("gateway_restarts_total", "Starts of the gateway after the first, by gateway_command.", restarts)
        yield _counter("reconnects_total", "Connections made after the first.", max(0, view.connections - 1))
        yield _counter("notifications_total", "Notifications that arrived.", view.notifications)
        yield _by_label(
            CounterMetricFamily(PREFIX + "passes_total", "Passes by how they ended.", labels=["outcome"]),
            {outcome.name: getattr(view.passes, outcome.name) for outcome in fields(Passes)},
        )
        yield _by_label(
            GaugeMetricFamily(PREFIX + "state", "1 for the state of gateway_status that holds now.", labels=["state"]),
            {state: view.state == state for state in get_args(StatusState)},
        )
        yield _gauge(
            "config_last_reload_successful",
            "Whether what the last pass read is in force (applied, or offered to a gateway that cannot be asked).",
            view.in_force,
        )
        yield _gauge(
            "config_last_reload_success_timestamp_seconds",
            "When the last change came into force, or this process first saw that it is; 0 before that.",
            view.settled or 0.0,
        )
        yield _gauge(
            "config_last_publish_timestamp_seconds",
            "When the file was last replaced; 0 if this process has not done so.",
            view.published.at if view.published is not None else 0.0,
        )
        yield _histogram(
            "publish_latency_seconds", "From the notification to the durable file.", view.publish_latencies
        )
        yield _histogram(
            "apply_latency_seconds",
            "From the notification until the gateway said that it runs with it.",
            view.apply_latencies,
        )
        yield _gauge("agents", "Agents of this gateway in the last snapshot.", view.agents)
        yield _gauge(
            "warnings",
            "Rows and values that the last pass left out, and what is odd beside the gateway.",
            view.warnings,
        )
        skills = view.skills or Skills()
        yield _gauge("installed_skills", "Skills that agents have installed, where they may.", skills.installed)
        yield _gauge("broken_skills", "Those of them that the gateway does not load.", skills.broken)
        calls = CounterMetricFamily(
            PREFIX + "tool_calls_total", "Uses of the board's tools by how they ended.", labels=["tool", "outcome"]
        )
        took = HistogramMetricFamily(PREFIX + "tool_call_seconds", "How long they took.", labels=["tool"])
        for tool, use in sorted(view.tools.items()):
            for outcome in get_args(ToolOutcome):
                calls.add_metric([tool, outcome], getattr(use, outcome))
            took.add_metric([tool], _buckets(use.latencies), use.latencies.total)
        yield calls
        yield took
        yield from _deliveries(view)
        beats = view.heartbeats
        yield _gauge("heartbeat_agents", "Agents that are let look at their work from here.", beats.scheduled)
        yield _by_label(
            CounterMetricFamily(PREFIX + "heartbeats_total", "Heartbeats by how they ended.", labels=["outcome"]),
            {"done": beats.done, "failed": beats.failed},
        )
        keys = view.keys
        yield _gauge("skill_keys", "Keys of skills that people have entered and the gateway is given.", keys.given)
        yield _gauge(
            "withheld_skill_keys", "Reasons for which keys are not given, or reach no skill.", len(keys.withheld)
        )


def _deliveries(view: View) -> Iterator[Metric]:
    """What there is to measure of turns of agents."""
    seen = view.deliveries
    yield _gauge("delivery_running", "Whether notifications become turns of agents here.", seen.running)
    yield _gauge(
        "gateway_takes_turns", "Whether the gateway takes turns of agents.", seen.running and view.sends.away is None
    )
    yield _by_label(
        CounterMetricFamily(PREFIX + "deliveries_total", "Notifications dealt with, by how.", labels=["outcome"]),
        {outcome: seen.outcomes.get(outcome, 0) for outcome in get_args(DeliveryOutcome)},
    )
    yield _counter("turn_failures_total", "Turns of agents that failed.", seen.failed)
    yield _counter("deliveries_given_up_total", "Notifications that were given up here.", seen.dead)
    yield _counter(
        "deliveries_exhausted_total",
        "Notifications without the answer that they needed, after all tries.",
        seen.exhausted,
    )
    yield _gauge("turns_under_way", "Turns of agents that are under way.", seen.under_way)
    yield _gauge("notifications_waiting", "Notifications of the account's agents that wait.", seen.waiting)
    yield _gauge("notifications_oldest_seconds", "Since when the oldest of them waits.", seen.oldest)
    yield _gauge("notifications_given_up", "Those that were given up and wait for a person.", seen.given_up)
    yield _histogram("turn_wait_seconds", "From the notification to the beginning of its first turn.", seen.waits)
    yield _histogram("turn_seconds", "How long turns took.", seen.turns)


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(PREFIX + name, documentation, value=value)


def _counter(name: str, documentation: str, value: float) -> Metric:
    return CounterMetricFamily(PREFIX + name, documentation, value=value)


def _about(name: str, documentation: str, **labels: str) -> Metric:
    family = GaugeMetricFamily(PREFIX + name, documentation, labels=list(labels))
    family.add_metric(list(labels.values()), 1)
    return family


def _by_label(family: CounterMetricFamily | GaugeMetricFamily, values: dict[str, float]) -> Metric:
    for label, value in values.items():
        family.add_metric([label], value)
    return family


def _histogram(name: str, documentation: str, latencies: Latencies) -> Metric:
    return HistogramMetricFamily(PREFIX + name, documentation, buckets=_buckets(latencies), sum_value=latencies.total)


def _buckets(latencies: Latencies) -> list[tuple[str, int]]:
    bounds = (*(str(bound) for bound in BOUNDS), "+Inf")
    return list(zip(bounds, itertools.accumulate(latencies.counts), strict=True))
