"""sync/wake.py: what woke a pass."""

from __future__ import annotations

import pytest

from agent_config_sync.sync.wake import Wake

UPDATE = '{"source": "agents", "key": "coder", "operation": "UPDATE"}'


def reason(*payloads: str) -> str:
    wake = Wake()
    for payload in payloads:
        wake.mark(payload)
    woken = wake.clear()
    assert woken is not None
    return woken.reason


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (UPDATE, "UPDATE agents coder"),
        ('{"source": "agents", "key": null, "operation": "TRUNCATE"}', "TRUNCATE agents"),
        ("", "a notification"),
        ("{}", "a notification"),
        ("[1]", "a notification"),
        ("hello", "a notification"),
        ('{"key": {"x": 1}}', "{'x': 1}"),
    ],
)
def test_one_notification_is_told_in_words_whoever_sent_it(payload: str, said: str) -> None:
    assert reason(payload) == said


def test_several_are_counted() -> None:
    assert reason(*[UPDATE] * 37) == "37 notifications"


def test_a_reason_has_an_end() -> None:
    assert len(reason('{"key": "' + "k" * 5000 + '"}')) == 200


def test_nothing_woke_what_nobody_asked_for() -> None:
    assert Wake().clear() is None


def test_a_mark_is_cleared_once() -> None:
    wake = Wake()
    wake.mark(UPDATE)
    assert wake.clear() is not None
    assert (wake.dirty, wake.clear()) == (False, None)


def test_what_a_pass_could_not_deal_with_is_counted_and_timed_by_the_next() -> None:
    wake = Wake()
    wake.mark(UPDATE)
    failed = wake.clear()
    assert failed is not None
    wake.mark("later")
    wake.put_back(failed)
    assert wake.dirty
    again = wake.clear()
    assert again is not None
    assert (again.count, again.since, again.payload) == (2, failed.since, UPDATE)


def test_putting_back_asks_for_no_pass() -> None:
    wake = Wake()
    wake.mark(UPDATE)
    wake.put_back(wake.clear())
    assert not wake.dirty
