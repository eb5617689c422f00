"""A machine of random steps: one world an example, in a loop of its own, and at its end nothing may be left of it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Literal, TypeAlias

from chaos.tally import Tally
from chaos.world import NEVER, Site, World
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from agent_config_sync.cli.throwaway import ThrowawayServer

Kind: TypeAlias = Literal["operator", "fault", "restart", "rest"]
When: TypeAlias = Callable[[Any], bool]


class Machine(RuleBasedStateMachine):
    """One world, to which subclasses let things happen. A seed gives what is drawn; the timing is the machine's."""

    world: World

    def __init__(self, server: ThrowawayServer, tally: Tally) -> None:
        super().__init__()
        self.server = server
        self.tally = tally
        self.sound = True
        self.story: list[str] = []
        self.before = left_open()
        self.killed = False
        self.runner = asyncio.Runner()

    @initialize(
        site=st.builds(Site, version=st.sampled_from(("2026.9.6", "2026.7.1")), resync=st.sampled_from((NEVER, 1.0)))
    )
    def begin(self, site: Site) -> None:
        self.story.append(f"begin({site})")
        self.tally.steps["restart", "begin"] += 1
        self.world = World(self.server, self.tally, site)
        self.runner.run(self.world.begin())

    def teardown(self) -> None:
        try:
            if hasattr(self, "world"):
                self.runner.run(self.world.end(sound=self.sound))
        except BaseException as error:
            self.sound = False
            error.add_note("\n".join(("the steps:", *self.story)))
            raise
        finally:
            self.runner.close()
        if self.sound:
            left = sorted(left_open() - self.before)
            self.tally.left_over += len(left)
            assert not left, left


def step(
    kind: Kind, when: When = lambda _: True, /, **drawn: st.SearchStrategy[Any]
) -> Callable[[Callable[..., Coroutine[Any, Any, None]]], Any]:
    """Make a rule of a coroutine: counted, run in the machine's loop, and told of when it fails.

    After half of the faults, and every third of the others, the world comes to rest at once: what is committed later
    would cover up what was lost. A step may say `then_rest` itself.
    """
    drawn.setdefault("then_rest", st.booleans() if kind == "fault" else st.sampled_from((False, False, True)))
    make_rule: Any = rule  # its overloads know no names that are not written out

    def decorate(method: Callable[..., Coroutine[Any, Any, None]]) -> Any:
        @functools.wraps(method)
        def counted(self: Machine, *, then_rest: bool = False, **values: Any) -> None:
            words = ", ".join(f"{name}={value!r}" for name, value in values.items())
            self.story.append(f"{method.__name__}({words})")
            self.tally.steps[kind, method.__name__.replace("_", " ")] += 1
            try:
                self.runner.run(method(self, **values))
                if then_rest:
                    self.story.append("rest()")
                    self.runner.run(self.world.rest())
            except BaseException as error:
                self.sound = False
                error.add_note("\n".join(("the steps:", *self.story)))
                raise

        return precondition(when)(make_rule(**drawn)(counted))

    return decorate


def runs(machine: Machine) -> bool:
    return machine.world.plugin is not None


def alone(machine: Machine) -> bool:
    return runs(machine) and machine.world.waiting is None


def left_open() -> frozenset[str]:
    """Return the threads, and the descriptors with what they are."""
    found = {f"thread {thread.name}" for thread in threading.enumerate()}
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one of this very look
            found.add(f"descriptor {link.name} of {link.readlink()}")
    return frozenset(found)
