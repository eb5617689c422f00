"""Processes that the tests start themselves, the only ones that they signal."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from unit.builders import PYTHON

HANDLES_SIGNALS = """
import os, select, signal, sys
heard, hear = os.pipe()
os.set_blocking(hear, False)
signal.set_wakeup_fd(hear)
for number in sys.argv[1:]:
    signal.signal(signal.Signals[number], lambda number, frame: None)
print("ready", flush=True)
while True:
    for source in select.select([heard, 0], [], [])[0]:
        read = os.read(source, 1024)
        if not read:
            sys.exit()
        said = read.decode().split() if source == 0 else [signal.Signals(number).name for number in read]
        print(*said, sep="\\n", flush=True)
"""
"""Reports each signal that it handles, and echoes what it reads: proof that it lives and heard nothing before.

Python's own handlers would wait for a read of standard input to end where a signal comes just before it.
"""


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
