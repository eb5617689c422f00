"""web/health.py: what stands against being ready, and everything at a glance."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent_config_sync import __version__
from agent_config_sync.web.health import health, ready, versions
from agent_config_sync.web.view import Keys, Latencies, Moment, Skills, View

SOUND = View(started_at=0.0, link="listening", server="PostgreSQL on db", connections=1, state="applied")


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
    del answer["versions"]["python_version"]
    assert answer == {
        "status": "healthy",
        "reasons": [],
        "state": "applied",
        "gateway": "box",
        "account": "default",
        "versions": {"version": __version__, "gateway_version": "2026.9.6"},
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


def test_what_has_not_happened_yet_is_null() -> None:
    answer = health(View(started_at=0.0), gateway="box", account="default", now=1.0)
    assert (answer.last_snapshot, answer.last_published, answer.last_in_force_at, answer.last_error) == (None,) * 4


def test_a_clock_that_was_set_back_gives_no_negative_uptime() -> None:
    assert health(View(started_at=9.0), gateway="box", account="default", now=1.0).uptime_seconds == 0


def test_the_version_of_a_gateway_that_is_not_known_is_null() -> None:
    assert (versions(SOUND).version, versions(SOUND).gateway_version) == (__version__, None)
