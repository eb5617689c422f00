"""runtime/silence.py: what answers mean, and a test for each row of the table, named after it."""

from __future__ import annotations

import itertools
import re
from typing import get_args

import pytest
from unit.turns import TYPES, context, notification

from agent_config_sync.runtime.context import Effect, NotificationType
from agent_config_sync.runtime.silence import (
    BUDGET,
    COURSES,
    Course,
    Decision,
    Reply,
    Silence,
    SilenceKind,
    Step,
    after_silence,
    fallback_message,
    is_fallback,
    is_heartbeat_ok,
    may_stay_silent,
    read_answer,
)

KINDS: tuple[SilenceKind, ...] = get_args(SilenceKind)

MEANINGS: dict[str, tuple[str, SilenceKind]] = {
    "nothing": ("", "blank"),
    "white space": (" \n\t", "blank"),
    "nothing to add": ("NOTHING_TO_ADD", "no_reply"),
    "nothing to add as code": ("`NOTHING_TO_ADD`", "no_reply"),
    "no reply": ("NO_REPLY", "no_reply"),
    "no reply among white space": ("\n NO_REPLY \n", "no_reply"),
    "no reply as a sentence": ("NO_REPLY.", "no_reply"),
    "no reply as code": ("`NO_REPLY`", "no_reply"),
    "no reply in a fence": ("```\nNO_REPLY\n```", "no_reply"),
    "no reply in a fence of a language": ("```text\nNO_REPLY\n```", "no_reply"),
    "no reply in quotation marks": ("“NO_REPLY”", "no_reply"),
    "no reply as a quotation": ("> NO_REPLY", "no_reply"),
    "no reply in bold": ("**NO_REPLY**", "no_reply"),
    "no reply that was cut": ("NO_", "placeholder"),
    "no reply that was cut short": ("NO", "placeholder"),
    "a placeholder": ("No response from OpenClaw.", "placeholder"),
    "another placeholder": ("No reply from agent.", "placeholder"),
    "a third placeholder": (" No response from agent.\n", "placeholder"),
    "a placeholder after a mention": ("@ada-l No response from OpenClaw.", "placeholder"),
    "a placeholder after mentions": ("@ada @qa_1\n\nNo reply from agent.", "placeholder"),
    "a good heartbeat": ("HEARTBEAT_OK", "heartbeat_ok"),
    "a good heartbeat that was loading": ("Loading context for heartbeat...\n\nHEARTBEAT_OK\n", "heartbeat_ok"),
}

REPLIES = (
    "No.",
    "no_reply",
    "I will not answer NO_REPLY here.",
    "NO_REPLY is what I would say, but the kettle leaks.",
    "Done: No response from OpenClaw.",
    "No response from OpenClaw. @ada",
    "ada No reply from agent.",
    "@ada",
    "HEARTBEAT_OK and the kettle is mended",
    "The kettle is mended.\nHEARTBEAT_OK",
)


@pytest.mark.parametrize(("text", "kind"), MEANINGS.values(), ids=MEANINGS)
def test_a_silence_is_known_for_what_it_is(text: str, kind: SilenceKind) -> None:
    assert read_answer(text, acted=False) == Silence(kind)


@pytest.mark.parametrize("text", [text for text, _ in MEANINGS.values()], ids=MEANINGS)
def test_whoever_used_tools_need_not_say_anything(text: str) -> None:
    assert read_answer(text, acted=True) == Silence("acted")


@pytest.mark.parametrize("acted", [False, True])
@pytest.mark.parametrize("text", REPLIES)
def test_a_reply_is_posted(text: str, acted: bool) -> None:
    assert read_answer(f"\n{text} ", acted=acted) == Reply(text)


def test_a_long_answer_is_read_at_once() -> None:
    text = "@a " * 30_000 + "`" * 30_000
    assert read_answer(text, acted=False) == Reply(text)


def test_a_heartbeat_is_good_only_where_nothing_else_was_said() -> None:
    assert is_heartbeat_ok("LOADING CONTEXT FOR HEARTBEAT\nHEARTBEAT_OK")
    for text in ("", "HEARTBEAT_OK.", "heartbeat_ok", "HEARTBEAT_OK\nLoading context for heartbeat...", "NO_REPLY"):
        assert not is_heartbeat_ok(text)


def _test_of(course: Course) -> str:
    return "test_" + re.sub(r"[^a-z]+", "_", course.name.lower())


BY_TEST = {_test_of(course): course for course in COURSES}


def _cases() -> list[tuple[NotificationType, str, SilenceKind]]:
    return list(itertools.product(TYPES, ("user/ada", "agent/lead", "system/board"), KINDS))


@pytest.fixture
def row(request: pytest.FixtureRequest) -> str:
    """The name of the row after which a test is named."""
    return BY_TEST[request.function.__name__].name


