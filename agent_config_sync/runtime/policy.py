"""Is a notification worth a turn of its agent? A table, read from the top: the first row that applies decides.

The board has its own rules for whom it tells. These look at the moment of the turn, which may be hours later, and stop
agents that answer each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agent_config_sync.runtime.context import Context, Notification, NotificationType

REQUIRED_REPLY: frozenset[NotificationType] = frozenset({"assignment", "mention", "response_request"})
"""Somebody waits for an answer to these."""

CHATTER = 12
"""Messages of agents in a row, after which they hear of each other only where one asks for another."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether there is a turn. row: of the table, which a person can read as the reason."""

    deliver: bool
    row: str


@dataclass(frozen=True, slots=True)
class Row:
    """A case. name: the reason as a person reads it; when: whether it applies; deliver: what follows."""

    name: str
    when: Callable[[Context], bool]
    deliver: bool


def is_required(notification: Notification) -> bool:
    """Whether somebody waits for an answer."""
    return notification.type in REQUIRED_REPLY


def is_retryable(notification: Notification) -> bool:
    """Whether an agent that said nothing is asked again: where somebody waits, or a person has written."""
    return is_required(notification) or (notification.type == "thread_update" and notification.actor_type != "agent")


def _is_stale(context: Context) -> bool:
    """Whether the message is a person's, who is heard better in what they wrote later."""
    return (
        context.notification.type == "thread_update"
        and context.message is not None
        and context.message.author_type == "user"
        and context.superseded
    )


def _news(context: Context) -> bool:
    return context.notification.type == "thread_update"


def _news_of_agent(context: Context) -> bool:
    return _news(context) and context.notification.actor_type == "agent"


def _is_chatter(context: Context) -> bool:
    """Whether nobody but agents has written for long: they would answer each other for ever."""
    last = context.thread[-CHATTER:]
    return _news_of_agent(context) and len(last) == CHATTER and all(said.author_type == "agent" for said in last)


def _change(context: Context) -> bool:
    return context.notification.type == "status_change"


def _in_review(context: Context) -> bool:
    return context.task.status == "review"


def _by_orchestrator(context: Context) -> bool:
    notification = context.notification
    return notification.actor_type == "agent" and notification.actor_id == context.orchestrator


def _reviews_it(context: Context) -> bool:
    return _in_review(context) and context.agent.can_review_tasks


def _answers_news(context: Context) -> bool:
    """Whether an agent answered what it had merely heard: so two of them would go on for ever."""
    return _news_of_agent(context) and context.source == "thread_update"


ROWS: tuple[Row, ...] = (
    Row("the task is archived", lambda it: it.task.status == "archived", deliver=False),
    Row("a person has written again since", _is_stale, deliver=False),
    Row(
        "people speak there with the orchestrator alone",
        lambda it: it.in_chat and not it.agent.is_orchestrator,
        deliver=False,
    ),
    Row("people speak there with this orchestrator", lambda it: it.in_chat, deliver=True),
    Row("the thread of a task that is done went on", lambda it: _news(it) and it.task.status == "done", deliver=False),
    Row(
        "a task was done or blocked, which asks nothing of agents",
        lambda it: _change(it) and it.task.status in ("done", "blocked"),
        deliver=False,
    ),
    Row(
        "the orchestrator hears of each review",
        lambda it: _change(it) and _in_review(it) and it.agent.is_orchestrator,
        deliver=True,
    ),
    Row("a reviewer hears of each review", lambda it: _change(it) and _reviews_it(it), deliver=True),
    Row("the review is for others", lambda it: _change(it) and _in_review(it), deliver=False),
    Row("the status of the task has changed", _change, deliver=True),
    # The board tells agents in a blocked task of people and the orchestrator, for these may unblock it.
    Row(
        "the task is blocked, and no agent but the orchestrator can help",
        lambda it: (
            _news_of_agent(it)
            and it.task.status == "blocked"
            and not it.agent.is_orchestrator
            and not _by_orchestrator(it)
        ),
        deliver=False,
    ),
    Row("nobody but agents has written there for long", _is_chatter, deliver=False),
    Row(
        "the orchestrator hears what agents write",
        lambda it: _news_of_agent(it) and it.agent.is_orchestrator,
        deliver=True,
    ),
    Row(
        "the orchestrator answers those who work on the task or review it",
        lambda it: _answers_news(it) and _by_orchestrator(it) and (it.assigned or _reviews_it(it)),
        deliver=True,
    ),
    Row("an agent answers what it merely heard", _answers_news, deliver=False),
    Row(
        "a reviewer hears what agents write in a review",
        lambda it: _news_of_agent(it) and _reviews_it(it),
        deliver=True,
    ),
    Row("an agent writes about a task of this one", lambda it: _news_of_agent(it) and it.assigned, deliver=True),
    Row("an agent writes about a task of others", _news_of_agent, deliver=False),
    Row("somebody other than an agent writes", _news, deliver=True),
    Row("somebody waits for this agent", lambda _: True, deliver=True),
)
"""The last one is for what requires a reply, and applies to all: there is no notification without a verdict."""


def decide(context: Context) -> Verdict:
    """Return whether the notification is worth a turn, and why."""
    return next(Verdict(row.deliver, row.name) for row in ROWS if row.when(context))
