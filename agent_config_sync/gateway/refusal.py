"""What it means that a gateway answers something else than an agent's answer, and how it is told."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from agent_config_sync.errors import (
    AgentUnknownError,
    GatewayBusyError,
    GatewayError,
    GatewayFailedError,
    GatewayOffError,
    GatewayRefusedError,
    GatewayTokenError,
    ToolsRefusedError,
)

LONGEST = 200
"""Characters of a gateway's own words in a text of ours."""

QUOTE = 24
"""Characters in a row that stand in a question too are a quotation of it."""

TOOLS_AT_FAULT = "invalid tool configuration"
"""Its words for tools that have the names of its own, alone among those of runs that failed before they began."""

LEFT_ALONE = 300.0
"""Seconds; the longest Retry-After that is believed."""


def refusal(
    where: str,
    status: int,
    document: Mapping[str, Any] | None,
    *,
    retry_after: str | None = None,
    secrets: Iterable[str] = (),
    asked: Iterable[str] = (),
) -> GatewayError:
    """Return the error that an answer is. secrets, asked: what its text must not hold, and what it must not quote.

    A run that failed says so in its body (`status`), under the HTTP status of what failed in it: 401 where a model's
    provider does not know the gateway's key. So the body is asked first; without it 401 is about our token.
    """
    ran = document is not None and isinstance(document.get("status"), str)
    code, message = _reason(document, secrets, asked)
    told = ": ".join(part for part in (code, "" if ran else message) if part)
    said = f"{where} answered {status}{f' ({told})' if told else ''}"
    match status:
        case HTTPStatus.BAD_REQUEST if message == TOOLS_AT_FAULT or (not ran and re.match(r"tools?\b", message)):
            return ToolsRefusedError(f"{said}: it takes none of these tools; it needs OpenClaw 2026.5.12 or later")
        case HTTPStatus.BAD_REQUEST if not ran and message.startswith("Unknown agent"):
            return AgentUnknownError(f"{said}: has it applied what is in the database?")
        case _ if ran:
            return GatewayFailedError(f"{said}: the turn failed there, and the gateway's log says why")
        case HTTPStatus.OK:
            return GatewayFailedError(f"{where} answered with something else than JSON: is this the gateway's address?")
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return GatewayTokenError(f"{said}: is gateway_token the gateway's own (gateway.auth.token)?")
        case HTTPStatus.NOT_FOUND | HTTPStatus.METHOD_NOT_ALLOWED:
            return GatewayOffError(
                f"{said}: set gateway.http.endpoints.responses.enabled to true in the gateway's configuration"
            )
        case HTTPStatus.REQUEST_TIMEOUT | HTTPStatus.TOO_MANY_REQUESTS | HTTPStatus.SERVICE_UNAVAILABLE:
            return GatewayBusyError(f"{said}: it takes nothing now", _seconds(retry_after))
        case _ if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return GatewayRefusedError(f"{said}: it never takes this request")
        case _:
            return GatewayFailedError(f"{said}: whether the turn ran is unknown, and the gateway's log may say it")


def _reason(document: Mapping[str, Any] | None, secrets: Iterable[str], asked: Iterable[str]) -> tuple[str, str]:
    """Return the code of an error and its words, each safe to print; empty where it has none."""
    error = document.get("error") if document is not None else None
    if not isinstance(error, dict):
        return "", ""
    code = error.get("code") or error.get("type")
    message = error.get("message")
    return (
        code if isinstance(code, str) and re.fullmatch(r"[\w.-]{1,64}", code, re.ASCII) else "",
        _printable(message, secrets, asked) if isinstance(message, str) else "",
    )


def _printable(message: str, secrets: Iterable[str], asked: Iterable[str]) -> str:
    """Return a message in one line and bounded, without secrets; nothing of one that quotes what was asked."""
    message = message[: 10 * LONGEST]
    for secret in secrets:
        message = message.replace(secret, "...") if secret else message
    windows = {message[start : start + QUOTE] for start in range(max(1, len(message) - QUOTE + 1))}
    for text in asked:
        short = len(text) < QUOTE and text.strip() and text in message
        if short or any(len(window) == QUOTE and window in text for window in windows):
            return ""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in message).split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."


def _seconds(retry_after: str | None) -> float | None:
    """Return a Retry-After in seconds; its other form, a date, is that of web servers."""
    if retry_after is None or not re.fullmatch(r"\d{1,6}", retry_after, re.ASCII):
        return None
    return min(float(retry_after), LEFT_ALONE)
