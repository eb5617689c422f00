"""A burst at once, and then no more than a steady drop."""

from __future__ import annotations

from agent_config_sync.skills.ration import Ration


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_free_and_what_comes_after_it_waits_for_its_turn() -> None:
    clock = Clock()
    ration = Ration(10, 2.0, clock=clock)
    seen = []
    for spent, seconds in ((10, 0.0), (1, 0.0), (0, 2.0)):
        ration.spend(spent)
        clock.now += seconds
        seen.append(ration.left)
    assert seen == [True, False, True]


def test_what_was_not_spent_is_not_saved_up() -> None:
    clock = Clock()
    ration = Ration(10, 2.0, clock=clock)
    clock.now += 3600
    ration.spend(11)
    assert not ration.left


def test_a_large_burst_is_paid_in_full() -> None:
    clock = Clock()
    ration = Ration(10, 2.0, clock=clock)
    ration.spend(110)
    seen = []
    for seconds in (199.0, 1.0):
        clock.now += seconds
        seen.append(ration.left)
    assert seen == [False, True]
