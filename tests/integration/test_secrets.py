"""A secret stands where the operator wrote it and nowhere else: in no log, process table, row, file or error."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from commands import command, started
from harness import DEADLINE, Operator, eventually
from web_client import PAGES, exchange

PASSWORD, TOKEN = "hunter2/of the database", "hunter3 of the gateway"

SECRETS = [each.encode() for secret in (PASSWORD, TOKEN) for each in (secret, quote(secret, safe=""))]


def with_password(dsn: str) -> str:
    return dsn.replace("postgres@", f"postgres:{quote(PASSWORD, safe='')}@")


def tells(*texts: bytes | str) -> list[bytes]:
    """Return the secrets that stand in these texts."""
    said = b"\n".join(text.encode() if isinstance(text, str) else text for text in texts)
    return [secret for secret in SECRETS if secret in said]


def by_config(dsn: str, folder: Path, port: int) -> tuple[list[str], str]:
    """Return the words, and what standard input says, of a process that has its secrets from a config file."""
    settings = {
        "dsn": with_password(dsn),
        "gateway_token": TOKEN,
        "config_path": str(folder / "openclaw.json"),
        "state_dir": str(folder / "state"),
        "health_port": port,
        "log_level": "debug",
    }
    return ["run", "--config", "-"], "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())


def by_door(dsn: str, folder: Path, port: int) -> tuple[list[str], str]:
    """Return the same for a process that the gateway has started."""
    config = {"dsn": with_password(dsn), "healthPort": port, "logLevel": "debug"}
    line = {"config": config, "token": TOKEN, "configPath": str(folder / "openclaw.json"), "stateDir": str(folder)}
    return ["run", "--door"], json.dumps(line) + "\n"


class Daemon:
    """A `run`, and all that it writes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.written = bytearray()
        self._more = asyncio.Event()
        self._reading = [asyncio.create_task(self._read(pipe)) for pipe in (process.stdout, process.stderr)]

    async def _read(self, pipe: asyncio.StreamReader | None) -> None:
        assert pipe is not None
        while piece := await pipe.read(65536):
            self.written += piece
            self._more.set()

    async def writes(self, text: bytes) -> None:
        """Return when this has been written."""
        async with asyncio.timeout(DEADLINE):
            while text not in self.written:
                self._more.clear()
                await self._more.wait()

    async def end(self) -> None:
        async with asyncio.timeout(DEADLINE):
            if self.process.returncode is None:
                self.process.terminate()
            await asyncio.gather(*self._reading)
            await self.process.wait()


@pytest.fixture(params=[by_config, by_door])
async def daemon(
    request: pytest.FixtureRequest, database: str, operator: Operator, tmp_path: Path, port: int
) -> AsyncIterator[Daemon]:
    """A process that has reported."""
    await operator.execute("INSERT INTO agents (name) VALUES ('lead')")
    (tmp_path / "openclaw.json").write_text('{"$include": "./agents.json"}')
    words, said = request.param(database, tmp_path, port)
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), asyncio.subprocess.PIPE)
    async with started(*words, **pipes) as process:
        daemon = Daemon(process)
        assert process.stdin is not None
        process.stdin.write(said.encode())
        if request.param is by_config:
            process.stdin.close()
        await eventually(operator, "SELECT count(*) = 1 FROM gateway_status")
        yield daemon
        await daemon.end()


async def test_no_secret_is_in_the_process_table(daemon: Daemon) -> None:
    place = Path("/proc", str(daemon.process.pid))
    assert tells((place / "cmdline").read_bytes(), (place / "environ").read_bytes()) == []


async def test_no_secret_is_in_the_log(daemon: Daemon, operator: Operator) -> None:
    ours = "application_name LIKE 'agent-config-sync%'"
    await operator.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours}")
    await operator.execute("UPDATE agents SET model = 'not a model'")
    await eventually(operator, "SELECT array_length(warnings, 1) > 0 FROM gateway_status")
    await daemon.end()
    assert b"lead" in daemon.written
    assert tells(bytes(daemon.written)) == []


async def test_no_secret_is_in_the_database(daemon: Daemon, operator: Operator) -> None:
    rows = await operator.fetch("SELECT gateway_status::text AS said FROM gateway_status")
    sessions = await operator.fetch("SELECT pg_stat_activity::text AS said FROM pg_stat_activity")
    assert tells(*(record["said"] for record in (*rows, *sessions))) == []


async def test_no_secret_is_in_a_file(daemon: Daemon, tmp_path: Path) -> None:
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "agents.json" for path in files)
    assert tells(*(path.read_bytes() for path in files)) == []


async def test_no_secret_is_served(daemon: Daemon, port: int) -> None:
    await daemon.writes(b"HealthServed")
    answers = [await exchange(port, f"GET /{page} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()) for page in PAGES]
    assert tells(*(answer.body for answer in answers)) == []


SPOILT: dict[str, Callable[[str], str]] = {
    "as it should be": lambda dsn: dsn,
    "another user": lambda dsn: dsn.replace("postgres:", "nobody:"),
    "another database": lambda dsn: dsn.replace("/test_", "/no_"),
    "another host": lambda dsn: dsn.replace("?host=", "?host=/nowhere"),
    "two ats": lambda dsn: dsn.replace("@", "@@"),
    "one slash": lambda dsn: dsn.replace("://", ":/"),
    "no port": lambda dsn: dsn.replace("?", ":port?"),
    "no number": lambda dsn: f"{dsn}&port=x",
    "no certificate": lambda dsn: f"{dsn}&sslmode=verify-full&sslrootcert=/nowhere",
    "twice": lambda dsn: f"postgresql://{dsn}",
}
"""What becomes of a DSN in the field."""

COMMANDS = ["doctor", "status --json", "sync --json", "diff", "migrate --check", "history --json", "wait --timeout 0.1"]

CASES = [
    *(("doctor --json", spoilt) for spoilt in SPOILT),
    *((words, spoilt) for words in COMMANDS for spoilt in ("as it should be", "another user")),
]


@pytest.mark.parametrize(("words", "spoilt"), CASES)
async def test_no_command_tells_a_secret_whatever_is_wrong(
    database: str, tmp_path: Path, words: str, spoilt: str
) -> None:
    _, said = by_config(database, tmp_path, 1)
    dsn = with_password(database)
    assert SPOILT[spoilt](dsn) != dsn or spoilt == "as it should be"
    ended = await command(*words.split(), "--config", "-", said=said.replace(dsn, SPOILT[spoilt](dsn)))
    assert ended.out or ended.err
    assert tells(ended.out, ended.err) == []
