"""What health answers in the words of the runtime service that it takes the place of: pure functions of the view.

Names on the wire are that service's own, times are milliseconds since the epoch, and what does not run here, or cannot
be known, is false, 0 or null, and never a guess.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from agent_config_sync.settings import Settings
from agent_config_sync.web.delivery_view import Deliveries
from agent_config_sync.web.view import Skills, View

UNKNOWN = "unknown"


class Named(BaseModel):
    """An answer with names in camel case."""

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )


class Infrastructure(Named):
    """Where this runs, as operators say."""

    droplet_id: str = UNKNOWN
    ip_address: str = UNKNOWN
    region: str = UNKNOWN


class GatewayHealth(Named):
    """name: of the gateway whose rows this sync reads; running: whether its process lives where `gateway_command`
    starts it, else true when it has said that it runs with what is in the database and null while it does not say;
    sessions, last_send: of deliveries."""

    name: str
    running: bool | None
    sessions: int
    last_send_at: int | None
    last_send_error: str | None


class DeliveryConfig(Named):
    """null where there is no such limit, for nobody delivers."""

    max_concurrent_sessions: int | None
    stream_timeout_ms: int | None
    context_fetch_batch_size: int | None
    list_limit: int | None
    interval_ms: int | None
    backoff_base_ms: int | None
    backoff_max_ms: int | None


class DeliveryCounts(Named):
    """Notifications on their way to agents."""

    running: bool
    delivered: int
    failed: int
    no_response_terminal_skip_count: int
    required_notification_retry_exhausted_count: int


class DeliveryHealth(DeliveryCounts):
    """delivered_count: `delivered` once more, by its other name; waiting, dead: notifications of the whole account;
    oldest_waiting_ms: of those, since when the oldest waits."""

    last_delivery: int | None
    delivered_count: int
    consecutive_failures: int
    last_error_at: int | None
    last_error_message: str | None
    under_way: int
    waiting: int
    oldest_waiting_ms: int
    dead: int
    config: DeliveryConfig


class HeartbeatHealth(Named):
    running: bool
    scheduled_agents: int


class AgentSyncHealth(Named):
    """running: whether changes of the database arrive; last_sync_at: when it was last seen that what is there is in
    force; last_error: what is wrong now; added_count, removed_count: agents, of the last pass that changed them."""

    running: bool
    last_sync_at: int | None
    last_error: str | None
    added_count: int
    removed_count: int


class SkillCounts(Named):
    installed: int
    broken: int
    left_out: int


class SkillSyncHealth(Named):
    """What agents have installed, as it was told to the database last."""

    last_sync_at: int | None
    last_error: str | None
    counts: SkillCounts


class Memory(Named):
    """In bytes. rss: null where the system does not say so; the others are figures of Node's heap, which Python does
    not have: always null."""

    rss: int | None
    heap_total: None = None
    heap_used: None = None
    external: None = None
    array_buffers: None = None


def infrastructure_of(settings: Settings) -> Infrastructure:
    return Infrastructure(
        droplet_id=settings.droplet_id or UNKNOWN,
        ip_address=settings.droplet_ip or UNKNOWN,
        region=settings.droplet_region or UNKNOWN,
    )


def gateway_health(view: View, name: str) -> GatewayHealth:
    sends = view.sends
    return GatewayHealth(
        name=name,
        running=gateway_runs(view),
        sessions=sends.sessions,
        last_send_at=milliseconds(sends.last),
        last_send_error=sends.error,
    )


def delivery_health(seen: Deliveries) -> DeliveryHealth:
    limits, error = seen.limits, seen.last_error
    return DeliveryHealth(
        **dict(delivery_counts(seen)),
        last_delivery=milliseconds(seen.last),
        delivered_count=seen.delivered,
        consecutive_failures=seen.failures,
        last_error_at=None if error is None else milliseconds(error.at),
        last_error_message=None if error is None else error.what,
        under_way=seen.under_way,
        waiting=seen.waiting,
        oldest_waiting_ms=round(seen.oldest * 1000),
        dead=seen.given_up,
        config=DeliveryConfig(
            max_concurrent_sessions=limits.sessions,
            stream_timeout_ms=milliseconds(limits.stream_timeout),
            context_fetch_batch_size=limits.batch,
            list_limit=limits.listed,
            interval_ms=milliseconds(limits.interval),
            backoff_base_ms=milliseconds(limits.backoff_base),
            backoff_max_ms=milliseconds(limits.backoff_max),
        ),
    )


def heartbeat_health(view: View) -> HeartbeatHealth:
    return HeartbeatHealth(running=view.heartbeats.running, scheduled_agents=view.heartbeats.scheduled)


def agent_sync_health(view: View) -> AgentSyncHealth:
    return AgentSyncHealth(
        running=view.link == "listening",
        last_sync_at=milliseconds(view.synced),
        last_error=_error_of_now(view),
        added_count=view.roster.added,
        removed_count=view.roster.removed,
    )


def skill_sync_health(seen: Skills | None) -> SkillSyncHealth:
    seen = seen or Skills()
    return SkillSyncHealth(
        last_sync_at=milliseconds(seen.reported),
        last_error=seen.error,
        counts=SkillCounts(installed=seen.installed, broken=seen.broken, left_out=len(seen.left_out)),
    )


def uptime(view: View, now: float) -> float:
    """Return the seconds since this process began to look."""
    return round(max(0.0, now - view.started_at), 3)


def milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def delivery_counts(seen: Deliveries) -> DeliveryCounts:
    return DeliveryCounts(
        running=seen.running,
        delivered=seen.delivered,
        failed=seen.failed,
        no_response_terminal_skip_count=seen.skipped,
        required_notification_retry_exhausted_count=seen.exhausted,
    )


def gateway_runs(view: View) -> bool | None:
    """Return whether the gateway that is started here lives; of another one True when it said so itself, for that a
    file was offered to it says nothing."""
    if view.supervised is not None:
        return view.supervised.pid is not None
    return True if view.state == "applied" else None


def _error_of_now(view: View) -> str | None:
    return view.failure or view.error or (view.trouble if view.link == "lost" else None)
