"""publish/gate.py: stop means stop."""

from __future__ import annotations

import threading

import pytest

from agent_config_sync.errors import StoppedError
from agent_config_sync.publish.gate import Gate


def test_an_open_gate_lets_one_action_after_another_pass() -> None:
    gate, done = Gate(), 0
    for _ in range(3):
        with gate.passing():
            done += 1
    assert done == 3
    assert not gate.closed


def test_nothing_passes_a_closed_gate() -> None:
    gate = Gate()
    gate.close()
    with pytest.raises(StoppedError), gate.passing():
        pytest.fail("it passed")
    assert gate.closed


def test_closing_twice_does_no_harm() -> None:
    gate = Gate()
    gate.close()
    gate.close()
    assert gate.closed


def test_an_action_that_fails_leaves_the_gate_open() -> None:
    gate = Gate()
    with pytest.raises(ValueError, match="x"), gate.passing():
        raise ValueError("x")
    with gate.passing():
        pass


def test_closing_returns_only_when_the_action_under_way_has_ended() -> None:
    gate = Gate()
    order: list[str] = []
    began = threading.Event()

    def close() -> None:
        began.set()
        gate.close()
        order.append("closed")

    closing = threading.Thread(target=close)
    with gate.passing():
        closing.start()
        began.wait()
        closing.join(0.05)  # it must still wait; without the lock it would have ended by now
        assert not gate.closed
        order.append("action ended")
    closing.join()
    assert order == ["action ended", "closed"]
