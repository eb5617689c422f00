"""Health as a person with curl meets it: a real sync, a real socket."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import orjson
import pytest
from commands import command
from daemon import environment
from harness import DEADLINE, Operator, Running, Start, connected
from web_client import PAGES, Answer, exchange

from agent_config_sync import __version__
from agent_config_sync.events import (
    Assessed,
    HealthServed,
    HealthUnserved,
    Held,
    LinkLost,
    LinkProven,
    PassEnded,
    PassFailed,
    Published,
    Refused,
    RosterChanged,
)
from agent_config_sync.web import app as app_module
from agent_config_sync.web import server as server_module

Ask: TypeAlias = Callable[..., Awaitable[Answer]]


async def ask(running: Running, path: str, method: str = "GET", host: str = "127.0.0.1") -> Answer:
    address = running.plugin.settings.health_address
    assert address is not None
    return await exchange(address[1], f"{method} /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(), address[0])


@pytest.fixture
async def served(start: Start, operator: Operator, port: int) -> Running:
    """A sync that serves health and has put its one agent in force."""
    await operator.execute("INSERT INTO agents (name, is_default) VALUES ('lead', true)")
    running = await start(wait=None, health_port=port)
    for kind in (HealthServed, LinkProven):  # in either order
        running.events.rewind()
        await running.events.until(kind)
    running.events.rewind()
    await running.events.until(Assessed, lambda event: event.state == "offered")
    return running


async def test_it_lives(served: Running) -> None:
    assert (await ask(served, "live")).json == {"live": True}


async def test_it_is_ready_when_what_is_in_the_database_is_in_force(served: Running) -> None:
    answer = await ask(served, "ready")
    assert (answer.status, answer.json) == (200, {"ready": True, "reasons": []})


async def test_it_is_ready_although_its_row_cannot_be_written(
    start: Start, operator: Operator, database: str, port: int
) -> None:
    await operator.execute("INSERT INTO agents (name, is_default) VALUES ('lead', true)")
    await operator.execute("DROP TABLE gateway_status CASCADE")
    running = await start(wait=HealthServed, health_port=port)
    for kind in (LinkProven, Assessed):  # in either order
        running.events.rewind()
        await running.events.until(kind)
    assert (await ask(running, "ready")).status == 200


async def test_it_is_not_ready_when_the_roster_was_refused(served: Running, operator: Operator) -> None:
    await operator.execute("DELETE FROM agents")
    await served.events.until(Refused)
    answer = await ask(served, "ready")
    assert answer.status == 503
    assert answer.json["reasons"][0].startswith("refused: the database shows no agent at all")


async def test_it_is_not_ready_when_a_pass_failed_and_ready_when_it_is_cured(
    served: Running, operator: Operator
) -> None:
    await operator.execute("ALTER TABLE agents RENAME TO away")
    await operator.execute("NOTIFY agent_config_changed")
    await served.events.until(PassFailed)
    assert "the last pass failed" in (await ask(served, "ready")).json["reasons"][0]
    await operator.execute("ALTER TABLE away RENAME TO agents")
    await operator.execute("NOTIFY agent_config_changed")
    await served.events.until(Assessed, lambda event: event.state == "offered")
    assert (await ask(served, "ready")).status == 200


async def test_it_is_not_ready_when_the_database_is_gone(served: Running, operator: Operator, server_dsn: str) -> None:
    name = await operator.fetchval("SELECT current_database()")
    async with connected(server_dsn) as server:
        await server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    await operator.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await served.events.until(LinkLost)
    answer = await ask(served, "ready")
    assert answer.status == 503
    assert "the connection to the database is lost" in answer.json["reasons"][0]


async def test_health_is_answered_in_every_state(served: Running, operator: Operator) -> None:
    healthy = await ask(served, "health")
    await operator.execute("DELETE FROM agents")
    await served.events.until(Refused)
    degraded = await ask(served, "health")
    assert (healthy.status, healthy.json["status"]) == (200, "healthy")
    assert (degraded.status, degraded.json["status"], degraded.json["state"]) == (200, "degraded", "refused")


async def test_health_holds_no_secret(
    start: Start, operator: Operator, database: str, port: int, server_dsn: str
) -> None:
    secret = "hunter2hunter2"
    running = await start(wait=HealthServed, health_port=port, dsn=database.replace("postgres@", f"nobody:{secret}@"))
    running.events.rewind()
    await running.events.until(PassFailed)
    for page in PAGES:
        assert secret.encode() not in (await ask(running, page)).body


async def test_the_version_is_told(served: Running) -> None:
    answer = (await ask(served, "version")).json
    assert (answer["version"], answer["gateway_version"]) == (__version__, "2026.9.6")


async def test_where_this_runs_is_told(start: Start, port: int) -> None:
    running = await start(
        wait=HealthServed, health_port=port, droplet_id="7", droplet_ip="192.0.2.7", droplet_region="fra1"
    )
    version, health = (await ask(running, "version")).json, (await ask(running, "health")).json
    assert (version["dropletId"], version["region"]) == ("7", "fra1")
    assert health["infrastructure"] == {"dropletId": "7", "ipAddress": "192.0.2.7", "region": "fra1"}


async def test_health_is_told_in_the_names_of_the_runtime_service_too(served: Running, operator: Operator) -> None:
    answer = (await ask(served, "health")).json
    assert (answer["gateway"]["name"], answer["agentSync"]["running"]) == ("here", True)
    assert answer["agentSync"]["lastSyncAt"] <= answer["timestamp"]
    assert answer["memory"]["rss"] > 1_000_000
    assert (answer["versions"]["runtimeService"], answer["versions"]["openclaw"]) == (__version__, "2026.9.6")


async def test_agents_that_came_and_went_are_counted(served: Running, operator: Operator) -> None:
    assert (await counted(served)) == (0, 0)
    await operator.execute("INSERT INTO agents (name) VALUES ('a'), ('b')")
    assert await served.events.until(RosterChanged) == RosterChanged(("a", "b"), ())
    assert (await counted(served)) == (2, 0)
    await operator.execute("UPDATE agents SET name = 'c' WHERE name = 'b'")
    await served.events.until(RosterChanged)
    assert (await counted(served)) == (1, 1)
    await operator.execute("UPDATE agents SET model = 'a/b'")
    await served.events.until(Published)
    assert (await counted(served)) == (1, 1)


async def counted(running: Running) -> tuple[int, int]:
    told = (await ask(running, "health")).json["agentSync"]
    return told["addedCount"], told["removedCount"]


async def test_agents_of_a_set_that_is_held_neither_came_nor_went(served: Running, operator: Operator) -> None:
    await command("restore", "1", **environment(served.plugin.settings))
    await operator.execute("INSERT INTO agents (name) VALUES ('a')")
    await served.events.until(Held)
    await command("resume", **environment(served.plugin.settings))
    assert (await served.events.until(RosterChanged)).added == ("a",)


@pytest.mark.parametrize("accept", ["application/json", "text/html, Application/JSON;q=0.9"])
async def test_metrics_are_json_for_who_accepts_that(served: Running, port: int, accept: str) -> None:
    served.events.rewind()
    await served.events.until(PassEnded)
    answer = await exchange(port, f"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n".encode())
    assert (answer.headers["content-type"], answer.headers["vary"]) == ("application/json", "accept")
    run = answer.json["operations"]["agent_sync.run"]
    assert (run["count"], run["successCount"], run["failureCount"]) == (1, 1, 0)
    assert 0 < run["minDurationMs"] <= run["maxDurationMs"] <= run["totalDurationMs"]


@pytest.mark.parametrize("accept", ["*/*", "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", "application/openmetrics-text"])
async def test_metrics_are_text_for_everybody_else(served: Running, port: int, accept: str) -> None:
    answer = await exchange(port, f"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n".encode())
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


async def test_metrics_follow_what_happens(served: Running, operator: Operator) -> None:
    await operator.execute("UPDATE agents SET model = 'a/b'")
    await served.events.until(Published)
    answer = await ask(served, "metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert b'agent_config_sync_passes_total{outcome="published"} 2.0\n' in answer.body


# --- manners


@pytest.mark.parametrize("page", PAGES)
async def test_head_answers_as_get_without_the_body(served: Running, page: str) -> None:
    answer = await ask(served, page, "HEAD")
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
async def test_other_methods_are_refused_and_the_two_are_named(served: Running, method: str) -> None:
    answer = await ask(served, "live", method)
    assert (answer.status, answer.json) == (405, {"error": "Method Not Allowed"})
    assert sorted(answer.headers["allow"].upper().split(", ")) == ["GET", "HEAD"]


@pytest.mark.parametrize("path", ["", "live/", "docs", "openapi.json", "../live", "%2e%2e/etc/passwd", "LIVE"])
async def test_nothing_else_is_there(served: Running, path: str) -> None:
    answer = await ask(served, path)
    assert (answer.status, answer.json) == (404, {"error": "Not Found"})


@pytest.mark.parametrize("path", ["live", "nothing"])
async def test_every_answer_carries_strict_headers(served: Running, path: str) -> None:
    headers = (await ask(served, path)).headers
    assert {name: headers[name] for name in app_module.ALWAYS} == app_module.ALWAYS
    assert "date" in headers
    assert "server" not in headers


async def test_a_failure_of_ours_is_an_answer_without_its_reason(
    served: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("inside")

    monkeypatch.setattr(app_module, "health", fails)
    answer = await ask(served, "health")
    assert (answer.status, answer.json) == (500, {"error": "internal error, see the log"})
    assert answer.headers["cache-control"] == "no-store"
    assert "inside" in caplog.text


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:3000", "LOCALHOST", "[::1]:3000", "10.0.0.1"])
async def test_a_request_by_address_is_answered(served: Running, host: str) -> None:
    assert (await ask(served, "live", host=host)).status == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:3000", "[evil]"])
async def test_a_request_by_a_foreign_name_is_turned_away_on_loopback(served: Running, host: str) -> None:
    assert (await ask(served, "health", host=host)).status == 421


@pytest.mark.parametrize("request_head", [b"nonsense\r\n\r\n", b"GET /live HTTP/1.1\r\n\r\n", b"\x16\x03\x01\r\n\r\n"])
async def test_a_request_that_is_no_http_is_refused(served: Running, request_head: bytes, port: int) -> None:
    assert (await exchange(port, request_head)).status == 400


async def test_a_head_that_is_too_long_is_refused(served: Running, port: int) -> None:
    long = b"GET /live HTTP/1.1\r\nHost: x\r\nX: " + b"x" * (2 * server_module.HEAD)
    assert (await exchange(port, long)).status == 400


# --- clients that hold nothing


async def cut_off(reader: asyncio.StreamReader) -> bool:
    """Whether the other side ends the connection without a word."""
    async with asyncio.timeout(DEADLINE):
        return await reader.read() == b""


async def test_a_client_that_is_slow_is_cut_off(served: Running, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "LIFETIME", 0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /live HTTP/1.1\r\n")
    assert await cut_off(reader)
    writer.close()


async def test_a_client_too_many_is_cut_off(served: Running, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "CONNECTIONS", 1)
    monkeypatch.setattr(server_module, "LIFETIME", 10 * DEADLINE)
    _, first = await asyncio.open_connection("127.0.0.1", port)
    reader, second = await asyncio.open_connection("127.0.0.1", port)
    assert await cut_off(reader)
    first.close()
    second.close()


async def test_a_client_that_hangs_does_not_keep_a_sync_from_stopping(served: Running, port: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /live HTTP/1.1\r\n")
    async with asyncio.timeout(DEADLINE):
        await served.plugin.stop()
    writer.close()


# --- beginning and end


async def test_a_port_in_use_is_said_once_and_taken_when_it_is_free(
    start: Start, operator: Operator, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "RETRY", 0.05)
    await operator.execute("INSERT INTO agents (name) VALUES ('lead')")
    with socket.create_server(("127.0.0.1", port)):
        running = await start(wait=HealthUnserved, health_port=port)
        running.events.rewind()
        await running.events.until(Published)
        await operator.execute("UPDATE agents SET model = 'a/b'")
        await running.events.until(Published)
    await running.events.until(HealthServed)
    assert running.events.count(HealthUnserved) == 1


async def test_a_port_in_use_is_named(start: Start, port: int) -> None:
    with socket.create_server(("127.0.0.1", port)):
        running = await start(wait=None, health_port=port)
        unserved = await running.events.until(HealthUnserved)
    assert unserved.reason == f"health cannot be served on 127.0.0.1 port {port} (address already in use)"


async def test_the_port_is_free_after_the_stop(served: Running, port: int) -> None:
    await served.plugin.stop()
    socket.create_server(("127.0.0.1", port)).close()


async def test_an_address_that_others_can_reach_is_served_with_a_warning(start: Start, port: int) -> None:
    running = await start(wait=None, health_port=port, health_host="0.0.0.0")
    event = await running.events.until(HealthServed)
    assert (event.url, event.exposed) == (f"http://0.0.0.0:{port}", True)
    assert (await exchange(port, b"GET /live HTTP/1.1\r\nHost: box.example\r\n\r\n")).status == 200


async def test_health_that_breaks_leaves_the_sync_alone(
    start: Start, operator: Operator, port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("inside")

    monkeypatch.setattr(server_module, "make_app", fails)
    await operator.execute("INSERT INTO agents (name) VALUES ('lead')")
    running = await start(wait=Published, health_port=port)
    await operator.execute("UPDATE agents SET model = 'a/b'")
    await running.events.until(Published)
    await running.plugin.stop()
    assert "health is not served any more; the sync goes on" in caplog.text


async def test_the_loggers_of_a_python_host_stay_as_they_are(served: Running) -> None:
    await ask(served, "live")
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        assert (logger.level, logger.handlers, logger.propagate) == (logging.NOTSET, [], True)


async def test_a_request_is_no_line_in_the_log(served: Running, port: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    caplog.clear()
    await ask(served, "live")
    await exchange(port, b"nonsense\r\n\r\n")
    assert caplog.messages == []


LOOK = """
import asyncio, sys
from agent_config_sync.cli import main
from agent_config_sync.events import Assessed, HealthServed
from agent_config_sync.plugin import Plugin
from agent_config_sync.setting_sources import load_settings

