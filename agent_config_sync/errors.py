"""The errors of agent-config-sync; every message says what happened, where, and the way out.

SyncError
├── SettingsError          a setting is missing, unknown or out of range
│   ├── UnknownGatewayError   a command means another gateway than the one here
│   └── UnknownBoardError     a command means a board that the account does not have
├── DatabaseError          the pass could not read the database
│   ├── UnreachableError   no connection: refused, timed out, unknown host, server full or starting
│   ├── LoginError         wrong password, unknown role or database
│   ├── RightsError        the login may not read or write a table
│   ├── SchemaError        a table or column is missing
│   ├── ReadOnlyError      LISTEN was asked of a hot standby
│   ├── RolledBackError    a transaction stood against another one, and nothing of it is there
│   ├── PoolerError        a transaction-mode pooler stands between us and the server
│   └── SilentError        notifications no longer arrive
├── RenderError            a template or a skill could not be rendered
├── RefusedError           the result would break the gateway's rules; the last good files stay
│   └── HeldError          a restored set is held in place: nothing is written until `resume`
├── PublishError           a file could not be written
│   └── LockedError        another process holds the output
├── CredentialError        a key of a skill could not be entered or taken back
│   ├── UnknownCredentialError   nobody has asked for it at this gateway
│   ├── RevokedCredentialError   it was taken back, and nobody has asked anew
│   └── KeyRefusedError          what was entered can be no key
├── ReloadError            the gateway could not be told, or asked
│   └── NotAppliedError    it was asked, and has not applied what is on its disk
├── GatewayError           an agent could not be asked, or its gateway gave no usable answer
│   ├── GatewayAwayError   no connection: nothing was begun
│   ├── GatewayBusyError   it takes nothing now: nothing was begun
│   ├── GatewayFailedError    it took the request, which may have run: no answer, half of one, or that it failed
│   ├── GatewayTokenError  it does not know our token
│   └── GatewayRefusedError   it never takes this request
│       ├── GatewayOffError   it takes none at all: the endpoint is switched off
│       ├── AgentUnknownError    it has no such agent, or not yet
│       └── ToolsRefusedError    it takes no such tools
├── WorktreeError          git failed, or something stands in the place of a task's worktree
│   └── UnkeptWorkError    a worktree holds work that is nowhere else
├── WebError               a request over HTTP is turned away
│   ├── UnauthorizedError  its token does not prove who asks
│   └── KeysUnavailableError  the keys that tokens are checked with cannot be fetched, and none is known
├── BoardError             what somebody wants of the board is refused
│   ├── BoardForbiddenError  they may not
│   ├── BoardNotFoundError   it is not there, or of another account
│   ├── BoardConflictError   it stands against what is there
│   ├── BoardInvalidError    it makes no sense
│   └── BoardArgumentsError  it is not said as it has to be
├── LeaseLostError         a turn of an agent is another process's by now; nothing more of it counts
├── NoServerError          no PostgreSQL could be started for the demo or a test
└── StoppedError           stop() was called; nothing is written or signalled any more
"""

from __future__ import annotations

from typing import ClassVar


class SyncError(Exception):
    """Base of all errors that an operator may see; its text is safe to print and holds no secret."""


class SettingsError(SyncError):
    """A setting is missing, unknown or out of range."""


class UnknownGatewayError(SettingsError):
    """A command means another gateway than the one here."""


class UnknownBoardError(SettingsError):
    """A command means a board that the account does not have."""


class DatabaseError(SyncError):
    """The database could not be read."""


class UnreachableError(DatabaseError):
    """No connection could be made, or it was lost."""


class RolledBackError(DatabaseError):
    """A transaction stood against another one, and nothing of it is there: it can be tried again."""


class LoginError(DatabaseError):
    """The server refused the login or does not have the database."""


class RightsError(DatabaseError):
    """The login lacks a right."""


