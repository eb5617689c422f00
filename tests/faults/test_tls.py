"""TLS with sslmode=verify-full, against a real server: nobody speaks to a server that cannot prove its name."""

from __future__ import annotations

import asyncio
import os
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
from harness import Start
from proxy import Proxy

from agent_config_sync.cli.throwaway import ThrowawayServer
from agent_config_sync.events import LinkProven, PassFailed, Published

MADE, EXPIRED = datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC)


async def shown(server: ThrowawayServer, certificate: trustme.LeafCert, root: Path) -> str:
    """Let the server show this certificate; return the DSN of one who believes in `root` alone."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = server.folder / "data"
    certificate.cert_chain_pems[0].write_to_path(data / "server.crt")
    certificate.private_key_pem.write_to_path(data / "server.key")
    for name in ("server.crt", "server.key"):
        (data / name).chmod(0o600)
        os.chown(data / name, data.stat().st_uid, data.stat().st_gid)
    await asyncio.to_thread(server.stop, "fast")
    settings = {"listen_addresses": "127.0.0.1", "port": str(port), "ssl": "on"}
    await asyncio.to_thread(server.start, settings=settings)
    return f"postgresql://postgres@127.0.0.1:{port}/postgres?sslmode=verify-full&sslrootcert={root}"


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def root(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "root.pem"
    authority.cert_pem.write_to_path(path)
    return path


async def test_a_server_that_proves_its_name_is_spoken_to(
    start: Start, server: ThrowawayServer, authority: trustme.CA, root: Path
) -> None:
    running = await start(wait=None, dsn=await shown(server, authority.issue_cert("127.0.0.1"), root))
    await running.events.until(LinkProven)
    running.events.rewind()
    await running.events.until(Published)


async def test_a_certificate_for_another_name_is_refused(
    start: Start, server: ThrowawayServer, authority: trustme.CA, root: Path
) -> None:
    running = await start(wait=None, dsn=await shown(server, authority.issue_cert("other.example"), root))
    failed = await running.events.until(PassFailed)
    assert "IP address mismatch" in str(failed.error)


async def test_an_expired_certificate_is_refused(
    start: Start, server: ThrowawayServer, authority: trustme.CA, root: Path
) -> None:
    certificate = authority.issue_cert("127.0.0.1", not_before=MADE, not_after=EXPIRED)
    running = await start(wait=None, dsn=await shown(server, certificate, root))
    failed = await running.events.until(PassFailed)
    assert "certificate has expired" in str(failed.error)


async def test_a_certificate_of_another_authority_is_refused(start: Start, server: ThrowawayServer, root: Path) -> None:
    running = await start(wait=None, dsn=await shown(server, trustme.CA().issue_cert("127.0.0.1"), root))
    failed = await running.events.until(PassFailed)
    assert "unable to get local issuer certificate" in str(failed.error)


async def test_a_server_without_tls_is_refused(start: Start, proxy: Proxy, root: Path) -> None:
    dsn = f"postgresql://postgres@{proxy.address}/postgres?sslmode=verify-full&sslrootcert={root}"
    running = await start(wait=None, dsn=dsn)
    failed = await running.events.until(PassFailed)
    assert "speaks no TLS" in str(failed.error)
