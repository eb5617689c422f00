"""web/health.py: what stands against being ready, and everything at a glance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent_config_sync import __version__
from agent_config_sync.web.delivery_view import Deliveries, DeliveryLimits, Heartbeats, Sends
from agent_config_sync.web.figures import Latencies, Moment
from agent_config_sync.web.health import health, ready, versions
from agent_config_sync.web.runtime_health import Infrastructure
from agent_config_sync.web.view import Keys, Roster, Skills, SupervisedGateway, View

SOUND = View(started_at=0.0, link="listening", server="PostgreSQL on db", connections=1, state="applied")


NAMES = {
    "status": None,
    "uptime": None,
    "versions": {"runtimeService", "openclaw"},
    "infrastructure": {"dropletId", "ipAddress", "region"},
    "gateway": {"running", "sessions", "lastSendAt", "lastSendError"},
    "delivery": {
        *("running", "lastDelivery", "delivered", "deliveredCount", "failed", "consecutiveFailures", "lastErrorAt"),
        *("lastErrorMessage", "noResponseTerminalSkipCount", "requiredNotificationRetryExhaustedCount", "config"),
    },
    "heartbeat": {"running", "scheduledAgents"},
    "agentSync": {"running", "lastSyncAt", "lastError", "addedCount", "removedCount"},
    "skillSync": {"lastSyncAt", "lastError", "counts"},
    "memory": {"rss", "heapTotal", "heapUsed", "external", "arrayBuffers"},
    "timestamp": None,
}
"""What the runtime service calls the parts of its health."""


def told(view: View, **keywords: Any) -> dict[str, Any]:
    """Health as it is on the wire, one second after the epoch."""
    document: dict[str, Any] = health(view, gateway="box", account="default", now=1.0, **keywords).model_dump(
        mode="json"
    )
    return document


def reasons(view: View) -> tuple[str, ...]:
    return ready(view).reasons


def test_a_sound_sync_is_ready() -> None:
    assert (ready(SOUND).ready, reasons(SOUND)) == (True, ())


def test_a_sync_that_has_just_begun_says_what_it_has_not_done_yet() -> None:
    assert reasons(View(started_at=0.0)) == ("there is no connection to the database yet", "no pass has succeeded yet")


@pytest.mark.parametrize(
    ("view", "reason"),
    [
        (replace(SOUND, link="lost", trouble="cut"), "the connection to the database is lost: cut"),
        (replace(SOUND, link="waiting", trouble="process 7"), "another process keeps this output: process 7"),
        (replace(SOUND, link="closed"), "it was stopped"),
        (replace(SOUND, supervised=SupervisedGateway(trouble="it ended")), "it ended"),
        (replace(SOUND, failure="no rights"), "the last pass failed: no rights"),
        (replace(SOUND, state="refused", error="empty"), "refused: empty"),
        (replace(SOUND, state="pending", error="agent lead differs"), "pending: agent lead differs"),
        (replace(SOUND, state="pending"), "pending: the gateway does not run with the last change yet"),
    ],
)
def test_each_thing_that_is_wrong_is_a_reason_of_its_own(view: View, reason: str) -> None:
    assert reasons(view) == (reason,)


def test_one_failure_is_said_once() -> None:
    view = replace(SOUND, failure="disk full", state="pending", error="disk full")
    assert reasons(view) == ("the last pass failed: disk full",)


def test_health_is_degraded_for_the_reasons_for_which_it_is_not_ready() -> None:
    view = replace(SOUND, state="refused", error="empty")
    answer = health(view, gateway="box", account="default", now=1.0)
    assert (answer.status, answer.reasons) == ("degraded", reasons(view))


def test_health_tells_everything_at_a_glance() -> None:
    view = replace(
        SOUND,
        connections=3,
        gateway_version="2026.9.6",
        agents=20,
        warnings=2,
        snapshot=Moment(10.0, "7:7:"),
        published=Moment(11.0, "abc"),
        settled=12.0,
        last_error=Moment(5.0, "cut"),
        publish_latencies=Latencies().plus(0.0031),
        apply_latencies=Latencies().plus(0.9),
        skills=Skills(
            reported=13.0, error="cut again", request_error="no right", installed=3, broken=1, left_out=("a", "b")
        ),
        keys=Keys(2, ("not included",)),
    )
    answer = health(view, gateway="box", account="default", now=60.5).model_dump(mode="json")
    ours = {name: value for name, value in answer.items() if name not in NAMES or name == "status"}
    assert ours == {
        "status": "healthy",
        "reasons": [],
        "state": "applied",
        "account": "default",
        "link": {"state": "listening", "server": "PostgreSQL on db", "reconnects": 2},
        "last_snapshot": {"at": "1970-01-01T00:00:10Z", "snapshot": "7:7:", "agents": 20},
        "last_published": {"at": "1970-01-01T00:00:11Z", "content_hash": "abc", "latency_ms": 3.1},
        "last_in_force_at": "1970-01-01T00:00:12Z",
        "last_error": {"at": "1970-01-01T00:00:05Z", "message": "cut"},
        "warnings": 2,
        "latency_ms": 900.0,
        "skill_sync": {
            "last_sync_at": "1970-01-01T00:00:13Z",
            "last_error": "cut again",
            "request_error": "no right",
            "installed": 3,
            "broken": 1,
            "left_out": 2,
            "keys": 2,
            "keys_withheld": ["not included"],
        },
        "uptime_seconds": 60.5,
    }


def test_health_has_every_name_of_the_runtime_service() -> None:
    answer = told(SOUND)
    assert {
        name: names for name, names in NAMES.items() if names is not None and not names <= answer[name].keys()
    } == {}
    assert answer.keys() >= NAMES.keys()


def test_nothing_is_told_twice_under_names_that_differ_in_their_writing() -> None:
    """skill_sync is ours, with more in it, and skillSync the runtime service's."""
    flat = [name.replace("_", "").lower() for name in told(SOUND)]
    assert {name for name in flat if flat.count(name) > 1} == {"skillsync"}


