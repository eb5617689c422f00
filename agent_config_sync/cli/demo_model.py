"""The model of the demo: what its two agents do with a task, round by round, and the API of OpenAI by which a real
gateway asks it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from agent_config_sync.cli.standin_gateway import Said, SeenRequest
from agent_config_sync.cli.standin_http import Connection, Reply, of_json, of_text

MODEL = "scripted"

PACE = 0.6
"""Seconds that it thinks, so that a person can follow on the page."""

CODER = (
    Said(calls=(("task_status", {"status": "in_progress"}),)),
    Said(
        calls=(
            (
                "document_upsert",
                {
                    "title": "What broke the deploy",
                    "type": "deliverable",
                    "content": "The script waits for a lock that the last run has left. It takes it over now.",
                },
            ),
        )
    ),
    Said(calls=(("task_status", {"status": "review"}),)),
    Said(
        "## Summary\n\nThe deploy script hung on a stale lock and takes it over now.\n\n"
        "## Next step\n\n@reviewer, please look at the document."
    ),
)
"""What the coder says to its assignment, one after the other."""

REVIEWER = (
    Said("I have read it and agree: the lock was the cause, and the change is small. It can be marked as done."),
)

SILENT = (Said("NOTHING_TO_ADD"),)

_TASK = re.compile(r"^Task ID: ([0-9a-f-]{36})$", re.MULTILINE)

_NOTIFICATION = re.compile(r"Notification ID: ([0-9a-f-]{36})")

Actor = Callable[[str], Awaitable[tuple[str, str]]]
"""Says of a notification, by its id, whose it is and of which type."""


class DemoModel:
    """Plays both agents: it knows from the notification in a prompt whose turn it is, and goes on from there."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self._said: Counter[str] = Counter()
        self._connections: set[Connection] = set()

    async def __call__(self, seen: SeenRequest) -> Said:
        """Answer as the model behind the stand-in."""
        return await self._next(seen.text)

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        """Serve the API of OpenAI on a free port of the loopback; lend the port."""
        server = await asyncio.get_running_loop().create_server(
            lambda: Connection(self._answer, self._connections), "127.0.0.1", 0
        )
        async with server:
            port: int = server.sockets[0].getsockname()[1]
            yield port

    async def _next(self, prompt: str) -> Said:
        named = _NOTIFICATION.findall(prompt)
        await asyncio.sleep(PACE)
        if not named:
            return Said("HEARTBEAT_OK")
        agent, kind = await self._actor(named[-1])
        script = {("coder", "assignment"): CODER, ("reviewer", "status_change"): REVIEWER}.get((agent, kind), SILENT)
        said = script[min(self._said[named[-1]], len(script) - 1)]
        self._said[named[-1]] += 1
        return _about(said, _TASK.findall(prompt))

    async def _answer(self, method: str, path: str, _: Mapping[str, str], content: bytes) -> Reply:
        match path:
            case "/v1/models":
                return of_json(200, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})
            case "/v1/chat/completions" if method == "POST":
                asked = orjson.loads(content)
                said = await self._next("\n".join(_text(each.get("content")) for each in asked["messages"]))
                return _stream(said) if asked.get("stream") else of_json(200, _completion(said))
            case _:
                return of_text(404, "Not Found")


def _about(said: Said, tasks: list[str]) -> Said:
    """Let its calls name the task of the turn: a new document without one is of none."""
    if not tasks:
        return said
    return replace(said, calls=tuple((name, {**arguments, "taskId": tasks[-1]}) for name, arguments in said.calls))


def _text(content: Any) -> str:
    """Return the text of a message, whole or in parts."""
    if isinstance(content, list):
        return "\n".join(part.get("text", "") for part in content)
    return content or ""


def _message(said: Said) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": said.text or None}
    if said.calls:
        message["tool_calls"] = [
            {
                "index": place,
                "id": f"call_{place}",
                "type": "function",
                "function": {"name": name, "arguments": orjson.dumps(arguments).decode()},
            }
            for place, (name, arguments) in enumerate(said.calls)
        ]
    return message


def _frame(kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-demo", "object": kind, "created": int(time.time()), "model": MODEL}


def _completion(said: Said) -> dict[str, Any]:
    choice = {"index": 0, "message": _message(said), "finish_reason": _reason(said)}
    return {**_frame("chat.completion"), "choices": [choice], "usage": _USAGE}


def _stream(said: Said) -> Reply:
    """Return an answer as server-sent events, in one piece."""
    pieces: tuple[dict[str, Any], ...] = (
        {"index": 0, "delta": _message(said), "finish_reason": None},
        {"index": 0, "delta": {}, "finish_reason": _reason(said)},
    )
    events = b"".join(
        b"data: " + orjson.dumps({**_frame("chat.completion.chunk"), "choices": [piece]}) + b"\n\n" for piece in pieces
    )
    body = events + b"data: [DONE]\n\n"
    head = f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {len(body)}\r\n\r\n"
    return Reply(head.encode() + body)


def _reason(said: Said) -> str:
    return "tool_calls" if said.calls else "stop"


_USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
