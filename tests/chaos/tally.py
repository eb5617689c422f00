"""What was done and what came of it, over all examples of a run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from agent_config_sync.events import Event, LinkLost, PassFailed, Published, Refused, Reloaded


@dataclass
class Tally:
    """steps: by kind and name."""

    steps: Counter[tuple[str, str]] = field(default_factory=Counter)
    events: Counter[type[Event]] = field(default_factory=Counter)
    rests: int = 0
    lost_updates: int = 0
    torn_files: int = 0
    unpaid_reloads: int = 0
    left_over: int = 0

    @property
    def taken(self) -> int:
        return sum(self.steps.values())

    def of_kind(self, wanted: str) -> int:
        return sum(count for (kind, _), count in self.steps.items() if kind == wanted)

    def table(self) -> str:
        """Return the counts for a person."""
        lines = [f"{count:7,}  {kind}: {name}" for (kind, name), count in sorted(self.steps.items())]
        lines.append(f"{self.taken:7,}  steps, {self.of_kind('fault'):,} of them faults")
        lines += [
            f"{self.events[kind]:7,}  {what}"
            for kind, what in (
                (Published, "publishes"),
                (Reloaded, "reloads"),
                (Refused, "refusals"),
                (LinkLost, "links lost"),
                (PassFailed, "passes failed"),
            )
        ]
        lines.append(f"{self.rests:7,}  times at rest and compared with the oracle")
        lines += [
            f"{count:7,}  {what}"
            for what, count in (
                ("lost updates", self.lost_updates),
                ("torn files", self.torn_files),
                ("unpaid reloads", self.unpaid_reloads),
                ("left over (tasks, threads, descriptors)", self.left_over),
            )
        ]
        return "\n".join(lines)
