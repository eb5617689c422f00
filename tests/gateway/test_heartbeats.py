"""Who lets agents beat: the gateway by itself, or we, and then it does not."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import asyncpg
from gateway.model_server import ModelRequest, ModelServer, Says, Script
from gateway.openclaw import TURN_DEADLINE, OpenClaw
from gateway.scene import Deploy, Deployment, until
from harness import connected, psql

ROSTER = """
    DELETE FROM agents;
    INSERT INTO agents (name, is_default, model, heartbeat_every, heartbeat_target, settings) VALUES
        ('lead', true, 'fake/scripted-1', '0m', NULL, NULL),
        ('coder', false, 'fake/scripted-2', '3s', 'none', '{"heartbeat": {"session": "main"}}');
"""
"""One agent that beats, which alone has its model. 2026.9.6 lets none beat that has nobody to tell, unless it is to
tell nobody."""

OURS = "it is your regular look at your own work"
"""What stands in each prompt of ours."""

BEATS = 3
"""That are waited for."""


async def deployed(deploy: Deploy, model_server: ModelServer, folder: Path, heartbeats: str) -> Deployment:
    def prepare(gateway: OpenClaw, dsn: str) -> None:
        model_server.offer_to(gateway, dsn)
        ended = psql(dsn, "-c", ROSTER)
        assert ended.returncode == 0, ended.stderr

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {"workspace_root": str(folder), "health_port": port, "delivery": True, "heartbeats": heartbeats}
    return await asyncio.to_thread(deploy, prepare=prepare, **settings)


def listening(model: ModelServer) -> tuple[Script, Script]:
    """Let nothing need attention; return what hears our heartbeats, and what hears all else."""
    return model.script(OURS, *[Says("HEARTBEAT_OK")] * 50), model.script("", *[Says("HEARTBEAT_OK")] * 50)


def of_coder(script: Script) -> list[ModelRequest]:
    return [request for request in script.heard if request.model == "scripted-2"]


async def until_heard(script: Script, gateway: OpenClaw, beats: int) -> None:
    async def look() -> bool | None:
        return True if len(of_coder(script)) >= beats else None

    await until(look, "heartbeats reach the model", gateway=gateway, deadline=TURN_DEADLINE)


async def test_a_beat_of_ours_is_one_turn_and_the_gateway_adds_none(
    deploy: Deploy, model_server: ModelServer, model: ModelServer, tmp_path: Path
) -> None:
    ours, others = listening(model)
    deployment = await deployed(deploy, model_server, tmp_path, "runtime")
    await until_heard(ours, deployment.gateway, BEATS)
    async with connected(deployment.dsn) as operator:

        async def settled() -> asyncpg.Record | None:
            return await operator.fetchrow("SELECT fence FROM session_leases WHERE agent = 'coder' AND holder IS NULL")

        beats = (await until(settled, "no beat is under way", gateway=deployment.gateway))["fence"]
        assert len(of_coder(ours)) == beats
    assert of_coder(others) == []
    await asyncio.to_thread(deployment.gateway.stop)


async def test_the_gateway_lets_agents_beat_where_we_do_not(
    deploy: Deploy, model_server: ModelServer, model: ModelServer, tmp_path: Path
) -> None:
    ours, others = listening(model)
    deployment = await deployed(deploy, model_server, tmp_path, "gateway")
    await until_heard(others, deployment.gateway, 1)
    assert of_coder(ours) == []
