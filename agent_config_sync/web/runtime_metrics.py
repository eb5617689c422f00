"""The numbers as JSON, in the words of the runtime service; Prometheus gets them as text from `metrics`."""

from __future__ import annotations

from agent_config_sync.web.delivery_view import Heartbeats
from agent_config_sync.web.figures import Durations, Moment
from agent_config_sync.web.runtime_health import (
    DeliveryCounts,
    Memory,
    Named,
    delivery_counts,
    gateway_runs,
    milliseconds,
    uptime,
)
from agent_config_sync.web.view import ToolUse, View


class Operation(Named):
    """How often something was done, and how long it took. Durations are null before the first time."""

    count: int
    success_count: int
    failure_count: int
    total_duration_ms: float
    min_duration_ms: float | None
    max_duration_ms: float | None
    last_error: str | None
    last_error_at: int | None


class RuntimeMetrics(Named):
    uptime: float
    memory: Memory


class GatewayCounts(Named):
    running: bool | None
    sessions: int


class HeartbeatCounts(Named):
    running: bool
    scheduled: int


class Components(Named):
    delivery: DeliveryCounts
    gateway: GatewayCounts
    heartbeat: HeartbeatCounts


class MetricsAnswer(Named):
    """The numbers as JSON. operations: those that are done here."""

    operations: dict[str, Operation]
    runtime: RuntimeMetrics
    components: Components
    timestamp: int


def metrics_answer(view: View, *, now: float, rss: int | None) -> MetricsAnswer:
    """Return the numbers as JSON. now: seconds since the epoch; rss: bytes."""
    return MetricsAnswer(
        operations={
            "agent_sync.run": _passes(view),
            **({"heartbeat.execute": _beats(view.heartbeats)} if view.heartbeats.running else {}),
            **{f"agent.{tool}": _tool(use) for tool, use in sorted(view.tools.items())},
        },
        runtime=RuntimeMetrics(uptime=uptime(view, now), memory=Memory(rss=rss)),
        components=Components(
            delivery=delivery_counts(view.deliveries),
            gateway=GatewayCounts(running=gateway_runs(view), sessions=view.sends.sessions),
            heartbeat=HeartbeatCounts(running=view.heartbeats.running, scheduled=view.heartbeats.scheduled),
        ),
        timestamp=round(now * 1000),
    )


def _passes(view: View) -> Operation:
    passes = view.passes
    successes, failures = passes.published + passes.unchanged, passes.refused + passes.failed
    return _operation(successes, failures, view.pass_durations, view.last_error)


def _beats(seen: Heartbeats) -> Operation:
    return _operation(seen.done, seen.failed, seen.durations, seen.error)


def _tool(use: ToolUse) -> Operation:
    return _operation(use.done, use.refused + use.failed, use.durations, use.error)


def _operation(successes: int, failures: int, took: Durations, error: Moment | None) -> Operation:
    return Operation(
        count=successes + failures,
        success_count=successes,
        failure_count=failures,
        total_duration_ms=round(took.total * 1000, 1),
        min_duration_ms=None if took.least is None else round(took.least * 1000, 1),
        max_duration_ms=None if took.most is None else round(took.most * 1000, 1),
        last_error=None if error is None else error.what,
        last_error_at=None if error is None else milliseconds(error.at),
    )
