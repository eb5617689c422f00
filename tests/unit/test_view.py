"""web/view.py: events, folded into where a sync stands."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from agent_config_sync import events
from agent_config_sync.errors import SyncError, UnreachableError
from agent_config_sync.events import Event
from agent_config_sync.web.delivery_view import Deliveries, Heartbeats, Sends
from agent_config_sync.web.figures import BOUNDS, Durations, Latencies, Moment
from agent_config_sync.web.view import Passes, Roster, Skills, SupervisedGateway, View, Watcher, fold

PUBLISHED = events.Published("/x", "abc", None, b"{}", 0.003, "1:1:")
UNCHANGED = events.Unchanged("/x", "abc", "1:1:")


def after(*happened: Event) -> View:
    """The view after these events, one a second from 1 on."""
    view = View(started_at=0.0)
    for second, event in enumerate(happened, 1):
        view = fold(view, event, float(second))
    return view


def assessed(state: str, error: str | None = None) -> events.Assessed:
    return events.Assessed(state, error, "2026.9.6")


def test_the_link_stands_from_its_proof_until_it_is_lost() -> None:
    assert after().link == "connecting"
    assert after(events.Listening("db")).link == "connecting"
    assert after(events.Listening("db"), events.LinkProven()).link == "listening"
    lost = after(events.Listening("db"), events.LinkLost(UnreachableError("cut")))
    assert (lost.link, lost.trouble, lost.server) == ("lost", "cut", "db")


def test_a_link_that_stands_again_has_no_trouble() -> None:
    happened = (events.Listening("db"), events.LinkLost(UnreachableError("cut")), events.Listening("db"))
    view = after(*happened, events.LinkProven())
    assert (view.link, view.trouble, view.connections) == ("listening", None, 2)
    view = after(*happened)
    assert (view.link, view.trouble) == ("lost", "cut")


def test_waiting_for_another_process_names_it() -> None:
    view = after(events.WaitingForOther("process 7"))
    assert (view.link, view.trouble) == ("waiting", "process 7")


def test_a_sync_that_was_stopped_listens_no_more() -> None:
    assert after(events.Listening("db"), events.Stopped()).link == "closed"


def test_passes_are_counted_by_how_they_ended() -> None:
    view = after(PUBLISHED, UNCHANGED, UNCHANGED, events.Refused("no"), events.PassFailed(SyncError("no"), 0.5))
    assert view.passes == Passes(published=1, unchanged=2, refused=1, failed=1)


def test_notifications_are_counted() -> None:
    assert after(events.Notified("{}"), events.Notified("{}")).notifications == 2


def test_a_snapshot_is_kept_with_its_time_and_its_agents() -> None:
    view = after(events.SnapshotTaken("7:7:", 20, 1))
    assert (view.snapshot, view.agents) == (Moment(1.0, "7:7:"), 20)


def test_the_warnings_of_the_last_pass_are_counted() -> None:
    assert after(events.Warned(("a", "b")), events.Warned(("a",))).warnings == 1


@pytest.mark.parametrize("state", ["applied", "offered"])
def test_it_is_in_force_when_the_gateway_runs_with_it_or_was_offered_it(state: str) -> None:
    assert after(PUBLISHED, assessed(state)).in_force


@pytest.mark.parametrize("state", ["pending", "refused"])
def test_it_is_not_in_force_before_that(state: str) -> None:
    assert not after(PUBLISHED, assessed(state, "why not")).in_force


def test_a_new_file_is_not_in_force_though_the_last_one_was() -> None:
    assert not after(PUBLISHED, assessed("applied"), PUBLISHED).in_force


def test_a_failed_pass_is_not_in_force_until_the_next_one_succeeds() -> None:
    failed = (PUBLISHED, assessed("applied"), events.PassFailed(SyncError("no rights"), None))
    assert (after(*failed).in_force, after(*failed).failure) == (False, "no rights")
    assert after(*failed, UNCHANGED, assessed("applied")).in_force


def test_the_time_is_that_of_the_change_and_not_of_the_last_look() -> None:
    view = after(PUBLISHED, assessed("applied"), UNCHANGED, assessed("applied"))
    assert (view.published, view.settled) == (Moment(1.0, "abc"), 2.0)


def test_a_change_that_was_refused_and_then_cured_is_a_change() -> None:
    refused = (PUBLISHED, assessed("applied"), events.Refused("empty"), assessed("refused", "empty"))
    assert after(*refused, UNCHANGED, assessed("applied")).settled == 6.0


def test_the_last_error_stays_with_the_time_when_it_was_new() -> None:
    view = after(assessed("pending", "another value"), assessed("pending", "another value"), assessed("applied"))
    assert (view.error, view.last_error) == (None, Moment(1.0, "another value"))


def test_the_last_look_that_found_it_in_force_has_its_time() -> None:
    assert after(PUBLISHED, assessed("pending")).synced is None
    view = after(PUBLISHED, assessed("applied"), UNCHANGED, assessed("applied"), assessed("pending", "no"))
    assert view.synced == 4.0


def test_agents_that_came_and_went_are_those_of_the_last_pass_that_changed_them() -> None:
    view = after(events.RosterChanged(("a", "b"), ()), events.RosterChanged((), ("a",)), UNCHANGED)
    assert view.roster == Roster(added=0, removed=1)


def test_passes_are_timed() -> None:
    view = after(events.PassEnded(0.5), events.PassEnded(0.25))
    assert view.pass_durations == Durations(count=2, total=0.75, least=0.25, most=0.5)


def test_nobody_delivers_and_nobody_beats_yet() -> None:
    view = after(PUBLISHED, assessed("applied"))
    assert (view.deliveries, view.heartbeats, view.sends) == (Deliveries(), Heartbeats(), Sends())


def test_heartbeats_are_counted_and_timed() -> None:
    view = after(
        events.HeartbeatsScheduled(2),
        events.HeartbeatEnded("coder", "ok", 0.5),
        events.HeartbeatFailed("coder", "no", 0.25),
    )
    timed = Durations(count=2, total=0.75, least=0.25, most=0.5)
    assert view.heartbeats == Heartbeats(True, 2, done=1, failed=1, durations=timed, error=Moment(3.0, "no"))


def test_heartbeats_that_ended_are_scheduled_for_nobody() -> None:
    view = after(events.HeartbeatsScheduled(2), events.HeartbeatsStopped())
    assert (view.heartbeats.running, view.heartbeats.scheduled) == (False, 0)


def test_why_heartbeats_wait_is_told() -> None:
    assert after(events.HeartbeatsStalled("no rights")).heartbeats.error == Moment(1.0, "no rights")


def test_an_older_debt_has_no_latency() -> None:
    assert after(events.Applied("abc", "1:1:", None)).apply_latencies == Latencies()


def test_a_latency_falls_under_the_first_bound_that_is_not_less() -> None:
    latencies = Latencies().plus(BOUNDS[0]).plus(0.006).plus(1000.0)
    assert (latencies.counts[0], latencies.counts[1], latencies.counts[-1]) == (1, 1, 1)
    assert (sum(latencies.counts), latencies.last) == (3, 1000.0)


def test_no_event_of_many_threads_is_lost() -> None:
    watcher = Watcher()

    def notify() -> None:
        for _ in range(2_000):
            watcher(events.Notified("{}"))

    threads = [threading.Thread(target=notify) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert watcher.view.notifications == 8_000


def test_skills_are_of_interest_while_agents_may_install_them() -> None:
    enabled, reported = events.Housed(("coder",), True), events.SkillsReported(2, 1, ("x",))
    assert after(reported).skills is None
    assert after(enabled).skills == Skills()
    assert after(enabled, reported).skills == Skills(reported=2.0, installed=2, broken=1, left_out=("x",))
    assert after(enabled, reported, events.Housed(("coder",), False)).skills is None


def test_a_report_that_failed_keeps_what_was_reported() -> None:
    failed = events.SkillsUnreported(SyncError("no right"))
    view = after(events.Housed((), True), events.SkillsReported(2, 0, ()), failed)
    assert view.skills == Skills(reported=2.0, installed=2, error="no right")


def test_requests_that_are_not_taken_are_told_until_they_are() -> None:
    failed = events.RequestsUntaken(SyncError("no right"))
    enabled, reported = events.Housed((), True), events.SkillsReported(2, 0, ())
    assert after(enabled, failed, reported).skills == Skills(reported=3.0, installed=2, request_error="no right")
    assert after(enabled, failed, reported, events.RequestsTaken()).skills == Skills(reported=3.0, installed=2)
    assert after(enabled, events.SkillsUnwatched(), failed).skills is None


def test_each_use_of_a_tool_is_counted_by_how_it_ended() -> None:
    view = after(
        events.ToolUsed("task_load", "coder", "done", 0.5, None),
        events.ToolUsed("task_load", "qa", "refused", 0.25, "Not found: task x"),
        events.ToolUsed("task_list", "lead", "failed", 0.1, "the connection was lost"),
    )
    load, list_ = view.tools["task_load"], view.tools["task_list"]
    assert (load.done, load.refused, load.failed, load.durations.total) == (1, 1, 0, 0.75)
    assert (list_.done, list_.failed) == (0, 1)
    assert load.error is not None
    assert load.error.what == "Not found: task x"


def test_a_gateway_that_is_started_here_runs_from_its_start_to_its_end() -> None:
    started, ended = events.GatewayStarted(7), events.GatewayEnded(-9, 1.0)
    assert after().supervised is None
    assert after(started).supervised == SupervisedGateway(7, starts=1)
    view = after(started, ended)
    assert view.supervised == SupervisedGateway(None, starts=1, trouble="the gateway was ended by SIGKILL")
    assert view.last_error == Moment(2.0, "the gateway was ended by SIGKILL")
    assert after(started, ended, events.GatewayStarted(8)).supervised == SupervisedGateway(8, starts=2)
    assert after(started, events.GatewayStopped()).supervised == SupervisedGateway(None, starts=1)


def test_a_gateway_that_cannot_be_started_says_why() -> None:
    view = after(events.GatewayNotStarted("no program", 1.0))
    assert view.supervised == SupervisedGateway(trouble="no program")


def test_every_start_after_the_first_is_a_restart() -> None:
    assert [SupervisedGateway(starts=starts).restarts for starts in range(4)] == [0, 0, 1, 2]


def test_what_becomes_of_turns_is_counted() -> None:
    began = events.TurnBegan("coder", "t", "n", "mention", 1, 0.2)
    ended = events.Delivered("coder", "t", "n", "replied", None, "resp_1", exhausted=False, seconds=0.5)
    skipped = replace(ended, outcome="skipped", reason="x", exhausted=True)
    failed = events.DeliveryFailed("coder", "t", "n", "answered 500", 15.0)
    started = events.DeliveryStarted(10, 15.0, 5.0, 300.0, 900.0)
    view = View(started_at=0.0)
    for event in (started, began, ended, skipped, failed, replace(failed, retry_in=None), events.TurnsUnderWay(2)):
        view = fold(view, event, 9.0)
    seen = view.deliveries
    assert (seen.running, seen.delivered, seen.outcomes) == (True, 2, {"replied": 1, "skipped": 1})
    assert (seen.failed, seen.failures, seen.dead, seen.skipped, seen.exhausted) == (2, 2, 1, 1, 1)
    assert (seen.under_way, view.sends.sessions, view.sends.last, seen.last) == (2, 2, 9.0, 9.0)
    assert (sum(seen.waits.counts), sum(seen.turns.counts), view.sends.error) == (1, 1, "answered 500")


def test_a_success_ends_a_row_of_failures() -> None:
    view = View(started_at=0.0, deliveries=Deliveries(failures=4), sends=Sends(error="answered 500"))
    ended = events.Delivered("coder", "t", "n", "replied", None, None, exhausted=False, seconds=0.5)
    view = fold(view, ended, 9.0)
    assert (view.deliveries.failures, view.sends.error) == (0, None)


def test_a_gateway_that_comes_back_is_away_no_more() -> None:
    view = fold(View(started_at=0.0), events.GatewayAway("it is not there"), 1.0)
    assert view.sends.away == "it is not there"
    assert fold(view, events.GatewayReady(), 2.0).sends.away is None


def test_the_queue_is_as_it_was_measured_last() -> None:
    seen = fold(View(started_at=0.0), events.QueueMeasured(3, 1.5, 2), 1.0).deliveries
    assert (seen.waiting, seen.oldest, seen.given_up) == (3, 1.5, 2)
