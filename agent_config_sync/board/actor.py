"""Who acts on the board: an agent within what it may, or a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias
from uuid import UUID

from agent_config_sync.errors import BoardForbiddenError

Kind: TypeAlias = Literal["user", "agent", "system"]


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent, and what it may (agents and accounts in the database say). task: of the session in which it acts, None
    for its standing one."""

    account: str
    name: str
    is_orchestrator: bool = False
    can_create_tasks: bool = False
    can_modify_task_status: bool = True
    can_create_documents: bool = True
    can_mention_agents: bool = True
    can_review_tasks: bool = False
    can_mark_done: bool = False
    task: UUID | None = None

    @property
    def kind(self) -> Kind:
        return "agent"

    @property
    def id(self) -> str:
        return self.name

    @property
    def may_end_reviews(self) -> bool:
        """Whether it may mark a task as done."""
        return self.can_review_tasks or self.can_mark_done


@dataclass(frozen=True, slots=True)
class Person:
    """A member of the account by its user_id, or whoever has this machine."""

    account: str
    id: str

    @property
    def kind(self) -> Kind:
        return "user"


Actor: TypeAlias = Agent | Person


def only_orchestrator(actor: Actor, action: str) -> None:
    """Turn away every agent that does not lead. Raises: BoardForbiddenError."""
    if isinstance(actor, Agent) and not actor.is_orchestrator:
        raise BoardForbiddenError(f"Forbidden: Only the orchestrator can {action}")


def only_with(allowed: bool, action: str) -> None:
    """Turn away who may not. Raises: BoardForbiddenError."""
    if not allowed:
        raise BoardForbiddenError(f"Forbidden: Not allowed to {action}")
