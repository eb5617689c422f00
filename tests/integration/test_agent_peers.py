"""From where agents may ask: the other end of the connection decides, whatever a header says."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from admin_site import Site, open_site
from harness import Operator, Start
from oidc import OpenIdProvider
from web_client import Answer, exchange

pytestmark = pytest.mark.usefixtures("quick_looks")

BODY = b'{"skillSlug": "git-help", "keyName": "GIT_HOST"}'

OpenTo: TypeAlias = Callable[[str], Awaitable[Site]]


@pytest.fixture
def address() -> str:
    """An address of this machine that is not the loopback's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent
        except OSError:
            pytest.skip("this machine has no address but the loopback's")
        return str(probe.getsockname()[0])


@pytest.fixture
def open_to(start: Start, operator: Operator, port: int, tmp_path: Path) -> OpenTo:
    """Serve on all addresses, to agents of these."""

    async def opened(peers: str) -> Site:
        changes = {"health_host": "0.0.0.0", "agent_api_peers": peers or None}
        return await open_site(start, operator, port, tmp_path, OpenIdProvider("http://127.0.0.1:1/jwks"), **changes)

    return opened


async def asked(site: Site, host: str, **headers: str) -> Answer:
    """Ask for a key as the agent does, over the way to this address."""
    lines = {
        "host": f"{host}:{site.port}",
        "authorization": f"Bearer {site.token_of_coder()}",
        "content-type": "application/json",
        "content-length": str(len(BODY)),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    request = f"POST /agent/skill-credential-request HTTP/1.1\r\n{head}\r\n".encode() + BODY
    return await exchange(site.port, request, host)


async def test_an_agent_from_elsewhere_is_turned_away_and_the_setting_is_named(open_to: OpenTo, address: str) -> None:
    answer = await asked(await open_to(""), address)
    assert (answer.status, answer.json["success"]) == (403, False)
    assert "agent_api_peers" in answer.json["error"]


@pytest.mark.parametrize(
    "forged",
    [
        {"x_forwarded_for": "127.0.0.1"},
        {"x_forwarded_for": "127.0.0.1, ::1", "x_forwarded_proto": "https"},
        {"forwarded": "for=127.0.0.1"},
        {"forwarded": 'for="[::1]"'},
        {"x_real_ip": "127.0.0.1"},
    ],
)
async def test_no_header_brings_anybody_near(
    open_to: OpenTo, address: str, forged: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    assert (await asked(await open_to(""), address, **forged)).status == 403


async def test_no_header_takes_anybody_away(open_to: OpenTo) -> None:
    answer = await asked(await open_to(""), "127.0.0.1", x_forwarded_for="203.0.113.9", forwarded="for=203.0.113.9")
    assert answer.status == 200


async def test_an_agent_of_a_network_that_is_named_may_ask(open_to: OpenTo, address: str) -> None:
    assert (await asked(await open_to(f"198.51.100.0/24, {address}"), address)).status == 200


async def test_who_is_near_needs_a_token_all_the_same(open_to: OpenTo, address: str) -> None:
    assert (await asked(await open_to(address), address, authorization="Bearer abc")).status == 401