def test_versions_are_told_in_both_ways() -> None:
    answer = told(replace(SOUND, gateway_version="2026.9.6"))["versions"]
    assert (answer["version"], answer["gateway_version"]) == (__version__, "2026.9.6")
    assert (answer["runtimeService"], answer["openclaw"]) == (__version__, "2026.9.6")
    assert told(SOUND)["versions"]["openclaw"] == "unknown"


def test_a_machine_is_where_operators_say_it_is() -> None:
    assert told(SOUND)["infrastructure"] == {"dropletId": "unknown", "ipAddress": "unknown", "region": "unknown"}
    place = Infrastructure(droplet_id="7", ip_address="192.0.2.7", region="fra1")
    assert told(SOUND, infrastructure=place)["infrastructure"] == {
        "dropletId": "7",
        "ipAddress": "192.0.2.7",
        "region": "fra1",
    }


@pytest.mark.parametrize(("state", "runs"), [("applied", True), ("offered", None), ("pending", None), (None, None)])
def test_a_gateway_runs_when_it_says_so_and_else_nobody_knows(state: str | None, runs: bool | None) -> None:
    assert told(replace(SOUND, state=state))["gateway"] == {
        "name": "box",
        "running": runs,
        "sessions": 0,
        "lastSendAt": None,
        "lastSendError": None,
    }


@pytest.mark.parametrize("state", ["applied", "offered", None])
@pytest.mark.parametrize(("pid", "runs"), [(7, True), (None, False)])
def test_a_gateway_that_is_started_here_runs_while_its_process_does(
    state: str | None, pid: int | None, runs: bool
) -> None:
    view = replace(SOUND, state=state, supervised=SupervisedGateway(pid))
    assert told(view)["gateway"]["running"] is runs


def test_what_was_sent_to_the_gateway_is_told() -> None:
    answer = told(replace(SOUND, sends=Sends(sessions=3, last=0.5, error="no")))["gateway"]
    assert (answer["sessions"], answer["lastSendAt"], answer["lastSendError"]) == (3, 500, "no")


def test_what_does_not_run_here_is_no_reason_to_be_degraded() -> None:
    answer = told(SOUND)
    assert (answer["delivery"]["running"], answer["heartbeat"]["running"]) == (False, False)
    assert (answer["status"], answer["reasons"]) == ("healthy", [])


def test_deliveries_that_nobody_makes_are_none_and_have_no_limits() -> None:
    answer = told(SOUND)["delivery"]
    assert set(answer.pop("config").values()) == {None}
    assert {value for value in answer.values() if value is not None} == {False}


