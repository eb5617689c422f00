"""Operators, faults and restarts in any order: whatever happens, the file ends up as the oracle says."""

from __future__ import annotations

import asyncio
import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import hypothesis
from chaos.faults import Faults
from chaos.operators import Operators
from chaos.restarts import Restarts
from chaos.tally import Tally
from chaos.world import in_haste, prepare
from hypothesis import HealthCheck, Phase
from hypothesis.stateful import run_state_machine_as_test

from agent_config_sync.cli.throwaway import ThrowawayServer

LENGTH = 25
"""Steps of an example."""

ROUND = 40
"""Examples of a seed, the next round has the next one: some end early, so their number says no number of steps."""


class Everything(Operators, Faults, Restarts):
    """All that may happen to a world."""


def chaos(
    server: ThrowawayServer, tally: Tally, *, steps: int, seed: int, say: Callable[[str], None] = lambda _: None
) -> None:
    """Take at least this many steps, the same ones for the same seed, and count what comes of them."""
    asyncio.run(prepare(server))
    rounds = itertools.count(seed)
    with in_haste():
        while tally.taken < steps:
            examples = min(ROUND, math.ceil((steps - tally.taken) / LENGTH))
            chosen = hypothesis.settings(
                max_examples=examples,
                stateful_step_count=LENGTH,
                deadline=None,
                database=None,
                derandomize=True,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            machine: Any = functools.partial(Everything, server, tally)
            run_state_machine_as_test(hypothesis.seed(next(rounds))(machine), settings=chosen)
            say(f"{tally.taken:,} steps")
