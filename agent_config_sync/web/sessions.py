"""Who is logged in with a browser. Sessions live in memory: they end with the process, and none is on disk."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

COOKIE = "agent_config_sync_session"

IDLE = 3600.0
"""Seconds without a request after which a session ends."""

LONGEST = 12 * 3600.0
"""Seconds after which a session ends in any case."""

MOST = 100
"""Sessions at a time; the one that was used least recently makes room."""

_BYTES = 32


@dataclass(frozen=True, slots=True)
class Session:
    """person: as in the history of keys; csrf: what each form of its pages carries; began, used: monotonic seconds."""

    person: str
    csrf: str
    began: float
    used: float


class Sessions:
    """Sessions by the hash of their cookie, so that a look into the memory of the process opens none."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: dict[str, Session] = {}

    def begin(self, person: str) -> str:
        """Return the cookie of a new session."""
        cookie, now = secrets.token_urlsafe(_BYTES), self._clock()
        self._open[_hash(cookie)] = Session(person, secrets.token_urlsafe(_BYTES), now, now)
        while len(self._open) > MOST:
            del self._open[min(self._open, key=lambda each: self._open[each].used)]
        return cookie

    def find(self, cookie: str | None) -> Session | None:
        """Return the session of a cookie, None if it is over."""
        if cookie is None:
            return None
        key, now = _hash(cookie), self._clock()
        session = self._open.get(key)
        if session is None:
            return None
        if now - session.used > IDLE or now - session.began > LONGEST:
            del self._open[key]
            return None
        self._open[key] = session = replace(session, used=now)
        return session

    def end(self, cookie: str | None) -> None:
        self._open.pop(_hash(cookie or ""), None)


def is_form_of(session: Session, sent: str | None) -> bool:
    """Return whether a form comes from a page of this session."""
    return sent is not None and hmac.compare_digest(session.csrf.encode(), sent.encode())


def _hash(cookie: str) -> str:
    return hashlib.sha256(cookie.encode("utf-8", "replace")).hexdigest()
