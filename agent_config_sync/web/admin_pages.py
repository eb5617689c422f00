"""The pages "Skills & Credentials" and "Fleet", and what their forms send. Each form works without JavaScript too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import FileResponse

from agent_config_sync.errors import SyncError
from agent_config_sync.web.answers import status_of
from agent_config_sync.web.desk import Desk, Effect
from agent_config_sync.web.fleet_watch import FleetWatch
from agent_config_sync.web.forms import Form, Forms
from agent_config_sync.web.page_answers import page, to
from agent_config_sync.web.page_maker import FLEET, SKILLS, Message, PageMaker
from agent_config_sync.web.streams import OPENING, STREAM, answer, event

STATIC: Mapping[str, str] = {
    "admin.css": "text/css; charset=utf-8",
    "board.css": "text/css; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
    "hx-sse.min.js": "text/javascript; charset=utf-8",
}
"""What pages load, with its type; VENDORED.md there says where the scripts are from."""

_FOLDER = Path(__file__).parent / "static"

_WORDS: Mapping[str, str] = {
    "applied": "the gateway runs with it",
    "pending": "the gateway is given it",
    "restart_required": "the gateway takes it when it starts",
}


def pages_router(pages: PageMaker, desk: Desk, forms: Forms, watch: FleetWatch) -> APIRouter:
    """Return the pages and what their forms send."""
    router = APIRouter(include_in_schema=False)

    async def decided(request: Request, decide: Callable[[Form], Awaitable[Message]]) -> Response:
        """Do what a form asks for, and return the page with what became of it."""
        form = await forms.read(request)
        try:
            message, status = await decide(form), 200
        except SyncError as error:
            message, status = Message("error", sentence(str(error))), status_of(error)
        return page(await pages.skills(form.session, message), status)

    @router.get("/admin")
    async def begin() -> Response:
        return to(pages.first)

    @router.get(SKILLS)
    async def skills(request: Request) -> Response:
        return page(await pages.skills(forms.session(request)))

    @router.post("/admin/skills/enter")
    async def enter(request: Request) -> Response:
        async def decide(form: Form) -> Message:
            ref, key = form.fields.get("ref", ""), form.fields.get("key", "")
            effect = await desk.enter(ref, key, person=form.session.person)
            return _of_effect("The key is kept on this machine", effect)

        return await decided(request, decide)

    @router.post("/admin/skills/revoke")
    async def revoke(request: Request) -> Response:
        async def decide(form: Form) -> Message:
            await desk.revoke(form.fields.get("ref", ""), person=form.session.person)
            return Message("ok", "Taken back.")

        return await decided(request, decide)

    @router.post("/admin/skills/reload")
    async def reload(request: Request) -> Response:
        async def decide(_: Form) -> Message:
            return _of_effect("The gateway was told", await desk.reload())

        return await decided(request, decide)

    @router.get(FLEET)
    async def fleet(request: Request) -> Response:
        return page(await pages.fleet(forms.session(request)))

    @router.get(f"{FLEET}/events")
    async def fleet_events(request: Request) -> Response:
        forms.session(request)
        return answer(_stream(pages, watch))

    @router.get("/admin/static/{name}")
    async def static(name: str) -> Response:
        if name not in STATIC:
            raise HTTPException(404, "there is no such file")
        return FileResponse(_FOLDER / name, media_type=STATIC[name])

    return router


async def _stream(pages: PageMaker, watch: FleetWatch) -> AsyncIterator[str]:
    """Yield the rows whenever they are others than before."""
    yield OPENING
    said = None
    end = asyncio.get_running_loop().time() + STREAM
    try:
        async with watch.watching() as looked:
            while True:
                rows = pages.fleet_rows()
                if rows != said:
                    said = rows
                    yield event(rows)
                async with asyncio.timeout_at(end), looked:
                    await looked.wait()
    except TimeoutError:
        return


def _of_effect(done: str, effect: Effect) -> Message:
    text = f"{done}, and {_WORDS[effect.reload]}."
    if effect.why is not None:
        text += f" {sentence(effect.why)}"
    return Message("ok" if effect.reload == "applied" else "warning", text, offers_reload=effect.reload != "applied")


def sentence(text: str) -> str:
    """Return what an error says, as a sentence of a page."""
    return f"{text[:1].upper()}{text[1:]}."
