"""What health answers: pure functions of the view. Every text in them is safe to print, as every SyncError is."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from agent_config_sync import __version__
from agent_config_sync.web.figures import Moment
from agent_config_sync.web.runtime_health import (
    UNKNOWN,
    AgentSyncHealth,
    DeliveryHealth,
    GatewayHealth,
    HeartbeatHealth,
    Infrastructure,
    Memory,
    SkillSyncHealth,
    agent_sync_health,
    delivery_health,
    gateway_health,
    heartbeat_health,
    skill_sync_health,
    uptime,
)
from agent_config_sync.web.view import IN_FORCE, Keys, LinkState, Skills, View

IN_A_ROW = 3
"""Turns that failed, from which on it is no accident."""

NOWHERE = Infrastructure()
"""Where operators do not say where this runs."""


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, serialize_by_alias=True)


class Ready(_Answer):
    """Whether what is in the database is in force, and everything that stands against it."""

    ready: bool
    reasons: tuple[str, ...]


class Versions(_Answer):
    """version: of agent-config-sync; gateway_version: None while it is not known."""

    version: str
    python_version: str
    gateway_version: str | None


class HealthVersions(Versions):
    """In the names of the runtime service too. openclaw: `unknown` while it is not known."""

    runtime_service: str = Field(serialization_alias="runtimeService")
    openclaw: str


class VersionAnswer(Versions):
    """In the names of the runtime service too. openclaw_version: `unknown` while it is not known."""

    runtime_service_version: str = Field(serialization_alias="runtimeServiceVersion")
    openclaw_version: str = Field(serialization_alias="openclawVersion")
    droplet_id: str = Field(serialization_alias="dropletId")
    region: str


class LinkHealth(_Answer):
    """reconnects: connections after the first one."""

    state: LinkState
    server: str | None
    reconnects: int


class SnapshotSeen(_Answer):
    """agents: rows in scope, whether or not they were valid."""

    at: datetime
    snapshot: str
    agents: int


class PublishSeen(_Answer):
    """latency_ms: from the notification to the durable file."""

    at: datetime
    content_hash: str
    latency_ms: float | None


class ErrorSeen(_Answer):
    """An error stays here when it is over; `reasons` says what is wrong now."""

    at: datetime
    message: str


class SkillSync(_Answer):
    """What agents have installed, as it was told to the database last, and why requests of theirs are not taken.

    broken: skills that no gateway loads; left_out: folders that were seen and not taken, see the log; keys: that people
    have entered and the gateway is given; keys_withheld: what keeps others from skills.
    """

    last_sync_at: datetime | None
    last_error: str | None
    request_error: str | None
    installed: int
    broken: int
    left_out: int
    keys: int
    keys_withheld: tuple[str, ...]


class Health(_Answer):
    """Everything at a glance, in our own names and in those of the runtime service (`runtime_health`).

    account: whose rows this sync reads; latency_ms: from the last notification to the gateway running with it;
    skill_sync: None where agents may not install skills; timestamp: of the answer, in milliseconds.
    """

    status: Literal["healthy", "degraded"]
    reasons: tuple[str, ...]
    state: str | None
    gateway: GatewayHealth
    account: str
    versions: HealthVersions
    link: LinkHealth
    last_snapshot: SnapshotSeen | None
    last_published: PublishSeen | None
    last_in_force_at: datetime | None
    last_error: ErrorSeen | None
    warnings: int
    latency_ms: float | None
    skill_sync: SkillSync | None
    uptime_seconds: float
    uptime: float
    infrastructure: Infrastructure
    delivery: DeliveryHealth
    heartbeat: HeartbeatHealth
    agent_sync: AgentSyncHealth = Field(serialization_alias="agentSync")
    installed_skills: SkillSyncHealth = Field(serialization_alias="skillSync")
    memory: Memory
    timestamp: int


def ready(view: View) -> Ready:
    """Return whether the link stands and what the last pass read is in force."""
    reasons = tuple(_reasons(view))
    return Ready(ready=not reasons, reasons=reasons)


def versions(view: View, infrastructure: Infrastructure = NOWHERE) -> VersionAnswer:
    return VersionAnswer(
        **dict(_versions(view)),
        runtime_service_version=__version__,
        openclaw_version=view.gateway_version or UNKNOWN,
        droplet_id=infrastructure.droplet_id,
        region=infrastructure.region,
    )


def health(
    view: View,
    *,
    gateway: str,
    account: str,
    now: float,
    infrastructure: Infrastructure = NOWHERE,
    rss: int | None = None,
) -> Health:
    """Return the whole picture; now: seconds since the epoch; rss: bytes of memory that this process takes."""
    reasons = tuple(_reasons(view))
    return Health(
        status="degraded" if reasons else "healthy",
        reasons=reasons,
        state=view.state,
        gateway=gateway_health(view, gateway),
        account=account,
        versions=HealthVersions(
            **dict(_versions(view)), runtime_service=__version__, openclaw=view.gateway_version or UNKNOWN
        ),
        link=LinkHealth(state=view.link, server=view.server, reconnects=max(0, view.connections - 1)),
        last_snapshot=_snapshot(view.snapshot, view.agents),
        last_published=_published(view.published, view.publish_latencies.last),
        last_in_force_at=None if view.settled is None else _moment(view.settled),
        last_error=None
        if view.last_error is None
        else ErrorSeen(at=_moment(view.last_error.at), message=view.last_error.what),
        warnings=view.warnings,
        latency_ms=_milliseconds(view.apply_latencies.last),
        skill_sync=_skill_sync(view.skills, view.keys),
        uptime_seconds=uptime(view, now),
        uptime=uptime(view, now),
        infrastructure=infrastructure,
        delivery=delivery_health(view.deliveries),
        heartbeat=heartbeat_health(view),
        agent_sync=agent_sync_health(view),
        installed_skills=skill_sync_health(view.skills),
        memory=Memory(rss=rss),
        timestamp=round(now * 1000),
    )


def _versions(view: View) -> Versions:
    return Versions(version=__version__, python_version=platform.python_version(), gateway_version=view.gateway_version)


def _reasons(view: View) -> list[str]:
    """Everything that stands against being ready, the cause before what follows from it."""
    reasons = []
    match view.link:
        case "connecting":
            reasons.append("there is no connection to the database yet")
        case "waiting":
            reasons.append(f"another process keeps this output: {view.trouble}")
        case "lost":
            reasons.append(f"the connection to the database is lost: {view.trouble}")
        case "closed":
            reasons.append("it was stopped")
        case "listening":
            pass
    if view.supervised is not None and view.supervised.trouble is not None:
        reasons.append(view.supervised.trouble)
    reasons += _delivery_reasons(view)
    if view.failure is not None and view.failure != view.trouble:
        reasons.append(f"the last pass failed: {view.failure}")
    if view.state is None:
        reasons.append("no pass has succeeded yet")
    elif view.state not in IN_FORCE and (view.error is None or view.error != view.failure):
        reasons.append(f"{view.state}: {view.error or 'the gateway does not run with the last change yet'}")
    return reasons


def _delivery_reasons(view: View) -> list[str]:
    """What keeps agents from their turns."""
    seen, reasons = view.deliveries, []
    if view.sends.away is not None and view.sends.away != (view.supervised and view.supervised.trouble):
        reasons.append(f"agents get no turns: {view.sends.away}")
    if seen.stalled is not None and seen.stalled != view.trouble:
        reasons.append(f"turns of agents wait: {seen.stalled}")
    if seen.failures >= IN_A_ROW and view.sends.away is None and seen.last_error is not None:
        reasons.append(f"the last {seen.failures} turns of agents failed: {seen.last_error.what}")
    return reasons


def _skill_sync(seen: Skills | None, keys: Keys) -> SkillSync | None:
    if seen is None:
        return None
    return SkillSync(
        last_sync_at=None if seen.reported is None else _moment(seen.reported),
        last_error=seen.error,
        request_error=seen.request_error,
        installed=seen.installed,
        broken=seen.broken,
        left_out=len(seen.left_out),
        keys=keys.given,
        keys_withheld=keys.withheld,
    )


def _snapshot(seen: Moment | None, agents: int) -> SnapshotSeen | None:
    return None if seen is None else SnapshotSeen(at=_moment(seen.at), snapshot=seen.what, agents=agents)


def _published(seen: Moment | None, latency: float | None) -> PublishSeen | None:
    if seen is None:
        return None
    return PublishSeen(at=_moment(seen.at), content_hash=seen.what, latency_ms=_milliseconds(latency))


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)
