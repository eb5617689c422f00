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

_MOST_FIELDS = 20


class SessionOverError(Exception):
    """Whoever asks has to log in anew."""


@dataclass(frozen=True, slots=True)
class Form:
    """What a person sent."""

    session: Session
    fields: Mapping[str, str]


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

    async def read(self, request: Request) -> Form:
        """Return a form of somebody who is logged in.

        Raises: HTTPException 400, 403, 413, 415; SessionOverError.
        """
        fields = await self.read_of_stranger(request)
        session = self.session(request)
        if not is_form_of(session, fields.get("csrf")):
            await self._desk.refuse(session.person, "the form is of another session")
            raise HTTPException(403, "this form is of another session: load the page again")
        return Form(session, fields)

    async def read_of_stranger(self, request: Request) -> Mapping[str, str]:
        """Return the fields of a form of whoever sent it.

        Raises: HTTPException 400, 403, 413, 415.
        """
        if not is_of_own_page(request.headers):
            await self._desk.refuse("a page", "it is of another origin")
            raise HTTPException(403, "this form was not sent from a page of ours")
        expect(request, KIND, largest=LARGEST)
        text = (await read(request, largest=LARGEST)).decode("utf-8", "replace")
        try:
            return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS))
        except ValueError:
            raise HTTPException(400, "this is no form of ours") from None
