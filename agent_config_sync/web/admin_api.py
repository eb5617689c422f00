"""The admin endpoints, for web applications whose people log in at an OpenID provider. A cookie opens none of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel, Field, SecretStr

from agent_config_sync.web.admission import Admission
from agent_config_sync.web.answers import Failure
from agent_config_sync.web.bodies import Body, documented, expect, read_json
from agent_config_sync.web.desk import Desk, Reload
from agent_config_sync.web.doorkeeper import admitted_by

JSON = "application/json"

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Failure, "description": description}
    for status, description in {
        400: "the body is not as it should be",
        401: "no token, or one that proves nothing here",
        403: "of another account, not an admin of this one, or asked by a page that may not",
        404: "unknown here, or switched off",
        409: "it was taken back",
        413: "too large",
        415: "not JSON",
        422: "it can be no key",
        503: "the database, or the provider of tokens, cannot be reached now",
    }.items()
}


class KeyEntry(Body):
    """A key that a person enters. account_id: of this gateway; credential_ref: as the list has it."""

    account_id: str = Field(alias="accountId", max_length=200)
    credential_ref: str = Field(alias="credentialRef", max_length=1000)
    secret: SecretStr


class KeyReference(Body):
    """A key to take back, or a request to refuse."""

    account_id: str = Field(alias="accountId", max_length=200)
    credential_ref: str = Field(alias="credentialRef", max_length=1000)


class Account(Body):
    account_id: str = Field(alias="accountId", max_length=200)


class _Answer(BaseModel):
    success: Literal[True] = True


class Entered(_Answer):
    """reload: whether the gateway runs with it; why: what to know if it does not."""

    credentialRef: str  # noqa: N815 - the name on the wire
    status: Literal["active"] = "active"
    reload: Reload
    why: str | None


class Revoked(_Answer):
    credentialRef: str  # noqa: N815
    status: Literal["revoked"] = "revoked"


class Reloaded(_Answer):
    reload: Reload
    why: str | None


class CredentialSeen(BaseModel):
    """A key as the database knows it. requestedBy: an agent; decidedBy: a person."""

    credentialRef: str  # noqa: N815
    gateway: str
    skill: str
    keyName: str  # noqa: N815
    status: Literal["pending", "active", "revoked"]
    requestedBy: str | None  # noqa: N815
    decidedBy: str | None  # noqa: N815
    requestedAt: datetime  # noqa: N815
    updatedAt: datetime  # noqa: N815


class Credentials(_Answer):
    """gateway: the one whose keys can be entered here."""

    gateway: str
    credentials: list[CredentialSeen]


def admin_router(desk: Desk, admission: Admission) -> APIRouter:
    """Return the endpoints."""
    router = APIRouter(prefix="/admin", responses=PROBLEMS, tags=["admin"])
    admitted = admitted_by(admission, desk)

    async def of_this_account(person: str, account: str) -> None:
        if account != desk.account:
            await desk.refuse(person, "accountId is of another account")
            raise HTTPException(403, "accountId is of another account than this gateway's")

    @router.get("/skills/credentials")
    async def credentials(request: Request) -> Credentials:
        """List the keys of the account, pending ones first. No key is in it."""
        await admitted(request)
        return Credentials(
            gateway=desk.gateway,
            credentials=[
                CredentialSeen(
                    credentialRef=each.credential_ref,
                    gateway=each.gateway,
                    skill=each.skill,
                    keyName=each.key_name,
                    status=each.status,
                    requestedBy=each.requested_by,
                    decidedBy=each.decided_by,
                    requestedAt=each.requested_at,
                    updatedAt=each.updated_at,
                )
                for each in await desk.credentials()
            ],
        )

    @router.post("/skills/credentials", openapi_extra=documented(KeyEntry))
    async def enter(request: Request) -> Entered:
        """Keep a key on this host, and give it to the skill that asked for it."""
        expect(request, JSON)
        person = await admitted(request)
        entry = await read_json(request, KeyEntry)
        await of_this_account(person, entry.account_id)
        effect = await desk.enter(entry.credential_ref, entry.secret.get_secret_value(), person=person)
        return Entered(credentialRef=entry.credential_ref, reload=effect.reload, why=effect.why)

    @router.post("/skills/credentials/revoke", openapi_extra=documented(KeyReference))
    async def revoke(request: Request) -> Revoked:
        """Take a key back, or refuse a request for one."""
        expect(request, JSON)
        person = await admitted(request)
        wanted = await read_json(request, KeyReference)
        await of_this_account(person, wanted.account_id)
        await desk.revoke(wanted.credential_ref, person=person)
        return Revoked(credentialRef=wanted.credential_ref)

    @router.post("/reload", openapi_extra=documented(Account))
    async def reload(request: Request) -> Reloaded:
        """Let the gateway read its configuration anew, by a restart where it takes keys only then."""
        expect(request, JSON)
        person = await admitted(request)
        await of_this_account(person, (await read_json(request, Account)).account_id)
        effect = await desk.reload()
        return Reloaded(reload=effect.reload, why=effect.why)

    return router
