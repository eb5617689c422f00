"""What one sync has done and where it stands: its events, folded into one frozen view that any thread may read."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias, assert_never

from agent_config_sync import events
from agent_config_sync.events import Event
from agent_config_sync.web.delivery_view import Deliveries, Heartbeats, Sends, beaten, delivered, sent
from agent_config_sync.web.figures import Durations, Latencies, Moment

LinkState: TypeAlias = Literal["connecting", "waiting", "listening", "lost", "closed"]

IN_FORCE = frozenset({"applied", "offered"})
"""States in which the gateway runs with what is in the database, as far as can be known."""


@dataclass(frozen=True, slots=True)
class Passes:
    """How many passes ended in which way."""

    published: int = 0
    unchanged: int = 0
    refused: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class ToolUse:
    """How often agents used a tool of the board, by how that ended, and how long it took. error: the last one."""

    done: int = 0
    refused: int = 0
    failed: int = 0
    durations: Durations = field(default_factory=Durations)
    latencies: Latencies = field(default_factory=Latencies)
    error: Moment | None = None


@dataclass(frozen=True, slots=True)
class Skills:
    """What agents have installed and ask for. reported: seconds since the epoch, None before the first time; error: why
    the last report did not reach the database, request_error: why requests are not taken, None if that is as it should
    be.
    """

    reported: float | None = None
    error: str | None = None
    request_error: str | None = None
    installed: int = 0
    broken: int = 0
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys of skills that people have entered. given: to the gateway; withheld: what keeps others from skills."""

    given: int = 0
    withheld: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Roster:
    """How many agents the last pass that changed them added and removed."""

    added: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True)
class SupervisedGateway:
    """The gateway that this process starts. pid: None while it does not run; trouble: why not, None if that is as it
    should be."""

    pid: int | None = None
    starts: int = 0
    trouble: str | None = None

    @property
    def restarts(self) -> int:
        return max(0, self.starts - 1)


@dataclass(frozen=True, slots=True)
class View:
    """Where a sync stands.

    started_at: seconds since the epoch; trouble: why the link does not stand, or who holds the output; state: as in
    gateway_status, None before the first pass, with the reason in error; failure: why the last pass ended with an
    error, None if it did not; settled: when the last change came into force; synced: when it was last seen that what
    is in the database is in force; snapshot: PostgreSQL's `pg_snapshot`; published: SHA-256 in hex; skills: None where
    agents may not install any; supervised: None where nobody here starts a gateway, and before the first start.
    """

    started_at: float
    link: LinkState = "connecting"
    server: str | None = None
    trouble: str | None = None
    connections: int = 0
    notifications: int = 0
    passes: Passes = field(default_factory=Passes)
    failure: str | None = None
    state: str | None = None
    error: str | None = None
    gateway_version: str | None = None
    agents: int = 0
    warnings: int = 0
    snapshot: Moment | None = None
    published: Moment | None = None
    settled: float | None = None
    synced: float | None = None
    last_error: Moment | None = None
    skills: Skills | None = None
    keys: Keys = field(default_factory=Keys)
    roster: Roster = field(default_factory=Roster)
    supervised: SupervisedGateway | None = None
    sends: Sends = field(default_factory=Sends)
    deliveries: Deliveries = field(default_factory=Deliveries)
    heartbeats: Heartbeats = field(default_factory=Heartbeats)
    tools: Mapping[str, ToolUse] = field(default_factory=dict)
    pass_durations: Durations = field(default_factory=Durations)
    publish_latencies: Latencies = field(default_factory=Latencies)
    apply_latencies: Latencies = field(default_factory=Latencies)

    @property
    def in_force(self) -> bool:
        """Whether the last pass succeeded and the gateway runs with what it read, as far as can be known."""
        return self.state in IN_FORCE and self.failure is None


