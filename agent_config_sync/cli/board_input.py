"""What people type for the board, as values."""

from __future__ import annotations

import sys
from datetime import date, datetime, time

from agent_config_sync.board.beginnings import SHORTEST
from agent_config_sync.board.model import PRIORITIES, STATUSES, TaskStatus
from agent_config_sync.errors import SettingsError

_LONGEST = 100_000
"""Characters of a description or a message."""


def only_text(words: list[str]) -> None:
    """Turn away what no database keeps as text: arguments are bytes. Raises: SettingsError."""
    try:
        "".join(words).encode()
    except UnicodeEncodeError:
        raise SettingsError("an argument is not UTF-8: type it anew, or look at the locale (LANG)") from None


def task_named(said: str) -> str:
    """Return the beginning of an id. Raises: SettingsError."""
    if len(said.strip()) < SHORTEST:
        raise SettingsError(f"TASK takes an id of a task, or {SHORTEST} characters of its beginning at least")
    return said


def status_named(said: str, where: str) -> TaskStatus:
    """Return a status. where: it was said. Raises: SettingsError."""
    status = said.strip().lower().replace("-", "_")
    if status not in STATUSES:
        raise SettingsError(f"{where} takes {', '.join(STATUSES)}")
    return status


def priority_named(said: str) -> int:
    """Return a priority, of a digit or a word. Raises: SettingsError."""
    word = said.strip().lower()
    if word in ("1", "2", "3", "4", "5"):
        return int(word)
    if word not in PRIORITIES:
        raise SettingsError(f"--priority takes 1 (most urgent) to 5, or {', '.join(PRIORITIES)}")
    return PRIORITIES[word]


def moment_named(said: str) -> datetime:
    """Return a moment, of a day its end; by the clock of this machine where no zone is said. Raises: SettingsError."""
    try:
        return _moment(said.strip()).astimezone()
    except (ValueError, OverflowError):
        raise SettingsError("--due takes a day, such as 2030-12-24, or a moment, such as 2030-12-24T17:00") from None


def _moment(said: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(said), time(23, 59, 59))
    except ValueError:
        return datetime.fromisoformat(said)


def read_text(said: str | None, config: str | None) -> str:
    """Return a text that was typed, or all of standard input for "-" and for nothing. Raises: SettingsError."""
    if said not in (None, "-"):
        return said
    if config == "-":
        raise SettingsError("the settings are read from standard input (--config -): say the text as an argument")
    if sys.stdin.isatty():
        print("the text, and Ctrl-D at its end:", file=sys.stderr)
    try:
        return sys.stdin.buffer.read(4 * _LONGEST + 1).decode().rstrip()
    except UnicodeDecodeError:
        raise SettingsError("standard input is not UTF-8") from None
