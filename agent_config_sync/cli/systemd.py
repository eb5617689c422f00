"""What the service manager is told: sd_notify(3), sd_watchdog_enabled(3). Nobody is there unless systemd started us."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket

PATIENCE = 1.0
"""Seconds to wait for a service manager that does not read what it is told."""


def tell_systemd(state: str) -> None:
    """Tell the service manager, if it started us with Type=notify; one that does not listen is not waited for."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.settimeout(PATIENCE)
        channel.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)


async def feed_watchdog() -> None:
    """Say again and again that the event loop turns; returns at once where the unit has no WatchdogSec."""
    pause = _pause()
    while pause is not None:
        tell_systemd("WATCHDOG=1")
        await asyncio.sleep(pause)


def _pause() -> float | None:
    """Return half of the time after which systemd would end us, in seconds; None if it does not watch this process."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 2e6 if microseconds.isdecimal() and int(microseconds) > 0 else None
