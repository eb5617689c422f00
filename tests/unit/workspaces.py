"""Small workspaces, and what stands in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

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
    gate: Gate = field(default_factory=Gate)

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

    def live_again(self) -> None:
        """Be a new process, which remembers nothing."""
        self.tree = WorkspaceTree(self.root, Manifests(self.state, self.root), self.gate)

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


def contents(wanted: WorkspaceContent) -> dict[str, bytes]:
    return {file.path: file.content for file in wanted.files}


def hashed(text: str) -> str:
    return content_hash(text.encode())
