"""The Python side of the door: JSON lines between us and the plugin inside the gateway.

The gateway's plugin starts us and writes one line to our standard input: who it is. From then on we write log lines
and questions to standard output, and it answers questions and tells of changes on our standard input. Its end means
stop, whatever ended the gateway. A full pipe drops log lines and counts them; it never blocks.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import stat
import sys
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic.alias_generators import to_camel

from agent_config_sync import __version__
from agent_config_sync.errors import ReloadError, SettingsError
from agent_config_sync.gateway.running import Running
from agent_config_sync.gateway.version import version_of
from agent_config_sync.logs import json_line, log_line
from agent_config_sync.model.site import GatewayVersion
from agent_config_sync.setting_sources import unknown_keys

GREETING_DEADLINE = 10.0
"""Seconds for the plugin to say who the gateway is; it does so at once."""

ANSWER_DEADLINE = 5.0
"""Seconds for the gateway to say what it runs with."""

LINE_LIMIT = 64 * 1024 * 1024
"""Bytes of one line; the largest is the gateway's whole roster."""

PIPE_LINES = 1000
"""Lines that wait for a gateway that does not read; further log lines are dropped and counted."""

_log = logging.getLogger(__name__)

_NOT_FROM_HERE = (
    "--door and --greeted are for the gateway's plugin, which writes one line of JSON to standard input; "
    "to run alone leave --door out"
)


