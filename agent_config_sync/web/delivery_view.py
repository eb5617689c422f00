"""What a view says of the turns of agents: events, folded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias, assert_never

from agent_config_sync import events
from agent_config_sync.web.figures import Durations, Latencies, Moment


@dataclass(frozen=True, slots=True)
class Sends:
    """What was sent to the gateway. sessions: in which a turn is under way; last: seconds since the epoch; error: of
    the last one, None if it went well; away: why it takes no turns now, None where it does."""

    sessions: int = 0
    last: float | None = None
    error: str | None = None
    away: str | None = None


@dataclass(frozen=True, slots=True)
class DeliveryLimits:
    """Within which notifications are delivered; times in seconds. None: there is no such limit, for nobody delivers."""

    sessions: int | None = None
    stream_timeout: float | None = None
    batch: int | None = None
    listed: int | None = None
    interval: float | None = None
    backoff_base: float | None = None
    backoff_max: float | None = None


@dataclass(frozen=True, slots=True)
class Deliveries:
    """Notifications on their way to agents.

    running: whether somebody delivers them; last: seconds since the epoch; delivered: dealt with, however; outcomes:
    how many of these in which way; failed: turns; failures: of these in a row, up to now; dead: notifications that were
    given up; skipped: without an answer, where none was needed; exhausted: tried as often as they may, where one was;
    under_way: turns; waits: seconds from the notification to its first turn; turns: that took so many seconds; stalled:
    why no turn can be begun or ended, None if it can; waiting, given_up: notifications of all agents of the account,
    and oldest: for how many seconds one waits.
    """

    running: bool = False
    last: float | None = None
    delivered: int = 0
    failed: int = 0
    failures: int = 0
    last_error: Moment | None = None
    skipped: int = 0
    exhausted: int = 0
    dead: int = 0
    under_way: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    waits: Latencies = field(default_factory=Latencies)
    turns: Latencies = field(default_factory=Latencies)
    stalled: str | None = None
    waiting: int = 0
    oldest: float = 0.0
    given_up: int = 0
    limits: DeliveryLimits = field(default_factory=DeliveryLimits)


@dataclass(frozen=True, slots=True)
class Heartbeats:
    """running: whether we let agents beat; scheduled: how many agents do; done, failed: beats; durations: of both, in
    seconds; error: the last one."""

    running: bool = False
    scheduled: int = 0
    done: int = 0
    failed: int = 0
    durations: Durations = field(default_factory=Durations)
    error: Moment | None = None


OfDelivery: TypeAlias = (
    events.DeliveryStarted
    | events.DeliveryStopped
    | events.TurnBegan
    | events.TurnsUnderWay
    | events.Delivered
    | events.DeliveryFailed
    | events.GatewayAway
    | events.GatewayReady
    | events.QueueMeasured
    | events.DeliveryStalled
)


OfHeartbeats: TypeAlias = (
    events.HeartbeatsScheduled
    | events.HeartbeatsStopped
    | events.HeartbeatsStalled
    | events.HeartbeatEnded
    | events.HeartbeatFailed
)


def delivered(seen: Deliveries, event: OfDelivery, now: float) -> Deliveries:
    """Return what there is to say of deliveries after an event. now: seconds since the epoch."""
    match event:
        case events.DeliveryStarted():
            limits = DeliveryLimits(
                sessions=event.sessions,
                stream_timeout=event.turn_timeout,
                interval=event.interval,
                backoff_base=event.backoff_base,
                backoff_max=event.backoff_max,
            )
            return replace(seen, running=True, stalled=None, limits=limits)
        case events.QueueMeasured(waiting=waiting, oldest=oldest, dead=dead):
            return replace(seen, waiting=waiting, oldest=oldest, given_up=dead)
        case events.DeliveryStopped():
            return replace(seen, running=False, under_way=0)
        case events.TurnBegan(waited=waited):
            waits = seen.waits.plus(waited) if event.attempt == 1 else seen.waits
            return replace(seen, waits=waits, stalled=None)
        case events.TurnsUnderWay(count=count):
            return replace(seen, under_way=count)
        case events.Delivered(outcome=outcome, exhausted=exhausted, seconds=seconds):
            return replace(
                seen,
                last=now,
                delivered=seen.delivered + 1,
                outcomes={**seen.outcomes, outcome: seen.outcomes.get(outcome, 0) + 1},
                failures=0,
                skipped=seen.skipped + (outcome == "skipped"),
                exhausted=seen.exhausted + exhausted,
                turns=seen.turns.plus(seconds) if outcome != "skipped" else seen.turns,
                stalled=None,
            )
        case events.DeliveryFailed(error=error, retry_in=retry_in):
            return replace(
                seen,
                failed=seen.failed + 1,
                dead=seen.dead + (retry_in is None),
                failures=seen.failures + 1,
                last_error=Moment(now, error),
            )
        case events.GatewayAway(error=error):
            return replace(seen, failures=seen.failures + 1, last_error=Moment(now, error))
        case events.GatewayReady():
            return seen
        case events.DeliveryStalled(error=error):
            return replace(seen, stalled=error, last_error=Moment(now, error))
    assert_never(event)


def beaten(seen: Heartbeats, event: OfHeartbeats, now: float) -> Heartbeats:
    """Return what there is to say of heartbeats after an event. now: seconds since the epoch."""
    match event:
        case events.HeartbeatsScheduled(agents=agents):
            return replace(seen, running=True, scheduled=agents)
        case events.HeartbeatsStopped():
            return replace(seen, running=False, scheduled=0)
        case events.HeartbeatsStalled(error=error):
            return replace(seen, error=Moment(now, error))
        case events.HeartbeatEnded(seconds=seconds):
            return replace(seen, done=seen.done + 1, durations=seen.durations.plus(seconds))
        case events.HeartbeatFailed(error=error, seconds=seconds):
            failed, durations = seen.failed + 1, seen.durations.plus(seconds)
            return replace(seen, failed=failed, durations=durations, error=Moment(now, error))
    assert_never(event)


def sent(seen: Sends, event: OfDelivery, now: float) -> Sends:
    """Return what there is to say of the gateway after an event. now: seconds since the epoch."""
    match event:
        case events.TurnBegan():
            return replace(seen, last=now)
        case events.TurnsUnderWay(count=count):
            return replace(seen, sessions=count)
        case events.GatewayAway(error=error):
            return replace(seen, away=error, error=error)
        case events.DeliveryFailed(error=error):
            return replace(seen, error=error)
        case events.GatewayReady():
            return replace(seen, away=None)
        case events.Delivered(outcome=outcome):
            return replace(seen, error=None) if outcome != "skipped" else seen
        case _:
            return seen
