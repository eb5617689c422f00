"""A stand-in for an OpenClaw gateway: `/ready`, `/health` and `POST /v1/responses` as 2026.9.6 has them, over a
scripted model. For the demo where no gateway is installed, and for tests, which choose what goes wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, assert_never

import orjson

from agent_config_sync.cli.standin_http import Connection, Reply, of_json, of_text
from agent_config_sync.cli.standin_request import BadRequestError, agent_of, read_request

HUGE = 10 * 1024 * 1024
"""Bytes of the answer of the fault `huge`."""

SILENCE = ("", "NO_REPLY")
"""What a model may not say all by itself: its turn has failed then."""

Fault: TypeAlias = Literal["error", "busy", "refused", "silent", "stalled", "cut", "garbage", "huge"]
"""What goes wrong with a request, in the place of its model: 500, 503, 400, no answer at all, one that stops in its
middle, one whose connection ends there, bytes that are none of HTTP's, and 10 MiB."""


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """A request that was in order.

    at: monotonic seconds; text: what was said when the turn began; results: what calls gave, with their ids, in their
    order; notice: what is said beside them; round: 0 for a request that begins a turn, else one more than before.
    """

    at: float
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    session_key: str
    agent: str
    text: str
    results: tuple[tuple[str, str], ...]
    notice: str
    round: int

    @property
    def tools(self) -> frozenset[str]:
        """The names of the tools that it offers."""
        return frozenset(tool["name"] for tool in self.body.get("tools", ()))


@dataclass(frozen=True, slots=True)
class Said:
    """What the model says: a text, calls of tools by name and arguments, or both; delay: seconds until it does."""

    text: str = ""
    calls: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    delay: float = 0.0
    status: Literal["completed", "incomplete", "failed"] = "completed"


Model: TypeAlias = Callable[[SeenRequest], Awaitable[Said]]


@dataclass(slots=True)
class _Session:
    text: str = ""
    round: int = 0
    under_way: int = 0


