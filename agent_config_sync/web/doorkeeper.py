"""Who is let into the endpoints of people: whoever has a token of the provider, but no page that may not ask."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import HTTPException, Request

from agent_config_sync.web.admission import Admission, ForbiddenError, is_of_own_page
from agent_config_sync.web.desk import Desk


def admitted_by(admission: Admission, desk: Desk) -> Callable[[Request], Awaitable[str]]:
    """Return a dependency that says who asks, and turns away whoever may not."""

    async def admitted(request: Request) -> str:
        """Raises: HTTPException 403, 404; as Admission."""
        if not admission.takes_tokens:  # then nobody could
            raise HTTPException(404, "Not Found")
        await _refuse_foreign_pages(request, admission, desk)
        try:
            return await admission.by_token(request.headers.get("authorization"))
        except ForbiddenError as error:
            await desk.refuse(error.person, str(error))
            raise HTTPException(403, str(error)) from None

    return admitted


async def _refuse_foreign_pages(request: Request, admission: Admission, desk: Desk) -> None:
    """Raises: HTTPException 403 for a page in a browser that was not given leave to ask."""
    origin = request.headers.get("origin")
    if origin is not None and origin not in admission.origins and not is_of_own_page(request.headers):
        await desk.refuse("a page", "it is of another origin")
        raise HTTPException(403, "this page may not ask here: its origin is not among token_parties")