def _followed(row: str) -> dict[tuple[NotificationType, SilenceKind], list[Step]]:
    """What follows the first silence to the last, by the cases of a row."""
    followed = {}
    for kind, by, silence in _cases():
        decisions = [after_silence(notification(kind, by), silence, silent=count + 1) for count in range(BUDGET)]
        if decisions[0].row == row:
            assert {decision.row for decision in decisions} == {row}
            followed[kind, silence] = [decision.step for decision in decisions]
    return followed


def test_every_row_has_the_test_that_is_named_after_it() -> None:
    assert len(BY_TEST) == len(COURSES)
    assert BY_TEST.keys() - globals().keys() == set()


@pytest.mark.parametrize(("kind", "by", "silence"), _cases())
def test_each_case_is_covered_by_one_row(kind: NotificationType, by: str, silence: SilenceKind) -> None:
    assert sum(course.covers(notification(kind, by), silence) for course in COURSES) == 1


def test_tools_did_all_there_was_to_do(row: str) -> None:
    assert _followed(row) == {(kind, "acted"): ["delivered"] * 3 for kind in TYPES}


def test_the_agent_says_that_nothing_needs_attention(row: str) -> None:
    assert _followed(row) == {(kind, "heartbeat_ok"): ["delivered"] * 3 for kind in TYPES}


def test_the_agent_chose_not_to_reply(row: str) -> None:
    chosen: tuple[NotificationType, ...] = ("mention", "thread_update", "status_change")
    assert _followed(row) == {(kind, "no_reply"): ["delivered"] * 3 for kind in chosen}


def test_the_agent_chose_not_to_reply_but_somebody_waits_for_an_answer(row: str) -> None:
    waiting: tuple[NotificationType, ...] = ("assignment", "response_request")
    assert _followed(row) == {(kind, "no_reply"): ["retry", "retry", "fallback"] for kind in waiting}


def test_nothing_came_back_and_somebody_waits_for_an_answer(row: str) -> None:
    waiting: tuple[NotificationType, ...] = ("assignment", "mention", "response_request")
    assert _followed(row) == {
        (kind, silence): ["retry", "retry", "fallback"] for kind in waiting for silence in ("blank", "placeholder")
    }


def test_nothing_came_back_to_what_a_person_wrote(row: str) -> None:
    again = ["retry", "retry", "exhausted"]
    assert _followed(row) == {("thread_update", "blank"): again, ("thread_update", "placeholder"): again}
    assert after_silence(notification("thread_update"), "blank", silent=1) == Decision("retry", row)


def test_nothing_came_back_to_what_an_agent_wrote(row: str) -> None:
    assert _followed(row) == {("thread_update", "blank"): ["skip"] * 3, ("thread_update", "placeholder"): ["skip"] * 3}
    assert after_silence(notification("thread_update", "agent/lead"), "blank", silent=1) == Decision("skip", row)


def test_nothing_came_back_and_nothing_had_to(row: str) -> None:
    assert _followed(row) == {("status_change", "blank"): ["skip"] * 3, ("status_change", "placeholder"): ["skip"] * 3}


def test_an_agent_may_stay_silent_where_nobody_waits_for_it() -> None:
    assert {kind for kind in TYPES if may_stay_silent(notification(kind))} == {
        "mention",
        "thread_update",
        "status_change",
    }


@pytest.mark.parametrize("kind", TYPES)
def test_the_fallback_has_four_headed_parts_and_is_always_the_same(kind: NotificationType) -> None:
    text = fallback_message(context(kind))
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Summary", "Work done", "Next step", "Sources"]
    assert text == fallback_message(context(kind))
    assert read_answer(text, acted=False) == Reply(text)


def test_the_fallback_says_which_tools_were_used_before() -> None:
    done = (Effect("task_status", "{}", "{}"), Effect("task_create", "{}", "{}"), Effect("task_status", "{}", "{}"))
    assert "it used `task_status`, `task_create`; see" in fallback_message(context(effects=done))


def test_the_fallback_wakes_nobody_by_a_mention() -> None:
    assert "@" not in fallback_message(context(display_name="@all"))


@pytest.mark.parametrize("before", ["", "@ada\n\n", "@ada @lead "])
def test_a_fallback_is_known_again(before: str) -> None:
    assert is_fallback(before + fallback_message(context("mention")))


def test_what_somebody_wrote_is_no_fallback() -> None:
    assert not is_fallback("The kettle is mended.")
    assert not is_fallback("Look at this: " + fallback_message(context("mention")))


def test_where_the_gateway_says_that_the_agent_chose_silence_it_did() -> None:
    assert read_answer("", acted=False, silent=True) == Silence("no_reply")
