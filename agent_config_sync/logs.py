"""Log lines: text for people, JSON for machines."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Literal, TextIO

import orjson

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def log_line(record: logging.LogRecord) -> dict[str, object]:
    """Return a record as the members of a JSON line; `fields` of the record come along."""
    line: dict[str, object] = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
        "level": record.levelname.lower(),
        "message": record.getMessage(),
    }
    fields = getattr(record, "fields", None)
    if isinstance(fields, dict):
        line.update(fields)
    if record.exc_info and record.exc_info[1] is not None:
        line["exception"] = logging.Formatter().formatException(record.exc_info)
    return line


def printable(text: str) -> str:
    """Return a text with everything escaped that could move a cursor, break a line or turn the writing round."""
    return (
        text
        if text.isprintable()
        else "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
    )


def json_line(members: dict[str, object]) -> bytes:
    """Return members as one line of JSON, whatever they hold: broken UTF-8 and huge numbers too."""
    try:
        return orjson.dumps(members, default=str)
    except TypeError:
        return json.dumps(members, default=str).encode()


class JsonFormatter(logging.Formatter):
    """One JSON object a line, whatever the message holds."""

    def format(self, record: logging.LogRecord) -> str:
        return json_line(log_line(record)).decode()


class TextFormatter(logging.Formatter):
    """A time, a level unless it is info, and the message on one line."""

    def format(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        text = printable(record.getMessage())
        line = f"{time.strftime('%H:%M:%S', time.localtime(record.created))} {level}{text}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def set_up_logs(level: str, form: Literal["auto", "text", "json"], stream: TextIO | None = None) -> None:
    """Send all log lines to `stream`, by default to standard error."""
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        JsonFormatter() if form == "json" or (form == "auto" and not stream.isatty()) else TextFormatter()
    )
    install(handler, level)


def install(handler: logging.Handler, level: str) -> None:
    """Make `handler` the only one."""
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("agent_config_sync").setLevel(LEVELS[level])
