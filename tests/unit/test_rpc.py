"""gateway/rpc.py: asking over a WebSocket, against a gateway that says what the test wants."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from websockets.asyncio.server import ServerConnection, serve

from agent_config_sync.errors import NotAppliedError, ReloadError
from agent_config_sync.gateway.rpc import Address, RpcInformant, find_address
from agent_config_sync.gateway.running import Running

SECRET = "t0psecret"

Answer = Callable[[dict[str, Any]], dict[str, Any]]


@asynccontextmanager
async def gateway(answer: Callable[[ServerConnection], Awaitable[None]]) -> AsyncIterator[RpcInformant]:
    """A server of the loopback, and who asks it."""
    async with serve(answer, "127.0.0.1", 0) as server:
        (socket,) = server.sockets
        yield RpcInformant(Address(f"ws://127.0.0.1:{socket.getsockname()[1]}", SecretStr(SECRET)))


def saying(config: object, *, greeted: bool = True) -> Callable[[ServerConnection], Awaitable[None]]:
    """A gateway that greets, tells an event nobody asked for, and answers config.get with this payload."""

    async def answer(connection: ServerConnection) -> None:
        await connection.send(json.dumps({"type": "event", "event": "connect.challenge"}))
        async for text in connection:
            asked = json.loads(text)
            await connection.send(json.dumps({"type": "event", "event": "tick"}))
            ok = greeted and (asked["method"] != "connect" or asked["params"]["auth"] == {"token": SECRET})
            said = {"payload": {} if asked["method"] == "connect" else config} if ok else {}
            await connection.send(
                json.dumps({"type": "res", "id": asked["id"], "ok": ok, "error": {"message": "unauthorized"}, **said})
            )

    return answer


HASHES = {"appliedConfigHash": "a", "configRevisionHash": "a"}


async def test_the_running_agents_are_those_of_the_runtime_config() -> None:
    said = {"config": {"agents": {}}, "runtimeConfig": {"agents": {"list": []}}, **HASHES}
    async with gateway(saying(said)) as informant:
        assert await informant.running() == Running({"list": []})


async def test_a_gateway_that_has_not_applied_what_is_on_its_disk_says_so() -> None:
    said = {"runtimeConfig": {"agents": {"list": []}}, **HASHES, "appliedConfigHash": "b"}
    async with gateway(saying(said)) as informant:
        with pytest.raises(NotAppliedError):
            await informant.running()


@pytest.mark.parametrize(
    "config",
    [{"config": {"agents": {}}, **HASHES}, {"runtimeConfig": None, **HASHES}, {"runtimeConfig": {"agents": {}}}],
)
async def test_a_version_that_does_not_tell_is_not_believed(config: object) -> None:
    async with gateway(saying(config)) as informant:
        with pytest.raises(ReloadError, match="does not tell what it runs with"):
            await informant.running()


async def test_a_gateway_that_refuses_us_is_an_error_that_names_the_setting() -> None:
    async with gateway(saying({}, greeted=False)) as informant:
        with pytest.raises(
            ReloadError, match=r"refused connect \(unauthorized\): is gateway_token its token\?"
        ) as found:
            await informant.running()
    assert SECRET not in str(found.value)


async def test_nobody_there_is_an_error_that_says_so() -> None:
    async with gateway(saying({})) as informant:
        pass
    with pytest.raises(ReloadError, match=r"cannot be asked \(ConnectionRefusedError\): does it run\?"):
        await informant.running()


async def test_a_server_that_speaks_something_else_is_an_error() -> None:
    async def answer(connection: ServerConnection) -> None:
        await connection.send("hello")
        await connection.recv()
        await connection.send("no json")
        await connection.wait_closed()

    async with gateway(answer) as informant:
        with pytest.raises(ReloadError, match="cannot be asked"):
            await informant.running()


async def test_a_server_that_hangs_up_is_an_error() -> None:
    async def answer(connection: ServerConnection) -> None:
        await connection.close()

    async with gateway(answer) as informant:
        with pytest.raises(ReloadError, match="cannot be asked"):
            await informant.running()


async def test_a_server_that_never_answers_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(connection: ServerConnection) -> None:
        await connection.wait_closed()

    monkeypatch.setattr("agent_config_sync.gateway.rpc.DEADLINE", 0.1)
    async with gateway(answer) as informant:
        with pytest.raises(ReloadError, match="TimeoutError"):
            await informant.running()


# --- where it listens


def address(folder: Path, text: str | None, *, url: str | None = None, token: str | None = None) -> Address | None:
    config = folder / "openclaw.json"
    if text is not None:
        config.write_text(text)
    return find_address(config, url=url, token=SecretStr(token) if token else None)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("{gateway: {port: 18801, auth: {token: 't'}}}", "ws://127.0.0.1:18801"),
        ("{gateway: {auth: {token: 't'}}}", "ws://127.0.0.1:18789"),
        ("{gateway: {port: 'x', auth: {token: 't'}}}", "ws://127.0.0.1:18789"),
    ],
)
def test_port_and_token_are_those_of_the_configuration(text: str, url: str, tmp_path: Path) -> None:
    assert address(tmp_path, text) == Address(url, SecretStr("t"))


def test_port_and_token_of_an_included_file_are_found_though_another_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "gateway.json5").write_text("{port: 18801, auth: {token: 'of all'}}")
    text = "{gateway: {$include: './gateway.json5', auth: {token: 't'}}, agents: {$include: './none.json5'}}"
    assert address(tmp_path, text) == Address("ws://127.0.0.1:18801", SecretStr("t"))


@pytest.mark.parametrize(("given", "port"), [("18802", 18802), (" 18802 ", 18802), ("", 18801), ("tcp://x:1", 18801)])
def test_the_port_that_a_gateway_was_told_by_the_environment_is_the_one(
    given: str, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENCLAW_GATEWAY_PORT", given)
    assert address(tmp_path, "{gateway: {port: 18801, auth: {token: 't'}}}") == Address(
        f"ws://127.0.0.1:{port}", SecretStr("t")
    )


def test_what_is_set_wins_over_the_configuration(tmp_path: Path) -> None:
    found = address(tmp_path, "{gateway: {port: 1, auth: {token: 't'}}}", url="ws://other:2", token="mine")
    assert found == Address("ws://other:2", SecretStr("mine"))


@pytest.mark.parametrize(
    "text",
    [None, "{", "[]", "{}", "{gateway: {auth: {token: {source: 'env'}}}}", "{gateway: {auth: {token: '${TOKEN}'}}}"],
)
def test_without_a_token_nobody_is_asked(text: str | None, tmp_path: Path) -> None:
    assert address(tmp_path, text) is None


def test_the_token_is_in_no_text(tmp_path: Path) -> None:
    assert SECRET not in repr(address(tmp_path, "{}", token=SECRET))
