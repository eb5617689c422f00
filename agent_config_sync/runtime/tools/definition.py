"""What a tool is."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, TypeAlias, TypeVar
from uuid import UUID

import asyncpg
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from agent_config_sync.board.actor import Agent, only_orchestrator
from agent_config_sync.board.tasks import missing
from agent_config_sync.errors import BoardArgumentsError
from agent_config_sync.events import ToolUsed
from agent_config_sync.runtime.github import GitHub

LARGEST = 1024 * 1024
"""Bytes of arguments, where a tool says nothing else."""


OWN_TASK = "Id of the task; where it is left out, the one of your session."


class Parameters(BaseModel):
    """The arguments of a tool. A model may add what it likes: what is not known is left out."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, hide_input_in_errors=True)


class Result(BaseModel):
    """What a tool answers when it did what it was asked for."""

    success: Literal[True] = True


P = TypeVar("P", bound=Parameters)


@dataclass(frozen=True, slots=True)
class Bench:
    """What tools work with. lent: a connection to the database; github: None where it is not set up; told: hears of
    each use."""

    lent: Callable[[], contextlib.AbstractAsyncContextManager[asyncpg.Connection]]
    github: GitHub | None = None
    told: Callable[[ToolUsed], None] = lambda _: None


@dataclass(frozen=True, slots=True, eq=False)
class Tool(Generic[P]):
    """One of the tools; each is the same as itself alone.

    label: what a prompt says it is for; description: what the model is told; offered: to whom; run: does it, and raises
    BoardError or DatabaseError; only_to_lead: what the orchestrator alone can do with it, None where others may use it;
    largest: bytes of its arguments; adds: whether it would do more if it were used a second time.
    """

    name: str
    label: str
    description: str
    parameters: type[P]
    result: type[Result]
    offered: Callable[[Agent], bool]
    run: Callable[[Bench, Agent, P], Awaitable[Result]]
    only_to_lead: str | None = None
    largest: int = LARGEST
    path_name: str | None = None
    adds: bool = False

    def check(self, agent: Agent) -> None:
        """Turn away whoever may not use it, before anybody reads what they want. Raises: BoardForbiddenError."""
        if self.only_to_lead is not None:
            only_orchestrator(agent, self.only_to_lead)

    @property
    def takes_own_task(self) -> bool:
        """Whether the task of a session need not be named."""
        field = self.parameters.model_fields.get("taskId")
        return field is not None and field.description == OWN_TASK

    @property
    def path(self) -> str:
        """Its endpoint."""
        return f"/agent/{self.path_name or self.name.replace('_', '-')}"


def _whole(value: Any) -> Any:
    """Take 3.0 for 3, as JSON does."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole: TypeAlias = Annotated[int, BeforeValidator(_whole)]

TaskId: TypeAlias = Annotated[str, Field(description="Id of the task.")]
OwnTaskId: TypeAlias = Annotated[str | None, Field(description=OWN_TASK)]
Limit: TypeAlias = Annotated[Whole | None, Field(description="How many at the most.")]


def task_of(said: str | None, agent: Agent) -> UUID:
    """Return the task that is meant: the one that was named, else that of the session.

    Raises: BoardArgumentsError, BoardNotFoundError.
    """
    if said is None or not said.strip():
        if agent.task is None:
            raise BoardArgumentsError("Invalid arguments: taskId is missing")
        return agent.task
    return named(said)


def named(said: str) -> UUID:
    """Return an id. Raises: BoardNotFoundError for what can be none."""
    try:
        return UUID(said.strip())
    except ValueError:
        raise missing(said) from None