class Greeting(BaseModel):
    """The first line: what the plugin knows and we cannot see. The token never reaches argv or the environment.

    config: the plugin's own; agent_chat: that of the channel, whose database serves where the plugin names none;
    version: the gateway's; door: the plugin's.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, hide_input_in_errors=True)

    config: dict[str, Any] = Field(default_factory=dict)
    agent_chat: dict[str, Any] | None = None
    version: str | None = None
    script: str | None = None
    pid: int | None = None
    config_path: str | None = None
    state_dir: str | None = None
    token: SecretStr | None = None
    door: str | None = None

    @classmethod
    def read(cls, line: bytes) -> Greeting:
        """Read the line.

        Raises: SettingsError when it is none of the plugin's.
        """
        try:
            return cls.model_validate(orjson.loads(line))
        except ValueError:
            raise SettingsError(_NOT_FROM_HERE) from None


class Door:
    """Speaks with the plugin. Use `open`, then `serve` until it ends."""

    def __init__(self, reader: asyncio.StreamReader, output: int) -> None:
        self.changed = asyncio.Event()
        self._reader = reader
        self._output = output
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[bytes] = deque()
        self._writing = False
        self._dropped = 0
        self._ended = False
        self._pushed: Running | None = None
        self._questions: dict[int, asyncio.Future[Running]] = {}
        self._last_question = 0

    @classmethod
    async def open(cls) -> Door:
        """Take over standard input and output."""
        mode = os.fstat(0).st_mode
        if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
            raise SettingsError(_NOT_FROM_HERE)
        reader = asyncio.StreamReader(limit=LINE_LIMIT)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        output = os.dup(1)
        os.dup2(2, 1)  # whatever else prints must not break the lines
        os.set_blocking(output, False)
        return cls(reader, output)

    async def greeting(self) -> Greeting:
        """Return the first line.

        Raises: SettingsError when there is none.
        """
        try:
            async with asyncio.timeout(GREETING_DEADLINE):
                line = await self._reader.readline()
        except (TimeoutError, ValueError):  # ValueError: a line beyond the limit
            raise SettingsError(_NOT_FROM_HERE) from None
        return Greeting.read(line)

    def hello(self) -> None:
        """Say who we are, so that the plugin can tell a program that is too old from one that failed."""
        self._put(orjson.dumps({"hello": {"version": __version__}}))

    async def serve(self) -> None:
        """Take answers and changes from the plugin; returns at the end of standard input."""
        with contextlib.suppress(ConnectionError, ValueError):  # ValueError: a line beyond the limit
            while line := await self._reader.readline():
                self._take(line)
        self._ended = True
        for question in self._questions.values():
            if not question.done():
                question.set_exception(ReloadError("the gateway has gone"))

    async def running(self) -> Running:
        """Return what the gateway runs with: as it said with its last change, else it is asked.

        Raises: ReloadError when it does not say.
        """
        if self._ended:
            raise ReloadError("the gateway has gone")
        if self._pushed is not None:
            pushed, self._pushed = self._pushed, None
            return pushed
        self._last_question += 1
        number = self._last_question
        answer: asyncio.Future[Running] = self._loop.create_future()
        self._questions[number] = answer
        self._put(orjson.dumps({"ask": "agents", "id": number}))
        try:
            async with asyncio.timeout(ANSWER_DEADLINE):
                return await answer
        except TimeoutError:
            raise ReloadError(f"the gateway did not say within {ANSWER_DEADLINE:g} s what it runs with") from None
        finally:
            del self._questions[number]

    def log(self, record: logging.LogRecord) -> None:
        """Send a log line; may be called from any thread."""
        line = json_line({"log": log_line(record)})
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._put_log, line)

    def _take(self, line: bytes) -> None:
        try:
            message = orjson.loads(line)
        except orjson.JSONDecodeError:
            return
        if not isinstance(message, dict):
            return
        running = _running(message)
        if message.get("changed"):
            self._pushed = running
            self.changed.set()
        number = message.get("id")
        question = self._questions.get(number) if isinstance(number, int) else None
        if question is None or question.done():
            return
        if running is not None:
            question.set_result(running)
        else:
            reason = str(message.get("error", "the plugin gave no reason"))[:200]
            question.set_exception(ReloadError(f"the gateway cannot be asked what it runs with: {reason}"))

    def _put_log(self, line: bytes) -> None:
        if len(self._waiting) >= PIPE_LINES:
            self._dropped += 1
            return
        if self._dropped:
            lost = {"level": "warning", "message": f"{self._dropped} log lines were dropped: the gateway did not read"}
            self._dropped = 0
            self._put(orjson.dumps({"log": lost}))
        self._put(line)

    def _put(self, line: bytes) -> None:
        # Node's line readers also split at these two, which JSON allows inside a text.
        line = line.replace("\u2028".encode(), b"\\u2028").replace("\u2029".encode(), b"\\u2029")
        self._waiting.append(line + b"\n")
        if not self._writing:
            self._write()

    def _write(self) -> None:
        """Write what the pipe takes; go on when it takes more."""
        while self._waiting:
            line = self._waiting[0]
            try:
                written = os.write(self._output, line)
            except BlockingIOError:
                written = 0
            except OSError:  # the gateway is gone; standard input says so too
                self._waiting.clear()
                break
            if written == len(line):
                self._waiting.popleft()
                continue
            self._waiting[0] = line[written:]
            if not self._writing:
                self._loop.add_writer(self._output, self._write)
                self._writing = True
            return
        if self._writing:
            self._loop.remove_writer(self._output)
            self._writing = False


def _running(message: Mapping[str, Any]) -> Running | None:
    """Return what the plugin says that the gateway runs with, None where it does not."""
    agents, keys = message.get("agents"), message.get("keys")
    if not isinstance(agents, dict):
        return None
    told = isinstance(keys, dict) and all(isinstance(members, dict) for members in keys.values())
    return Running(agents, keys if told else None)


class DoorHandler(logging.Handler):
    """Sends log records through the door."""

    def __init__(self, door: Door) -> None:
        super().__init__()
        self._door = door

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._door.log(record)
        except Exception:  # noqa: BLE001 - as the logging module asks of handlers
            self.handleError(record)


def door_settings(greeting: Greeting) -> dict[str, object]:
    """Return what the greeting says as settings; the plugin's own config wins over what it observed.

    A database comes from the plugin's config if it names one, else from `channels.agent_chat`. A key that is no setting
    is left out with a warning, because a strict configSchema would turn one typo into an invalid configuration for the
    whole gateway. Gateways before 2026.5 do not tell plugins their version; then the script that they run tells it.
    """
    version = GatewayVersion.parse(greeting.version) or (version_of(Path(greeting.script)) if greeting.script else None)
    told: dict[str, object] = {
        "gateway_version": str(version) if version is not None else None,
        "gateway_pid": greeting.pid,
        "config_path": greeting.config_path,
        "state_dir": str(Path(greeting.state_dir) / "agent-config-sync") if greeting.state_dir else None,
        "gateway_token": greeting.token,
    }
    settings = {key: value for key, value in told.items() if value is not None}
    names_database = any(greeting.config.get(key) for key in ("dsn", "host", "database", "user"))
    if not names_database and greeting.agent_chat:
        for key in ("host", "port", "database", "user", "password"):
            if greeting.agent_chat.get(key):
                settings[key] = greeting.agent_chat[key]
    own = {key: value for key, value in greeting.config.items() if key != "command"}
    for key, nearest in unknown_keys(own).items():
        hint = f": did you mean {nearest}?" if nearest else ""
        _log.warning("the plugin's config has an unknown setting %r, ignored%s", key, hint)
        del own[key]
    return {**settings, **own}


def warn_of_another_version(greeting: Greeting) -> None:
    """Say so when the plugin's files come from another version of this program."""
    if greeting.door not in (None, __version__):
        _log.warning(
            "the plugin in the gateway is %s and this program %s: run agent-config-sync door DIR again for the folder "
            "in plugins.load.paths, then restart the gateway",
            greeting.door,
            __version__,
        )
