"""A page as an answer: what it may load, and what a browser may do with it."""

from __future__ import annotations

from fastapi.responses import HTMLResponse, RedirectResponse

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing from elsewhere, and no script or style that stands in the page itself."""


def page(text: str, status: int = 200) -> HTMLResponse:
    """Return a page."""
    # Without a referrer to its own host a browser would not say of a form where it comes from either.
    return HTMLResponse(text, status, headers={"content-security-policy": POLICY, "referrer-policy": "same-origin"})


def to(path: str) -> RedirectResponse:
    """Send a browser to a page of ours, to be read."""
    return RedirectResponse(path, 303)
