"""story.py and events.py: events as log lines."""

from __future__ import annotations

import logging

import pytest

from agent_config_sync import events
from agent_config_sync.errors import SyncError, UnreachableError
from agent_config_sync.events import Event, Events
from agent_config_sync.story import tell_story

LOG = logging.getLogger("agent_config_sync.story")


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, logger=LOG.name)
    return caplog


PUBLISHED = events.Published("/x/agents.json", "abc", b"old", b"x" * 1500, 0.0123, "1:1:")


@pytest.mark.parametrize(
    ("event", "level", "line"),
    [
        (events.Listening("PostgreSQL on db"), "INFO", "listening to PostgreSQL on db"),
        (events.LinkLost(UnreachableError("cut")), "WARNING", "cut; connecting again"),
        (PUBLISHED, "INFO", "/x/agents.json published: 1,500 bytes, 12.3 ms after the wake"),
        (events.Refused("too large"), "ERROR", "refused: too large"),
        (events.Reloaded("watch", "abc"), "INFO", "the gateway watches the file itself"),
        (events.Reloaded("touch", "abc"), "INFO", "the gateway was told by a touch"),
        (events.Reloaded("signal", "abc"), "INFO", "the gateway was signalled"),
        (events.Reloaded("none", "abc"), "INFO", "the gateway is not told"),
        (events.ReloadDeferred("busy", 2.0), "WARNING", "the gateway was not told: busy; again in 2.0 s"),
        (events.ReloadDeferred("busy", None), "WARNING", "the gateway was not told: busy"),
        (events.Applied("abc", "1:1:", 0.5), "INFO", "the gateway runs with it, 500 ms after the wake"),
        (events.Applied("abc", "1:1:", None), "INFO", "the gateway runs with it"),
        (events.PassFailed(SyncError("no"), 0), "ERROR", "no; trying again now"),
        (events.PassFailed(SyncError("no"), None), "ERROR", "no"),
        (events.StatusUnwritable("no right"), "WARNING", "no right"),
        (events.HealthServed("http://127.0.0.1:1", False), "INFO", "health is served on http://127.0.0.1:1"),
        (
            events.HealthServed("http://0.0.0.0:1", True),
            "WARNING",
            "health is served on http://0.0.0.0:1 to whoever reaches this machine: there is no login",
        ),
        (events.HealthUnserved("taken", 5.0), "ERROR", "taken; the sync goes on, and this is tried every 5 s"),
        (events.GatewayStarted(7), "INFO", "the gateway was started: pid 7"),
        (events.GatewayEnded(78, 1.0), "WARNING", "the gateway ended with status 78; it is started again in 1 s"),
        (events.GatewayEnded(-9, 2.0), "WARNING", "the gateway was ended by SIGKILL; it is started again in 2 s"),
        (events.GatewayEnded(-40, 2.0), "WARNING", "the gateway was ended by signal 40; it is started again in 2 s"),
        (events.GatewayNotStarted("no program", 1.0), "ERROR", "no program; it is tried again and again"),
        (events.GatewayStopped(), "INFO", "the gateway was stopped"),
        (events.Held("held at set 7"), "INFO", "held at set 7"),
        (events.NotKept("no space"), "WARNING", "what was published could not be kept for restore: no space"),
        (events.SkillChanged("installed", "coder", "git", None), "INFO", "agent coder: skill git was installed"),
        (events.SkillChanged("removed", "", "git", None), "INFO", "shared skill git was removed"),
        (
            events.SkillChanged("changed", "coder", "git", "no YAML"),
            "INFO",
            "agent coder: skill git was changed; no gateway loads it: no YAML",
        ),
        (events.RosterChanged(("coder", "lead"), ("front",)), "INFO", "added: coder, lead; removed: front"),
        (events.RosterChanged((), tuple(f"a{n}" for n in range(1200))), "INFO", "removed: 1,200 agents"),
        (events.TemplateSyncAsked("ada", ()), "INFO", "ada asks for a sync of templates"),
        (
            events.TemplateSyncAsked("ada", ("overwrite", "dry_run")),
            "INFO",
            "ada asks for a sync of templates with overwrite, dry_run",
        ),
        (events.TemplateSyncEnded("ada", 3, 0), "INFO", "sync of templates for ada: 3 written, 0 failed"),
        (events.TemplateSyncEnded("ada", 3, 1), "WARNING", "sync of templates for ada: 3 written, 1 failed"),
        (events.TemplateSyncEnded("ada", 0, 0, "no link"), "WARNING", "no sync of templates for ada: no link"),
        (events.CredentialRequested("coder", "git", "K"), "INFO", "agent coder asks for K of skill git"),
        (events.CredentialRefused("coder", "odd", 1), "WARNING", "a request of agent coder was refused: odd"),
        (events.CredentialRefused("coder", "odd", 9800), "WARNING", "9,800 requests of agent coder were refused: odd"),
        (events.RequestsUntaken(SyncError("no right")), "WARNING", "no right; it is tried again"),
        (events.SkillsUnreported(SyncError("no right")), "WARNING", "no right; it is tried again"),
        (events.SkillsUnwatched(), "INFO", "agents may install no skills any more"),
        (events.SkillsReported(1, 0, ("x: odd",)), "WARNING", "no skill: x: odd"),
        (events.HeartbeatsScheduled(1), "INFO", "1 agent has heartbeats"),
        (events.HeartbeatsStalled("no right"), "WARNING", "heartbeats wait: no right"),
        (events.HeartbeatEnded("coder", "ok", 1.0), "DEBUG", "heartbeat of agent coder: ok"),
        (events.HeartbeatEnded("coder", "reported", 1.0), "INFO", "heartbeat of agent coder: reported"),
        (events.HeartbeatFailed("coder", "odd", 1.0), "WARNING", "heartbeat of agent coder failed: odd"),
        (events.Stopped(), "INFO", "stopped"),
        (events.Notified("{}"), "DEBUG", "Notified"),
        (events.Unchanged("/x", "abc", "1:1:"), "DEBUG", "Unchanged"),
    ],
)
def test_an_event_is_one_line(event: Event, level: str, line: str, told: pytest.LogCaptureFixture) -> None:
    tell_story(LOG)(event)
    assert [(record.levelname, record.getMessage()) for record in told.records] == [(level, line)]


