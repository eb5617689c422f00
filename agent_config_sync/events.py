"""What happened: typed events that logs, status, the demo and the tests subscribe to.

Events are plain facts in the past tense. A subscriber is called in the thread that emits, at the moment it happens,
and must return at once; what it raises is logged and never reaches the pipeline.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

_log = logging.getLogger(__name__)

ReloadMethod: TypeAlias = Literal["watch", "touch", "signal", "none"]


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events."""


@dataclass(frozen=True, slots=True)
class Listening(Event):
    """LISTEN is committed: whatever is committed from now on wakes the pipeline."""

    server: str


@dataclass(frozen=True, slots=True)
class LinkProven(Event):
    """A notification of our own came back: the link does what it is for."""


@dataclass(frozen=True, slots=True)
class LinkLost(Event):
    """The connection to the database ended; a new one is being made."""

    error: Exception


@dataclass(frozen=True, slots=True)
class Notified(Event):
    """A notification arrived. The payload is for people; the pipeline re-reads everything."""

    payload: str


@dataclass(frozen=True, slots=True)
class SnapshotTaken(Event):
    """All tables were read as of one instant.

    snapshot: PostgreSQL's `pg_snapshot` as text; agents: rows in scope; fetched: rows that were not in memory yet.
    """

    snapshot: str
    agents: int
    fetched: int


@dataclass(frozen=True, slots=True)
class RosterChanged(Event):
    """A pass found other agents in the database than the one before it. added, removed: their names, sorted."""

    added: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Warned(Event):
    """The set of warnings changed; each names the row and key that was left out or changed."""

    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Furnished(Event):
    """Files of workspaces were written or removed, durably. agents: whose; files: how many."""

    agents: tuple[str, ...]
    files: int


@dataclass(frozen=True, slots=True)
class Housed(Event):
    """Which agents have a workspace here, or whether they may install skills, has changed."""

    agents: tuple[str, ...]
    skills_enabled: bool


@dataclass(frozen=True, slots=True)
class SkillChanged(Event):
    """An agent has installed, changed or removed a skill, and the database says so.

    agent: empty for the skills that all agents share; problem: why the gateway does not load it, None if it does.
    """

    change: Literal["installed", "changed", "removed"]
    agent: str
    slug: str
    problem: str | None


@dataclass(frozen=True, slots=True)
class SkillsReported(Event):
    """The database says which skills agents have installed.

    installed: how many; broken: those of them that the gateway does not load; left_out: what was seen and not taken.
    """

    installed: int
    broken: int
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CredentialRequested(Event):
    """An agent has asked for a key, and a person can see it. skill: its folder."""

    agent: str
    skill: str
    key_name: str


@dataclass(frozen=True, slots=True)
class CredentialRefused(Event):
    """A request of an agent for a key was not taken. requests: how many, where there were too many to look at."""

    agent: str
    reason: str
    requests: int


@dataclass(frozen=True, slots=True)
class KeysGiven(Event):
    """Other keys of skills are given to the gateway, or others are withheld.

    keys: that people have entered and that are given; plain: whether one stands in `skills.json` itself; withheld: what
    keeps keys from skills.
    """

    keys: int
    plain: bool
    withheld: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PersonRefused(Event):
    """Somebody who wanted to decide something was turned away. person: who they say they are, if they may say so."""

    person: str
    reason: str


@dataclass(frozen=True, slots=True)
class TemplateSyncAsked(Event):
    """A person asks over HTTP for a sync of workspaces. options: those that are not as they are without a word."""

    person: str
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TemplateSyncEnded(Event):
    """A sync that a person asked for is over. written, failed: workspaces; error: why there was none, None if there
    was."""

    person: str
    written: int
    failed: int
    error: str | None = None


ToolOutcome: TypeAlias = Literal["done", "refused", "failed"]


@dataclass(frozen=True, slots=True)
class ToolUsed(Event):
    """An agent used a tool of the board. outcome: failed where the tool could not be asked; seconds: that it took;
    error: why it was not done, None if it was."""

    tool: str
    agent: str
    outcome: ToolOutcome
    seconds: float
    error: str | None


@dataclass(frozen=True, slots=True)
class DeliveryStarted(Event):
    """Notifications of the board become turns of agents from now on. sessions: at a time at the most; the others in
    seconds, as in the settings."""

    sessions: int
    interval: float
    backoff_base: float
    backoff_max: float
    turn_timeout: float


