"""gateway/reload.py: tell the gateway, in the way that its version takes, or say why not."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest
from unit.children import child, handling, is_untouched, said

from agent_config_sync.errors import StoppedError
from agent_config_sync.events import ReloadMethod
from agent_config_sync.gateway.process import GatewayProcess
from agent_config_sync.gateway.reload import (
    SIGNAL_INTERVAL,
    Deferred,
    Gateway,
    Told,
    choose_method,
    ready,
    tell,
)
from agent_config_sync.model.site import GatewayVersion
from agent_config_sync.publish.gate import Gate
from agent_config_sync.settings import ReloadSetting

NOW = 1_800_000_000.0
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not on PATH")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "openclaw.json"
    path.write_text("{/* JSON5 */ gateway: {port: 1}}")
    return path


def beside(running: subprocess.Popen[str] | None, config: Path, version: str | None) -> Gateway:
    process = GatewayProcess.find(running.pid) if running is not None else None
    return Gateway(config, process, GatewayVersion.parse(version))


def told(gateway: Gateway, method: ReloadMethod, *, gate: Gate | None = None) -> Told | Deferred:
    return tell(gateway, method, gate=gate or Gate())


def closed() -> Gate:
    gate = Gate()
    gate.close()
    return gate


# --- which method

OTHER = GatewayProcess(os.getpid(), 0)
"""A process that is not Node."""


@pytest.mark.parametrize(
    ("version", "process", "method"),
    [
        ("2026.9.6", None, "watch"),
        ("2026.8.1", OTHER, "watch"),
        ("2026.8.1-beta.1", None, "watch"),
        ("2026.7.35", None, "touch"),
        ("2026.2.9", OTHER, "touch"),
        (None, None, "touch"),
        (None, OTHER, "signal"),
    ],
)
def test_auto_chooses_by_version_and_signals_only_what_is_no_openclaw(
    version: str | None, process: GatewayProcess | None, method: ReloadMethod
) -> None:
    assert choose_method("auto", GatewayVersion.parse(version), process) == method


@pytest.mark.parametrize("setting", ["watch", "touch", "signal", "none"])
def test_what_was_asked_for_is_done_whatever_the_version(setting: ReloadSetting) -> None:
    assert choose_method(setting, GatewayVersion(2026, 9, 6), None) == setting


@needs_node
def test_auto_never_signals_a_node_process_of_unknown_version() -> None:
    with child("-e", "console.log('ready'); process.stdin.resume()", program="node") as running:
        assert choose_method("auto", None, GatewayProcess.find(running.pid)) == "touch"


# --- watch, none, touch


@pytest.mark.parametrize("method", ["watch", "none"])
def test_a_gateway_that_watches_is_told_by_doing_nothing(method: ReloadMethod, config: Path) -> None:
    before = config.stat()
    assert told(beside(None, config, "2026.9.6"), method) == Told(method)
    assert config.stat() == before


def test_a_touch_changes_the_time_and_nothing_else(config: Path) -> None:
    os.utime(config, ns=(1, 1))
    content = config.read_bytes()
    assert told(beside(None, config, "2026.7.1"), "touch") == Told("touch")
    assert config.stat().st_mtime_ns > 1
    assert config.read_bytes() == content


def test_a_touch_of_a_missing_config_makes_no_file(tmp_path: Path) -> None:
    missing = tmp_path / "openclaw.json"
    assert told(beside(None, missing, None), "touch") == Told("none")
    assert not missing.exists()


def test_a_touch_after_the_stop_is_not_made(config: Path) -> None:
    before = config.stat().st_mtime_ns
    with pytest.raises(StoppedError):
        told(beside(None, config, None), "touch", gate=closed())
    assert config.stat().st_mtime_ns == before


def test_a_config_that_cannot_be_touched_defers_with_the_reason(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "utime", refused)
    answer = told(beside(None, config, None), "touch")
    assert isinstance(answer, Deferred)
    assert "cannot be touched (Permission denied)" in answer.reason


# --- signal


@pytest.mark.parametrize(
    ("version", "name"),
    [
        ("2026.3.13", "SIGUSR1"),
        ("2026.9.5", "SIGUSR1"),
        ("2026.9.6", "SIGUSR2"),
        ("2026.10.1", "SIGUSR2"),
        (None, "SIGUSR1"),
    ],
)
def test_the_signal_is_the_one_that_restarts_this_version(version: str | None, name: str, config: Path) -> None:
    with handling("SIGUSR1", "SIGUSR2") as running:
        assert told(beside(running, config, version), "signal") == Told("signal")
        assert said(running) == name


def test_a_gateway_without_a_handler_is_not_signalled_and_lives(config: Path) -> None:
    with handling() as running:
        answer = told(beside(running, config, None), "signal")
        assert isinstance(answer, Deferred)
        assert answer.reason.startswith("no signal was sent: ")
        assert is_untouched(running)


@needs_node
def test_node_of_unknown_version_is_not_signalled_for_that_would_open_a_debugger(config: Path) -> None:
    program = "console.log('ready'); process.stdin.on('data', line => process.stdout.write(line))"
    with child("-e", program, program="node") as running:
        answer = told(beside(running, config, None), "signal")
        assert isinstance(answer, Deferred)
        assert "opens a debugger" in answer.reason
        assert is_untouched(running)


@needs_node
def test_node_of_known_version_gets_the_signal_that_it_handles(config: Path) -> None:
    program = "process.on('SIGUSR2', () => console.log('heard')); console.log('ready'); process.stdin.resume()"
    with child("-e", program, program="node") as running:
        assert told(beside(running, config, "2026.9.6"), "signal") == Told("signal")
        assert said(running) == "heard"


def test_without_a_known_process_nothing_is_signalled(config: Path) -> None:
    answer = told(beside(None, config, None), "signal")
    assert isinstance(answer, Deferred)
    assert "gateway_pid_file" in answer.reason


def test_a_process_that_is_gone_defers_with_the_reason(config: Path) -> None:
    with handling("SIGUSR1") as running:
        gateway = beside(running, config, None)
    answer = told(gateway, "signal")
    assert isinstance(answer, Deferred)
    assert "is gone" in answer.reason


def test_the_id_of_a_thread_defers_with_a_reason_that_does_not_blame_the_configuration(config: Path) -> None:
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        assert thread.native_id is not None
        answer = told(Gateway(config, GatewayProcess.find(thread.native_id), None), "signal")
    finally:
        over.set()
        thread.join()
    assert isinstance(answer, Deferred)
    assert answer.reason.startswith(f"no signal was sent: the gateway (pid {thread.native_id})")


def test_a_signal_after_the_stop_is_not_sent(config: Path) -> None:
    with handling("SIGUSR1") as running:
        with pytest.raises(StoppedError):
            told(beside(running, config, None), "signal", gate=closed())
        assert is_untouched(running)


@pytest.mark.parametrize("text", ["{", "", "{a: }", "\x00"])
def test_a_gateway_is_not_restarted_into_an_invalid_configuration(text: str, config: Path) -> None:
    config.write_text(text)
    with handling("SIGUSR1") as running:
        answer = told(beside(running, config, None), "signal")
        assert isinstance(answer, Deferred)
        assert "is not valid JSON5" in answer.reason
        assert is_untouched(running)


def test_a_gateway_of_another_kind_without_that_configuration_is_signalled(tmp_path: Path) -> None:
    with handling("SIGUSR1") as running:
        assert told(beside(running, tmp_path / "openclaw.json", None), "signal") == Told("signal")
        assert said(running) == "SIGUSR1"


@pytest.mark.parametrize("since", [0.0, 0.5, SIGNAL_INTERVAL - 1])
def test_a_signal_within_thirty_seconds_is_put_off_until_they_are_over(since: float, config: Path) -> None:
    answer = ready(Gateway(config, OTHER, None), "signal", signalled_at=NOW - since, now=NOW)
    assert answer is not None
    assert answer.retry_in == pytest.approx(SIGNAL_INTERVAL - since)


@pytest.mark.parametrize(
    "signalled_at", [None, NOW - SIGNAL_INTERVAL, NOW - 1e6, NOW + 3600.0], ids=["never", "30 s", "long", "clock back"]
)
def test_a_signal_may_be_sent_when_the_last_one_is_not_of_these_thirty_seconds(
    signalled_at: float | None, config: Path
) -> None:
    assert ready(Gateway(config, OTHER, None), "signal", signalled_at=signalled_at, now=NOW) is None


@pytest.mark.parametrize("method", ["watch", "touch", "none"])
def test_what_is_no_signal_is_never_put_off(method: ReloadMethod, config: Path) -> None:
    assert ready(Gateway(config, None, None), method, signalled_at=NOW, now=NOW) is None


def test_without_a_known_process_no_signal_is_ready(config: Path) -> None:
    answer = ready(Gateway(config, None, None), "signal", signalled_at=None, now=NOW)
    assert answer is not None
    assert "gateway_pid_file" in answer.reason
