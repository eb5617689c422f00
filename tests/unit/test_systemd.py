"""cli/systemd.py: what the service manager is told, over a real datagram socket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from harness import DEADLINE, ServiceManager, service_manager

from agent_config_sync.cli.systemd import feed_watchdog, tell_systemd


@pytest.fixture(params=["path", "abstract"])
async def manager(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ServiceManager]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@agent-config-sync-{os.getpid()}"
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    async with service_manager(name) as manager:
        yield manager


async def test_the_manager_hears_what_it_is_told(manager: ServiceManager) -> None:
    tell_systemd("READY=1")
    assert await manager.hears() == b"READY=1"


def test_without_a_manager_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    tell_systemd("READY=1")


def test_a_manager_that_reads_nothing_holds_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as others, contextlib.suppress(BlockingIOError):
            others.setblocking(False)
            while True:
                others.sendto(b"STATUS=busy", name)
        telling = threading.Thread(target=tell_systemd, args=("WATCHDOG=1",), daemon=True)
        telling.start()
        telling.join(DEADLINE)
        assert not telling.is_alive()


def test_a_manager_that_is_gone_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    tell_systemd("READY=1")


@pytest.mark.parametrize("named", [False, True], ids=["whoever", "this process"])
async def test_the_watchdog_is_fed_again_and_again(
    manager: ServiceManager, named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    if named:
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    feeding = asyncio.create_task(feed_watchdog())
    assert [await manager.hears() for _ in range(3)] == [b"WATCHDOG=1"] * 3
    feeding.cancel()


async def test_the_watchdog_is_fed_at_twice_the_pace_that_is_asked_for(
    manager: ServiceManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        raise asyncio.CancelledError

    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setenv("WATCHDOG_USEC", "60000000")
    with pytest.raises(asyncio.CancelledError):
        await feed_watchdog()
    assert pauses == [30.0]


@pytest.mark.parametrize(
    ("microseconds", "pid"), [(None, None), ("", None), ("0", None), ("soon", None), ("20000", "1")]
)
async def test_a_watchdog_that_does_not_watch_this_process_is_not_fed(
    microseconds: str | None, pid: str | None, manager: ServiceManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("WATCHDOG_USEC", microseconds), ("WATCHDOG_PID", pid)):
        if value is not None:
            monkeypatch.setenv(name, value)
    async with asyncio.timeout(DEADLINE):
        await feed_watchdog()
    assert manager.told.empty()
