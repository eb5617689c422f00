"""What the text of an answer means, and what follows when an agent says nothing.

An agent may choose silence, and says so in a word. It is another thing when nothing came back, or what a gateway puts
in the place of nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

from agent_config_sync.runtime.context import Context, Notification, NotificationType

NOTHING_TO_ADD = "NOTHING_TO_ADD"
"""What an agent answers that chooses to say nothing. By NO_REPLY it may say so too, but gateways since 2026.9 fail a
turn that ends with it."""

HEARTBEAT_OK = "HEARTBEAT_OK"
"""What an agent answers to a heartbeat at which nothing needs attention."""

BUDGET = 3
"""Silent answers to a notification until nobody waits for another."""

SilenceKind: TypeAlias = Literal["acted", "no_reply", "heartbeat_ok", "blank", "placeholder"]
"""acted: tools did what there was to do, and there is nothing to add."""

Step: TypeAlias = Literal["delivered", "retry", "fallback", "exhausted", "skip"]
"""What follows a silence: it was right; another attempt; our own message is posted; nothing is, and nobody waits any
longer; nothing is, for none was needed."""

_PLACEHOLDERS = ("No response from OpenClaw.", "No reply from agent.", "No response from agent.")
"""What gateways say in the place of nothing."""

_CUT = frozenset({"NO", "NO_"})
"""What gateways leave of NO_REPLY while an answer streams, and no sure sign of it."""

_MENTIONS = re.compile(r"(?:@[A-Za-z0-9_-]+\s*)+")

_LOADING = re.compile(r"loading context for heartbeat(?:\.\.\.|…)?", re.IGNORECASE)

_LONGEST_NO_REPLY = 64
"""Characters of such a word with all that models put around it."""

_NO_REPLY = re.compile(r"(?:```\w*\n)?[\s>`*\"'“”‘’]*(?:NOTHING_TO_ADD|NO_REPLY)[\s.`*\"'“”‘’]*")


@dataclass(frozen=True, slots=True)
class Reply:
    """What is posted."""

    text: str


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing is posted."""

    kind: SilenceKind


def read_answer(text: str, *, acted: bool, silent: bool = False) -> Reply | Silence:
    """Return what the text of an answer means. acted: tools were called in its turn, so that none is needed; silent:
    the gateway says that the agent chose silence."""
    said = text.strip()
    kind: SilenceKind
    if silent:
        kind = "no_reply"
    elif not said:
        kind = "blank"
    elif is_heartbeat_ok(said):
        kind = "heartbeat_ok"
    elif len(said) <= _LONGEST_NO_REPLY and _NO_REPLY.fullmatch(said):
        kind = "no_reply"
    elif said in _CUT or is_placeholder(said):
        kind = "placeholder"
    else:
        return Reply(said)
    return Silence("acted" if acted else kind)


def is_placeholder(text: str) -> bool:
    """Whether it is what gateways say in the place of nothing, after mentions at the most."""
    said = text.strip()
    return any(said.endswith(each) and _only_mentions(said.removesuffix(each)) for each in _PLACEHOLDERS)


def is_heartbeat_ok(text: str) -> bool:
    """Whether it says that nothing needs attention, and nothing else but that it was loading."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return bool(lines) and lines[-1] == HEARTBEAT_OK and all(_LOADING.fullmatch(line) for line in lines[:-1])


@dataclass(frozen=True, slots=True)
class Course:
    """A row of the table: what follows silences of some kinds about notifications of some types.

    by: who caused these, where it matters; step: what follows; last: what follows when the budget is used up.
    """

    name: str
    kinds: frozenset[SilenceKind]
    types: frozenset[NotificationType]
    step: Step
    last: Step
    by: Literal["agents", "others"] | None = None

    def covers(self, notification: Notification, kind: SilenceKind) -> bool:
        by = "agents" if notification.actor_type == "agent" else "others"
        return kind in self.kinds and notification.type in self.types and self.by in (None, by)


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows. row: of the table, as a person can read it."""

    step: Step
    row: str


_ALL: frozenset[NotificationType] = frozenset(
    {"mention", "assignment", "thread_update", "status_change", "response_request"}
)
_NOTHING: frozenset[SilenceKind] = frozenset({"blank", "placeholder"})
_CHOSEN: frozenset[SilenceKind] = frozenset({"no_reply"})

COURSES: tuple[Course, ...] = (
    Course("tools did all there was to do", frozenset({"acted"}), _ALL, "delivered", "delivered"),
    Course("the agent says that nothing needs attention", frozenset({"heartbeat_ok"}), _ALL, "delivered", "delivered"),
    Course(
        "the agent chose not to reply",
        _CHOSEN,
        frozenset({"mention", "thread_update", "status_change"}),
        "delivered",
        "delivered",
    ),
    Course(
        "the agent chose not to reply, but somebody waits for an answer",
        _CHOSEN,
        frozenset({"assignment", "response_request"}),
        "retry",
        "fallback",
    ),
    Course(
        "nothing came back, and somebody waits for an answer",
        _NOTHING,
        frozenset({"assignment", "mention", "response_request"}),
        "retry",
        "fallback",
    ),
    Course(
        "nothing came back to what a person wrote",
        _NOTHING,
        frozenset({"thread_update"}),
        "retry",
        "exhausted",
        "others",
    ),
    Course(
        "nothing came back to what an agent wrote", _NOTHING, frozenset({"thread_update"}), "skip", "skip", "agents"
    ),
    Course("nothing came back, and nothing had to", _NOTHING, frozenset({"status_change"}), "skip", "skip"),
)
"""Exactly one row covers each case."""


def after_silence(notification: Notification, kind: SilenceKind, *, silent: int) -> Decision:
    """Return what follows a silence. silent: how many answers to this notification said nothing, with this one."""
    row = next(course for course in COURSES if course.covers(notification, kind))
    return Decision(row.step if silent < BUDGET else row.last, row.name)


def may_stay_silent(notification: Notification) -> bool:
    """Whether an agent may choose not to reply."""
    return after_silence(notification, "no_reply", silent=1).step == "delivered"


_BEGINNING = "## Summary\n\nNo answer came back from this agent"

_ABOUT: Mapping[NotificationType, str] = MappingProxyType(
    {
        "assignment": "to the assignment of this task",
        "mention": "to a mention in this thread",
        "response_request": "to a request for a response",
        "thread_update": "to a message in this thread",
        "status_change": "to a change of this task's status",
    }
)

_MOST_TOOLS = 10


def fallback_message(context: Context) -> str:
    """Return what is posted in the place of an answer; the same for the same context. Post it quietly."""
    notification = context.notification
    used = dict.fromkeys(effect.tool for effect in context.effects)
    named = ", ".join([f"`{tool}`" for tool in used][:_MOST_TOOLS]) + (", ..." if len(used) > _MOST_TOOLS else "")
    done = f"Before that it used {named}; see the task for what came of it." if used else "None is known of."
    return (
        f"{_BEGINNING} {_ABOUT[notification.type]}. It was asked {BUDGET} times.\n\n"
        f"## Work done\n\n{done}\n\n"
        "## Next step\n\nSee whether its gateway and model are well, and then mention the agent here.\n\n"
        f"## Sources\n\nNotification {notification.id}"
    )


def is_fallback(text: str) -> bool:
    """Whether a message was posted in the place of an answer, also where somebody put mentions before it."""
    before, beginning, _ = text.partition(_BEGINNING)
    return bool(beginning) and _only_mentions(before)


def _only_mentions(text: str) -> bool:
    said = text.strip()
    return not said or _MENTIONS.fullmatch(said) is not None