class SchemaError(DatabaseError):
    """A table or column that we read is missing."""


class ReadOnlyError(DatabaseError):
    """The server is a hot standby, which takes no LISTEN."""


class PoolerError(DatabaseError):
    """A transaction-mode pooler swallows notifications."""


class SilentError(DatabaseError):
    """A notification of our own did not come back in time."""


class RenderError(SyncError):
    """A template or a skill could not be rendered; template names it."""

    def __init__(self, template: str, line: int | None, what: str) -> None:
        super().__init__(f"{template}{f', line {line}' if line is not None else ''}: {what}")
        self.template = template
        self.line = line


class RefusedError(SyncError):
    """The rendered files would break the gateway's rules or empty its roster."""


class HeldError(RefusedError):
    """A restored set is held in place, and nothing is written until that is ended."""


class PublishError(SyncError):
    """A file could not be written."""


class LockedError(PublishError):
    """Another process holds the output and did not let go in time."""


class CredentialError(SyncError):
    """A key of a skill could not be entered or taken back."""


class UnknownCredentialError(CredentialError):
    """Nobody has asked for it at this gateway."""


class RevokedCredentialError(CredentialError):
    """It was taken back, and nobody has asked for it anew."""


class KeyRefusedError(CredentialError):
    """What was entered can be no key."""


class ReloadError(SyncError):
    """The gateway could not be told of new files, or asked what it runs with."""


class NotAppliedError(ReloadError):
    """The gateway was asked, and has not applied what is on its disk."""


class GatewayError(SyncError):
    """An agent could not be asked, or its gateway gave no usable answer; the text holds nothing of what was asked."""


class GatewayAwayError(GatewayError):
    """No connection could be made; nothing was begun, and it may be asked again."""


class GatewayBusyError(GatewayError):
    """It takes nothing now; nothing was begun. retry_after: seconds for which it wants to be left alone, if it says."""

    def __init__(self, text: str, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class GatewayFailedError(GatewayError):
    """It took the request, which may have run, and gave no answer, half of one, or said that it failed."""


class GatewayTokenError(GatewayError):
    """It does not know our token, or grants it too little."""


class GatewayRefusedError(GatewayError):
    """It never takes this request; nothing was begun."""


class GatewayOffError(GatewayRefusedError):
    """It takes no request at all: the endpoint is switched off, or the address is of something else."""


class AgentUnknownError(GatewayRefusedError):
    """It has no such agent; it may have it once it has applied what is in the database."""


class ToolsRefusedError(GatewayRefusedError):
    """It takes no such tools; without them it may take the request."""


class WorktreeError(SyncError):
    """git failed, or something stands in the place of a task's worktree."""


class UnkeptWorkError(WorktreeError):
    """A worktree holds work that is nowhere else."""


class WebError(SyncError):
    """A request over HTTP is turned away; status is the answer's."""

    status: ClassVar[int]


class UnauthorizedError(WebError):
    """The token of a request does not prove who asks; the text holds nothing of the token."""

    status = 401


class KeysUnavailableError(WebError):
    """The keys that tokens are checked with cannot be fetched, and none is known."""

    status = 503


class BoardError(SyncError):
    """What somebody wants of the board is refused; nothing of it was done."""


class BoardForbiddenError(BoardError):
    """They may not."""


class BoardNotFoundError(BoardError):
    """It is not there, or of another account: nobody learns which."""


class BoardConflictError(BoardError):
    """It stands against what is there."""


class BoardInvalidError(BoardError):
    """It makes no sense."""


class BoardArgumentsError(BoardError):
    """What a tool is to do is not said as it has to be."""


class LeaseLostError(SyncError):
    """A turn of an agent is another process's by now; nothing more of it counts."""


class NoServerError(SyncError):
    """No PostgreSQL could be started for the demo or a test."""


class StoppedError(SyncError):
    """The process was stopped; nothing is written or signalled any more."""
