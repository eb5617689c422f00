"""The page "Board", those of its tasks and documents, and what their forms send. Each works without JavaScript too."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeAlias
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from agent_config_sync.board.model import STATUSES, TaskStatus
from agent_config_sync.board.overview import Told
from agent_config_sync.board.tasks import NewTask, missing
from agent_config_sync.errors import BoardInvalidError, BoardNotFoundError, SyncError
from agent_config_sync.postgres.work_watch import WorkWatch
from agent_config_sync.web.admin_pages import sentence
from agent_config_sync.web.answers import status_of
from agent_config_sync.web.board_desk import BoardDesk
from agent_config_sync.web.board_page_maker import WORDS, BoardPageMaker, View
from agent_config_sync.web.forms import Form, Forms
from agent_config_sync.web.page_answers import page, to
from agent_config_sync.web.page_maker import BOARD, Message
from agent_config_sync.web.sessions import Session
from agent_config_sync.web.streams import answer, changes

LARGEST = 1536 * 1024
"""Bytes of a form: 100,000 characters may take twelve each."""

MOST_FIELDS = 1000
"""Of a form: a new task may have as many assignees."""

Number: TypeAlias = Annotated[int, Query(alias="page", ge=1, le=100_000)]
"""Of a page of a column."""

_AS = {"mention": "mentioned", "thread_update": "follows"}

_DONE = {
    "created": "The task is on the board.",
    "joined": "One more works on it.",
    "left": "One less works on it.",
    "requeued": "It is queued again.",
}
"""What a page says of what was done, where it was no move: those go by their status."""


def board_router(desk: BoardDesk, pages: BoardPageMaker, forms: Forms, watch: WorkWatch) -> APIRouter:
    """Return the pages and what their forms send."""
    router = APIRouter(prefix=BOARD, include_in_schema=False)

    async def shown(request: Request, show: Callable[[Session], Awaitable[str]]) -> Response:
        """Return a page, or one that says why there is none."""
        session = forms.session(request)
        try:
            return page(await show(session))
        except SyncError as error:
            return page(pages.empty(session, _refusal(error)), status_of(error))

    def live(request: Request, read: Callable[[], Awaitable[str]]) -> Response:
        """Return a part of a page whenever it is another."""
        return answer(changes(read, watch.watching, request.headers.get("last-event-id")))

    async def decided(
        request: Request, decide: Callable[[Form], Awaitable[str]], again: Callable[[Form, Message], Awaitable[str]]
    ) -> Response:
        """Do what a form asks for, and send the browser on; or return the page `again`, with why it was not done."""
        form = await forms.read(request, largest=LARGEST, most=MOST_FIELDS)
        try:
            return to(await decide(form))
        except SyncError as error:
            message, status = _refusal(error), status_of(error)
        try:
            return page(await again(form, message), status)
        except SyncError:
            return page(pages.empty(form.session, message), status)

    def of_task(task: str) -> Callable[[Form, Message], Awaitable[str]]:
        async def again(form: Form, message: Message) -> str:
            return await pages.task(form.session, _id(task), message, draft=form.text("content"))

        return again

    @router.get("")
    async def board(request: Request, status: str = "", number: Number = 1, did: str = "") -> Response:
        message = Message("ok", _DONE[did]) if did in _DONE else None
        return await shown(request, lambda session: pages.board(session, View.of(status, number), message))

    @router.get("/events")
    async def board_events(request: Request, status: str = "", number: Number = 1) -> Response:
        session, view = forms.session(request), View.of(status, number)
        return live(request, lambda: pages.board_parts(session, view))

    @router.post("")
    async def create(request: Request) -> Response:
        async def decide(form: Form) -> str:
            new = NewTask(
                title=form.text("title"),
                description=form.text("description") or None,
                priority=_priority(form.text("priority")),
            )
            task = await desk.create(desk.person(form.session.person), new, form.each("assignee"))
            return _address(task, did="created")

        async def again(form: Form, message: Message) -> str:
            draft = {**form.fields, "assignees": form.each("assignee")}
            return await pages.board(form.session, View(), message, draft=draft)

        return await decided(request, decide, again)

    @router.get("/documents/{document}")
    async def document(request: Request, document: str) -> Response:
        return await shown(request, lambda session: pages.document(session, _id(document, what="document")))

    @router.get("/{task}")
    async def task(request: Request, task: str, did: str = "", told: str = "") -> Response:
        async def show(session: Session) -> str:
            return await pages.task(session, _id(task), await _became(desk, session.person, did, told))

        return await shown(request, show)

    @router.get("/{task}/events")
    async def task_events(request: Request, task: str) -> Response:
        session, wanted = forms.session(request), _id(task)
        return live(request, lambda: pages.task_parts(session, wanted))

    @router.post("/{task}/comment")
    async def comment(request: Request, task: str) -> Response:
        async def decide(form: Form) -> str:
            message = await desk.comment(desk.person(form.session.person), _id(task), form.text("content"))
            return _address(_id(task), told=message)

        return await decided(request, decide, of_task(task))

    @router.post("/{task}/assign")
    async def assign(request: Request, task: str) -> Response:
        async def decide(form: Form) -> str:
            person = desk.person(form.session.person)
            more, fewer = form.each("more"), form.each("fewer")
            await desk.assign(person, _id(task), more=more, fewer=fewer)
            return _address(_id(task), did="joined" if more else "left")

        return await decided(request, decide, of_task(task))

    @router.post("/{task}/move")
    async def move(request: Request, task: str) -> Response:
        async def decide(form: Form) -> str:
            status, seen = _status(form.text("status")), form.text("seen")
            await desk.move(
                desk.person(form.session.person),
                _id(task),
                status,
                reason=form.text("reason"),
                expected=_status(seen) if seen else None,
            )
            return _address(_id(task), did=status)

        return await decided(request, decide, of_task(task))

    @router.post("/requeue")
    async def requeue(request: Request) -> Response:
        async def again(form: Form, message: Message) -> str:
            if form.text("task"):
                return await pages.task(form.session, _id(form.text("task")), message)
            return await pages.board(form.session, View(), message)

        return await decided(request, lambda form: _requeue(desk, form), again)

    return router


async def _requeue(desk: BoardDesk, form: Form) -> str:
    """Let a notification be tried again; return where the form was. Raises: BoardError, DatabaseError."""
    await desk.requeue(desk.person(form.session.person), _id(form.text("notification"), what="notification"))
    task = form.text("task")
    return _address(_id(task), did="requeued") if task else f"{BOARD}?did=requeued"


def _refusal(error: SyncError) -> Message:
    return Message("error", sentence(str(error)))


def _address(task: UUID, **what: object) -> str:
    """Return where a task is shown, with what has become of it."""
    return f"{BOARD}/{task}?{urlencode(what)}"


async def _became(desk: BoardDesk, person: str, did: str, told: str) -> Message | None:
    """Return what a page says of what was done a moment ago."""
    if told:
        try:
            message = UUID(told)
        except ValueError:
            return None
        return Message("ok", _told_line(await desk.told(desk.person(person), message)))
    if did in WORDS:
        return Message("ok", f"It is moved: {WORDS[did]}.")
    return Message("ok", _DONE[did]) if did in _DONE else None


def _told_line(told: tuple[Told, ...]) -> str:
    if not told:
        return "Posted. Nobody else is told."
    said = [f"{each.agent or each.user_id} ({_AS.get(each.type, each.type)})" for each in told]
    return f"Posted. Told: {', '.join(said)}."


def _id(said: str, *, what: str = "task") -> UUID:
    """Return an id. Raises: BoardNotFoundError, for what can be none is as unknown as any other."""
    try:
        return UUID(said)
    except ValueError:
        if what == "task":
            raise missing(said) from None
        raise BoardNotFoundError(f"Not found: {what} {said[:100]}") from None


def _status(said: str) -> TaskStatus:
    """Raises: BoardInvalidError."""
    for status in STATUSES:
        if status == said:
            return status
    raise BoardInvalidError(f"Invalid status: one of {', '.join(STATUSES)}")


def _priority(said: str) -> int:
    """Raises: BoardInvalidError."""
    if said in ("1", "2", "3", "4", "5"):
        return int(said)
    raise BoardInvalidError("Invalid priority: 1 (highest) to 5 (lowest)")
