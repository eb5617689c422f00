"""An agent calls a tool, by its name and the JSON text of its arguments; whatever that is, there is an answer."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from agent_config_sync.board.actor import Agent
from agent_config_sync.errors import BoardArgumentsError, BoardError, SyncError
from agent_config_sync.events import ToolOutcome, ToolUsed
from agent_config_sync.runtime.effects import Turn, once
from agent_config_sync.runtime.tools.catalog import BY_NAME
from agent_config_sync.runtime.tools.definition import Bench, Parameters, Result, Tool

P = TypeVar("P", bound=Parameters)


async def call(bench: Bench, agent: Agent, name: str, arguments: str, turn: Turn | None = None) -> dict[str, Any]:
    """Return what a tool answers: success, and what it found, or error. It raises nothing that a model can cause.

    Raises: DatabaseError, LeaseLostError, for the turn is to be tried again then.
    """
    try:
        tool = BY_NAME.get(name)
        if tool is None:
            raise BoardArgumentsError(f"Unknown tool: {name[:100]}")

        async def said() -> str:
            return arguments

        return answer(await use(bench, agent, tool, said, turn))
    except BoardError as error:
        return {"success": False, "error": str(error)}


async def use(
    bench: Bench,
    agent: Agent,
    tool: Tool[Any],
    said: Callable[[], Awaitable[str | bytes]],
    turn: Turn | None = None,
) -> Result:
    """Use a tool, and tell of it. said: reads the arguments, which nobody asks of an agent that may not use the tool;
    turn: in which it is used.

    Raises: BoardError, DatabaseError, LeaseLostError; what `said` raises.
    """
    began = time.monotonic()

    def told(outcome: ToolOutcome, error: Exception | None = None) -> None:
        said = str(error) if isinstance(error, SyncError) else type(error).__name__ if error is not None else None
        bench.told(ToolUsed(tool.name, agent.name, outcome, time.monotonic() - began, said))

    try:
        tool.check(agent)
        arguments = arguments_of(tool, await said())
    except BoardError as error:
        told("refused", error)
        raise
    try:
        if turn is None or not tool.adds:
            result = await tool.run(bench, agent, arguments)
        else:
            result = await once(bench, agent, tool, arguments, turn)
    except BoardError as error:
        told("refused", error)
        raise
    except Exception as error:
        told("failed", error)
        raise
    told("done")
    return result


def arguments_of(tool: Tool[P], text: str | bytes) -> P:
    """Return the arguments in a JSON text, of which nothing stands for none. Raises: BoardArgumentsError."""
    try:
        said = orjson.loads(text) if text.strip() else {}
    except orjson.JSONDecodeError:
        raise BoardArgumentsError("Invalid JSON arguments") from None
    if not isinstance(said, dict):
        raise BoardArgumentsError("Invalid JSON arguments: an object is expected")
    try:
        return tool.parameters.model_validate(said)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BoardArgumentsError(f"Invalid arguments: {where}: {first['msg']}") from None


def answer(result: BaseModel) -> dict[str, Any]:
    """Return a result as JSON has it."""
    return result.model_dump(mode="json", warnings=False)
