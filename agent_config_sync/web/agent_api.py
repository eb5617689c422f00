"""What agents may ask of us over HTTP, beside the files of their workspaces: from near, each with its own token."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Literal

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel

from agent_config_sync.errors import UnauthorizedError, UnreachableError
from agent_config_sync.events import CredentialRefused, CredentialRequested, Events
from agent_config_sync.postgres.link import Link
from agent_config_sync.postgres.skill_credentials import record_refusals, request_credential
from agent_config_sync.settings import Settings
from agent_config_sync.skills.credential_request import RequestRefusedError, UnfinishedError, read_request
from agent_config_sync.skills.intake import EACH, FREE, TOO_MANY
from agent_config_sync.skills.ration import Ration
from agent_config_sync.token_store import TokenStore, token_hash
from agent_config_sync.web.admin_api import JSON, PROBLEMS
from agent_config_sync.web.answers import Failure
from agent_config_sync.web.bodies import Body, documented, expect, read
from agent_config_sync.web.peers import near_only
from agent_config_sync.worker import in_worker

_PROBLEMS = PROBLEMS | {403: {"model": Failure, "description": "asked from elsewhere, see agent_api_peers"}}


class CredentialRequestBody(Body):
    """skillSlug: the skill's folder; keyName: of the environment variable in which it expects the key."""

    skillSlug: str  # noqa: N815 - the names of the file
    keyName: str  # noqa: N815


class Asked(BaseModel):
    """status: whether a person is asked now, or was asked before."""

    success: Literal[True] = True
    credentialRef: str  # noqa: N815
    status: Literal["asked", "known"]


class AgentDesk:
    """Takes what agents ask for, with the checks of the request files."""

    def __init__(
        self, settings: Settings, events: Events, *, link: Callable[[], Link | None], tokens: TokenStore
    ) -> None:
        self._settings = settings
        self._events = events
        self._link = link
        self._tokens = tokens
        self._rations: defaultdict[str, Ration] = defaultdict(lambda: Ration(FREE, EACH))

    async def agent_of(self, authorization: str | None) -> str:
        """Return whose token it is.

        Raises: UnauthorizedError, PublishError.
        """
        scheme, _, token = (authorization or "").partition(" ")
        tokens = await in_worker(self._tokens.look)
        wanted = token_hash(token.strip())
        agent = next((agent for agent, known in tokens.items() if token_hash(known) == wanted), None)
        if scheme.lower() != "bearer" or agent is None:
            raise UnauthorizedError("AUTH_TOKEN of TOOLS.md is missing: Authorization: Bearer ...")
        if not self._rations[agent].left:
            raise HTTPException(429, "too many requests: wait a minute")
        self._rations[agent].spend(1)
        return agent

    async def ask(self, agent: str, content: bytes) -> Asked:
        """Ask a person for a key.

        Raises: HTTPException 400, 422, 429; DatabaseError.
        """
        link = self._link()
        if link is None:
            raise UnreachableError("there is no connection to the database now")
        account, gateway = self._settings.account, self._settings.gateway
        try:
            request = read_request(content)
        except RequestRefusedError as error:
            status = 400 if isinstance(error, UnfinishedError) else 422
            raise await self._refused(link, agent, status, str(error)) from None
        skill, key = request.skill_slug, request.key_name
        answer = await request_credential(
            link, account=account, gateway=gateway, agent=agent, skill=skill, key_name=key
        )
        if answer == "too_many":
            raise await self._refused(link, agent, 429, TOO_MANY)
        if answer == "asked":
            self._events.emit(CredentialRequested(agent, skill, key))
        return Asked(credentialRef=f"{account}/{gateway}/{skill}/{key}", status=answer)

    async def _refused(self, link: Link, agent: str, status: int, reason: str) -> HTTPException:
        self._events.emit(CredentialRefused(agent, reason, 1))
        account, gateway = self._settings.account, self._settings.gateway
        await record_refusals(link, [(agent, reason, 1)], account=account, gateway=gateway)
        return HTTPException(status, reason)


def agent_router(desk: AgentDesk, settings: Settings) -> APIRouter:
    """Return the endpoints."""
    near = Depends(near_only(settings.agent_networks))
    router = APIRouter(prefix="/agent", responses=_PROBLEMS, tags=["agent"], dependencies=[near])

    @router.post("/skill-credential-request", openapi_extra=documented(CredentialRequestBody))
    async def skill_credential_request(request: Request) -> Asked:
        """Ask a person for a key that a skill needs. A value is never taken."""
        expect(request, JSON)
        agent = await desk.agent_of(request.headers.get("authorization"))
        return await desk.ask(agent, await read(request))

    return router
