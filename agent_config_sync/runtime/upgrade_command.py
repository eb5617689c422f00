"""The operator's command that installs another version."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import tempfile
from collections.abc import Iterable, Sequence
from typing import IO

from agent_config_sync.logs import printable
from agent_config_sync.runtime.requests import Ending
from agent_config_sync.setting_sources import ENVIRONMENT_PREFIX
from agent_config_sync.settings import FURTHER_NAMES, Settings

TARGET = f"{ENVIRONMENT_PREFIX}TARGET_VERSION"
"""The environment variable in which the command finds the version."""

GRACE = 5.0
"""Seconds for a command to end that is told to."""

LOGGED = 20_000
"""Bytes of the end of what it says that are logged."""

_log = logging.getLogger(__name__)


def _of_secrets() -> Iterable[str]:
    for name, field in Settings.model_fields.items():
        if "SecretStr" in str(field.annotation):
            yield f"{ENVIRONMENT_PREFIX}{name.upper()}"
            yield from FURTHER_NAMES.get(name, ())
    yield "PGPASSWORD"


SECRETS = frozenset(_of_secrets())
"""Environment names of our secrets, which are no business of the command: what it says is logged."""


def is_there(command: Sequence[str]) -> bool:
    """Return whether its program can be found."""
    return shutil.which(command[0]) is not None


async def run_upgrade(command: Sequence[str], version: str, *, deadline: float) -> Ending | None:
    """Run it and log the end of what it says. deadline: seconds.

    Returns: how it failed, None if it did not.
    """
    environment = {name: value for name, value in os.environ.items() if name not in SECRETS}
    # A file and no pipe: what the command leaves running would hold that open.
    with tempfile.TemporaryFile() as said:
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                env={**environment, TARGET: version},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=said,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            return Ending("failed", f"upgrade_command cannot be run ({error.strerror}): check the setting", "failed")
        try:
            async with asyncio.timeout(deadline):
                status = await process.wait()
        except TimeoutError:
            return Ending("timeout", f"upgrade_command did not end within upgrade_timeout ({deadline:g} s)", "timeout")
        finally:
            await _end(process)
            lines = _last_lines(said)
            for line in lines:
                _log.info("upgrade_command: %s", line)
    if status == 0:
        return None
    last = f": {lines[-1]}" if lines else ""
    return Ending("failed", f"upgrade_command ended with {status}{last}", "failed")


async def _end(process: asyncio.subprocess.Process) -> None:
    """End what still runs, and all that it has started, whatever of it heeds a first word."""
    if process.returncode is not None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                await process.wait()


def _last_lines(said: IO[bytes]) -> list[str]:
    size = said.seek(0, os.SEEK_END)
    said.seek(max(0, size - LOGGED))
    text = said.read().decode(errors="replace")
    return [printable(line) for line in text.splitlines() if line.strip()]