@dataclass(slots=True)
class StandinGateway:
    """Use `serving`. agents: its roster, None when it has any; token: None when it wants none; remembers: off for what
    runs long; fault: chooses what goes wrong with a request; ready: what `/ready` says.

    requests: how many were in order; seen: these, oldest first; aborted: those that were given up before their answer;
    overlaps: how many came while another of their session was under way; came, gave_up: set by each, for who waits.
    """

    model: Model
    agents: frozenset[str] | None = None
    token: str | None = None
    remembers: bool = True
    fault: Callable[[SeenRequest], Fault | None] | None = None
    ready: bool = True
    requests: int = 0
    overlaps: int = 0
    seen: list[SeenRequest] = field(default_factory=list)
    aborted: list[SeenRequest] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)
    gave_up: asyncio.Event = field(default_factory=asyncio.Event)
    connections: set[Connection] = field(default_factory=set)
    port: int = 0
    _server: asyncio.Server | None = None
    _sessions: dict[str, _Session] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextlib.asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[StandinGateway]:
        """Serve on a port of the loopback, by default a free one."""
        self.port = port
        await self.listen()
        try:
            yield self
        finally:
            await self.go_away()

    async def listen(self) -> None:
        """Take connections, on the port of before."""
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Connection(self._answer, self.connections), "127.0.0.1", self.port, backlog=1024
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def go_away(self) -> None:
        """Refuse connections and break those that are open, as a gateway that is killed."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self.connections):
            connection.abort()
            await connection.ended.wait()

    async def _answer(self, method: str, path: str, headers: Mapping[str, str], content: bytes) -> Reply:
        match path:
            case "/ready" | "/readyz":
                failing = [] if self.ready else ["startup-sidecars"]
                return of_json(200 if self.ready else 503, {"ready": self.ready, "failing": failing})
            case "/health" | "/healthz":
                return of_json(200, {"ok": True, "status": "live"})
            case "/v1/responses" if method == "POST":
                return await self._responses(headers, content)
            case "/v1/responses":
                return of_text(405, "Method Not Allowed")
            case _:
                return of_text(404, "Not Found")

    async def _responses(self, headers: Mapping[str, str], content: bytes) -> Reply:
        given = headers.get("authorization", "").encode()
        if self.token is not None and not hmac.compare_digest(given, f"Bearer {self.token}".encode()):
            return of_json(401, {"error": {"message": "Unauthorized", "type": "unauthorized"}})
        try:
            asked = read_request(content)
            key = headers.get("x-openclaw-session-key") or f"agent:main:openresponses:{next(self._numbers)}"
            agent = agent_of(key, headers, asked, self.agents)
        except BadRequestError as error:
            return of_json(400, {"error": {"message": str(error), "type": "invalid_request_error"}})
        if self.agents is not None and agent not in self.agents:
            return _failed()
        session = self._sessions.setdefault(key, _Session())
        session.text, session.round = (session.text, session.round + 1) if asked.results else (asked.text, 0)
        notice = asked.text if asked.results else ""
        seen = SeenRequest(
            time.monotonic(), headers, asked.body, key, agent, session.text, asked.results, notice, session.round
        )
        self.requests += 1
        self.overlaps += session.under_way > 0
        if self.remembers:
            self.seen.append(seen)
        self.came.set()
        fault = self.fault(seen) if self.fault is not None else None
        if fault is not None:
            return _gone_wrong(fault)
        session.under_way += 1
        try:
            said = await self.model(seen)
            if said.delay:
                await asyncio.sleep(said.delay)
        except asyncio.CancelledError:
            self.aborted.append(seen)
            self.gave_up.set()
            raise
        finally:
            session.under_way -= 1
        return self._reply(seen, said)

    def _reply(self, seen: SeenRequest, said: Said) -> Reply:
        number = next(self._numbers)
        frame: dict[str, Any] = {
            "id": f"resp_{number}",
            "object": "response",
            "created_at": int(time.time()),
            "status": said.status,
            "model": seen.body["model"],
            "output": _output(said, number),
            "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15},
        }
        if said.status == "failed" or (said.text.strip() in SILENCE and not said.calls):
            return _failed()
        return of_json(200, frame)


def _output(said: Said, number: int) -> list[dict[str, Any]]:
    output: list[dict[str, Any]] = []
    if said.text:
        text = {"type": "output_text", "text": said.text}
        status = "incomplete" if said.status == "incomplete" else "completed"
        phase = "commentary" if said.calls else "final_answer"
        message = {"type": "message", "id": f"msg_{number}", "role": "assistant", "content": [text]}
        output.append({**message, "phase": phase, "status": status})
    output.extend(
        {
            "type": "function_call",
            "id": f"call_{number}_{place}",
            "call_id": f"{number:x}c{place}",
            "name": name,
            "arguments": orjson.dumps(arguments).decode(),
        }
        for place, (name, arguments) in enumerate(said.calls)
    )
    return output


def _failed() -> Reply:
    """Return what the gateway says of a turn that failed in it."""
    error = {"code": "api_error", "message": "internal error"}
    return of_json(500, {"id": "resp_failed", "object": "response", "status": "failed", "output": [], "error": error})


def _gone_wrong(fault: Fault) -> Reply:
    match fault:
        case "error":
            return _failed()
        case "busy":
            return of_json(503, {"error": {"message": "not now", "type": "unavailable"}}, "retry-after: 1\r\n")
        case "refused":
            return of_json(400, {"error": {"message": "input: Invalid input", "type": "invalid_request_error"}})
        case "silent":
            return Reply(b"", "stall")
        case "stalled":
            return Reply(of_json(200, _whole()).content[:-20], "stall")
        case "cut":
            return Reply(of_json(200, _whole()).content[:-20], "close")
        case "garbage":
            return Reply(b"\x16\x03\x01\x02 and nothing of HTTP\r\n\r\n", "close")
        case "huge":
            return of_json(200, {**_whole(), "padding": "x" * HUGE})
        case _:
            assert_never(fault)


def _whole() -> dict[str, Any]:
    """Return an answer that would be one if all of it came."""
    return {"id": "resp_whole", "status": "completed", "output": _output(Said("This never arrives."), 0)}
