"""The gateway that is told by a signal: it hears it or the status says why not, and nobody else hears it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from daemon import StartDaemon, strace
from harness import Operator, Start, eventually, make_settings, rights_of_nobody
from unit.children import handling, is_untouched, said

from agent_config_sync.cli.throwaway import ThrowawayServer
from agent_config_sync.events import ReloadDeferred, Reported
from agent_config_sync.gateway import reload
from agent_config_sync.settings import Settings
from agent_config_sync.state import State

UPDATE = "UPDATE agents SET model = 'a/after'"
OFFERED = "SELECT state = 'offered' AND error IS NULL FROM gateway_status"
NOT_TOLD = "SELECT state = 'pending' AND error LIKE $1 FROM gateway_status"


@pytest.fixture
def pid_file(tmp_path: Path) -> Path:
    return tmp_path / "gateway.pid"


@pytest.fixture
def settings(database: str, tmp_path: Path, pid_file: Path) -> Settings:
    """A gateway of another kind, whose pid stands in a file; what is owed is looked at every second."""
    settings = make_settings(
        database,
        tmp_path,
        gateway_version="unknown",
        reload="signal",
        gateway_pid_file=pid_file,
        resync_interval=1.0,
    )
    settings.config_path.parent.mkdir()
    settings.config_path.write_text('{"agents": {"$include": ["./agents.json"]}}')
    return settings


@pytest.fixture
def no_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one signal follow another at once."""
    monkeypatch.setattr(reload, "SIGNAL_INTERVAL", 0.0)


@contextlib.contextmanager
def with_pid(pid: int) -> Iterator[subprocess.Popen[str]]:
    """Start a process that gets this pid (proc(5), ns_last_pid); another process may be quicker, so try again."""
    for _ in range(100):
        Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1), encoding="ascii")
        with handling("SIGUSR1") as running:
            if running.pid == pid:
                yield running
                return
    pytest.fail(f"no process got the pid {pid}")


async def test_a_gateway_that_is_gone_is_named_and_the_next_one_is_told(
    start: Start, operator: Operator, lead: None, pid_file: Path
) -> None:
    with handling("SIGUSR1") as gone:
        pid_file.write_text(f"{gone.pid}\n")
    await start(wait=None)
    await eventually(operator, NOT_TOLD, f"no process has the pid {gone.pid} that stands in {pid_file}%")
    with handling("SIGUSR1") as gateway:
        pid_file.write_text(f"{gateway.pid}\n")
        assert await asyncio.to_thread(said, gateway) == "SIGUSR1"
        await eventually(operator, OFFERED)


async def test_a_gateway_that_has_written_no_pid_file_yet_is_waited_for(
    start: Start, operator: Operator, lead: None, pid_file: Path
) -> None:
    await start(wait=None)
    await eventually(operator, NOT_TOLD, f"{pid_file} cannot be read (No such file or directory)%")
    with handling("SIGUSR1") as gateway:
        pid_file.write_text(f"{gateway.pid}\n")
        assert await asyncio.to_thread(said, gateway) == "SIGUSR1"
        await eventually(operator, OFFERED)


async def test_a_gateway_without_a_handler_lives_and_is_named(
    start: Start, operator: Operator, lead: None, pid_file: Path
) -> None:
    with handling() as gateway:
        pid_file.write_text(f"{gateway.pid}\n")
        await start(wait=None)
        why = f"no signal was sent: the gateway (pid {gateway.pid}) has no handler for SIGUSR1: it would be killed by%"
        await eventually(operator, NOT_TOLD, why)
        assert is_untouched(gateway)


async def test_a_gateway_that_was_restarted_is_told_under_its_new_pid(
    start: Start, operator: Operator, lead: None, pid_file: Path, no_interval: None
) -> None:
    await start(wait=None)
    for model in ("a/first", "a/second"):
        await operator.execute("UPDATE agents SET model = $1", model)
        with handling("SIGUSR1") as gateway:
            pid_file.write_text(f"{gateway.pid}\n")
            assert await asyncio.to_thread(said, gateway) == "SIGUSR1"
            await eventually(operator, OFFERED)


async def test_a_signal_that_a_kill_prevented_is_sent_by_the_next_daemon(
    daemons: StartDaemon, operator: Operator, lead: None, pid_file: Path, settings: Settings
) -> None:
    killed = await daemons()
    await eventually(operator, NOT_TOLD, f"{pid_file} cannot be read%")
    with handling("SIGUSR1") as gateway:
        async with strace([killed.pid], "pidfd_send_signal:signal=SIGKILL", all_of_them=True):
            pid_file.write_text(f"{gateway.pid}\n")
            assert await killed.ended() == -signal.SIGKILL
        assert is_untouched(gateway)
        State(settings.state_dir, settings.output).save(signalled_at=None)  # as if its 30 s were over
        await daemons()
        assert await asyncio.to_thread(said, gateway) == "SIGUSR1"
        await eventually(operator, OFFERED)


async def test_a_process_that_has_the_pid_of_the_gateway_now_is_not_signalled(
    start: Start, operator: Operator, lead: None, no_interval: None
) -> None:
    with handling("SIGUSR1") as gateway:
        await start(wait=None, gateway_pid=gateway.pid, gateway_pid_file=None)
        assert await asyncio.to_thread(said, gateway) == "SIGUSR1"
        await eventually(operator, OFFERED)
    with with_pid(gateway.pid) as other:
        await operator.execute(UPDATE)
        await eventually(operator, NOT_TOLD, f"no signal was sent: pid {other.pid} is another process now than%")
        assert is_untouched(other)


async def test_a_process_that_has_the_pid_in_a_file_of_a_gateway_that_is_gone_is_not_signalled(
    start: Start, operator: Operator, lead: None, pid_file: Path, no_interval: None
) -> None:
    with handling("SIGUSR1") as gateway:
        pid_file.write_text(f"{gateway.pid}\n")
        await start(wait=None)
        assert await asyncio.to_thread(said, gateway) == "SIGUSR1"
        await eventually(operator, OFFERED)
    with with_pid(gateway.pid) as other:
        await operator.execute(UPDATE)
        await eventually(operator, NOT_TOLD, f"pid {other.pid} is another process now than the gateway that stood in%")
        assert is_untouched(other)


async def test_a_gateway_of_another_user_is_named_with_its_owner(
    start: Start, server: ThrowawayServer, home: Path
) -> None:
    pid_file = home / "gateway.pid"
    settings = make_settings(server.dsn, home, gateway_version="unknown", reload="signal", gateway_pid_file=pid_file)
    with handling("SIGUSR1") as gateway:
        pid_file.write_text(f"{gateway.pid}\n")
        with rights_of_nobody():
            running = await start(wait=None, **dict(settings))
            deferred = await running.events.until(ReloadDeferred)
            await running.events.until(Reported)
            await running.plugin.stop()
        assert f"the gateway (pid {gateway.pid}) belongs to uid 0: run as that user" in deferred.reason
        assert is_untouched(gateway)