def fold(view: View, event: Event, now: float) -> View:
    """Return the view after an event."""
    passes = view.passes
    match event:
        case events.Listening(server=server):
            lost = view.link == "lost"  # until it is proven: a pooler takes LISTEN too
            return replace(
                view,
                link="lost" if lost else "connecting",
                server=server,
                trouble=view.trouble if lost else None,
                connections=view.connections + 1,
            )
        case events.LinkProven():
            return replace(view, link="listening", trouble=None)
        case events.LinkLost(error=error):
            return replace(view, link="lost", trouble=str(error), last_error=Moment(now, str(error)))
        case events.WaitingForOther(holder=holder):
            return replace(view, link="waiting", trouble=holder)
        case events.Notified():
            return replace(view, notifications=view.notifications + 1)
        case events.SnapshotTaken(snapshot=snapshot, agents=agents):
            return replace(view, snapshot=Moment(now, snapshot), agents=agents)
        case events.RosterChanged(added=added, removed=removed):
            return replace(view, roster=Roster(len(added), len(removed)))
        case events.PassEnded(seconds=seconds):
            return replace(view, pass_durations=view.pass_durations.plus(seconds))
        case events.ToolUsed(tool=tool):
            return replace(view, tools={**view.tools, tool: _used(view.tools.get(tool, ToolUse()), event, now)})
        case events.Warned(warnings=warnings):
            return replace(view, warnings=len(warnings))
        case events.Housed(skills_enabled=enabled):
            return replace(view, skills=(view.skills or Skills()) if enabled else None)
        case events.KeysGiven(keys=given, withheld=withheld):
            return replace(view, keys=Keys(given, withheld))
        case events.SkillsUnwatched():
            return replace(view, skills=None)
        case events.SkillsReported() | events.SkillsUnreported() | events.RequestsUntaken() | events.RequestsTaken():
            return replace(view, skills=_skills(view.skills, event, now) if view.skills is not None else None)
        case events.Published(content_hash=content_hash, latency=latency):
            return replace(
                view,
                passes=replace(passes, published=passes.published + 1),
                failure=None,
                state="pending",
                error=None,
                published=Moment(now, content_hash),
                publish_latencies=view.publish_latencies.plus(latency),
            )
        case events.Unchanged():
            return replace(view, passes=replace(passes, unchanged=passes.unchanged + 1), failure=None)
        case events.Refused(reason=reason):
            return replace(
                view,
                passes=replace(passes, refused=passes.refused + 1),
                failure=None,
                state="refused",
                error=reason,
                last_error=Moment(now, reason),
            )
        case events.PassFailed(error=error):
            return replace(
                view,
                passes=replace(passes, failed=passes.failed + 1),
                failure=str(error),
                last_error=Moment(now, str(error)),
            )
        case events.Applied(latency=float() as latency):
            return replace(view, apply_latencies=view.apply_latencies.plus(latency))
        case events.Assessed(state=state, error=error, gateway_version=version):
            return replace(
                view,
                state=state,
                error=error,
                gateway_version=version,
                settled=now if state in IN_FORCE and view.state not in IN_FORCE else view.settled,
                synced=now if state in IN_FORCE else view.synced,
                last_error=Moment(now, error) if error is not None and error != view.error else view.last_error,
            )
        case (
            events.DeliveryStarted()
            | events.DeliveryStopped()
            | events.TurnBegan()
            | events.TurnsUnderWay()
            | events.Delivered()
            | events.DeliveryFailed()
            | events.GatewayAway()
            | events.GatewayReady()
            | events.QueueMeasured()
            | events.DeliveryStalled()
        ):
            return replace(view, deliveries=delivered(view.deliveries, event, now), sends=sent(view.sends, event, now))
        case events.GatewayStarted() | events.GatewayEnded() | events.GatewayNotStarted() | events.GatewayStopped():
            return _supervised(view, event, now)
        case (
            events.HeartbeatsScheduled()
            | events.HeartbeatsStopped()
            | events.HeartbeatsStalled()
            | events.HeartbeatEnded()
            | events.HeartbeatFailed()
        ):
            return replace(view, heartbeats=beaten(view.heartbeats, event, now))
        case events.Stopped():
            return replace(view, link="closed", trouble=None)
        case _:
            return view


def _skills(
    seen: Skills,
    event: events.SkillsReported | events.SkillsUnreported | events.RequestsUntaken | events.RequestsTaken,
    now: float,
) -> Skills:
    match event:
        case events.SkillsReported(installed=installed, broken=broken, left_out=left_out):
            return replace(seen, reported=now, error=None, installed=installed, broken=broken, left_out=left_out)
        case events.SkillsUnreported(error=error):
            return replace(seen, error=str(error))
        case events.RequestsUntaken(error=error):
            return replace(seen, request_error=str(error))
        case events.RequestsTaken():
            return replace(seen, request_error=None)
    assert_never(event)


def _supervised(
    view: View,
    event: events.GatewayStarted | events.GatewayEnded | events.GatewayNotStarted | events.GatewayStopped,
    now: float,
) -> View:
    seen = view.supervised or SupervisedGateway()
    match event:
        case events.GatewayStarted(pid=pid):
            return replace(view, supervised=SupervisedGateway(pid, seen.starts + 1))
        case events.GatewayEnded(how=trouble) | events.GatewayNotStarted(reason=trouble):
            ended = replace(seen, pid=None, trouble=trouble)
            return replace(view, supervised=ended, last_error=Moment(now, trouble))
        case events.GatewayStopped():
            return replace(view, supervised=replace(seen, pid=None, trouble=None))
    assert_never(event)


class Watcher:
    """A subscriber that keeps the view; events come from worker threads too."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self.view = View(started_at=clock())

    def __call__(self, event: Event) -> None:
        with self._lock:
            self.view = fold(self.view, event, self._clock())


def _used(before: ToolUse, event: events.ToolUsed, now: float) -> ToolUse:
    return replace(
        before,
        **{event.outcome: getattr(before, event.outcome) + 1},
        durations=before.durations.plus(event.seconds),
        latencies=before.latencies.plus(event.seconds),
        error=Moment(now, event.error) if event.error is not None else before.error,
    )
