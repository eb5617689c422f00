"""Small workspaces, and what stands in them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import pytest

from agent_config_sync.publish.gate import Gate
from agent_config_sync.publish.manifest import Manifests
from agent_config_sync.publish.output import content_hash
from agent_config_sync.publish.tree import WorkspaceTree
from agent_config_sync.publish.workspace import Demand, FileContent, Outcome, WorkspaceContent

RENDERED = ("AGENTS.md", "TOOLS.md")
OF_THE_AGENT = ("SELF.md", "memory/WORKING.md")
BOOTSTRAP = "BOOTSTRAP.md"


def skill(slug: str) -> str:
    return f"skills/{slug}/SKILL.md"


def workspace(
    text: str = "one", *, skills: tuple[str, ...] = (), agent: str = "coder", prefix: str = ""
) -> WorkspaceContent:
    """What an agent should have: every file holds its path and `text`."""
    files = [
        *(FileContent.of(path, f"{path} {text}\n".encode(), "database") for path in RENDERED),
        *(FileContent.of(path, f"{path} {text}\n".encode(), "agent") for path in OF_THE_AGENT),
        FileContent.of(BOOTSTRAP, f"{BOOTSTRAP} {text}\n".encode(), "nobody"),
        *(FileContent.of(skill(slug), f"{skill(slug)} {text}\n".encode(), "database") for slug in skills),
    ]
    return WorkspaceContent(agent, prefix + agent, tuple(files), ("memory", "deliverables"))


@dataclass
class House:
    """Workspaces below a folder, and what a process knows of them."""

    folder: Path
    gate: Gate = field(init=False)
    tree: WorkspaceTree = field(init=False)

    def __post_init__(self) -> None:
        self.live_again()

    @property
    def root(self) -> Path:
        return self.folder / "workspaces"

    @property
    def home(self) -> Path:
        """The workspace of the agent `coder`."""
        return self.root / "coder"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def live_again(self, gate: Gate | None = None) -> None:
        """Be a new process, which remembers nothing."""
        self.gate = gate or Gate()
        self.tree = WorkspaceTree(self.root, Manifests(self.state, self.root), self.gate)

    def killed(self, wanted: WorkspaceContent, *, at: int = 1) -> None:
        """Be a new process that is killed at its first rename or removal, or at a later one, and live again."""
        self.live_again(GateWith(kill, at=at))
        with pytest.raises(Killed):
            self.publish(wanted)
        self.live_again()

    def publish(self, wanted: WorkspaceContent, *, look: bool = True, demand: Demand | None = None) -> Outcome:
        (outcome,) = self.tree.publish([wanted], look=look, demand=demand)
        return outcome

    def made(self, wanted: WorkspaceContent, *, look: bool = True, demand: Demand | None = None) -> Outcome:
        """Publish what nothing stands in the way of."""
        outcome = self.publish(wanted, look=look, demand=demand)
        assert outcome.error is None, outcome.error
        return outcome

    def text(self, path: str) -> str:
        return (self.home / path).read_text()

    def files(self) -> dict[str, bytes]:
        """Every file of the workspace, by path."""
        return {
            path.relative_to(self.home).as_posix(): path.read_bytes()
            for path in self.home.rglob("*")
            if path.is_file() and not path.is_symlink()
        }

    def temporaries(self) -> list[str]:
        return [path.name for path in self.folder.rglob(".*.tmp")]


class Killed(BaseException):
    """The end of a process, as far as one process can play it: nothing catches it."""


class GateWith(Gate):
    """A gate that does something before an action of this number passes, the first by default."""

    def __init__(self, do: Callable[[], object], *, at: int = 1) -> None:
        super().__init__()
        self._do = do
        self._left = at

    @contextmanager
    def passing(self) -> Iterator[None]:
        self._left -= 1
        if self._left == 0:
            self._do()
        with super().passing():
            yield


def kill() -> NoReturn:
    raise Killed


def contents(wanted: WorkspaceContent) -> dict[str, bytes]:
    return {file.path: file.content for file in wanted.files}


def hashed(text: str) -> str:
    return content_hash(text.encode())


def identity(path: Path) -> tuple[int, ...]:
    """What changes with every change of a file; to read it is none."""
    status = path.lstat()
    return (status.st_ino, status.st_mode, status.st_nlink, status.st_uid, status.st_size, status.st_ctime_ns)


# --- what may become of a file


def removed(path: Path) -> None:
    path.unlink()


def edited(path: Path) -> None:
    path.write_text("edited")


def emptied(path: Path) -> None:
    path.write_text("")


def grown(path: Path) -> None:
    """Without a byte of it on the disk."""
    os.truncate(path, 100_000_000_000)


def opened(path: Path) -> None:
    path.chmod(0o644)


def shut(path: Path) -> None:
    path.chmod(0o000)


def made_a_program(path: Path) -> None:
    path.chmod(0o4700)


def named_twice(path: Path) -> None:
    path.with_name("other").hardlink_to(path)


def linked(path: Path) -> None:
    other = path.with_name("other")
    path.rename(other)
    path.symlink_to(other.name)


def linked_to_nothing(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def linked_elsewhere(path: Path) -> None:
    path.symlink_to("/usr")


def made_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DRIFTS = [
    removed,
    edited,
    emptied,
    grown,
    opened,
    shut,
    made_a_program,
    named_twice,
    linked,
    linked_to_nothing,
    made_a_pipe,
]
