"""What one snapshot becomes, before anything of it is written."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent_config_sync.gateway.running import KeysInFiles
from agent_config_sync.gateway.surroundings import Neighbour
from agent_config_sync.model.snapshot import Snapshot
from agent_config_sync.publish.output import OnDisk
from agent_config_sync.publish.workspace import Outcome


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a snapshot becomes, beside what is there.

    warnings: all of them; of_rows: those that the rows themselves cause; unseen: why the gateway does not take the file
    at all; before: None where there is no readable file; workspaces: what became, or would become, of those of agents;
    keys: of skills, beside the file.
    """

    snapshot: Snapshot
    neighbour: Neighbour
    content: bytes
    content_hash: str
    warnings: tuple[str, ...]
    of_rows: tuple[str, ...]
    unseen: str | None
    default: str | None
    before: OnDisk | None
    workspaces: tuple[Outcome, ...] = ()
    keys: KeysInFiles = field(default_factory=KeysInFiles)

    @property
    def changed(self) -> bool:
        return self.before is None or self.before.content_hash != self.content_hash or not self.before.durable
