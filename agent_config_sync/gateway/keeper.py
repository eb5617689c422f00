"""The process between us and the gateway that we start, so that nothing of a gateway outlives us.

It runs alone, as `python -I -S keeper.py GRACE PROGRAM [ARGUMENT...]`, and imports nothing of the project. The end of
its standard input means stop, whatever ended us, a kill -9 too: SIGTERM to the gateway's process group, after GRACE
seconds SIGKILL to all that is left. What a gateway leaves when it ends by itself is ended in the same way, for it may
hold the port that the next one needs. Those processes become children of the keeper (prctl(2),
PR_SET_CHILD_SUBREAPER), whichever session they have made for themselves.

The gateway writes to what is standard error here. Standard output is for us, one line for each fact: `started PID`,
`failed ERRNO`, `ended STATUS`, with the number of a signal as a negative status.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

REST = 2.0
"""Seconds from SIGTERM to SIGKILL for what a gateway has left."""

GIVE_UP = 2.0
"""Seconds to wait after SIGKILL; a process that hangs in the kernel is then left."""

LOOK = 0.05
"""Seconds between two looks whether something is left."""


class Inbox:
    """Tells of the end of standard input and of signals."""

    def __init__(self) -> None:
        self.stop = False
        self._heard, hear = os.pipe()
        os.set_blocking(hear, False)
        signal.set_wakeup_fd(hear)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        self._poll = select.poll()
        self._poll.register(0, select.POLLIN)
        self._poll.register(self._heard, select.POLLIN)

    def wait(self, seconds: float | None) -> None:
        """Return when something has come, at the latest after these seconds."""
        for source, _ in self._poll.poll(None if seconds is None else max(0.0, seconds) * 1000):
            read = os.read(source, 512)
            if source == self._heard:
                self.stop |= any(number != signal.SIGCHLD for number in read)
            elif not read:
                self.stop = True
                self._poll.unregister(0)


def keep(grace: float, command: list[str]) -> None:
    """Start a gateway and return when nothing of it is left."""
    inbox = Inbox()
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    keeper = os.getpid()

    def end_with_keeper() -> None:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != keeper:
            os._exit(1)

    try:
        gateway = subprocess.Popen(  # noqa: S603 - the operator's own command, without a shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=2,
            start_new_session=True,
            preexec_fn=end_with_keeper,  # noqa: PLW1509 - there is one thread
        )
    except OSError as error:
        _say(f"failed {error.errno}")
        return
    _say(f"started {gateway.pid}")
    status, since = _outlast(gateway.pid, grace, inbox)
    _clear(until=time.monotonic() + REST if since is None else max(since + grace, time.monotonic() + LOOK), inbox=inbox)
    _say(f"ended {status}")


def _outlast(pid: int, grace: float, inbox: Inbox) -> tuple[int, float | None]:
    """Return when the gateway has ended: its status, and when it was told to, None if nobody did."""
    since: float | None = None
    killed = False
    while (status := _status(pid)) is None:
        left = None if since is None or killed else since + grace - time.monotonic()
        if left is not None and left <= 0:
            os.killpg(pid, signal.SIGKILL)  # it is not reaped yet, so the number is still its own
            killed = True
            continue
        inbox.wait(left)
        if inbox.stop and since is None:
            since = time.monotonic()
            os.killpg(pid, signal.SIGTERM)
    return status, since


def _status(pid: int) -> int | None:
    """Return the status of the gateway if it has ended; it stays a zombie. Others that have ended are reaped."""
    while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
        if ended.si_pid == pid:
            return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
        os.waitpid(ended.si_pid, os.WNOHANG)
    return None


def _clear(until: float, inbox: Inbox) -> None:
    """End everything that is left: whose parent ends becomes a child of ours. until: when SIGKILL follows SIGTERM."""
    told: set[tuple[int, signal.Signals]] = set()
    while time.monotonic() < until + GIVE_UP:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        left = _children()
        if not left:
            return
        number = signal.SIGTERM if time.monotonic() < until else signal.SIGKILL
        for pid in left:
            if (pid, number) not in told:
                told.add((pid, number))
                os.kill(pid, number)  # a child, so at least a zombie has this number
        inbox.wait(LOOK)


def _children() -> list[int]:
    try:
        return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()]
    except OSError:
        return []


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _say(fact: str) -> None:
    with contextlib.suppress(OSError):  # we are gone
        os.write(1, f"{fact}\n".encode())


if __name__ == "__main__":
    keep(float(sys.argv[1]), sys.argv[2:])
