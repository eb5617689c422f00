"""What the stand-in gateway takes for a request: no more than the real one does, and refused in its words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

KEYS = frozenset(
    [
        *("model", "input", "instructions", "tools", "tool_choice", "stream", "max_output_tokens", "max_tool_calls"),
        *(
            "user",
            "temperature",
            "top_p",
            "metadata",
            "store",
            "previous_response_id",
            "reasoning",
            "truncation",
            "text",
        ),
    ]
)
TOOL_KEYS = frozenset(["type", "name", "description", "parameters", "strict"])
ITEM_KEYS: Mapping[str, frozenset[str]] = {
    "message": frozenset(["type", "role", "content", "phase"]),
    "function_call": frozenset(["type", "id", "call_id", "name", "arguments"]),
    "function_call_output": frozenset(["type", "call_id", "output"]),
}
ROLES = frozenset(["system", "developer", "user", "assistant"])
NO_MESSAGE = "Missing user message in `input`."


class BadRequestError(Exception):
    """The request is refused with 400; the text is the gateway's."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that is in order. text: what it says; results: what calls gave, in their order, with the calls' ids."""

    body: Mapping[str, Any]
    text: str
    results: tuple[tuple[str, str], ...]


def read_request(content: bytes) -> Asked:
    """Return what a body asks.

    Raises: BadRequestError.
    """
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise BadRequestError(str(error)) from None
    _object(body, "", KEYS)
    if not isinstance(body.get("model"), str):
        raise BadRequestError("model: Invalid input: expected string, received undefined")
    for number, tool in enumerate(body.get("tools", [])):
        if isinstance(tool, dict) and not isinstance(tool.get("name"), str):
            raise BadRequestError(f"tools.{number}.name: Invalid input: expected string, received undefined")
        _object(tool, f"tools.{number}", TOOL_KEYS)
    said = body.get("input")
    if isinstance(said, str):
        said = [{"type": "message", "role": "user", "content": said}]
    if not isinstance(said, list):
        raise BadRequestError("input: Invalid input")
    texts, results = _items(said)
    if not any(text.strip() for text in texts) and not results:
        raise BadRequestError(NO_MESSAGE)
    return Asked(body, "\n".join(texts), tuple(results))


def _items(items: list[Any]) -> tuple[list[str], list[tuple[str, str]]]:
    texts: list[str] = []
    results: list[tuple[str, str]] = []
    for item in items:
        kind = item.get("type") if isinstance(item, dict) else None
        if not isinstance(kind, str) or not item.keys() <= ITEM_KEYS.get(kind, frozenset()):
            raise BadRequestError("input: Invalid input")
        match kind:
            case "message" if item.get("role") in ROLES and isinstance(item.get("content"), str):
                texts.append(item["content"])
            case "function_call_output" if all(isinstance(item.get(key), str) for key in ("call_id", "output")):
                results.append((item["call_id"], item["output"]))
            case "function_call" if isinstance(item.get("name"), str) and isinstance(item.get("arguments"), str):
                pass  # of a history that is sent along
            case _:
                raise BadRequestError("input: Invalid input")
    return texts, results


def agent_of(key: str, headers: Mapping[str, str], asked: Asked, agents: frozenset[str] | None) -> str:
    """Return whom a request is for: the agent of its session's key, whatever else names another.

    Raises: BadRequestError when the roster has none that is named beside the key.
    """
    model: str = asked.body["model"]
    told = headers.get("x-openclaw-agent-id") or model.replace(":", "/", 1).partition("/")[2]
    scope, _, rest = key.partition(":")
    in_key = rest.partition(":")[0] if scope == "agent" else ""
    if agents is not None and told and told not in agents:
        raise BadRequestError(f"Unknown agent '{told}'.")
    return in_key or told or "main"


def _object(value: Any, path: str, keys: frozenset[str]) -> None:
    if not isinstance(value, dict):
        raise BadRequestError(f"{path}: Invalid input: expected object")
    for key in value.keys() - keys:
        raise BadRequestError(f'{path}: Unrecognized key: "{key}"')
