"""Bodies of requests: small, of the one type that is wanted, and checked before anything is done with them."""

from __future__ import annotations

from typing import Any, TypeVar

import orjson
from fastapi import HTTPException, Request
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import ClientDisconnect

LARGEST = 16 * 1024
"""Bytes; a key has 8,192 characters at most."""

M = TypeVar("M", bound="Body")


class Body(BaseModel):
    """What a request says, with just these members."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


def documented(model: type[BaseModel]) -> dict[str, Any]:
    """Return what the OpenAPI document says of a body that an endpoint reads by itself."""
    return {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": model.model_json_schema()}},
        }
    }


def expect(request: Request, kind: str, *, largest: int = LARGEST) -> None:
    """Turn away a body of another type, or one that says that it is too large, before anybody reads it.

    Raises: HTTPException 415, 413.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != kind:
        raise HTTPException(415, f"the body must be {kind}")
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or len(length) > len(str(largest)) or int(length) > largest:
        raise _too_large(largest)


async def read(request: Request, *, largest: int = LARGEST) -> bytes:
    """Return the body.

    Raises: HTTPException 413; 400 where it ends in the middle, which nobody is there to read.
    """
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > largest:
                raise _too_large(largest)
    except ClientDisconnect:
        raise HTTPException(400, "the body ended in the middle") from None
    return bytes(body)


async def read_json(request: Request, model: type[M]) -> M:
    """Return the body as a model; what is wrong with it is told without a word of what it holds.

    Raises: HTTPException 400, 413.
    """
    try:
        return model.model_validate(orjson.loads(await read(request)))
    except orjson.JSONDecodeError:
        raise HTTPException(400, "the body is no JSON") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"] if first["type"] != "extra_forbidden")
        what = first["msg"] if first["type"] != "extra_forbidden" else "a member is not known"
        raise HTTPException(400, f"{where}: {what}" if where else what) from None


def _too_large(largest: int) -> HTTPException:
    return HTTPException(413, f"a body has {largest:,} bytes at most")
