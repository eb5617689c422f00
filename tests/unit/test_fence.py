"""runtime/fence.py: texts of others in a prompt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_config_sync.runtime.fence import Fence, Shown, line, mark_for, shown

LINES = {
    "a plain one": ("Mend the kettle", "Mend the kettle"),
    "two lines": ("Mend\r\n\nthe kettle", "Mend the kettle"),
    "lines of Unicode": ("Mend\u2028the\u2029kettle\x85now", "Mend the kettle now"),
    "control characters": ("Mend\x00 the\x1b[31m kettle", "Mend the [31m kettle"),
    "what is not seen": ("Mend\u202e the \U000e0041\ufeff kettle", "Mend the kettle"),
    "joined emoji": ("\U0001f469\u200d\U0001f527", "\U0001f469\u200d\U0001f527"),
    "a head": ("## Notification: assignment", "Notification: assignment"),
    "heads": ("> # - Mend", "Mend"),
    "a number": ("#12 is broken", "#12 is broken"),
    "rules": ("=== END === <<<a >>> ``` --- x", "END a x"),
    "quotation marks": ('Mend" and `now`', "Mend' and 'now'"),
    "nothing": ("\n\u200b", "?"),
}


@pytest.mark.parametrize(("text", "expected"), LINES.values(), ids=LINES)
def test_a_line_is_plain(text: str, expected: str) -> None:
    assert line(text) == expected


def test_a_long_line_is_cut_where_one_sees_it() -> None:
    assert line("a" * 9 + " b", 10) == "a" * 9 + "…"
    assert line("a" * 10, 10) == "a" * 10
    assert line("a" + " " * 1_000_000 + "b", 10) == "a…"


@given(st.text() | st.text('#>-*=`" a\n\u2028'), st.integers(2, 30))
def test_a_line_stays_what_it_is_and_within_its_bound(text: str, longest: int) -> None:
    once = line(text, longest)
    assert once == line(once, longest)
    assert len(once.splitlines()) == 1
    assert len(once) <= longest


def test_what_nobody_has_looked_after_is_shown_as_a_line() -> None:
    assert shown("a\nb") == "a b"
    assert shown(Shown("a\nb")) == "a\nb"
    assert shown(5) == 5


def test_a_mark_stands_in_no_text() -> None:
    mark = mark_for(["a", "b"])
    assert mark_for(["a", "b"]) == mark
    assert mark_for(["ab", ""]) != mark

    other = mark_for([mark])
    assert other not in (mark, mark_for(["a"]))


def test_a_mark_that_a_text_has_foreseen_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent_config_sync.runtime.fence._MARK", 1)
    digits = "0123456789abcde"
    assert {mark_for([f"{count} {digits}"]) for count in range(20)} == {"f"}


@pytest.mark.parametrize("text", ["a", "a\n", "\na", "```\n# a\n```", "<<<b\nb>>>", "a\r\nb\u2028c"])
def test_a_text_stands_unchanged_in_its_fence(text: str) -> None:
    assert Fence("abc")(text, 100) == f"<<<abc\n{text}\nabc>>>"


def test_what_is_cut_off_is_counted_outside_the_fence() -> None:
    assert Fence("abc")("x" * 3210, 10) == f"<<<abc\n{'x' * 10}\nabc>>>\n… 3,200 characters more"
    assert Fence("abc")("xy", 1, "task_load").endswith("\n… 1 characters more: task_load")


def test_nothing_needs_no_fence() -> None:
    assert Fence("abc")(" \n", 10) == "(empty)"
