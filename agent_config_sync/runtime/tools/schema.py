"""What a model is told of a tool: the JSON Schema that every gateway and provider takes, without combinations, bounds
and formats."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from agent_config_sync.board.actor import Agent
from agent_config_sync.board.tasks import OF_AGENTS
from agent_config_sync.runtime.tools.definition import Tool

Style: TypeAlias = Literal["flat", "nested"]
"""How a function tool is written: newer gateways (2026.5 and later) take it flat, older ones nested."""

_TYPES: Mapping[Any, str] = {str: "string", int: "integer", bool: "boolean", float: "number"}


def function_tool(tool: Tool[Any], agent: Agent, style: Style) -> Mapping[str, Any]:
    """Return a tool as /v1/responses takes it."""
    function = {"name": tool.name, "description": tool.description, "parameters": parameters_of(tool, agent)}
    return {"type": "function", "function": function} if style == "nested" else {"type": "function", **function}


def parameters_of(tool: Tool[Any], agent: Agent) -> Mapping[str, Any]:
    """Return the schema of a tool's arguments, with what this agent may give."""
    return _parameters(tool, may_end=agent.may_end_reviews, at_a_task=agent.task is not None)


@cache
def _parameters(tool: Tool[Any], *, may_end: bool, at_a_task: bool) -> Mapping[str, Any]:
    fields = tool.parameters.model_fields
    properties = {
        name: {**_schema(field.annotation, may_end=may_end), "description": field.description}
        for name, field in fields.items()
    }
    required = [
        name
        for name, field in fields.items()
        if field.is_required() or (name == "taskId" and tool.takes_own_task and not at_a_task)
    ]
    return {"type": "object", "properties": properties, "required": required}


def _schema(annotation: Any, *, may_end: bool) -> dict[str, Any]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _schema(arguments[0], may_end=may_end)
    if origin in (Union, types.UnionType):  # that something may be left out is said by `required`
        [wanted] = [each for each in arguments if each is not types.NoneType]
        return _schema(wanted, may_end=may_end)
    if origin is Literal:
        return {"type": "string", "enum": _choices(arguments, may_end=may_end)}
    if origin is list:
        return {"type": "array", "items": _schema(arguments[0], may_end=may_end)}
    return {"type": _TYPES[annotation]}


def _choices(choices: Sequence[str], *, may_end: bool) -> list[str]:
    """Return the values of an enumeration; done is not for everybody."""
    if tuple(choices) == OF_AGENTS and not may_end:
        return [each for each in choices if each != "done"]
    return list(choices)