async def look():
    plugin = Plugin(load_settings(command_line={}))
    wanted = {Assessed, *([HealthServed] if plugin.settings.health_address else [])}
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    def seen(event):
        wanted.discard(type(event))
        if not wanted:
            loop.call_soon_threadsafe(done.set)
    plugin.events.subscribe(seen)
    await plugin.start()
    await done.wait()
    await plugin.stop()

asyncio.run(look())
rooms = {name for name in sys.modules if name.startswith("agent_config_sync.web")}
print(*sorted(rooms | ({"fastapi", "starlette", "uvicorn", "prometheus_client"} & sys.modules.keys())))
"""


async def imported(**environment: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-c", LOOK, env={**os.environ, **environment}, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(DEADLINE):
        out, _ = await process.communicate()
    return out.decode().strip()


async def test_what_serves_health_is_imported_only_when_it_is_on(
    database: str, operator: Operator, port: int, tmp_path: os.PathLike[str]
) -> None:
    await operator.execute("INSERT INTO agents (name) VALUES ('lead')")
    environment = {"AGENT_CONFIG_SYNC_DSN": database, "AGENT_CONFIG_SYNC_OUTPUT_PATH": f"{tmp_path}/agents.json"}
    assert await imported(**environment) == ""
    assert "fastapi" in await imported(**environment, HEALTH_PORT=str(port))


async def test_health_is_served_behind_the_door_too(
    database: str, operator: Operator, port: int, tmp_path: os.PathLike[str]
) -> None:
    config = {"dsn": database, "healthPort": port, "outputPath": f"{tmp_path}/agents.json"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agent_config_sync", "run", "--door",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    async with asyncio.timeout(DEADLINE):
        process.stdin.write(orjson.dumps({"config": config, "stateDir": f"{tmp_path}/state"}) + b"\n")
        while b"health is served" not in await process.stdout.readline():
            pass
        assert (await exchange(port, b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")).status == 200
        process.stdin.close()
        await process.stdout.read()
        assert await process.wait() == 0
