"""web/peers.py: which ends of a connection are near."""

from __future__ import annotations

import ipaddress

import pytest

from agent_config_sync.web.peers import is_near

CONTAINERS = (ipaddress.ip_network("172.18.0.0/16"), ipaddress.ip_network("fd00:18::/64"))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "::ffff:127.9.9.9", "::ffff:7f00:1"]
)
def test_the_loopback_is_near(host: str) -> None:
    assert is_near(host, ())


@pytest.mark.parametrize(
    "host",
    [
        *("10.0.0.1", "172.18.0.2", "192.168.0.7", "169.254.0.1", "100.64.0.1", "0.0.0.0", "8.8.8.8", "128.0.0.1"),
        *("::", "fe80::1", "fe80::1%eth0", "fd00::1", "::ffff:10.0.0.1", "::ffff:172.18.0.2", "64:ff9b::7f00:1"),
        *("::127.0.0.1", "2002:7f00:1::"),
    ],
)
def test_no_other_address_is_near_however_private_it_is(host: str) -> None:
    assert not is_near(host, ())


@pytest.mark.parametrize("host", ["", " ", "localhost", "testclient", "127abc", "127.1", "127.0.0.1:80", "/run/socket"])
def test_what_is_no_address_is_not_near(host: str) -> None:
    assert not is_near(host, CONTAINERS)


@pytest.mark.parametrize("host", ["172.18.0.2", "172.18.255.255", "::ffff:172.18.0.2", "fd00:18::5", "127.0.0.1"])
def test_who_is_in_a_network_that_was_named_is_near(host: str) -> None:
    assert is_near(host, CONTAINERS)


@pytest.mark.parametrize("host", ["172.19.0.1", "::ffff:172.19.0.1", "fd00:19::5", "10.0.0.1"])
def test_who_is_beside_it_is_not(host: str) -> None:
    assert not is_near(host, CONTAINERS)
