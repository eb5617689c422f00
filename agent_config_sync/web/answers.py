"""What an answer says when something was not done, and with which status."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from agent_config_sync.errors import (
    BoardArgumentsError,
    BoardConflictError,
    BoardForbiddenError,
    BoardInvalidError,
    BoardNotFoundError,
    DatabaseError,
    HeldError,
    KeyRefusedError,
    LockedError,
    RevokedCredentialError,
    StoppedError,
    SyncError,
    UnknownBoardError,
    UnknownCredentialError,
    UnknownGatewayError,
    WebError,
)


class Problem(BaseModel):
    """The body of every error."""

    error: str


class Failure(Problem):
    """The body of those that people's and agents' programs get."""

    success: Literal[False] = False


def status_of(error: SyncError) -> int:
    """Return the HTTP status for an error of ours."""
    match error:
        case WebError():
            return error.status
        case UnknownCredentialError() | UnknownGatewayError() | BoardNotFoundError():
            return 404
        case RevokedCredentialError() | HeldError() | BoardConflictError():
            return 409
        case BoardArgumentsError():
            return 400
        case BoardForbiddenError():
            return 403
        case KeyRefusedError() | UnknownBoardError() | BoardInvalidError():
            return 422
        case DatabaseError() | LockedError() | StoppedError():
            return 503
        case _:
            return 500
