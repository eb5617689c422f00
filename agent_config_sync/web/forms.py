"""Forms of our pages: sent by a browser from one of them, in the session to which it belongs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from fastapi import HTTPException, Request

from agent_config_sync.web.admission import Admission, is_of_own_page
from agent_config_sync.web.bodies import expect, read
from agent_config_sync.web.desk import Desk
from agent_config_sync.web.sessions import Session, is_form_of

KIND = "application/x-www-form-urlencoded"

LARGEST = 128 * 1024
"""Bytes; of a key each character may take twelve in a form."""

MOST_FIELDS = 20


class SessionOverError(Exception):
    """Whoever asks has to log in anew."""


@dataclass(frozen=True, slots=True)
class Form:
    """What a person sent."""

    session: Session
    pairs: tuple[tuple[str, str], ...]

    @property
    def fields(self) -> Mapping[str, str]:
        """Each field by its name, of several of one name the last."""
        return dict(self.pairs)

    def each(self, name: str) -> tuple[str, ...]:
        """Return what all fields of a name say."""
        return tuple(value for field, value in self.pairs if field == name)

    def text(self, name: str) -> str:
        """Return what a person wrote in a field, without empty lines around it; in a form lines end otherwise."""
        return self.fields.get(name, "").replace("\r\n", "\n").rstrip().lstrip("\n")


class Forms:
    """Reads forms, and turns away what no page of ours has sent."""

    def __init__(self, admission: Admission, desk: Desk) -> None:
        self._admission = admission
        self._desk = desk

    def session(self, request: Request) -> Session:
        """Return whose request it is.

        Raises: SessionOverError.
        """
        session = self._admission.session_of(request.cookies)
        if session is None:
            raise SessionOverError
        return session

    async def read(self, request: Request, *, largest: int = LARGEST, most: int = MOST_FIELDS) -> Form:
        """Return a form of somebody who is logged in. largest: bytes; most: fields.

        Raises: HTTPException 400, 403, 413, 415; SessionOverError.
        """
        pairs = await self._pairs(request, largest, most)
        form = Form(self.session(request), tuple(pairs))
        if not is_form_of(form.session, form.fields.get("csrf")):
            await self._desk.refuse(form.session.person, "the form is of another session")
            raise HTTPException(403, "this form is of another session: load the page again")
        return form

    async def read_of_stranger(self, request: Request) -> Mapping[str, str]:
        """Return the fields of a form of whoever sent it.

        Raises: HTTPException 400, 403, 413, 415.
        """
        return dict(await self._pairs(request, LARGEST, MOST_FIELDS))

    async def _pairs(self, request: Request, largest: int, most: int) -> list[tuple[str, str]]:
        if not is_of_own_page(request.headers):
            await self._desk.refuse("a page", "it is of another origin")
            raise HTTPException(403, "this form was not sent from a page of ours")
        expect(request, KIND, largest=largest)
        text = (await read(request, largest=largest)).decode("utf-8", "replace")
        try:
            return parse_qsl(text, keep_blank_values=True, max_num_fields=most)
        except ValueError:
            raise HTTPException(400, "this is no form of ours") from None
