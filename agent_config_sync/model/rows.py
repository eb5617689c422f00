"""Rows of the database as frozen models, as loose as the database itself is.

A row may come from an `agents` table that is not ours, so nothing is assumed that no constraint holds: arrays may
carry NULLs, texts may be blank. The renderer decides what a row or value costs.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Row(BaseModel):
    """Base of all rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class AgentRow(Row):
    """One active agent in this gateway's scope.

    version: opaque; two rows with the same version are the same row with the same content, within one link.
    scoped: the row names its gateways. settings: the JSON text of the column. names_alias: it names a model without its
    provider.
    """

    version: bytes
    name: str
    is_default: bool | None
    scoped: bool
    instance_type: str | None
    model: str | None
    fallback_models: tuple[str | None, ...] | None
    thinking: str | None
    allowed_subagents: tuple[str | None, ...] | None
    settings: str | None
    names_alias: bool = False


class SystemConfigRow(Row):
    """One row of agent_system_config; `value` is always text."""

    key: str
    value: str
    value_type: str
