"""gateway/process.py: a signal reaches the process that we were told of, or nobody. Only own children are signalled."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from unit.builders import PYTHON
from unit.children import child, handling, is_untouched, said

from agent_config_sync.errors import ReloadError, StoppedError
from agent_config_sync.gateway.process import GatewayProcess
from agent_config_sync.publish.gate import Gate

USR1 = signal.SIGUSR1
NOBODY = 65534
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not on PATH")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process of another user")


def found(running: subprocess.Popen[str]) -> GatewayProcess:
    process = GatewayProcess.find(running.pid)
    assert process is not None
    return process


def ended() -> subprocess.Popen[bytes]:
    """A child that has ended and is not waited for yet: a zombie."""
    running = subprocess.Popen([PYTHON, "-c", ""])
    os.waitid(os.P_PID, running.pid, os.WEXITED | os.WNOWAIT)
    return running


def test_a_signal_reaches_a_process_with_a_handler() -> None:
    with handling("SIGUSR1") as running:
        found(running).send(USR1, Gate().passing)
        assert said(running) == "SIGUSR1"


def test_a_process_without_a_handler_is_not_signalled_and_lives() -> None:
    with handling("SIGUSR2") as running:
        with pytest.raises(ReloadError, match=r"no handler for SIGUSR1: it would be killed"):
            found(running).send(USR1, Gate().passing)
        assert is_untouched(running)


def test_a_process_that_ignores_the_signal_counts_as_one_without_a_handler() -> None:
    ignoring = "import signal; signal.signal(signal.SIGUSR1, signal.SIG_IGN); print('ready', flush=True); input()"
    with child("-c", ignoring) as running, pytest.raises(ReloadError, match="no handler"):
        found(running).send(USR1, Gate().passing)


def test_another_start_time_is_another_process_and_is_not_signalled() -> None:
    with handling("SIGUSR1") as running:
        earlier = replace(found(running), start_time=found(running).start_time - 1)
        with pytest.raises(ReloadError, match="another process now"):
            earlier.send(USR1, Gate().passing)
        assert is_untouched(running)


def test_a_process_that_is_gone_is_said_to_be_gone() -> None:
    with handling("SIGUSR1") as running:
        process = found(running)
    with pytest.raises(ReloadError, match=rf"the gateway \(pid {process.pid}\) is gone"):
        process.send(USR1, Gate().passing)


def test_a_process_that_ends_between_the_checks_and_the_signal_is_said_to_be_gone() -> None:
    with handling("SIGUSR1") as running:

        @contextlib.contextmanager
        def too_late() -> Iterator[None]:
            running.kill()
            running.wait()
            yield

        with pytest.raises(ReloadError, match="is gone"):
            found(running).send(USR1, too_late)


def test_a_closed_gate_stops_the_signal() -> None:
    gate = Gate()
    gate.close()
    with handling("SIGUSR1") as running:
        with pytest.raises(StoppedError):
            found(running).send(USR1, gate.passing)
        assert is_untouched(running)


def test_no_descriptor_is_left_open() -> None:
    with handling("SIGUSR1") as running:
        process = found(running)
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a descriptor of its own would count
        process.send(USR1, Gate().passing)
        with pytest.raises(ReloadError):
            process.send(signal.SIGUSR2, Gate().passing)
        assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


@needs_root
def test_root_may_signal_a_process_of_another_user() -> None:
    program = "import signal; signal.signal(signal.SIGUSR1, lambda *_: print('heard', flush=True))"
    program += "; print('ready', flush=True); input()"
    with child("-c", program, program="/usr/bin/python3", user=NOBODY) as running:
        found(running).send(USR1, Gate().passing)
        assert said(running) == "heard"


@needs_root
def test_a_process_of_another_user_is_not_signalled_by_somebody_else() -> None:
    with handling("SIGUSR1") as running:
        process = found(running)
        os.seteuid(NOBODY)
        try:
            with pytest.raises(ReloadError, match="belongs to uid 0: run as that user"):
                process.send(USR1, Gate().passing)
        finally:
            os.seteuid(0)
        assert is_untouched(running)


# --- find


@pytest.mark.parametrize("pid", [0, -1, 2**22 + 1, 2**40])
def test_a_pid_that_nobody_has_is_no_process(pid: int) -> None:
    assert GatewayProcess.find(pid) is None


def test_a_zombie_is_no_process() -> None:
    zombie = ended()
    try:
        assert GatewayProcess.find(zombie.pid) is None
    finally:
        zombie.wait()


def test_the_same_process_is_found_as_the_same() -> None:
    with handling() as running:
        assert found(running) == found(running)


def test_a_command_with_parentheses_and_spaces_does_not_shift_the_fields(tmp_path: Path) -> None:
    strange = tmp_path / "a) Z 1 (b"
    shutil.copy("/bin/cat", strange)
    with subprocess.Popen([strange], stdin=subprocess.PIPE) as running:
        process = GatewayProcess.find(running.pid)
        ours = GatewayProcess.find(os.getpid())
        assert process is not None
        assert ours is not None
        assert process.start_time >= ours.start_time


# --- what it runs


def test_a_python_process_is_not_node() -> None:
    with handling() as running:
        assert not found(running).is_node()


@needs_node
def test_a_node_process_is_node_whatever_its_title() -> None:
    program = "process.title = 'gateway'; console.log('ready'); process.stdin.resume()"
    with child("-e", program, program="node") as running:
        assert found(running).is_node()


def test_a_process_that_calls_itself_openclaw_counts_as_node(tmp_path: Path) -> None:
    shutil.copy("/bin/cat", tmp_path / "openclaw-gatewa")
    with subprocess.Popen([tmp_path / "openclaw-gatewa"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdin.write(b"x\n")
        running.stdin.flush()
        running.stdout.readline()  # it runs its own program now
        process = GatewayProcess.find(running.pid)
        assert process is not None
        assert process.is_node()


def test_a_process_that_is_gone_is_not_node_and_runs_no_script() -> None:
    with handling() as running:
        process = found(running)
    assert (process.is_node(), process.scripts()) == (False, [])


SCRIPT = "print('ready', flush=True)\ninput()\n"


def test_a_script_with_a_relative_path_is_found_from_the_directory_of_its_process(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(SCRIPT)
    with subprocess.Popen(
        [PYTHON, "main.py"], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        assert said(running) == "ready"
        assert found(running).scripts() == [tmp_path / "main.py"]


def test_a_script_behind_an_option_is_found(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(SCRIPT)
    with child("-u", tmp_path / "main.py") as running:
        assert tmp_path / "main.py" in found(running).scripts()


def test_the_scripts_of_a_child_are_found_after_those_of_the_process(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("import subprocess, sys\nsubprocess.run([sys.executable, sys.argv[1]])\n")
    (tmp_path / "child.py").write_text(SCRIPT)
    with child(tmp_path / "main.py", tmp_path / "child.py") as running:
        assert found(running).scripts() == [tmp_path / "main.py", tmp_path / "child.py", tmp_path / "child.py"]


@needs_node
def test_a_process_that_wrote_over_its_command_line_is_known_by_its_child(tmp_path: Path) -> None:
    (tmp_path / "child.py").write_text(SCRIPT)
    program = "process.title = 'openclaw-gateway'; require('child_process').spawn(process.argv[1], [process.argv[2]], "
    program += "{stdio: 'inherit'})"
    with child("-e", program, PYTHON, tmp_path / "child.py", program="node") as running:
        assert found(running).scripts() == [tmp_path / "child.py"]


def test_an_argument_that_no_path_can_be_is_no_error() -> None:
    with child("-c", "print('ready', flush=True); input() #" + "x" * 5000) as running:
        assert len(found(running).scripts()) == 2


def test_an_argument_that_is_no_utf_8_is_a_path_all_the_same(tmp_path: Path) -> None:
    script = tmp_path / os.fsdecode(b"\xff.py")
    script.write_text(SCRIPT)
    with child(script) as running:
        assert found(running).scripts() == [script]
