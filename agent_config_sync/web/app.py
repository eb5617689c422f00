"""The HTTP application: what it answers, and what every answer carries."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from email.utils import formatdate
from functools import lru_cache
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent_config_sync.errors import SyncError, UnauthorizedError
from agent_config_sync.settings import Settings
from agent_config_sync.web.answers import Failure, Problem, status_of
from agent_config_sync.web.health import Health, Ready, VersionAnswer, health, ready, versions
from agent_config_sync.web.memory import resident
from agent_config_sync.web.metrics import CONTENT_TYPE, Metrics
from agent_config_sync.web.runtime_health import infrastructure_of
from agent_config_sync.web.runtime_metrics import MetricsAnswer, metrics_answer
from agent_config_sync.web.view import View

if TYPE_CHECKING:
    from agent_config_sync.web.admin import Admin

JSON = "application/json"

READ = ["GET", "HEAD"]

OF_SKILLS = ("/admin/skills", "/admin/reload", "/agent/skill-")
"""Beginnings of the paths that are there for agents who may install skills."""

FOR_PROGRAMS = ("/admin", "/agent/", "/api/")
"""Beginnings of the paths that people's and agents' programs ask."""

ALWAYS = {
    "cache-control": "no-store",
    "connection": "close",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""Headers of every answer. A connection carries one request, so that none is held open between two scrapes."""


_ALWAYS = tuple((name.encode(), value.encode()) for name, value in ALWAYS.items())


class Live(BaseModel):
    live: bool = True


def make_app(view: Callable[[], View], settings: Settings, *, local: bool, admin: Admin | None = None) -> ASGIApp:
    """Return the application. view: where the sync stands now; local: whether only this machine can reach it; admin:
    pages and endpoints for people and agents, those about skills hidden while agents may not install any."""
    app = FastAPI(title="agent-config-sync", openapi_url=None, redirect_slashes=False)
    gateway, account, infrastructure = settings.gateway, settings.account, infrastructure_of(settings)
    metrics = Metrics(view, gateway=gateway, account=account)

    hides = hidden_by(view, settings)

    if admin is not None:
        admin.join(app, hides)

    @app.get("/live")
    @app.api_route("/live", methods=READ, include_in_schema=False)
    async def live() -> Live:
        """The process is alive."""
        return Live()

    @app.get("/ready")
    @app.api_route("/ready", methods=READ, include_in_schema=False)
    async def is_ready(response: Response) -> Ready:
        """Whether the gateway's files are kept in step now; 503 where they are not."""
        answer = ready(view())
        response.status_code = 200 if answer.ready else 503
        return answer

    @app.get("/health")
    @app.api_route("/health", methods=READ, include_in_schema=False)
    async def whole_health() -> Health:
        """Where the sync stands, and what troubles it."""
        return health(
            view(),
            gateway=gateway,
            account=account,
            now=time.time(),
            infrastructure=infrastructure,
            rss=resident(),
        )

    @app.get("/version")
    @app.api_route("/version", methods=READ, include_in_schema=False)
    async def version() -> VersionAnswer:
        """What runs here, in which versions."""
        return versions(view(), infrastructure)

    @app.get("/metrics", responses={200: {"model": MetricsAnswer, "content": {CONTENT_TYPE: {}}}})
    @app.api_route("/metrics", methods=READ, include_in_schema=False)
    async def exposition(request: Request) -> Response:
        """As text for Prometheus, or as JSON for whoever accepts `application/json`."""
        vary = {"vary": "accept"}
        if JSON not in request.headers.get("accept", "").lower():
            return Response(metrics.exposition(), media_type=CONTENT_TYPE, headers=vary)
        numbers = metrics_answer(view(), now=time.time(), rss=resident())
        return Response(numbers.model_dump_json(), media_type=JSON, headers=vary)

    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _unfit)
    app.add_exception_handler(SyncError, _failed)
    app.add_exception_handler(Exception, _broken)
    # Outside everything, so that a 500 has its headers too.
    return Manners(app, local=local, hides=hides)


def hidden_by(view: Callable[[], View], settings: Settings) -> Callable[[str], bool]:
    """Return what says whether a path is as if it was not there now."""
    hidden = OF_SKILLS if settings.has_board else ("/admin", "/agent/")
    return lambda path: view().skills is None and path.startswith(hidden)


class Manners:
    """Gives every answer its headers, and turns away requests that came by a foreign name.

    A page in a browser on this machine could otherwise read what is served on loopback, by a name of its own that it
    lets point here (DNS rebinding). An address cannot be made to point elsewhere.
    """

    def __init__(self, app: ASGIApp, *, local: bool, hides: Callable[[str], bool] = lambda _: False) -> None:
        """hides: whether a path is as if it was not there."""
        self._app = app
        self._local = local
        self._hides = hides

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message["headers"]}  # in lower case, as ASGI has them
                message["headers"] = [
                    *message["headers"],
                    *(header for header in _ALWAYS if header[0] not in given),
                    (b"date", formatdate(usegmt=True).encode()),
                ]
            await send(message)

        if self._local and not _is_own(Headers(scope=scope).get("host", "")):
            refusal = JSONResponse(_body(scope["path"], "this name is not served here: use the address"), 421)
            await refusal(scope, receive, send_with_headers)
            return
        if scope["type"] == "http" and self._hides(scope["path"]):
            refusal = JSONResponse(_body(scope["path"], "Not Found"), 404)
            await refusal(scope, receive, send_with_headers)
            return
        await self._app(scope, receive, send_with_headers)


@lru_cache(maxsize=256)
def _is_own(host: str) -> bool:
    """Return whether a Host header names this machine beyond doubt: an address, localhost, or nothing (HTTP/1.0)."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    if name.lower() in ("", "localhost"):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _body(path: str, error: str) -> dict[str, object]:
    """Return the body of an error; people's and agents' programs look for `success`."""
    return (Failure if path.startswith(FOR_PROGRAMS) else Problem)(error=error).model_dump()


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # the only ones that come here
    return JSONResponse(_body(request.url.path, error.detail), error.status_code, headers=error.headers)


async def _unfit(request: Request, error: Exception) -> Response:
    """An option of the query is not as it should be; what was sent is not said again."""
    assert isinstance(error, RequestValidationError)  # the only ones that come here
    first = error.errors()[0]
    what = "there is no such option" if first["type"] == "extra_forbidden" else first["msg"]
    return JSONResponse(_body(request.url.path, f"{'.'.join(map(str, first['loc'][1:]))}: {what}"), 422)


async def _failed(request: Request, error: Exception) -> Response:
    """What our own errors say is for people to read."""
    assert isinstance(error, SyncError)  # the only ones that come here
    headers = {"www-authenticate": "Bearer"} if isinstance(error, UnauthorizedError) else None
    return JSONResponse(_body(request.url.path, str(error)), status_of(error), headers=headers)


async def _broken(request: Request, _: Exception) -> Response:
    """What went wrong is in the log; a client learns no more than that."""
    return JSONResponse(_body(request.url.path, "internal error, see the log"), 500)
