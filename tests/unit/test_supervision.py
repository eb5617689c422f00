"""gateway/supervision.py and keeper.py: a gateway is started, started again and stopped. All are children of ours."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from harness import DEADLINE, Recorder
from unit.builders import PYTHON

from agent_config_sync.errors import PublishError, RefusedError, SettingsError
from agent_config_sync.events import (
    Event,
    Events,
    GatewayEnded,
    GatewayNotStarted,
    GatewayStarted,
    GatewayStopped,
    PassFailed,
    Published,
    Refused,
    Unchanged,
)
from agent_config_sync.gateway import supervision
from agent_config_sync.gateway.process import GatewayProcess
from agent_config_sync.gateway.supervision import KEEPER, Pace, SupervisedGateway

UNCHANGED = Unchanged("/x/agents.json", "abc", "1:1:")
PUBLISHED = Published("/x/agents.json", "abc", None, b"{}", 0.0, "1:1:")
QUICK = Pace(delays=(0.01, 0.02), steady=60.0, grace=DEADLINE)

LIVES = "import signal; print('ready', flush=True); signal.pause()"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: {LIVES}"


@dataclass
class Supervised:
    """A supervised gateway and what is told of it."""

    gateway: SupervisedGateway
    events: Events
    told: Recorder

    async def begins(self) -> int:
        """Let the first pass be over and return the gateway's process id."""
        self.gateway.start()
        self.events.emit(UNCHANGED)
        return (await self.told.until(GatewayStarted)).pid


Supervise: TypeAlias = Callable[..., Supervised]


@pytest.fixture
async def supervise() -> AsyncIterator[Supervise]:
    """Make a supervised gateway of a Python program, or of another command; stopped at the end."""
    made: list[Supervised] = []

    def supervised(
        program: str = LIVES,
        *arguments: str,
        command: tuple[str, ...] | None = None,
        files: bool = False,
        **pace: Any,
    ) -> Supervised:
        events, told = Events(), Recorder()
        events.subscribe(told)
        words = command or (PYTHON, "-c", program, *arguments)
        gateway = SupervisedGateway(words, events, has_files=lambda: files, pace=replace(QUICK, **pace))
        made.append(Supervised(gateway, events, told))
        return made[-1]

    yield supervised
    for each in made:
        await each.gateway.stop()


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Callable[[str], Awaitable[str]]:
    """Return the first line of the log that holds a text, once it is there."""
    caplog.set_level(logging.INFO, logger="agent_config_sync.gateway")

    async def says(text: str) -> str:
        async with asyncio.timeout(DEADLINE):
            while True:
                for line in caplog.messages:
                    if text in line:
                        return line
                await asyncio.sleep(0.01)

    return says


async def gone(pid: int) -> None:
    """Return when nobody has this process id any more."""
    async with asyncio.timeout(DEADLINE):
        while GatewayProcess.find(pid) is not None:  # noqa: ASYNC110 - a stranger's end sends no event
            await asyncio.sleep(0.01)


# --- when it starts


@pytest.mark.parametrize("event", [UNCHANGED, PUBLISHED], ids=["unchanged", "published"])
async def test_it_starts_when_the_first_pass_has_succeeded(supervise: Supervise, event: Event) -> None:
    supervised = supervise()
    supervised.gateway.start()
    supervised.events.emit(event)
    await supervised.told.until(GatewayStarted)


FAILURES = [Refused("no"), PassFailed(RefusedError("no"), 1.0), PassFailed(PublishError("full"), None)]


@pytest.mark.parametrize("event", FAILURES)
async def test_it_starts_when_the_first_pass_has_failed_and_earlier_files_are_there(
    supervise: Supervise, event: Event
) -> None:
    supervised = supervise(files=True)
    supervised.gateway.start()
    supervised.events.emit(event)
    await supervised.told.until(GatewayStarted)


@pytest.mark.parametrize("event", FAILURES)
async def test_it_waits_for_its_files_when_the_first_pass_has_failed(supervise: Supervise, event: Event) -> None:
    supervised = supervise(files=False)
    supervised.gateway.start()
    supervised.events.emit(event)
    await asyncio.sleep(0)
    assert not supervised.gateway._wanted.is_set()


async def test_it_is_found_by_its_process_while_it_lives(supervise: Supervise) -> None:
    supervised = supervise()
    assert supervised.gateway.process is None
    pid = await supervised.begins()
    assert supervised.gateway.process == GatewayProcess.find(pid) is not None
    await supervised.gateway.stop()
    assert supervised.gateway.process is None


async def test_below_a_gateway_none_is_started(supervise: Supervise, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "gateway_above", lambda: 7)
    with pytest.raises(SettingsError, match=r"gateway_command is for a process that runs alone.*OpenClaw \(pid 7\)"):
        supervise().gateway.start()


