"""A scripted model behind the API of OpenAI. It keeps each request, so that a test sees what reaches a model."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import re
import socket
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from gateway.openclaw import OpenClaw
from harness import DEADLINE

from agent_config_sync.model.site import GatewayVersion

PROVIDER = "fake"
"""Its name among the gateway's providers."""

ANSWER = "Done."
"""All that it ever says, but for what it is told to call, and for scripts."""

COMPLETIONS = "/v1/chat/completions"

CALL = re.compile(r"CALL (\w+) (\{.*\})$", re.MULTILINE)
"""How it is told to call a tool: with its name and arguments as JSON, at the end of a line."""

TOOL_SEARCH_SINCE = GatewayVersion(2026, 5, 12)
"""The first version that takes `tools.toolSearch`."""

_MODELS = ("scripted-1", "scripted-2")
_USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One question to the model, as it came: the body of `POST /v1/chat/completions`."""

    body: Mapping[str, Any]

    @property
    def model(self) -> str:
        """The model's name, without its provider."""
        name: str = self.body["model"]
        return name

    @property
    def prompt(self) -> str:
        """The text of all messages, the system's and everybody else's."""
        return "\n".join(_text(message.get("content")) for message in self.body["messages"])

    @property
    def last_words(self) -> str:
        """The text of who spoke last; newer gateways add a message of theirs."""
        last = itertools.takewhile(lambda message: message["role"] == "user", reversed(self.body["messages"]))
        return "\n".join(_text(message.get("content")) for message in last)

    @property
    def tools(self) -> frozenset[str]:
        """The names of the tools that the model is offered."""
        return frozenset(tool["function"]["name"] for tool in self.body.get("tools", ()))

    @property
    def skills(self) -> frozenset[str]:
        """The names of the skills that the model is told of."""
        return frozenset(re.findall("<name>(.*?)</name>", self.prompt))


def _text(content: str | list[dict[str, Any]] | None) -> str:
    """Return the text of one message, whole or in parts; one that only calls a tool has none."""
    if isinstance(content, list):
        return "\n".join(part.get("text", "") for part in content)
    return content or ""


@dataclass(frozen=True, slots=True)
class Says:
    """One reply of the model: a text, calls of tools by name and arguments, or both. held: it never comes; after: it
    comes no sooner than this."""

    text: str | None = None
    calls: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    held: bool = False
    after: asyncio.Event | None = None

    def message(self) -> dict[str, Any]:
        """Return it as the API has it."""
        said: dict[str, Any] = {"role": "assistant", "content": self.text}
        if self.calls:
            said["tool_calls"] = [
                {
                    "index": number,
                    "id": f"call_{uuid.uuid4().hex}",
                    "type": "function",
                    "function": {"name": name, "arguments": json.dumps(arguments)},
                }
                for number, (name, arguments) in enumerate(self.calls)
            ]
        return said


@dataclass(slots=True)
class Script:
    """What the model says, one reply after the other, to the requests that hold `mark`; and those requests.

    The gateway asks for heartbeats and the like beside, and these hold no mark of a test. After the last reply it says
    what it always says. came: set by each request; gone: by one that was given up while its reply was held.
    """

    mark: str
    replies: deque[Says]
    heard: list[ModelRequest] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, request: ModelRequest) -> Says | None:
        """Return the next reply."""
        self.heard.append(request)
        self.came.set()
        return self.replies.popleft() if self.replies else None


