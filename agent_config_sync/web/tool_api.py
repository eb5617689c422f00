"""The tools of the board over HTTP, for agents whose gateway does not offer them: from near, each in its own session.

`x-openclaw-session-key` names the session, and the agent's own token proves that it is the agent's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import orjson
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.routing import APIRoute

from agent_config_sync.board.actor import Agent
from agent_config_sync.board.agents import who_acts
from agent_config_sync.errors import BoardArgumentsError, UnauthorizedError
from agent_config_sync.runtime.effects import TurnInSession
from agent_config_sync.runtime.tools.call import answer
from agent_config_sync.runtime.tools.call import use as use_tool
from agent_config_sync.runtime.tools.catalog import TOOLS
from agent_config_sync.runtime.tools.definition import Bench, Tool
from agent_config_sync.settings import Settings
from agent_config_sync.token_store import token_hash
from agent_config_sync.web.answers import Failure
from agent_config_sync.web.app import JSON
from agent_config_sync.web.bodies import documented, read
from agent_config_sync.web.peers import near_only

SESSION = "x-openclaw-session-key"

FOR = 1.0
"""Seconds for which it is known who acts in a session."""

MOST_KNOWN = 1000
"""Sessions of which it is."""

SMALL = 64 * 1024
"""Bytes of a body that is read whatever else is being read."""

MOST_LARGE = 8
"""Of the others at once: a document may have megabytes, and all are held in memory until they are kept."""

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Failure, "description": description}
    for status, description in {
        400: "the arguments are not said as they have to be",
        401: "no session, or no token that proves it",
        403: "the agent may not, or asks from elsewhere, see agent_api_peers",
        404: "it is not there, or of another account",
        409: "it stands against what is there",
        413: "too large",
        422: "it makes no sense",
        429: "too many large bodies at once",
        503: "the database cannot be reached now",
    }.items()
}


class SessionGate:
    """Says who acts in a session. Whom it has let in it knows for a second: agents ask many things at once, and what an
    operator changes is to be true a second later."""

    def __init__(self, settings: Settings, bench: Bench) -> None:
        self._settings = settings
        self._bench = bench
        self._known: dict[tuple[str, str | None], tuple[Agent, float]] = {}

    async def agent(self, request: Request) -> Agent:
        """Return the agent whose session a request names. Raises: UnauthorizedError, DatabaseError."""
        settings, key = self._settings, request.headers.get(SESSION, "").strip()
        if not key:
            raise UnauthorizedError(f"the session is missing: {SESSION}: agent:NAME:ACCOUNT, as AGENTS.md says")
        hashed = None
        if not settings.session_key_only:
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not token.strip():
                raise UnauthorizedError("AUTH_TOKEN of TOOLS.md is missing: Authorization: Bearer ...")
            hashed = token_hash(token.strip())
        now = time.monotonic()
        agent, until = self._known.get((key, hashed), (None, 0.0))
        if agent is not None and now < until:
            return agent
        async with self._bench.lent() as connection:
            agent = await who_acts(connection, settings.account, settings.gateway, key, token_hash=hashed)
        if agent is None:
            raise UnauthorizedError("this session is not known, or the token is not its agent's")
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[key, hashed] = agent, now + FOR
        return agent


class _Route(APIRoute):
    """Lets an endpoint answer the request itself: there is nothing for FastAPI to read and to check."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return handler


def join_tools(app: FastAPI, settings: Settings, bench: Bench) -> None:
    """Let an application have an endpoint for each tool."""
    gate, near, large = SessionGate(settings, bench), near_only(settings.agent_networks), asyncio.Semaphore(MOST_LARGE)
    for tool in TOOLS:
        app.router.add_api_route(
            tool.path,
            _endpoint(tool, bench, gate, near, large, in_turns=settings.delivers),
            methods=["POST"],
            name=tool.name,
            summary=f"{tool.label[0].upper()}{tool.label[1:]}",
            description=tool.description,
            tags=["agent"],
            responses={200: {"model": tool.result}, **PROBLEMS},
            openapi_extra=documented(tool.parameters)
            | {"parameters": [{"name": SESSION, "in": "header", "required": True, "schema": {"type": "string"}}]},
            route_class_override=_Route,
        )


def is_small(request: Request) -> bool:
    """Return whether a body says that it is small; one that comes in pieces says nothing."""
    length = request.headers.get("content-length", "")
    return length.isdecimal() and len(length) <= len(str(SMALL)) and int(length) <= SMALL


def _endpoint(
    tool: Tool[Any],
    bench: Bench,
    gate: SessionGate,
    near: Callable[[Request], Awaitable[None]],
    large: asyncio.Semaphore,
    *,
    in_turns: bool,
) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    async def use(request: Request) -> Response:
        await near(request)
        agent = await gate.agent(request)
        turn = TurnInSession(agent.account, request.headers[SESSION].strip()) if in_turns else None
        small = is_small(request)
        largest = min(SMALL, tool.largest) if small else tool.largest

        async def said() -> bytes:
            body = await read(request, largest=largest)
            if not body.strip():
                raise BoardArgumentsError("Invalid JSON body: it is empty")
            return body

        if small:
            result = await use_tool(bench, agent, tool, said, turn)
        elif large.locked():
            raise HTTPException(429, f"{MOST_LARGE} large bodies are being read already: try again in a moment")
        else:
            async with large:
                result = await use_tool(bench, agent, tool, said, turn)
        return Response(orjson.dumps(answer(result)), media_type=JSON)

    return use
