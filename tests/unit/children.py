"""Processes that the tests start themselves, the only ones that they signal."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from unit.builders import PYTHON

HANDLES_SIGNALS = """
import signal, sys
def heard(number, frame):
    print(signal.Signals(number).name, flush=True)
for number in sys.argv[1:]:
    signal.signal(signal.Signals[number], heard)
print("ready", flush=True)
for line in sys.stdin:
    print(line.strip(), flush=True)
"""
"""Reports each signal that it handles, and echoes what it reads: proof that it lives and heard nothing before."""


@contextlib.contextmanager
def child(*arguments: str | Path, program: str = PYTHON, user: int | None = None) -> Iterator[subprocess.Popen[str]]:
    """Start a process that says "ready", and end it at the end."""
    with subprocess.Popen(
        [program, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, user=user
    ) as running:
        try:
            assert said(running) == "ready"
            yield running
        finally:
            running.kill()


@contextlib.contextmanager
def handling(*signals: str) -> Iterator[subprocess.Popen[str]]:
    """Start a process that reports these signals."""
    with child("-c", HANDLES_SIGNALS, *signals) as running:
        yield running


def said(running: subprocess.Popen[str]) -> str:
    """The next line that the process prints."""
    output: IO[str] | None = running.stdout
    assert output is not None
    return output.readline().strip()


def is_untouched(running: subprocess.Popen[str]) -> bool:
    """Whether the process lives and has heard no signal."""
    assert running.stdin is not None
    print("alive", file=running.stdin, flush=True)
    return said(running) == "alive"
