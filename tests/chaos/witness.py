"""Somebody who reads the file all the time, as a gateway may at any moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

CLOCK = "clock"
"""The agent whose model, `age/N`, says which commit a file is of."""

PAUSE = 0.002
"""Seconds between two looks."""


def second_hand(age: int) -> int:
    """Return the system setting that is committed together with this age."""
    return 1 + age % 20


class Witness:
    """Sees that each file is whole, of one instant, of a commit, and never older than the one before.

    forgives: somebody else is editing the file, or has; what is torn or missing is not ours. rolled_back: ages that no
    file may show. once: called at the next new content, in the thread that reads.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.forgives = True
        self.rolled_back: set[int] = set()
        self.once: Callable[[], None] | None = None
        self.torn = 0
        self.complaints: list[str] = []
        self._age = 0
        self._last: bytes | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="witness")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def satisfied(self) -> None:
        """Fail with what was seen that must not be."""
        assert not self.complaints, self.complaints

    def _watch(self) -> None:
        while not self._ended.wait(PAUSE):
            try:
                content = self.path.read_bytes()
            except FileNotFoundError:
                content = b""
            if content != self._last:
                self._last = content
                self._examine(content)
                once, self.once = self.once, None
                if once is not None:
                    once()

    def _examine(self, content: bytes) -> None:
        try:
            section = orjson.loads(content)["agents"]
            whole = content.endswith(b"}\n")
        except (orjson.JSONDecodeError, KeyError, TypeError):
            whole = False
        if not whole:
            if not self.forgives:
                self.torn += 1
                self.complaints.append(f"a torn file: {content[-200:]!r}")
            return
        age = _age(section)
        if age is None:
            return
        if age < self._age:
            self.complaints.append(f"age {age} after {self._age}")
        if age in self.rolled_back:
            self.complaints.append(f"age {age}, which was rolled back")
        if section["defaults"].get("subagents", {}).get("maxChildrenPerAgent") != second_hand(age):
            self.complaints.append(f"age {age} with other settings than were committed with it")
        self._age = age


def _age(section: dict[str, Any]) -> int | None:
    agents = section.get("entries") or {agent["id"]: agent for agent in section.get("list", [])}
    model = agents.get(CLOCK, {}).get("model", "")
    return int(model.removeprefix("age/")) if model.startswith("age/") else None