async def test_elsewhere_than_on_linux_none_is_started(supervise: Supervise, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(SettingsError, match="needs Linux"):
        supervise().gateway.start()


# --- what it is given


@pytest.mark.parametrize("name", ["AGENT_CONFIG_SYNC_DSN", "PGPASSWORD", "NOTIFY_SOCKET", "INVOCATION_ID"])
async def test_what_is_meant_for_us_alone_is_not_in_its_environment(
    supervise: Supervise, monkeypatch: pytest.MonkeyPatch, log: Callable[[str], Awaitable[str]], name: str
) -> None:
    monkeypatch.setenv(name, "ours")
    await supervise("import os, sys; print('has', os.environ.get(sys.argv[1]), flush=True)", name).begins()
    assert await log("has") == "gateway: has None"


@pytest.mark.parametrize(
    ("name", "given", "has"),
    [
        ("OPENCLAW_HOME", "/its/own", "/its/own"),
        ("OPENCLAW_NO_RESPAWN", None, "1"),
        ("OPENCLAW_NO_RESPAWN", "0", "0"),
    ],
)
async def test_the_rest_of_our_environment_is_its_too_and_it_restarts_within_its_process(
    supervise: Supervise,
    monkeypatch: pytest.MonkeyPatch,
    log: Callable[[str], Awaitable[str]],
    name: str,
    given: str | None,
    has: str,
) -> None:
    if given is not None:
        monkeypatch.setenv(name, given)
    await supervise("import os, sys; print('has', os.environ.get(sys.argv[1]), flush=True)", name).begins()
    assert await log("has") == f"gateway: has {has}"


async def test_it_has_nothing_to_read_and_a_session_of_its_own(
    supervise: Supervise, log: Callable[[str], Awaitable[str]]
) -> None:
    program = "import os, sys; print('read', sys.stdin.read() == '', os.getsid(0) == os.getpid(), flush=True)"
    await supervise(program).begins()
    assert await log("read") == "gateway: read True True"


async def test_what_it_prints_and_what_it_complains_of_is_logged(
    supervise: Supervise, log: Callable[[str], Awaitable[str]]
) -> None:
    await supervise("import sys; print('one', flush=True); print('two', file=sys.stderr)").begins()
    assert await log("one") == "gateway: one"
    assert await log("two") == "gateway: two"


async def test_what_it_said_last_is_logged_before_its_end_is_told(
    supervise: Supervise, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="agent_config_sync.gateway")
    supervised = supervise("print('last words')")
    await supervised.begins()
    await supervised.told.until(GatewayEnded)
    assert "gateway: last words" in caplog.messages


# --- when it ends by itself


@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("", 0),
        ("import sys; sys.exit(78)", 78),
        ("import os; os.kill(os.getpid(), 9)", -9),
    ],
)
async def test_its_status_is_told_when_it_ends(supervise: Supervise, program: str, status: int) -> None:
    supervised = supervise(program)
    await supervised.begins()
    assert (await supervised.told.until(GatewayEnded)).status == status


async def test_it_is_started_again_when_it_ends(supervise: Supervise) -> None:
    supervised = supervise()
    first = await supervised.begins()
    os.kill(first, signal.SIGKILL)
    again = await supervised.told.until(GatewayStarted)
    assert again.pid != first
    assert supervised.gateway.process == GatewayProcess.find(again.pid)


async def test_each_start_after_another_comes_later(supervise: Supervise) -> None:
    supervised = supervise("", delays=(0.01, 0.02, 0.03))
    await supervised.begins()
    waited = [(await supervised.told.until(GatewayEnded)).retry_in for _ in range(4)]
    assert waited == [0.01, 0.02, 0.03, 0.03]


async def test_after_a_steady_life_the_delays_begin_anew(supervise: Supervise) -> None:
    supervised = supervise("", delays=(0.01, 0.02), steady=0.0)
    await supervised.begins()
    waited = [(await supervised.told.until(GatewayEnded)).retry_in for _ in range(3)]
    assert waited == [0.01, 0.01, 0.01]


LEAVES = """
import subprocess, sys, time
words = [sys.executable, "-c", sys.argv[1]]
left = subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=len(sys.argv) > 2)
left.stdout.readline()
print("left", left.pid, flush=True)
if "stay" in sys.argv[2:]: time.sleep(1000)
"""
"""Starts another process, in a session of its own if there are more arguments, and ends or stays."""


@pytest.mark.parametrize("session", [(), ("apart",)], ids=["in its group", "in a session of its own"])
@pytest.mark.parametrize("left", [LIVES, DEAF], ids=["that hears", "that is deaf"])
async def test_what_it_leaves_is_ended_before_the_next_one_starts(
    supervise: Supervise, log: Callable[[str], Awaitable[str]], left: str, session: tuple[str, ...]
) -> None:
    supervised = supervise(LEAVES, left, *session, delays=(DEADLINE,))
    await supervised.begins()
    pid = int((await log("left")).rpartition(" ")[2])
    await supervised.told.until(GatewayEnded)
    assert GatewayProcess.find(pid) is None


# --- when it cannot be started


async def test_a_program_that_is_not_there_is_told_once_with_the_way_out(supervise: Supervise, tmp_path: Path) -> None:
    program = tmp_path / "openclaw"
    supervised = supervise(command=(str(program), "gateway", "run"))
    supervised.gateway.start()
    supervised.events.emit(UNCHANGED)
    reason = (await supervised.told.until(GatewayNotStarted)).reason
    assert reason == (
        f"{program} of gateway_command cannot be started (No such file or directory): "
        "install it, or set gateway_command"
    )
    program.write_text(f"#!{PYTHON}\n{LIVES}\n")
    program.chmod(0o755)
    await supervised.told.until(GatewayStarted)
    assert supervised.told.count(GatewayNotStarted) == 1