def test_deliveries_are_told_with_their_limits() -> None:
    seen = Deliveries(
        running=True,
        last=0.25,
        delivered=7,
        failed=5,
        failures=2,
        last_error=Moment(0.5, "no answer"),
        skipped=3,
        exhausted=1,
        under_way=1,
        waiting=4,
        oldest=2.5,
        given_up=6,
        limits=DeliveryLimits(10, 300.0, 15, 50, 15.0, 5.0, 300.0),
    )
    assert told(replace(SOUND, deliveries=seen))["delivery"] == {
        "running": True,
        "lastDelivery": 250,
        "delivered": 7,
        "deliveredCount": 7,
        "failed": 5,
        "consecutiveFailures": 2,
        "lastErrorAt": 500,
        "lastErrorMessage": "no answer",
        "underWay": 1,
        "waiting": 4,
        "oldestWaitingMs": 2500,
        "dead": 6,
        "noResponseTerminalSkipCount": 3,
        "requiredNotificationRetryExhaustedCount": 1,
        "config": {
            "maxConcurrentSessions": 10,
            "streamTimeoutMs": 300_000,
            "contextFetchBatchSize": 15,
            "listLimit": 50,
            "intervalMs": 15_000,
            "backoffBaseMs": 5_000,
            "backoffMaxMs": 300_000,
        },
    }


def test_heartbeats_are_told() -> None:
    assert told(replace(SOUND, heartbeats=Heartbeats(True, 4)))["heartbeat"] == {"running": True, "scheduledAgents": 4}


def test_the_sync_of_agents_is_that_of_the_configuration() -> None:
    assert told(replace(SOUND, synced=0.5, roster=Roster(2, 1)))["agentSync"] == {
        "running": True,
        "lastSyncAt": 500,
        "lastError": None,
        "addedCount": 2,
        "removedCount": 1,
    }


@pytest.mark.parametrize(
    ("view", "error"),
    [
        (replace(SOUND, link="lost", trouble="cut"), "cut"),
        (replace(SOUND, failure="no rights", error="older"), "no rights"),
        (replace(SOUND, state="refused", error="empty"), "empty"),
        (View(started_at=0.0), None),
        (replace(SOUND, last_error=Moment(0.5, "over")), None),
    ],
)
def test_the_error_of_the_sync_is_the_one_of_now(view: View, error: str | None) -> None:
    assert told(view)["agentSync"]["lastError"] == error


def test_the_sync_of_skills_is_told_whether_or_not_agents_may_install_any() -> None:
    skills = Skills(reported=0.5, error="cut", installed=3, broken=1, left_out=("a", "b"))
    assert told(replace(SOUND, skills=skills))["skillSync"] == {
        "lastSyncAt": 500,
        "lastError": "cut",
        "counts": {"installed": 3, "broken": 1, "leftOut": 2},
    }
    assert told(SOUND)["skillSync"]["counts"] == {"installed": 0, "broken": 0, "leftOut": 0}


def test_of_memory_only_what_python_has_is_told() -> None:
    answer = told(SOUND, rss=4096)["memory"]
    assert answer.pop("rss") == 4096
    assert set(answer.values()) == {None}


def test_times_are_told_in_both_ways() -> None:
    answer = told(SOUND)
    assert (answer["uptime"], answer["uptime_seconds"], answer["timestamp"]) == (1.0, 1.0, 1000)


def test_what_has_not_happened_yet_is_null() -> None:
    answer = health(View(started_at=0.0), gateway="box", account="default", now=1.0)
    assert (answer.last_snapshot, answer.last_published, answer.last_in_force_at, answer.last_error) == (None,) * 4


def test_a_clock_that_was_set_back_gives_no_negative_uptime() -> None:
    assert health(View(started_at=9.0), gateway="box", account="default", now=1.0).uptime_seconds == 0


def test_the_version_of_a_gateway_that_is_not_known_is_null() -> None:
    assert (versions(SOUND).version, versions(SOUND).gateway_version) == (__version__, None)


def test_the_version_is_told_in_the_names_of_the_runtime_service_too() -> None:
    place = Infrastructure(droplet_id="7", region="fra1")
    answer = versions(replace(SOUND, gateway_version="2026.9.6"), place).model_dump(mode="json")
    del answer["python_version"]
    assert answer == {
        "version": __version__,
        "gateway_version": "2026.9.6",
        "runtimeServiceVersion": __version__,
        "openclawVersion": "2026.9.6",
        "dropletId": "7",
        "region": "fra1",
    }


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sends": Sends(away="the gateway is not there")}, "agents get no turns: the gateway is not there"),
        ({"deliveries": Deliveries(stalled="no right")}, "turns of agents wait: no right"),
        (
            {"deliveries": Deliveries(failures=3, last_error=Moment(1.0, "answered 500"))},
            "the last 3 turns of agents failed: answered 500",
        ),
    ],
)
def test_agents_without_turns_are_a_reason_not_to_be_ready(changes: dict[str, Any], reason: str) -> None:
    assert ready(replace(SOUND, **changes)).reasons == (reason,)


def test_a_turn_that_failed_once_is_no_reason() -> None:
    assert ready(replace(SOUND, deliveries=Deliveries(failures=2, last_error=Moment(1.0, "x")))).ready