def test_a_text_with_a_percent_sign_is_no_format(told: pytest.LogCaptureFixture) -> None:
    tell_story(LOG)(events.Refused("100 %s %d"))
    assert told.messages == ["refused: 100 %s %d"]


def test_each_warning_is_a_line_of_its_own(told: pytest.LogCaptureFixture) -> None:
    tell_story(LOG)(events.Warned(("one", "two")))
    assert told.messages == ["one", "two"]


def test_a_warning_that_was_told_is_not_told_again(told: pytest.LogCaptureFixture) -> None:
    story = tell_story(LOG)
    story(events.Warned(("one",)))
    story(events.Warned(("one", "two")))
    assert told.messages == ["one", "two"]


def test_a_warning_that_was_gone_is_told_again(told: pytest.LogCaptureFixture) -> None:
    story = tell_story(LOG)
    for warnings in (("one",), (), ("one",)):
        story(events.Warned(warnings))
    assert told.messages == ["one", "one"]


def test_the_figures_of_an_event_are_fields_and_its_contents_are_not(told: pytest.LogCaptureFixture) -> None:
    tell_story(LOG)(PUBLISHED)
    assert told.records[0].__dict__["fields"] == {
        "event": "Published",
        "path": "/x/agents.json",
        "content_hash": "abc",
        "latency": 0.0123,
        "snapshot": "1:1:",
    }


# --- events


def test_every_subscriber_gets_every_event_in_order() -> None:
    got: list[tuple[int, Event]] = []
    hub = Events()
    hub.subscribe(lambda event: got.append((1, event)))
    hub.subscribe(lambda event: got.append((2, event)))
    hub.emit(events.Stopped())
    assert got == [(1, events.Stopped()), (2, events.Stopped())]


def test_a_subscriber_that_fails_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def fails(_: Event) -> None:
        raise RuntimeError("oops")

    got: list[Event] = []
    hub = Events()
    hub.subscribe(fails)
    hub.subscribe(got.append)
    hub.emit(events.Stopped())
    assert got == [events.Stopped()]
    assert "a subscriber failed on Stopped" in caplog.text


def test_a_link_that_stays_lost_for_the_same_reason_is_one_line(told: pytest.LogCaptureFixture) -> None:
    tell = tell_story(LOG)
    for event in (
        *[events.LinkLost(UnreachableError("cut"))] * 3,
        events.LinkProven(),
        events.LinkLost(UnreachableError("cut")),
    ):
        tell(event)
    assert [record.getMessage() for record in told.records if record.levelname == "WARNING"] == [
        "cut; connecting again"
    ] * 2


def test_what_is_no_skill_is_a_line_only_once(told: pytest.LogCaptureFixture) -> None:
    tell = tell_story(LOG)
    for what in (("a: odd",), ("a: odd", "b: odd"), ("b: odd",), ("a: odd",)):
        tell(events.SkillsReported(0, 0, what))
    assert [record.getMessage() for record in told.records] == [
        "no skill: a: odd",
        "no skill: b: odd",
        "no skill: a: odd",
    ]
