"""The gateway's process: is it the one we were told of, is it ours to signal, and would a signal kill it?

A pid alone names a process only until it ends. Together with its start time it names it for ever, and a pidfd taken
before the comparison cannot slip to a successor (Linux: pidfd_open(2), proc(5)).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from agent_config_sync.errors import ReloadError

_PARENT, _START_TIME = 1, 19
"""Fields 4 and 22 of /proc/PID/stat, counted from the state, which follows the command in its parentheses."""


@dataclass(frozen=True, slots=True)
class GatewayProcess:
    """A process, named beyond doubt. start_time: clock ticks since boot."""

    pid: int
    start_time: int

    @classmethod
    def find(cls, pid: int) -> GatewayProcess | None:
        """Return the process that has this pid now, None where there is none (or only a zombie)."""
        fields = _stat(pid)
        return None if fields is None or fields[0] in "ZX" else cls(pid, int(fields[_START_TIME]))

    def is_node(self) -> bool:
        """Return whether it runs on Node.js, where SIGUSR1 always shows a handler: that of the debugger."""
        return self._executable().name.startswith("node") or self.calls_itself_openclaw()

    def calls_itself_openclaw(self) -> bool:
        return self._command().startswith("openclaw")

    def scripts(self) -> list[Path]:
        """Return the scripts that it and its children run; a gateway overwrites its own command line, not theirs."""
        try:
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii").split()
        except OSError:
            children = []
        return [script for pid in (self.pid, *map(int, children)) for script in scripts_of(pid)]

    def send(self, number: signal.Signals, passing: Callable[[], AbstractContextManager[None]]) -> None:
        """Send a signal after every check that can be made from outside; `passing` holds the gate open meanwhile.

        Raises: ReloadError that says why it was not sent; StoppedError.
        """
        if sys.platform != "linux":
            raise ReloadError("signals need Linux (pidfd and /proc): use reload = watch or touch")
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            raise ReloadError(f"the gateway (pid {self.pid}) is gone") from None
        except OSError as error:
            raise ReloadError(f"the gateway (pid {self.pid}) cannot be signalled here ({error.strerror})") from None
        try:
            if GatewayProcess.find(self.pid) != self:
                raise ReloadError(
                    f"pid {self.pid} is another process now than the gateway that we were told of: set "
                    "gateway_pid_file, which names each new one"
                )
            status = self._status()
            owner = int(status.get("Uid", "-1").split()[0])
            if os.geteuid() not in (0, owner):
                raise ReloadError(f"the gateway (pid {self.pid}) belongs to uid {owner}: run as that user")
            caught = int(status.get("SigCgt", "0"), 16)
            if not caught >> (number - 1) & 1:
                raise ReloadError(
                    f"the gateway (pid {self.pid}) has no handler for {number.name}: it would be killed by it"
                )
            with passing():
                signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            raise ReloadError(f"the gateway (pid {self.pid}) is gone") from None
        except PermissionError:
            raise ReloadError(f"the gateway (pid {self.pid}) may not be signalled by this user") from None
        finally:
            os.close(descriptor)

    def _status(self) -> dict[str, str]:
        try:
            lines = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            raise ReloadError(f"the gateway (pid {self.pid}) is gone") from None
        return dict(line.split(":\t", 1) for line in lines if ":\t" in line)

    def _executable(self) -> Path:
        try:
            return Path(f"/proc/{self.pid}/exe").readlink()
        except OSError:
            return Path()

    def _command(self) -> str:
        try:
            return Path(f"/proc/{self.pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return ""


def scripts_of(pid: int) -> list[Path]:
    """Return what may be the script that a process runs, none where it is gone or has overwritten its command line."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        directory = Path(f"/proc/{pid}/cwd").readlink()
    except OSError:
        return []
    return [directory / os.fsdecode(argument) for argument in arguments[1:3] if argument]


def parent_of(pid: int) -> int | None:
    """Return the parent of a process, None where there is none, or none that can be seen."""
    fields = _stat(pid)
    return None if fields is None else int(fields[_PARENT]) or None


def _stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat from the state on."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text[text.rindex(")") + 1 :].split()
