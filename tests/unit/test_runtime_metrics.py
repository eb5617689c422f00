"""web/runtime_metrics.py: the numbers as JSON."""

from __future__ import annotations

from dataclasses import replace

from agent_config_sync.web.delivery_view import Deliveries, Heartbeats, Sends
from agent_config_sync.web.figures import Durations, Moment
from agent_config_sync.web.runtime_metrics import metrics_answer
from agent_config_sync.web.view import Passes, View

VIEW = View(
    started_at=0.0,
    state="applied",
    passes=Passes(published=2, unchanged=5, refused=1, failed=4),
    last_error=Moment(0.5, "no rights"),
    pass_durations=Durations().plus(0.25).plus(0.0125).plus(0.1),
)


def test_passes_are_an_operation_with_how_long_they_took() -> None:
    answer = metrics_answer(VIEW, now=1.0, rss=None).model_dump(mode="json")
    assert answer["operations"] == {
        "agent_sync.run": {
            "count": 12,
            "successCount": 7,
            "failureCount": 5,
            "totalDurationMs": 362.5,
            "minDurationMs": 12.5,
            "maxDurationMs": 250.0,
            "lastError": "no rights",
            "lastErrorAt": 500,
        }
    }


def test_heartbeats_are_an_operation_where_they_are_ours() -> None:
    beats = Heartbeats(True, 4, done=2, failed=1, durations=Durations(3, 0.75, 0.2, 0.3), error=Moment(0.5, "no"))
    assert (
        "heartbeat.execute" not in metrics_answer(replace(VIEW, heartbeats=Heartbeats()), now=1.0, rss=None).operations
    )
    operation = metrics_answer(replace(VIEW, heartbeats=beats), now=1.0, rss=None).operations["heartbeat.execute"]
    assert (operation.success_count, operation.failure_count, operation.last_error) == (2, 1, "no")


def test_what_was_never_done_took_no_time() -> None:
    (operation,) = metrics_answer(View(started_at=0.0), now=1.0, rss=None).operations.values()
    assert (operation.count, operation.total_duration_ms) == (0, 0.0)
    assert (operation.min_duration_ms, operation.max_duration_ms, operation.last_error_at) == (None, None, None)


def test_the_process_and_its_parts_are_told() -> None:
    view = replace(
        VIEW,
        deliveries=Deliveries(running=True, delivered=7, failed=5, skipped=3, exhausted=1),
        heartbeats=Heartbeats(True, 4),
        sends=Sends(sessions=6),
    )
    answer = metrics_answer(view, now=1.0, rss=4096).model_dump(mode="json")
    assert answer["timestamp"] == 1000
    assert (answer["runtime"]["uptime"], answer["runtime"]["memory"]["rss"]) == (1.0, 4096)
    assert answer["components"] == {
        "delivery": {
            "running": True,
            "delivered": 7,
            "failed": 5,
            "noResponseTerminalSkipCount": 3,
            "requiredNotificationRetryExhaustedCount": 1,
        },
        "gateway": {"running": True, "sessions": 6},
        "heartbeat": {"running": True, "scheduled": 4},
    }
