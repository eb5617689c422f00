"""The system's git: asked in one folder, with lists of words, without a prompt, in the language that we read."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path

from agent_config_sync.errors import WorktreeError
from agent_config_sync.logs import printable

DEADLINE = 600.0
"""Seconds for one command; to fetch a large repository, or to write its files, takes minutes."""

_GRACE = 5.0
"""Seconds for a git to end that is told to."""

_ELSEWHERE = frozenset(
    [
        *("GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CEILING_DIRECTORIES", "GIT_COMMON_DIR", "GIT_CONFIG", "GIT_DIR"),
        *("GIT_GRAFT_FILE", "GIT_IMPLICIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_INTERNAL_SUPER_PREFIX", "GIT_NAMESPACE"),
        *("GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_QUARANTINE_PATH", "GIT_REPLACE_REF_BASE", "GIT_SHALLOW_FILE"),
        "GIT_WORK_TREE",
    ]
)
"""What leads git away from the folder in which it is asked: a hook has them, and whatever it starts."""

_OURS = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}

_LOGIN = re.compile(r"(?<=://)[^/@\s]*(?=@)")
"""A name and a password in an address."""

_LENGTH = 400
"""Characters of git's own words that a message takes."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How a command of git ended. out: without the last line's end; words: what it said to the person, one line."""

    status: int
    out: str
    words: str

    @property
    def good(self) -> bool:
        return self.status == 0


class Git:
    """git in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def said(self, *words: str) -> str:
        """Return what a command prints.

        Raises: WorktreeError with git's own words when it fails.
        """
        answer = await self.answer(*words)
        if not answer.good:
            raise WorktreeError(f"git {words[0]} failed in {self.folder}: {answer.words}")
        return answer.out

    async def answer(self, *words: str) -> Answer:
        """Return how a command ends, well or not.

        Raises: WorktreeError when git is not there, or does not end.
        """
        program = shutil.which("git")
        if program is None:
            raise WorktreeError("there is no git on PATH: install it")
        # Files and no pipes: what git leaves running, like the master of ssh's ControlPersist, would hold those open.
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            try:
                async with asyncio.timeout(DEADLINE):
                    process = await asyncio.create_subprocess_exec(
                        program,
                        *words,
                        cwd=self.folder,
                        env={**{name: value for name, value in os.environ.items() if name not in _ELSEWHERE}, **_OURS},
                        stdin=asyncio.subprocess.DEVNULL,
                        stdout=out,
                        stderr=err,
                        start_new_session=True,  # without a terminal, so that ssh asks nobody either
                    )
                    try:
                        status = await process.wait()
                    finally:
                        await _end(process)
            except TimeoutError:
                raise WorktreeError(f"git {words[0]} did not end within {DEADLINE:g} s in {self.folder}") from None
            except OSError as error:
                raise WorktreeError(f"git cannot be run in {self.folder} ({error.strerror})") from None
            out.seek(0)
            err.seek(0)
            return Answer(status, os.fsdecode(out.read()).removesuffix("\n"), _one_line(err.read()))


async def _end(process: asyncio.subprocess.Process) -> None:
    """End what still runs, and all that it has started; a git that is asked first takes away what it has half made."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GRACE):
                await process.wait()


def _one_line(said: bytes) -> str:
    text = _LOGIN.sub("...", " ".join(said.decode(errors="replace").split()))
    return printable(text.removeprefix("fatal: ").removeprefix("error: "))[:_LENGTH] or "it says nothing"
