"""What an agent answers over `/v1/responses`, read from the gateway's JSON. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import orjson

Ended: TypeAlias = Literal["completed", "incomplete"]
"""How an answer ended: `incomplete` when it was cut at the model's limit and, before 2026.8.1, with every call."""

NOTHING_SAID = "No response from OpenClaw."
"""What gateways up to 2026.8.1 say for a model that says NO_REPLY and no more; to later ones that is a failure."""

FAILURES = ("⚠️ Agent couldn't generate a response", "Context overflow: prompt too large for the model")
"""How answers begin that are the gateway's own word of a failure, up to 2026.7.1 under the status `completed`."""


class UnusableError(Exception):
    """It is no answer; the text says why, and quotes none of it."""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool that the model wants called. id, name: empty where it gave none; arguments: JSON, as it wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens; 0 where the gateway does not say."""

    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """text: the answer, empty while tools are to be called, and where it is silent; commentary: what was said on the
    way, such as beside calls; calls: in their order; silent: the agent chose to say nothing, by the gateway's word."""

    id: str
    status: Ended
    text: str
    commentary: str
    calls: tuple[Call, ...]
    usage: Usage
    silent: bool = False


def read_document(body: bytes) -> Mapping[str, Any] | None:
    """Return the JSON object of a body, None where it is none.

    A text that was cut within a character leaves half a surrogate pair, which JavaScript writes and no database takes:
    a question mark stands for it.
    """
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            found = orjson.loads(json.dumps(json.loads(body), ensure_ascii=False).encode("utf-8", "replace"))
        except (ValueError, RecursionError):
            return None
    return found if isinstance(found, dict) else None


def read_answer(document: Mapping[str, Any]) -> Answer:
    """Return the answer that a document is.

    Raises: UnusableError when it is none.
    """
    number, output = document.get("id"), document.get("output")
    status: Ended | None = document.get("status")
    if not isinstance(number, str) or not number:
        raise UnusableError("it has no id")
    if status not in ("completed", "incomplete"):
        raise UnusableError("its status is neither completed nor incomplete")
    if not isinstance(output, list) or not all(isinstance(item, dict) for item in output):
        raise UnusableError("it has no list of outputs")
    calls = tuple(_call(item) for item in output if item.get("type") == "function_call")
    said = [(item.get("phase") == "commentary" or bool(calls), text) for item in output for text in _texts(item)]
    whole = _text(document.get("output_text"))
    text = "\n\n".join(text for on_the_way, text in said if not on_the_way)
    if whole.strip() and not calls:
        text = whole
    if text.startswith(FAILURES) and not calls:
        raise UnusableError("in its place stands that the agent's model gave none, or that its session is too long")
    silent = text.strip() == NOTHING_SAID
    return Answer(
        number,
        status,
        "" if silent else text,
        "\n\n".join(text for on_the_way, text in said if on_the_way),
        calls,
        _usage(document.get("usage")),
        silent,
    )


def _call(item: Mapping[str, Any]) -> Call:
    arguments = item.get("arguments", "")
    written = arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
    return Call(_text(item.get("call_id")), _text(item.get("name")), written)


def _texts(item: Mapping[str, Any]) -> Iterator[str]:
    """Yield the texts of a message that say anything; of anything else, nothing."""
    content = item.get("content")
    if item.get("type") != "message":
        return
    for part in content if isinstance(content, list) else [{"text": content}]:
        text = _text(part.get("text")) if isinstance(part, dict) else ""
        if text.strip():
            yield text


def _usage(told: Any) -> Usage:
    counts = [told.get(key) if isinstance(told, dict) else None for key in ("input_tokens", "output_tokens")]
    return Usage(*(count if isinstance(count, int) and count > 0 else 0 for count in counts))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