@dataclass(frozen=True, slots=True)
class DeliveryStopped(Event):
    """No turn is begun any more. given_back: turns that were under way and are begun again by another process."""

    given_back: int


@dataclass(frozen=True, slots=True)
class TurnBegan(Event):
    """An agent was asked: it has a turn. notification: its id; attempt: the how manieth; waited: seconds since it was
    told."""

    agent: str
    task: str
    notification: str
    type: str
    attempt: int
    waited: float


@dataclass(frozen=True, slots=True)
class TurnsUnderWay(Event):
    """How many turns are under way now."""

    count: int


DeliveryOutcome: TypeAlias = Literal["replied", "acted", "silent", "fallback", "skipped"]


@dataclass(frozen=True, slots=True)
class Delivered(Event):
    """A notification is dealt with.

    reason: why it was skipped or nothing was posted, None where it was answered; response: the gateway's id of its last
    answer; exhausted: an answer was needed, and it was tried as often as it may; seconds: that it took.
    """

    agent: str
    task: str
    notification: str
    outcome: DeliveryOutcome
    reason: str | None
    response: str | None
    exhausted: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class DeliveryFailed(Event):
    """A turn ended without success. retry_in: seconds, None where the notification is given up."""

    agent: str
    task: str
    notification: str
    error: str
    retry_in: float | None


@dataclass(frozen=True, slots=True)
class GatewayAway(Event):
    """The gateway takes no turns, and none is begun until it does. Said once for a reason."""

    error: str


@dataclass(frozen=True, slots=True)
class GatewayReady(Event):
    """The gateway takes turns."""


@dataclass(frozen=True, slots=True)
class QueueMeasured(Event):
    """How many notifications of the account's agents wait, or were given up. oldest: for how many seconds one waits."""

    waiting: int
    oldest: float
    dead: int


@dataclass(frozen=True, slots=True)
class DeliveryStalled(Event):
    """The database does not let turns be begun or ended; it is tried again. Said once for a reason."""

    error: str


@dataclass(frozen=True, slots=True)
class HeartbeatsScheduled(Event):
    """So many agents have heartbeats from now on. Said once for a number."""

    agents: int


@dataclass(frozen=True, slots=True)
class HeartbeatsStopped(Event):
    """No heartbeat is begun any more."""


@dataclass(frozen=True, slots=True)
class HeartbeatsStalled(Event):
    """The database does not let heartbeats be begun; it is tried again. Said once for a reason."""

    error: str


@dataclass(frozen=True, slots=True)
class HeartbeatBegan(Event):
    """An agent looks at its work."""

    agent: str


HeartbeatOutcome: TypeAlias = Literal["reported", "acted", "ok", "silent", "dropped"]
"""reported: posted in a thread; acted: by tools, without a word; ok: nothing needs attention; silent: nothing was said;
dropped: what was said is about no task that the agent may write to, or the agent is gone."""


@dataclass(frozen=True, slots=True)
class HeartbeatEnded(Event):
    """An agent has looked at its work. seconds: that it took."""

    agent: str
    outcome: HeartbeatOutcome
    seconds: float


@dataclass(frozen=True, slots=True)
class HeartbeatFailed(Event):
    """A heartbeat ended without success; there is another one after a pause. seconds: that it took."""

    agent: str
    error: str
    seconds: float


@dataclass(frozen=True, slots=True)
class SkillsUnreported(Event):
    """What agents have installed could not be told to the database; it is tried again."""

    error: Exception


@dataclass(frozen=True, slots=True)
class RequestsUntaken(Event):
    """Requests of agents could not be taken, all or some; it is tried again."""

    error: Exception


@dataclass(frozen=True, slots=True)
class RequestsTaken(Event):
    """Requests of agents are taken again, after they could not be."""


@dataclass(frozen=True, slots=True)
class SkillsUnwatched(Event):
    """Agents of this account may not install skills any more, so nobody looks for them."""


@dataclass(frozen=True, slots=True)
class Renaming(Event):
    """The new file is durable under its temporary name and is about to replace the old one."""

    path: str


@dataclass(frozen=True, slots=True)
class Published(Event):
    """A file was replaced, durably.

    content_hash: SHA-256 in hex of the new bytes; before, after: the file's bytes; latency: seconds from the wake.
    """

    path: str
    content_hash: str
    before: bytes | None
    after: bytes
    latency: float
    snapshot: str


@dataclass(frozen=True, slots=True)
class Unchanged(Event):
    """The pass found the file as it should be."""

    path: str
    content_hash: str
    snapshot: str


