"""The operator's command gets the version and no secret of ours, and ends in time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from pathlib import Path

import pytest
from harness import DEADLINE

from agent_config_sync.runtime.requests import Ending
from agent_config_sync.runtime.upgrade_command import LOGGED, SECRETS, is_there, run_upgrade


def shell(text: str) -> tuple[str, ...]:
    return ("sh", "-c", text)


async def gone(process: str) -> None:
    """Return when it has ended, whether or not somebody has taken note of it."""
    stat = Path(f"/proc/{process}/stat")
    async with asyncio.timeout(DEADLINE):
        with contextlib.suppress(OSError):
            while stat.read_text().rpartition(")")[2].split()[0] != "Z":  # noqa: ASYNC110 - it sends no event
                await asyncio.sleep(0.01)


async def test_it_finds_the_version_in_its_environment(tmp_path: Path) -> None:
    told = tmp_path / "told"
    ended = await run_upgrade(shell(f'printf %s "$AGENT_CONFIG_SYNC_TARGET_VERSION" > {told}'), "1.1", deadline=30)
    assert (ended, told.read_text()) == (None, "1.1")


async def test_it_is_told_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "s3cret")
    told = tmp_path / "told"
    assert await run_upgrade(shell(f"env > {told}"), "1.1", deadline=30) is None
    assert {"AGENT_CONFIG_SYNC_DSN", "AGENT_CONFIG_SYNC_PASSWORD", "OPENCLAW_GATEWAY_TOKEN", "GH_TOKEN"} <= SECRETS
    assert "s3cret" not in told.read_text()


async def test_what_it_says_last_is_why_it_failed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    ended = await run_upgrade(shell("echo looking; echo 'no such version' >&2; exit 4"), "1.1", deadline=30)
    assert ended == Ending("failed", "upgrade_command ended with 4: no such version", "failed")
    assert caplog.messages == ["upgrade_command: looking", "upgrade_command: no such version"]


async def test_of_what_it_says_the_end_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert await run_upgrade(shell("seq 100000"), "1.1", deadline=30) is None
    assert caplog.messages[-1] == "upgrade_command: 100000"
    assert sum(len(message.removeprefix("upgrade_command: ")) + 1 for message in caplog.messages) <= LOGGED


async def test_one_that_does_not_end_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    ended = await run_upgrade(shell(f"sleep 300 & echo $! > {begun}; wait"), "1.1", deadline=0.5)
    assert ended is not None
    assert (ended.outcome, ended.history) == ("timeout", "timeout")
    await gone(begun.read_text().strip())


async def test_what_it_leaves_running_is_not_waited_for() -> None:
    began = time.monotonic()
    assert await run_upgrade(shell("setsid sleep 20 &"), "1.1", deadline=15) is None
    assert time.monotonic() - began < 10


async def test_whoever_is_cancelled_leaves_no_command_behind(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    running = asyncio.create_task(
        run_upgrade(shell(f"echo $$ > {begun}.new; mv {begun}.new {begun}; exec sleep 300"), "1", deadline=300)
    )
    async with asyncio.timeout(30):
        while not begun.exists():  # noqa: ASYNC110 - a file of another process
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.wait([running], timeout=30)
    await gone(begun.read_text().strip())


def test_a_program_that_is_nowhere_is_known_before() -> None:
    assert is_there(("sh", "-c", "true"))
    assert not is_there(("no-such-program", "--now"))
