"""All that is served beside health where workspaces are made: pages, and endpoints for people and agents."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.middleware.cors import CORSMiddleware

from agent_config_sync.events import Events
from agent_config_sync.secret_store import SecretStore
from agent_config_sync.skills.entering import Entering
from agent_config_sync.token_store import TokenStore
from agent_config_sync.web.admin_api import admin_router
from agent_config_sync.web.admin_pages import pages_router
from agent_config_sync.web.admission import Admission
from agent_config_sync.web.agent_api import AgentDesk, agent_router
from agent_config_sync.web.app import hidden_by
from agent_config_sync.web.backstage import Backstage
from agent_config_sync.web.desk import LOCK_DEADLINE, Desk
from agent_config_sync.web.docs_page import docs_router
from agent_config_sync.web.doorkeeper import admitted_by
from agent_config_sync.web.fleet_watch import FleetWatch
from agent_config_sync.web.forms import Forms, SessionOverError
from agent_config_sync.web.lending import lent
from agent_config_sync.web.login_pages import login_router
from agent_config_sync.web.logins import Logins
from agent_config_sync.web.page_answers import page, to
from agent_config_sync.web.page_maker import BOARD, LOGIN, Message, PageMaker
from agent_config_sync.web.sessions import Sessions
from agent_config_sync.web.template_sync import TemplateSync
from agent_config_sync.web.templates_api import templates_router
from agent_config_sync.web.view import Watcher

STREAMS = "/events"
"""How the paths of streams end: who asks for one wants no other page."""


class Admin:
    """The parts, and how they join the application."""

    def __init__(
        self,
        routers: tuple[APIRouter, ...],
        pages: PageMaker,
        *,
        tools: Callable[[FastAPI], None],
        origins: list[str],
    ) -> None:
        """tools: gives an application those of the board; origins: pages of others that may ask from a browser, with a
        token."""
        self._tools = tools
        self._routers = routers
        self._pages = pages
        self._origins = origins

    def join(self, app: FastAPI, hides: Callable[[str], bool]) -> None:
        """hides: whether a path is as if it was not there, so that the document does not name it either."""
        # First: agents ask for these all day, and a path is looked for from the first to the last.
        self._tools(app)
        for router in self._routers:
            app.include_router(router)
        if self._origins:
            app.add_middleware(
                CORSMiddleware,
                allow_origins=self._origins,
                allow_methods=["GET", "POST"],
                allow_headers=["authorization", "content-type"],
                max_age=600,
            )

        async def log_in_again(request: Request, _: Exception) -> Response:
            if request.method == "GET" and not request.url.path.endswith(STREAMS):
                return to(LOGIN)
            return page(self._pages.login(None, message=Message("error", "Your session is over.")), 401)

        app.add_exception_handler(SessionOverError, log_in_again)

        def document() -> dict[str, Any]:
            whole = app.openapi()
            return {**whole, "paths": {path: methods for path, methods in whole["paths"].items() if not hides(path)}}

        @app.get("/openapi.json", include_in_schema=False)
        async def openapi() -> JSONResponse:
            return JSONResponse(document())

        app.include_router(docs_router(document))


@contextlib.asynccontextmanager
async def open_admin(backstage: Backstage, watcher: Watcher, events: Events) -> AsyncIterator[Admin]:
    """Lend the admin while it is served."""
    settings = backstage.settings
    store = SecretStore.of(settings)
    entering = Entering(settings, store, lambda: lent(backstage.link), deadline=LOCK_DEADLINE)
    desk = Desk(
        settings,
        events,
        link=backstage.link,
        entering=entering,
        reload=backstage.reload,
        view=lambda: watcher.view,
    )
    sessions = Sessions()
    admission = Admission(settings, sessions, desk.role_of)
    agents = AgentDesk(settings, events, link=backstage.link, tokens=TokenStore(backstage.tokens))
    forms = Forms(admission, desk)
    watch = FleetWatch(desk.fleet, wanted=lambda: settings.has_board or watcher.view.skills is not None)
    hides = hidden_by(lambda: watcher.view, settings)
    pages = PageMaker(
        desk, watch, is_there=lambda path: not hides(path) and (path != BOARD or backstage.pool is not None)
    )
    syncs = TemplateSync(backstage.on_demand, events)
    try:
        async with _running(watch.run()), _board(backstage, pages, forms, events) as (tools, board):
            yield Admin(
                (
                    admin_router(desk, admission),
                    templates_router(syncs, admitted_by(admission, desk)),
                    agent_router(agents, settings),
                    login_router(pages, desk, forms, sessions, Logins(backstage.logins)),
                    pages_router(pages, desk, forms, watch),
                    *board,
                ),
                pages,
                tools=tools,
                origins=admission.origins,
            )
    finally:
        await syncs.close()
        await admission.close()


@contextlib.asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Let something be done beside a block."""
    working = asyncio.create_task(work, name="watch")
    try:
        yield
    finally:
        working.cancel()
        await asyncio.wait([working])


@contextlib.asynccontextmanager
async def _board(
    backstage: Backstage, pages: PageMaker, forms: Forms, events: Events
) -> AsyncIterator[tuple[Callable[[FastAPI], None], tuple[APIRouter, ...]]]:
    """Lend what agents and people ask of the board, where there is one; else nothing of it is imported."""
    if backstage.pool is None or backstage.watch is None:
        yield lambda _: None, ()
        return
    from agent_config_sync.runtime.github import github_of  # noqa: PLC0415
    from agent_config_sync.runtime.tools.definition import Bench  # noqa: PLC0415
    from agent_config_sync.web.board_desk import BoardDesk  # noqa: PLC0415
    from agent_config_sync.web.board_page_maker import BoardPageMaker  # noqa: PLC0415
    from agent_config_sync.web.board_pages import board_router  # noqa: PLC0415
    from agent_config_sync.web.tool_api import join_tools  # noqa: PLC0415

    settings, lent = backstage.settings, backstage.pool.lent
    desk, github = BoardDesk(settings.account, lent), github_of(settings)
    try:
        yield (
            lambda app: join_tools(app, settings, Bench(lent, github, events.emit)),
            (board_router(desk, BoardPageMaker(pages, desk), forms, backstage.watch),),
        )
    finally:
        if github is not None:
            await github.close()
