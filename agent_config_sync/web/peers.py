"""Who may ask where only agents beside this gateway do: this machine's loopback, and what `agent_api_peers` names."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from functools import lru_cache

from fastapi import HTTPException, Request

from agent_config_sync.settings import Network


def near_only(networks: tuple[Network, ...]) -> Callable[[Request], Awaitable[None]]:
    """Return a dependency that turns away whoever is neither on the loopback nor in one of these networks.

    The other end of the connection counts. Headers that a proxy forwards are not looked at: anybody can write them.
    """

    async def near(request: Request) -> None:
        """Raises: HTTPException 403."""
        if request.client is None or not is_near(request.client.host, networks):
            raise HTTPException(
                403,
                "agents ask from this machine's loopback only: where they run in another container, "
                "name its address or network in agent_api_peers",
            )

    return near


@lru_cache(maxsize=256)
def is_near(host: str, networks: tuple[Network, ...]) -> bool:
    """Return whether an address is the loopback's or in one of these networks, also where a socket for both families
    shows an IPv4 address as `::ffff:a.b.c.d`."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    seen = mapped or address
    return seen.is_loopback or any(seen in network for network in networks)