@dataclass(frozen=True, slots=True)
class Refused(Event):
    """The result was not published; the last good file stays."""

    reason: str


@dataclass(frozen=True, slots=True)
class Held(Event):
    """Somebody restored an older set: it stays in place, whatever the database says. Said once."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotKept(Event):
    """What was published could not be kept for `restore`; nothing else depends on it. Said once."""

    reason: str


@dataclass(frozen=True, slots=True)
class Reloaded(Event):
    """The gateway was told, or sees it by itself (`watch`)."""

    method: ReloadMethod
    content_hash: str


@dataclass(frozen=True, slots=True)
class ReloadDeferred(Event):
    """The gateway could not be told now; the debt stays open. retry_in: seconds, or None for the next pass."""

    reason: str
    retry_in: float | None


@dataclass(frozen=True, slots=True)
class Applied(Event):
    """The gateway said that it runs with this content. latency: seconds from the wake, None for an older debt."""

    content_hash: str
    snapshot: str
    latency: float | None


@dataclass(frozen=True, slots=True)
class NotApplied(Event):
    """The gateway was told and still runs with something else."""

    content_hash: str
    reason: str


@dataclass(frozen=True, slots=True)
class PassFailed(Event):
    """A pass ended with an error; the last good files stay. retry_in: seconds until the next one."""

    error: Exception
    retry_in: float | None


@dataclass(frozen=True, slots=True)
class PassEnded(Event):
    """A pass is over, however it ended. seconds: that it took, with what it waited for another process."""

    seconds: float


@dataclass(frozen=True, slots=True)
class WaitingForOther(Event):
    """Another process holds the lifetime lock of the output; we wait and take over when it ends."""

    holder: str


@dataclass(frozen=True, slots=True)
class Assessed(Event):
    """Where this gateway stands, as its row in gateway_status is about to say; true whether or not it can be written.

    state: as there; error: what is different, or why not.
    """

    state: str
    error: str | None
    gateway_version: str | None


@dataclass(frozen=True, slots=True)
class Reported(Event):
    """The row in gateway_status says so now."""

    state: str


@dataclass(frozen=True, slots=True)
class StatusUnwritable(Event):
    """The row in gateway_status cannot be written; said once."""

    reason: str


@dataclass(frozen=True, slots=True)
class StatusContested(Event):
    """Another process writes the same row of gateway_status; said once."""

    reason: str


@dataclass(frozen=True, slots=True)
class GatewayStarted(Event):
    """The gateway that `gateway_command` names was started; whether it serves yet is another matter."""

    pid: int


@dataclass(frozen=True, slots=True)
class GatewayEnded(Event):
    """That gateway has ended although nobody here has stopped it. status: of its exit, the number of a signal as a
    negative one; retry_in: seconds until it is started again."""

    status: int
    retry_in: float

    @property
    def how(self) -> str:
        """What became of it, in words."""
        if self.status >= 0:
            return f"the gateway ended with status {self.status}"
        try:
            return f"the gateway was ended by {signal.Signals(-self.status).name}"
        except ValueError:
            return f"the gateway was ended by signal {-self.status}"


@dataclass(frozen=True, slots=True)
class GatewayNotStarted(Event):
    """That gateway could not be started; said once. retry_in: seconds until it is tried again."""

    reason: str
    retry_in: float


@dataclass(frozen=True, slots=True)
class GatewayStopped(Event):
    """That gateway was stopped, with all that it had started."""


@dataclass(frozen=True, slots=True)
class HealthServed(Event):
    """Health is served over HTTP. exposed: whether other machines can reach it."""

    url: str
    exposed: bool


@dataclass(frozen=True, slots=True)
class HealthUnserved(Event):
    """Health cannot be served now; said once. retry_in: seconds between two attempts."""

    reason: str
    retry_in: float


@dataclass(frozen=True, slots=True)
class Stopped(Event):
    """The writer has finished; nothing is written or signalled any more."""


Subscriber: TypeAlias = Callable[[Event], None]


@dataclass(slots=True)
class Events:
    """Passes each event to every subscriber, in the order of subscription."""

    _subscribers: list[Subscriber] = field(default_factory=list)

    def subscribe(self, subscriber: Subscriber) -> None:
        self._subscribers.append(subscriber)

    def emit(self, event: Event) -> None:
        for subscriber in self._subscribers:
            try:
                subscriber(event)
            except Exception:  # noqa: BLE001 - whatever a subscriber raises stays with it
                _log.exception("a subscriber failed on %s", type(event).__name__)
