"""gateway/http_client.py against servers that answer byte for byte what a test says."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx2
import pytest
import trustme
from harness import DEADLINE

from agent_config_sync.gateway import http_client
from agent_config_sync.gateway.http_client import BROKEN, HttpClient, Reply, Sending, TooLargeError

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

MORE_THAN_A_SOCKET_TAKES = 32 * 1024 * 1024

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Answers each request on a connection with the next of its answers. ends: then it sends no more."""

    def __init__(self, *answers: bytes, ends: bool = False) -> None:
        self.answers = answers
        self.ends = ends
        self.connections = 0
        self.requests: list[bytes] = []
        self.ended = asyncio.Event()
        """Set when a connection has ended."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            for answer in self.answers:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(answer)
            if self.ends:
                writer.write_eof()
            await reader.read()
        self.ended.set()


@asynccontextmanager
async def asking(serve: Serve, *, tls: ssl.SSLContext | None = None, path: str = "") -> AsyncIterator[HttpClient]:
    serving: list[asyncio.Future[None]] = []

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(over := asyncio.get_running_loop().create_future())
        await serve(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        over.set_result(None)

    async with await asyncio.start_server(served, "127.0.0.1", 0, ssl=tls) as server, asyncio.timeout(DEADLINE):
        port = server.sockets[0].getsockname()[1]
        client = HttpClient(httpx2.URL(f"http{'s' if tls else ''}://127.0.0.1:{port}{path}"))
        try:
            yield client
        finally:
            client.close()
            await asyncio.gather(*serving)


async def get(client: HttpClient, *, largest: int = 100) -> Reply:
    return await client.exchange("GET", "/ready", (), deadline=DEADLINE, largest=largest)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\n\r\nok",
    ],
    ids=["after a word on the way", "in chunks", "until the end", "of old servers"],
)
async def test_an_answer_is_read_whole(answer: bytes) -> None:
    async with asking(Server(answer, ends=True).serve) as client:
        assert (await get(client)).body == b"ok"


async def test_headers_are_found_in_lower_case() -> None:
    async with asking(Server(b"HTTP/1.1 204 None\r\nRetry-After: 5\r\n\r\n").serve) as client:
        assert (await get(client)).headers["retry-after"] == "5"


async def test_a_request_says_where_it_goes() -> None:
    server = Server(OK)
    async with asking(server.serve, path="/prefix/") as client:
        await get(client)
    assert server.requests[0].startswith(b"GET /prefix/ready HTTP/1.1\r\nhost: 127.0.0.1:")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nok so",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
        b"\x00\x01\x02\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nmany: " + b"x" * 2 * http_client.LARGEST_HEAD,
    ],
    ids=["nothing", "half a head", "half a body", "without the last chunk", "garbage", "a head without an end"],
)
async def test_an_answer_that_is_none_is_broken(answer: bytes) -> None:
    async with asking(Server(answer, ends=True).serve) as client:
        with pytest.raises(BROKEN):
            await get(client)


async def test_an_answer_may_be_as_large_as_is_wanted_and_no_larger() -> None:
    async with asking(Server(OK, OK).serve) as client:
        assert (await get(client, largest=2)).body == b"ok"
        with pytest.raises(TooLargeError):
            await get(client, largest=1)


async def test_nothing_is_sent_on_a_connection_that_the_server_has_closed() -> None:
    server = Server(OK, ends=True)
    async with asking(server.serve) as client:
        for _ in range(3):
            assert (await get(client)).body == b"ok"
    assert server.connections == 3


UNASKED = b"HTTP/1.1 408 Too late\r\ncontent-length: 0\r\n\r\n"


async def test_what_comes_with_an_answer_is_no_answer_to_the_next_request() -> None:
    server = Server(OK + UNASKED)
    async with asking(server.serve) as client:
        assert [(await get(client)).status for _ in range(3)] == [200, 200, 200]
    assert server.connections == 3


async def test_what_comes_between_requests_answers_none_of_them() -> None:
    answered, said = asyncio.Event(), asyncio.Event()

    async def talkative(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await answered.wait()
        writer.write(UNASKED)
        said.set()
        with contextlib.suppress(ConnectionError):
            assert not await reader.read()

    async with asking(talkative) as client:
        assert (await get(client)).status == 200
        answered.set()
        await said.wait()
        for _ in range(3):
            await asyncio.sleep(0)  # in which the loop would read it
        assert (await get(client)).status == 200


async def test_a_connection_that_the_server_wants_closed_is_not_kept() -> None:
    server = Server(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok")
    async with asking(server.serve) as client:
        await get(client)
        await server.ended.wait()


async def test_a_connection_that_nobody_needs_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "IDLE", 0.01)
    server = Server(OK, OK)
    async with asking(server.serve) as client:
        await get(client)
        await server.ended.wait()
        assert (await get(client)).body == b"ok"
    assert server.connections == 2


async def test_requests_at_the_same_time_have_a_connection_each_and_leave_it_to_later_ones() -> None:
    server = Server(OK, OK)
    async with asking(server.serve) as client:
        await asyncio.gather(get(client), get(client))
        await asyncio.gather(get(client), get(client))
    assert server.connections == 2


async def test_an_answer_that_comes_before_the_request_has_left_is_read() -> None:
    answered = asyncio.Event()

    async def too_much(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too large\r\ncontent-length: 0\r\n\r\n")
        await answered.wait()

    async with asking(too_much) as client:
        content = bytes(MORE_THAN_A_SOCKET_TAKES)
        try:
            reply = await client.exchange("POST", "/", (), content, deadline=DEADLINE, largest=0)
        finally:
            answered.set()
    assert reply.status == 413


async def test_whoever_cannot_connect_has_sent_nothing() -> None:
    sending = Sending()
    async with asking(Server(OK).serve) as client:
        pass
    with pytest.raises(ConnectionRefusedError):
        await client.exchange("GET", "/", (), deadline=DEADLINE, largest=0, sending=sending)
    assert not sending.begun


# TLS ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    """What a server at 127.0.0.1 shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def _trusted(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    monkeypatch.setattr(httpx2, "create_ssl_context", lambda **_: context)


async def test_a_server_that_nobody_vouches_for_is_told_nothing(tls: ssl.SSLContext) -> None:
    server = Server(OK)
    async with asking(server.serve, tls=tls) as client:
        with pytest.raises(ssl.SSLCertVerificationError):
            await get(client)
    assert server.requests == []


@pytest.mark.usefixtures("_trusted")
async def test_requests_share_a_connection_over_tls_too(tls: ssl.SSLContext) -> None:
    server = Server(OK, OK)
    async with asking(server.serve, tls=tls) as client:
        assert [(await get(client)).body for _ in range(2)] == [b"ok", b"ok"]
    assert server.connections == 1


@pytest.mark.usefixtures("_trusted")
@pytest.mark.parametrize("end", ["closed", "broken"])
async def test_nothing_is_sent_on_a_connection_over_tls_that_has_ended(tls: ssl.SSLContext, end: str) -> None:
    connections = 0
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await writer.drain()
        if end == "closed":
            writer.close()
        else:
            at_once = struct.pack("ii", 1, 0)  # with a reset
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
            writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        ended.set()

    async with asking(serve, tls=tls) as client:
        for _ in range(3):
            ended.clear()
            assert (await get(client)).body == b"ok"
            await ended.wait()
            for _ in range(10):
                await asyncio.sleep(0)  # in which the loop reads the end
    assert connections == 3