async def test_a_file_that_is_no_program_is_told(supervise: Supervise, tmp_path: Path) -> None:
    (tmp_path / "openclaw").write_text("")
    supervised = supervise(command=(str(tmp_path / "openclaw"),))
    supervised.gateway.start()
    supervised.events.emit(UNCHANGED)
    assert "(Permission denied)" in (await supervised.told.until(GatewayNotStarted)).reason


# --- when we stop it


async def test_a_stop_ends_it_by_sigterm_and_starts_none_again(
    supervise: Supervise, log: Callable[[str], Awaitable[str]]
) -> None:
    program = "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(print('bye', flush=True)))"
    supervised = supervise(f"{program}\n{LIVES}")
    pid = await supervised.begins()
    await log("ready")
    await supervised.gateway.stop()
    assert await log("bye")
    assert GatewayProcess.find(pid) is None
    assert [type(event) for event in supervised.told.seen] == [Unchanged, GatewayStarted, GatewayStopped]


async def test_a_stop_kills_one_that_does_not_hear_sigterm(
    supervise: Supervise, log: Callable[[str], Awaitable[str]]
) -> None:
    supervised = supervise(DEAF, grace=0.2)
    pid = await supervised.begins()
    await log("ready")
    await supervised.gateway.stop()
    assert GatewayProcess.find(pid) is None


@pytest.mark.parametrize("session", [(), ("apart",)], ids=["in its group", "in a session of its own"])
async def test_a_stop_ends_what_it_has_started_too(
    supervise: Supervise, log: Callable[[str], Awaitable[str]], session: tuple[str, ...]
) -> None:
    supervised = supervise(LEAVES.replace('"stay" in sys.argv[2:]', "True"), LIVES, *session)
    await supervised.begins()
    pid = int((await log("left")).rpartition(" ")[2])
    await supervised.gateway.stop()
    assert GatewayProcess.find(pid) is None


async def test_a_stop_before_the_first_pass_starts_none(supervise: Supervise) -> None:
    supervised = supervise()
    supervised.gateway.start()
    await supervised.gateway.stop()
    assert supervised.told.seen == []


async def test_a_stop_between_two_lives_starts_none_again(supervise: Supervise) -> None:
    supervised = supervise("", delays=(DEADLINE,))
    await supervised.begins()
    await supervised.told.until(GatewayEnded)
    async with asyncio.timeout(DEADLINE / 2):
        await supervised.gateway.stop()
    assert supervised.told.count(GatewayStarted) == 1
    assert supervised.told.count(GatewayStopped) == 1


async def test_a_stop_while_it_is_being_started_ends_it(supervise: Supervise) -> None:
    supervised = supervise(DEAF, grace=0.0)
    supervised.gateway.start()
    supervised.events.emit(UNCHANGED)
    async with asyncio.timeout(DEADLINE):
        while supervised.gateway._keeper is None:  # noqa: ASYNC110 - before any event
            await asyncio.sleep(0)
    await supervised.gateway.stop()
    assert supervised.gateway.process is None
    assert supervised.told.count(GatewayStopped) == 1


# --- the keeper


async def keeper(*command: str, grace: float = DEADLINE) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(PYTHON, "-I", "-S", str(KEEPER), str(grace), *command),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )


async def said(running: asyncio.subprocess.Process) -> list[str]:
    assert running.stdout is not None
    async with asyncio.timeout(DEADLINE):
        return (await running.stdout.readline()).decode().split()


async def test_a_gateway_does_not_outlive_its_keeper_even_if_that_is_killed() -> None:
    running = await keeper(PYTHON, "-c", DEAF)
    pid = int((await said(running))[1])
    running.kill()
    await running.wait()
    await gone(pid)


async def test_a_keeper_that_is_told_to_end_tells_the_gateway() -> None:
    running = await keeper(PYTHON, "-c", LIVES)
    assert (await said(running))[0] == "started"
    running.terminate()
    assert await said(running) == ["ended", "-15"]
    assert await running.wait() == 0


async def test_a_keeper_that_is_killed_is_the_end_of_the_gateway_and_another_one_starts(supervise: Supervise) -> None:
    supervised = supervise(DEAF)
    pid = await supervised.begins()
    assert supervised.gateway._keeper is not None
    supervised.gateway._keeper.kill()
    assert (await supervised.told.until(GatewayEnded)).status == -signal.SIGKILL
    await supervised.told.until(GatewayStarted)
    await gone(pid)


async def test_no_descriptor_is_left_open_after_many_lives(supervise: Supervise) -> None:
    supervised = supervise("")
    await supervised.begins()
    await supervised.told.until(GatewayEnded)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a descriptor of its own would count
    for _ in range(5):
        await supervised.told.until(GatewayEnded)
    await supervised.gateway.stop()
    assert len(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208
