"""What the database held at one instant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agent_config_sync.model.rows import AgentRow, SystemConfigRow
from agent_config_sync.model.workspace import WorkspaceRows


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All rows in this gateway's scope, read in one transaction.

    at: PostgreSQL's `pg_snapshot` as text. agents: in no particular order; unchanged rows are the same objects as in
    the snapshot before. excluded: the account has agent rows and their own columns keep them all off this gateway.
    aliases: what short model ids stand for; read where an agent names one, None where the database does not say.
    workspaces: None where they are not asked for, or the database has no tables for them.
    """

    at: str
    agents: tuple[AgentRow, ...]
    system_config: tuple[SystemConfigRow, ...]
    excluded: bool
    aliases: Mapping[str, str] | None = None
    workspaces: WorkspaceRows | None = None


NOTHING = Snapshot(at="", agents=(), system_config=(), excluded=False)
"""What is known of the database without asking it."""
