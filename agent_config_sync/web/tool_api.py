"""The tools of the board over HTTP, for agents whose gateway does not offer them: from near, each in its own session.

`x-openclaw-session-key` names the session, and the agent's own token proves that it is the agent's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from fastapi import APIRouter, Depends, Request, Response

from agent_config_sync.board.actor import Agent
from agent_config_sync.board.agents import who_acts
from agent_config_sync.errors import BoardArgumentsError, UnauthorizedError
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
        503: "the database cannot be reached now",
    }.items()
}


class SessionGate:
    """Says who acts in a session."""

    def __init__(self, settings: Settings, bench: Bench) -> None:
        self._settings = settings
        self._bench = bench

    async def __call__(self, request: Request) -> Agent:
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
        async with self._bench.lent() as connection:
            agent = await who_acts(connection, settings.account, settings.gateway, key, token_hash=hashed)
        if agent is None:
            raise UnauthorizedError("this session is not known, or the token is not its agent's")
        return agent


def tool_router(settings: Settings, bench: Bench) -> APIRouter:
    """Return an endpoint for each tool."""
    near = Depends(near_only(settings.agent_networks))
    router = APIRouter(responses=PROBLEMS, tags=["agent"], dependencies=[near])
    acting = SessionGate(settings, bench)
    for tool in TOOLS:
        router.add_api_route(
            tool.path,
            _endpoint(tool, bench, acting),
            methods=["POST"],
            name=tool.name,
            summary=f"{tool.label[0].upper()}{tool.label[1:]}",
            description=tool.description,
            responses={200: {"model": tool.result}},
            openapi_extra=documented(tool.parameters)
            | {"parameters": [{"name": SESSION, "in": "header", "required": True, "schema": {"type": "string"}}]},
        )
    return router


def _endpoint(
    tool: Tool[Any], bench: Bench, acting: Callable[[Request], Awaitable[Agent]]
) -> Callable[[Request], Awaitable[Response]]:
    async def use(request: Request) -> Response:
        agent = await acting(request)
        tool.check(agent)
        body = await read(request, largest=tool.largest)
        if not body.strip():
            raise BoardArgumentsError("Invalid JSON body: it is empty")
        return Response(orjson.dumps(answer(await use_tool(bench, agent, tool, body))), media_type=JSON)

    return use
