"""runtime/policy.py: a test for each row of the table, named after it."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from uuid import uuid4

import pytest
from unit.turns import CODER, LEAD, REVIEWER, TYPES, context, message, notification, task

from agent_config_sync.board.actor import Agent
from agent_config_sync.board.model import ORCHESTRATOR_CHAT, STATUSES
from agent_config_sync.runtime.policy import CHATTER, ROWS, Verdict, decide, is_required, is_retryable

WRITER = Agent("default", "writer", task=CODER.task)
"""Works on no task."""

CHAT = task(labels=(ORCHESTRATOR_CHAT,))


def _test_of(row: str) -> str:
    return "test_" + re.sub(r"[^a-z]+", "_", row)


BY_TEST = {_test_of(row.name): row for row in ROWS}


@pytest.fixture
def row(request: pytest.FixtureRequest) -> Verdict:
    """The row after which a test is named, as a verdict."""
    named = BY_TEST[request.function.__name__]
    return Verdict(named.deliver, named.name)


def test_every_row_is_reached_by_the_test_that_is_named_after_it() -> None:
    assert len(BY_TEST) == len(ROWS)
    assert BY_TEST.keys() - globals().keys() == set()


def test_the_task_is_archived(row: Verdict) -> None:
    for kind in TYPES:
        assert decide(context(kind, status="archived", superseded=True)) == row


def test_a_person_has_written_again_since(row: Verdict) -> None:
    assert decide(context("thread_update", superseded=True)) == row
    assert decide(context("mention", superseded=True)) != row
    assert decide(context("thread_update", "agent/lead", superseded=True)) != row


def test_people_speak_there_with_the_orchestrator_alone(row: Verdict) -> None:
    assert decide(context("thread_update", task=CHAT)) == row


def test_people_speak_there_with_this_orchestrator(row: Verdict) -> None:
    for kind, status in itertools.product(TYPES, STATUSES):
        if status != "archived":
            assert decide(context(kind, agent=LEAD, task=replace(CHAT, status=status))) == row


def test_the_thread_of_a_task_that_is_done_went_on(row: Verdict) -> None:
    for by, agent in itertools.product(("user/ada", "agent/lead"), (CODER, REVIEWER)):
        assert decide(context("thread_update", by, agent=agent, status="done")) == row


def test_a_task_was_done_or_blocked_which_asks_nothing_of_agents(row: Verdict) -> None:
    assert decide(context("status_change", status="done")) == row
    assert decide(context("status_change", agent=LEAD, status="blocked")) == row


def test_the_orchestrator_hears_of_each_review(row: Verdict) -> None:
    assert decide(context("status_change", "agent/coder", agent=LEAD, status="review")) == row


def test_a_reviewer_hears_of_each_review(row: Verdict) -> None:
    assert decide(context("status_change", "agent/coder", agent=REVIEWER, status="review")) == row


def test_the_review_is_for_others(row: Verdict) -> None:
    assert decide(context("status_change", "agent/lead", status="review")) == row
    marks_done = Agent("default", "coder", can_mark_done=True, task=CODER.task)
    assert decide(context("status_change", "agent/lead", agent=marks_done, status="review")) == row


def test_the_status_of_the_task_has_changed(row: Verdict) -> None:
    assert decide(context("status_change", status="in_progress")) == row


def test_the_task_is_blocked_and_no_agent_but_the_orchestrator_can_help(row: Verdict) -> None:
    assert decide(context("thread_update", "agent/writer", status="blocked")) == row


@pytest.mark.parametrize("by", ["user/ada", "system/board", "agent/lead"])
def test_in_a_blocked_task_a_person_and_the_orchestrator_wake_who_works_on_it(by: str) -> None:
    assert decide(context("thread_update", by, status="blocked")).deliver


def test_the_orchestrator_hears_of_a_blocked_task_from_all() -> None:
    assert decide(context("thread_update", "agent/coder", agent=LEAD, status="blocked")).deliver


def test_nobody_but_agents_has_written_there_for_long(row: Verdict) -> None:
    agents = tuple(replace(message(by="agent/writer"), id=uuid4()) for _ in range(CHATTER))
    for agent in (CODER, LEAD):
        assert decide(context("thread_update", "agent/writer", agent=agent, thread=agents)) == row
        assert decide(context("thread_update", "agent/writer", agent=agent, thread=agents[1:])) != row
        heard = (*agents[1:], message(by="user/ada"))
        assert decide(context("thread_update", "agent/writer", agent=agent, thread=heard)) != row
        assert decide(context("mention", "agent/writer", agent=agent, thread=agents)) != row


def test_the_orchestrator_hears_what_agents_write(row: Verdict) -> None:
    assert decide(context("thread_update", "agent/coder", agent=LEAD)) == row
    assert decide(context("thread_update", "agent/coder", agent=LEAD, source="thread_update")) == row


def test_the_orchestrator_answers_those_who_work_on_the_task_or_review_it(row: Verdict) -> None:
    assert decide(context("thread_update", "agent/lead", source="thread_update")) == row
    assert (
        decide(context("thread_update", "agent/lead", agent=REVIEWER, status="review", source="thread_update")) == row
    )


def test_an_agent_answers_what_it_merely_heard(row: Verdict) -> None:
    assert decide(context("thread_update", "agent/writer", source="thread_update")) == row
    assert decide(context("thread_update", "agent/lead", agent=WRITER, source="thread_update")) == row
    reviewing = context("thread_update", "agent/coder", agent=REVIEWER, status="review", source="thread_update")
    assert decide(reviewing) == row


def test_a_reviewer_hears_what_agents_write_in_a_review(row: Verdict) -> None:
    assert decide(context("thread_update", "agent/coder", agent=REVIEWER, status="review")) == row


def test_an_agent_writes_about_a_task_of_this_one(row: Verdict) -> None:
    for source in ("mention", "assignment", None):
        assert decide(context("thread_update", "agent/writer", source=source)) == row


def test_an_agent_writes_about_a_task_of_others(row: Verdict) -> None:
    assert decide(context("thread_update", "agent/coder", agent=WRITER)) == row
    assert decide(context("thread_update", "agent/coder", agent=REVIEWER)) == row


def test_somebody_other_than_an_agent_writes(row: Verdict) -> None:
    for by, agent in itertools.product(("user/ada", "system/board"), (CODER, WRITER, LEAD)):
        assert decide(context("thread_update", by, agent=agent)) == row


def test_somebody_waits_for_this_agent(row: Verdict) -> None:
    for kind, status in itertools.product(TYPES, STATUSES):
        if is_required(notification(kind)) and status != "archived":
            assert decide(context(kind, "agent/writer", status=status)) == row


def test_the_first_row_that_applies_decides() -> None:
    archived_chat = context("thread_update", agent=LEAD, task=task("archived", labels=(ORCHESTRATOR_CHAT,)))
    applying = [row for row in ROWS if row.when(archived_chat)]
    assert {row.deliver for row in applying} == {True, False}
    assert decide(archived_chat) == Verdict(applying[0].deliver, applying[0].name)


def test_there_is_a_verdict_on_everything() -> None:
    agents, by, statuses = (CODER, WRITER, REVIEWER, LEAD), ("user/ada", "agent/x", "agent/lead", "system/s"), STATUSES
    for kind, agent, actor, status in itertools.product(TYPES, agents, by, statuses):
        assert decide(context(kind, actor, agent=agent, status=status)).row


def test_nobody_leads_where_there_is_no_orchestrator() -> None:
    assert not decide(context("thread_update", "agent/lead", status="blocked", orchestrator=None)).deliver


def test_somebody_waits_for_answers_to_assignments_mentions_and_requests() -> None:
    assert {kind for kind in TYPES if is_required(notification(kind))} == {"assignment", "mention", "response_request"}


def test_an_agent_is_asked_again_where_somebody_waits_or_a_person_has_written() -> None:
    asked_again = {
        (kind, by) for kind in TYPES for by in ("user/ada", "agent/x") if is_retryable(notification(kind, by))
    }
    required = {(kind, by) for kind in ("assignment", "mention", "response_request") for by in ("user/ada", "agent/x")}
    assert asked_again == required | {("thread_update", "user/ada")}


def test_a_message_of_an_agent_is_never_superseded() -> None:
    told = context("thread_update", message=message(by="agent/lead"), superseded=True)
    assert decide(told).deliver
