"""Ask a gateway over its WebSocket what it runs with, where no plugin inside it can be asked.

A client of id `gateway-client` and mode `backend` on the loopback gets its rights by the gateway's token alone
(measured on 2026.8.1 and 2026.9.6). What `config.get` calls `runtimeConfig` follows the files within a quarter of a
second, long before the gateway has reloaded them: it is believed only while the gateway's two hashes, of what is on
disk and of what it has applied, are equal. Earlier versions have no such hashes and are not believed at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import SecretStr

from agent_config_sync import __version__
from agent_config_sync.errors import NotAppliedError, ReloadError
from agent_config_sync.gateway.address import gateway_address
from agent_config_sync.gateway.running import Running

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

DEADLINE = 5.0
"""Seconds for connecting, and for each answer."""

RESET_DEADLINE = 60.0
"""Seconds for all sessions that are begun anew."""

LARGEST_ANSWER = 64 * 1024 * 1024
"""Bytes; the answer holds the whole configuration."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a gateway listens, and the token that lets one in."""

    url: str
    token: SecretStr


def find_address(config: Path, *, url: str | None, token: SecretStr | None) -> Address | None:
    """Return where the gateway of this configuration listens, as set or as the file says; None without a token."""
    address, token = gateway_address(config, url=url, token=token)
    return Address(re.sub("^http", "ws", address), token) if token is not None else None


class RpcInformant:
    """Asks over a connection of its own each time: asking is rare, and a gateway may restart in between."""

    def __init__(self, address: Address) -> None:
        self.changed = asyncio.Event()
        """Never set: whoever waits for a change looks again after a while."""
        self._address = address

    async def running(self) -> Running:
        """Return what the gateway runs with; of keys it shows nothing, but its hashes are of all that is on its disk.

        Raises: NotAppliedError while it has not applied what is on its disk, ReloadError when it cannot be asked.
        """
        async with _connected(self._address, DEADLINE, "operator.read") as connection:
            answer = await _ask(connection, "config.get", {})
        applied, on_disk = answer.get("appliedConfigHash"), answer.get("configRevisionHash")
        agents = _member(answer.get("runtimeConfig"), "agents")
        if not isinstance(agents, Mapping) or not isinstance(applied, str) or not isinstance(on_disk, str):
            raise ReloadError("this version of the gateway does not tell what it runs with")
        if applied != on_disk:
            raise NotAppliedError("it has not applied what is on its disk")
        return Running(agents)


async def reset_sessions(address: Address, keys: Iterable[str]) -> frozenset[str]:
    """Begin those of these sessions anew that the gateway has; return them.

    Raises: ReloadError when it cannot be asked, or refuses.
    """
    async with _connected(address, RESET_DEADLINE, "operator.read", "operator.admin") as connection:
        listed = await _ask(connection, "sessions.list", {})
        sessions = listed.get("sessions")
        there = {_member(session, "key") for session in (sessions if isinstance(sessions, list) else [])}
        wanted = [key for key in keys if key in there]
        for key in wanted:
            await _ask(connection, "sessions.reset", {"key": key})
    return frozenset(wanted)


@contextlib.asynccontextmanager
async def _connected(address: Address, deadline: float, *scopes: str) -> AsyncIterator[ClientConnection]:
    """Open a connection with these rights, for `deadline` seconds at the most.

    Raises: ReloadError when the gateway cannot be asked.
    """
    # 10 ms and 2 MB that a process behind the door can do without.
    from websockets.asyncio.client import connect  # noqa: PLC0415
    from websockets.exceptions import WebSocketException  # noqa: PLC0415

    url = address.url
    try:
        async with (
            asyncio.timeout(deadline),
            connect(url, max_size=LARGEST_ANSWER, open_timeout=DEADLINE, close_timeout=1, proxy=None) as connection,
        ):
            await connection.recv()  # connect.challenge
            await _ask(connection, "connect", _greeting(address, scopes))
            yield connection
    except (OSError, TimeoutError, WebSocketException, ValueError) as error:
        raise ReloadError(f"the gateway at {url} cannot be asked ({type(error).__name__}): does it run?") from None


def _greeting(address: Address, scopes: Iterable[str]) -> dict[str, Any]:
    return {
        "minProtocol": 3,
        "maxProtocol": 4,
        "client": {"id": "gateway-client", "version": __version__, "platform": "linux", "mode": "backend"},
        "role": "operator",
        "scopes": list(scopes),
        "caps": [],
        "auth": {"token": address.token.get_secret_value()},
    }


async def _ask(connection: ClientConnection, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the payload of the answer; events that come meanwhile are passed over.

    Raises: ReloadError when the gateway refuses, ValueError when it does not speak its protocol.
    """
    number = secrets.token_hex(8)
    await connection.send(orjson.dumps({"type": "req", "id": number, "method": method, "params": params}).decode())
    while True:
        answer = orjson.loads(await connection.recv())
        if _member(answer, "type") == "res" and answer.get("id") == number:
            break
    payload = answer.get("payload")
    if answer.get("ok") is not True or not isinstance(payload, Mapping):
        reason = str(_member(answer.get("error"), "message"))[:200]
        raise ReloadError(f"the gateway refused {method} ({reason}): is gateway_token its token?")
    return payload


def _member(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, Mapping) else None