class ModelServer:
    """Keeps its port as long as it lives, and answers while it is `serving`; what asks between waits until it does."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._requests: asyncio.Queue[ModelRequest] = asyncio.Queue()
        self._scripts: list[Script] = []
        self._conversations: set[asyncio.Task[Any]] = set()

    def close(self) -> None:
        self._socket.close()

    def offer_to(self, gateway: OpenClaw, _: str) -> None:
        """Make it the model of a gateway that has not started yet, of whose agents one may ask turns: `prepare` of
        `deployed`."""
        models = [{"id": name, "name": name, "contextWindow": 128_000, "maxTokens": 4096} for name in _MODELS]
        provider = {
            "baseUrl": f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1",
            "apiKey": "key-of-the-tests",
            "api": "openai-completions",
            "models": models,
        }

        def change(config: dict[str, Any]) -> None:
            config["models"] = {"mode": "merge", "providers": {PROVIDER: provider}}
            config["gateway"]["http"] = {"endpoints": {"responses": {"enabled": True}}}
            if gateway.installation.version >= TOOL_SEARCH_SINCE:  # else 2026.9.6 hides the tools of who asks
                config["tools"] = {"toolSearch": False}

        gateway.edit_config(change)
        defaults = {"skipBootstrap": True, "model": {"primary": f"{PROVIDER}/{_MODELS[0]}"}}
        (gateway.folder / "agents.base.json5").write_bytes(orjson.dumps({"defaults": defaults}))

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Answer, beginning with no request."""
        self._requests = asyncio.Queue()
        self._scripts = []
        async with await asyncio.start_server(self._converse, sock=self._socket.dup()):
            try:
                yield
            finally:  # whoever still waits for a reply gets none
                for conversation in self._conversations:
                    conversation.cancel()
                await asyncio.gather(*self._conversations, return_exceptions=True)

    def script(self, mark: str, *replies: Says) -> Script:
        """Say these to whoever says `mark`, from the next request on."""
        script = Script(mark, deque(replies))
        self._scripts.append(script)
        return script

    async def turn_of(self, gateway: OpenClaw, agent: str, session: str) -> ModelRequest:
        """Let an agent take one turn, and return what it asked the model then."""
        question = f"What comes after {uuid.uuid4().hex}?"
        await gateway.ask(agent, question, session)
        while question not in (request := await self.next_request()).prompt:
            pass  # asked for by nobody, a heartbeat for one
        return request

    async def next_request(self) -> ModelRequest:
        """Return the next request that nobody has had; waits for it if need be."""
        async with asyncio.timeout(DEADLINE):
            return await self._requests.get()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request and close, as HTTP/1.1 allows (RFC 9112, section 9.6)."""
        conversation = asyncio.current_task()
        assert conversation is not None  # a server makes one of each
        self._conversations.add(conversation)
        try:
            await self._reply(reader, writer)
        finally:
            writer.close()
            self._conversations.discard(conversation)

    async def _reply(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):  # who asked has gone
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines if line)
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            path = first.split()[1]
            request = ModelRequest(orjson.loads(body)) if path == COMPLETIONS else None
            script = next((each for each in self._scripts if request and each.mark in request.prompt), None)
            reply = script.take(request) if script and request else None
            if script and reply and reply.held:
                await _until_closed(reader, writer)
                script.gone.set()
                return
            if reply and reply.after is not None:
                await reply.after.wait()
            writer.write(self._answer(path, request, reply))
            await writer.drain()

    def _answer(self, path: str, request: ModelRequest | None, reply: Says | None) -> bytes:
        match path:
            case "/v1/models":
                return _response({"object": "list", "data": [{"id": name, "object": "model"} for name in _MODELS]})
            case _ if request is not None:
                self._requests.put_nowait(request)
                said = reply.message() if reply is not None else _said(request)
                return _stream(request.model, said) if request.body.get("stream") else _completion(request.model, said)
            case _:
                return b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


async def _until_closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Return when who asked has gone, with nothing left of the connection."""
    with contextlib.suppress(ConnectionError):
        await reader.read()
        writer.close()
        await writer.wait_closed()


def _said(request: ModelRequest) -> dict[str, Any]:
    """Return what the model says: the call that it is told to make by who spoke last, else that it is done."""
    told = CALL.search(request.last_words)
    if told is None:
        return {"role": "assistant", "content": ANSWER}
    return Says(calls=((told[1], json.loads(told[2])),)).message()


def _reason(said: dict[str, Any]) -> str:
    return "tool_calls" if "tool_calls" in said else "stop"


def _completion(model: str, said: dict[str, Any]) -> bytes:
    choice = {"index": 0, "message": said, "finish_reason": _reason(said)}
    return _response({**_frame(model), "object": "chat.completion", "choices": [choice], "usage": _USAGE})


def _stream(model: str, said: dict[str, Any]) -> bytes:
    """Return the answer as server-sent events, as one piece and an end."""
    piece = {"index": 0, "delta": said, "finish_reason": None}
    end = {"index": 0, "delta": {}, "finish_reason": _reason(said)}
    chunks = [
        {**_frame(model), "object": "chat.completion.chunk", "choices": [piece]},
        {**_frame(model), "object": "chat.completion.chunk", "choices": [end], "usage": _USAGE},
    ]
    events = b"".join(b"data: " + orjson.dumps(chunk) + b"\n\n" for chunk in chunks)
    return _response(events + b"data: [DONE]\n\n", "text/event-stream")


def _frame(model: str) -> dict[str, Any]:
    return {"id": "chatcmpl-scripted", "created": int(time.time()), "model": model}


def _response(content: bytes | dict[str, Any], kind: str = "application/json") -> bytes:
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    return head.encode() + body
