"""The way into the pages, and out."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request, Response

from agent_config_sync.web.desk import Desk
from agent_config_sync.web.forms import Forms
from agent_config_sync.web.logins import Logins
from agent_config_sync.web.page_answers import page, to
from agent_config_sync.web.page_maker import LOGIN, Message, PageMaker
from agent_config_sync.web.sessions import COOKIE, Sessions

_PATH = "/admin"


def login_router(pages: PageMaker, desk: Desk, forms: Forms, sessions: Sessions, logins: Logins) -> APIRouter:
    """Return the pages and what their forms send."""
    router = APIRouter(include_in_schema=False)

    @router.get(LOGIN)
    async def login(code: str | None = None) -> Response:
        return page(pages.login(code))

    @router.post(LOGIN)
    async def log_in(request: Request) -> Response:
        fields = await forms.read_of_stranger(request)
        person = await asyncio.to_thread(logins.redeem, fields.get("code", ""))
        if person is None:
            await desk.refuse("a browser", "the link to log in is used, or too old")
            message = Message("error", "This link is used already, or too old.")
            return page(pages.login(None, message=message), 401)
        answer = to(pages.first)
        secure = "https" in (request.url.scheme, request.headers.get("x-forwarded-proto"))
        cookie = sessions.begin(person)
        answer.set_cookie(COOKIE, cookie, httponly=True, samesite="strict", secure=secure, path=_PATH)
        return answer

    @router.post("/admin/logout")
    async def log_out(request: Request) -> Response:
        await forms.read(request)
        sessions.end(request.cookies.get(COOKIE))
        answer = to(LOGIN)
        answer.delete_cookie(COOKIE, path=_PATH)
        return answer

    return router
